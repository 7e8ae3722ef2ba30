"""Tables of the trips place: totals, and what was above the limit. Pure functions."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from dash import dcc, html
from dash.development.base_component import Component

from speeddash.history.totals import Period, Total, by_period, by_tag
from speeddash.page.controls import table
from speeddash.page.reader import Reader, duration, shown_name
from speeddash.page.trips.search import Found, Incident, days_of_data
from speeddash.page.trips.view import TripsView, format_view
from speeddash.page.when import RangeText

#: Rows of each table.
MAX_TOTALS: Final = 60
MAX_EVENTS: Final = 30


def totals(found: Found, view: TripsView, days: int, reader: Reader) -> list[Total]:
    """Return the totals that a view asks for, the latest first.

    Args:
        found: The trips.
        view: What they are summed by.
        days: Length of the range, which chooses where the view does not.
        reader: Whose days count.
    """
    if view.by == "tag":
        return by_tag((each.trip, each.note) for each in found.listed)
    periods: dict[str, Period] = {"day": "day", "week": "week", "month": "month"}
    period = periods.get(view.by) or ("day" if days <= 31 else "week" if days <= 120 else "month")
    return by_period((each.trip for each in found.listed), period, reader.zone)[::-1]


def totals_table(sums: Sequence[Total], view: TripsView, reader: Reader) -> Component:
    """Return totals as a table."""
    if not sums:
        return html.P("No trips.", className="quiet")
    head = [
        "Tag" if view.by == "tag" else "From",
        "Trips",
        f"Distance {reader.distance_symbol}",
        "Moving",
        f"Max. {reader.symbol}",
    ]
    rows = [
        (
            _key(each, view),
            reader.number(each.trips),
            reader.distance(each.distance_km),
            duration(each.moving_s),
            reader.speed(each.max_speed),
        )
        for each in sums[:MAX_TOTALS]
    ]
    return table(head, rows, row_headers=True)


def paper_word(found: Found, first: date, last: date, reader: Reader, names: Mapping[str, str]) -> str:
    """Return what a printed report is about: its controls are not on paper. `names` are those of sources for people."""
    days = first.isoformat() if first == last else f"{first} to {last}"
    return f"Trips of {_named(found, names)}, {days}, times in {reader.zone}"


def list_word(found: Found, view: TripsView, reader: Reader, names: Mapping[str, str]) -> Any:
    """Return what is to be said of the list: why it is empty, with the way to what there is, or that only a tag is shown."""
    if view.tag:
        return [
            f"Only trips with the tag {view.tag}. ",
            dcc.Link("Show all", href="/trips" + format_view(view._replace(tag=""))),
        ]
    if found.listed:
        return []
    if not found.sources:
        return "Nothing is stored yet. A source appears here as soon as it sends."
    named = _named(found, names)
    days = days_of_data(found.spans, reader)
    if days is None:
        return f"Nothing is stored of {named}."
    there = view._replace(range=RangeText(*days))
    return [
        f"No trips in this range. {named} has data from {days[0]} to {days[1]}. ",
        dcc.Link("Show it", href="/trips" + format_view(there)),
    ]


def _named(found: Found, names: Mapping[str, str]) -> str:
    return ", ".join(shown_name(each, names.get(each)) for each in found.sources)


def _key(total: Total, view: TripsView) -> Any:
    """Return the period of a total, or its tag with the way to the trips that have it."""
    if view.by != "tag":
        return total.key
    return dcc.Link(total.key, href=f"/trips{format_view(view._replace(tag=total.key))}") if total.key else "(no tag)"


def events_table(events: Sequence[Incident], reader: Reader, names: Mapping[str, str] | None) -> list[Component]:
    """Return what was above the limit, and implausible jumps, the latest first. `names` are those of sources; None where there is one."""
    if not events:
        return [html.H2("Above the limit"), html.P("Never in this range, or no limit is set.", className="quiet")]
    rows = [
        (
            f"{reader.day(each.start_us)} {reader.local(each.start_us):%H:%M:%S}",
            *([] if names is None else [shown_name(each.source, names.get(each.source))]),
            _what(each),
            reader.speed_with_unit(each.peak),
            reader.speed_with_unit(each.limit_kmh),
        )
        for each in events[:MAX_EVENTS]
    ]
    more = [html.P(f"The latest {MAX_EVENTS} of {len(events)}.", className="quiet")] if len(events) > MAX_EVENTS else []
    return [
        html.H2("Above the limit"),
        table(("From", *(["Source"] if names is not None else []), "For", "Peak", "Limit"), rows),
        *more,
    ]


def _what(event: Incident) -> str:
    if event.limit_kmh is None:
        return "implausible jump, left out of the maximum"
    return duration((event.end_us - event.start_us) / 1e6) + (", going on" if event.ongoing else "")
