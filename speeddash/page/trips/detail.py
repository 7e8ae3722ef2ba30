"""One trip in full, and several compared: components."""

from collections.abc import Mapping, Sequence
from typing import Final

from dash import dcc, html
from dash.development.base_component import Component

from speeddash.history.notes import TEXT_LENGTHS
from speeddash.history.performance import Acceleration, Point, best_accelerations, time_at_speeds
from speeddash.page.controls import button, choices, field, figures, graph, scrolled, table
from speeddash.page.reader import Reader, duration, shown_name
from speeddash.page.trips.figures import bands_figure, compared_figure, trip_figure
from speeddash.page.trips.rows import Listed, figures_of_one
from speeddash.page.trips.view import TripKey, TripsView, format_view
from speeddash.reading import rfc3339
from speeddash.units import KMH_IN

#: Accelerations in each unit: from, to.
ACCELERATIONS: Final = {
    "kmh": ((0, 50), (0, 100), (80, 120)),
    "mph": ((0, 30), (0, 60), (50, 70)),
    "mps": ((0, 10), (0, 20)),
    "kn": ((0, 10), (0, 20)),
}
#: Width of a band of speed, in the unit.
BANDS: Final = {"kmh": 10, "mph": 5, "mps": 2, "kn": 2}
TAGS: Final = ("business", "private", "commute")


def one_trip(
    listed: Listed,
    points: Sequence[Point],
    neighbours: tuple[TripKey | None, TripKey | None],
    limit_kmh: float | None,
    view: TripsView,
    reader: Reader,
    names: Mapping[str, str],
    *,
    may_change: bool,
) -> list[Component]:
    """Return the chart, the figures and the note of a trip.

    Args:
        listed: The trip.
        points: Its curve.
        neighbours: The previous and the next trip.
        limit_kmh: Limit of its source.
        view: For the links to other trips.
        reader: For texts.
        names: Of sources, for people.
        may_change: The note can be changed.
    """
    trip = listed.trip
    width = BANDS[reader.unit]
    kmh = KMH_IN[reader.unit]
    bands = time_at_speeds(points, width * kmh)
    jumps = [("Implausible jumps, left out", reader.number(trip.jumps))] if trip.jumps else []
    pairs = [(kmh * begin, kmh * end) for begin, end in ACCELERATIONS[reader.unit]]
    return [
        html.Div(
            className="toolbar",
            children=[
                html.H2(heading(listed.note.name, trip.start_us, reader), id="trip-heading"),
                *(_step(key, name, view) for key, name in zip(neighbours, ("Previous", "Next"), strict=True)),
                dcc.Link("Open in Live", href=live_address(listed), className="download"),
            ],
        ),
        html.P(
            f"{shown_name(listed.source, names.get(listed.source))}, {reader.moment(trip.start_us)} – {reader.clock(trip.end_us)}",
            className="quiet",
        ),
        graph("trip-graph", trip_figure(points, limit_kmh, reader)),
        html.Dl(className="figures wide", children=figures([*figures_of_one(trip, reader), *jumps])),
        _note_form(listed, may_change=may_change),
        html.H3("Time at each speed"),
        graph("trip-bands", bands_figure(bands, width, reader), className="low"),
        html.H3("Best accelerations"),
        _accelerations(best_accelerations(points, pairs), reader),
    ]


def several_trips(
    trips: Sequence[tuple[Listed, Sequence[Point]]], view: TripsView, reader: Reader, names: Mapping[str, str]
) -> list[Component]:
    """Return trips over each other, and their figures beside each other. `names` are those of sources for people."""
    labels = [name for name, _ in figures_of_one(trips[0][0].trip, reader)]
    columns = [dict(figures_of_one(listed.trip, reader)) for listed, _ in trips]
    return [
        html.Div(
            className="toolbar",
            children=[
                html.H2(f"{len(trips)} trips compared"),
                choices("trips-axis", "Axis", {"time": "Over time", "distance": "Over distance"}, view.axis),
            ],
        ),
        graph("trip-graph", compared_figure(trips, view.axis, reader, names), className="tall"),
        scrolled(
            "Figures of the compared trips",
            table(
                [
                    "Trip",
                    *(
                        [
                            shown_name(each.source, names.get(each.source)),
                            html.Br(),
                            reader.moment(each.trip.start_us),
                        ]
                        for each, _ in trips
                    ),
                ],
                [(name, *(column[name] for column in columns)) for name in labels],
                row_headers=True,
            ),
        ),
    ]


def heading(name: str, start_us: int, reader: Reader) -> str:
    """Return what a trip is called: its name, or else its beginning."""
    return name or reader.moment(start_us)


def live_address(listed: Listed) -> str:
    """Return the address of a trip on the live place, with a little before and after."""
    trip = listed.trip
    margin_us = max(10_000_000, (trip.end_us - trip.start_us) // 50)
    begin, end = rfc3339(trip.start_us - margin_us), rfc3339(trip.end_us + margin_us)
    return f"/?mode=watch&source={listed.source}&from={begin}&to={end}"


def _step(key: TripKey | None, name: str, view: TripsView) -> Component:
    if key is None:
        return html.Span(name, className="download quiet")
    return dcc.Link(name, href=f"/trips{format_view(view._replace(chosen=(key,)))}", className="download")


def _note_form(listed: Listed, *, may_change: bool) -> Component:
    texts = {"name": "Name", "tag": "Tag", "note": "Note"}
    if not may_change:
        written = [(label, getattr(listed.note, name)) for name, label in texts.items()]
        return html.Dl(className="figures wide", children=figures([each for each in written if each[1]]))
    return html.Div(
        className="note-form",
        children=[
            dcc.Store(
                id="trip-shown", data={"key": str(listed.key), **{name: getattr(listed.note, name) for name in texts}}
            ),
            *[
                field(
                    f"trip-{name}",
                    label,
                    name=name,
                    debounce=False,
                    value=getattr(listed.note, name),
                    maxLength=TEXT_LENGTHS[name],
                    list="trip-tags" if name == "tag" else None,
                    placeholder="business, private" if name == "tag" else "",
                    # What was typed and not saved is there again when the trip is chosen again.
                    persistence=str(listed.key),
                    persistence_type="session",
                )
                for name, label in texts.items()
            ],
            html.Datalist(id="trip-tags", children=[html.Option(value=each) for each in TAGS]),
            button("trip-save", "Save", className="main"),
            html.Span(id="trip-saved", className="quiet", role="status"),
        ],
    )


def _accelerations(found: Sequence[Acceleration], reader: Reader) -> Component:
    if not found:
        return html.P(
            "None: the trip has no such acceleration, or its readings are too far apart to time one.", className="quiet"
        )
    rows = []
    for each in found:
        name = "Quarter mile from standing"
        if each.to_kmh is not None:
            name = f"{reader.speed(each.from_kmh, 0)} to {reader.speed_with_unit(each.to_kmh, 0)}"
        seconds = f"{reader.number(each.seconds, 1)} s ± {reader.number(each.error_s, 1)} s"
        rows.append((name, seconds, reader.clock(each.start_us)))
    worst = max(each.error_s for each in found)
    interval = duration(worst) if worst >= 1 else f"{reader.number(worst, 2)} s"
    return html.Div(
        [
            table(("From, to", "Time", "At"), rows, row_headers=True),
            html.P(
                f"One reading every {interval}: a time is no more exact.",
                className="quiet",
            ),
        ]
    )
