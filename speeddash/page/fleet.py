"""The fleet place: a tile for each source, for a wall. `assets/app/view/fleet.mjs` fills the tiles with what streams."""

import time
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple, get_args
from urllib.parse import parse_qs, urlencode

from dash import ALL, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from speeddash.errors import StoreError
from speeddash.history.history import History
from speeddash.page.controls import button, choice_buttons, choices, field, picker
from speeddash.page.dial import dial
from speeddash.page.place import Callbacks, Visitor, changed_control
from speeddash.page.reader import Reader
from speeddash.page.source_list import ListedSource, SourceList
from speeddash.store import Store
from speeddash.timerange import TimeRange

PATH: Final = "/fleet"
#: Tiles of one page: a connection of /ws/live watches at most as many sources.
MAX_TILES: Final = 200
#: How long a distance of today answers.
TODAY_FRESH_S: Final = 60.0
Sort = Literal["name", "last", "speed"]
SORTS: Final = {"name": "By name", "last": "Latest first", "speed": "Fastest first"}


class FleetView(NamedTuple):
    """What the fleet place shows.

    Attributes:
        sources: Only these sources; empty for all.
        sort: Their order.
        find: Only sources whose name contains it.
        kiosk: Without controls, with a clock.
    """

    sources: tuple[str, ...] = ()
    sort: Sort = "name"
    find: str = ""
    kiosk: bool = False


def parse(search: str | None) -> FleetView:
    """Return the view of an address."""
    query = parse_qs((search or "").removeprefix("?"), keep_blank_values=True)
    sources = [name for given in query.get("source", []) for name in given.split(",")]
    sort = query.get("sort", ["name"])[-1]
    return FleetView(
        tuple(dict.fromkeys(sources))[:MAX_TILES],
        sort if sort in get_args(Sort) else "name",  # type: ignore[arg-type]
        query.get("find", [""])[-1],
        query.get("kiosk", [""])[-1] == "1",
    )


def format_view(view: FleetView) -> str:
    """Return the query of a view, with `?`."""
    query = [("source", each) for each in view.sources]
    query += [("sort", view.sort)] if view.sort != "name" else []
    query += [("find", view.find)] if view.find else []
    query += [("kiosk", "1")] if view.kiosk else []
    return "?" + urlencode(query, safe=":") if query else ""


class FleetPlace:
    """The fleet place of one Dash application."""

    path = PATH
    title = "Fleet"

    def __init__(self, store: Store, history: History, sources: SourceList) -> None:
        self._store = store
        self._history = history
        self._sources = sources
        #: Distance of today by source and day: (when it was read, last reading then, km).
        self._today: dict[tuple[str, int], tuple[float, int, float]] = {}

    def layout(self, search: str, reader: Reader, visitor: Visitor) -> Component:  # noqa: ARG002 - a place has all of them
        """Return the components of the place."""
        view = parse(search)
        return html.Main(
            id="fleet-place",
            className="place fleet-place",
            children=[
                dcc.Store(id="fleet-data"),
                dcc.Store(id="fleet-picked", data=search),
                dcc.Interval(id="fleet-poll", interval=10_000),
                html.H1("Fleet", className="unseen"),
                html.Div(
                    className="toolbar fleet-tools",
                    children=[
                        picker("fleet-source", self._sources.options_with(view.sources), view.sources, "All sources"),
                        field(
                            "fleet-find",
                            "Find",
                            type="search",
                            value=view.find,
                            debounce=0.4,
                            placeholder="part of a name",
                        ),
                        choices("fleet-sort", "Order", SORTS, view.sort),
                        html.Span(className="space"),
                        dcc.Link(
                            "Wall view",
                            id="fleet-wall",
                            href=PATH + format_view(view._replace(kiosk=True)),
                            className="download",
                        ),
                    ],
                ),
                html.Div(
                    className="fleet-wall",
                    children=[
                        html.Time("", id="fleet-clock", className="clock"),
                        dcc.Link(
                            "Leave",
                            id="fleet-leave",
                            href=PATH + format_view(view._replace(kiosk=False)),
                            className="download",
                        ),
                        button("fleet-fullscreen", "Full screen"),
                    ],
                ),
                html.P("Looking for sources", id="fleet-word", className="word", role="status"),
                html.Ul(id="fleet-tiles", className="tiles"),
                html.Ul(id="fleet-tile", hidden=True, children=_tile()),
            ],
        )

    def register(self, callbacks: Callbacks) -> None:
        """Add the callbacks."""
        callbacks.read(
            self.data,
            Output("fleet-data", "data"),
            Output("fleet-word", "children"),
            Output("fleet-source", "options"),
            Output("fleet-wall", "href"),
            Output("fleet-leave", "href"),
            Output("fleet-sort-choice", "children"),
            Output("fleet-source", "value"),
            Output("fleet-find", "value"),
            Output("fleet-picked", "data", allow_duplicate=True),
            Input("address", "search"),
            Input("reader", "data"),
            Input("fleet-poll", "n_intervals"),
            State("address", "pathname"),
            State("fleet-picked", "data"),
            prevent_initial_call="initial_duplicate",
        )
        callbacks.read(
            self.address,
            Output("address", "search", allow_duplicate=True),
            Output("fleet-picked", "data"),
            Input("fleet-source", "value"),
            Input({"type": "fleet-sort", "value": ALL}, "n_clicks"),
            Input("fleet-find", "value"),
            State("address", "search"),
            prevent_initial_call=True,
        )

    def address(
        self, sources: list[str] | None, _sorts: list[int | None], find: str | None, search: str
    ) -> tuple[Any, str]:
        """Return the query that the controls ask for, twice: the second one tells `data` that the controls show it already."""
        view = changed = parse(search)
        # What was typed while the place appeared comes with all its controls at once; the others are as the address says.
        if "fleet-source.value" in ctx.triggered_prop_ids:
            changed = changed._replace(sources=tuple(sources or ()))
        if "fleet-find.value" in ctx.triggered_prop_ids:
            changed = changed._replace(find=find or "")
        if isinstance(control := changed_control(), dict):
            changed = changed._replace(sort=control["value"])
        if changed == view:
            return no_update, search
        query = format_view(changed)
        return query, query

    def data(
        self, search: str, told: dict[str, Any] | None, _polls: int, pathname: str, picked: str | None
    ) -> tuple[Any, ...]:
        """Return what the tiles show besides what streams."""
        if pathname != PATH or told is None:
            raise PreventUpdate
        view, reader = parse(search), Reader.of(told)
        links: list[Any] = [PATH + format_view(view._replace(kiosk=kiosk)) for kiosk in (True, False)]
        links.append(choice_buttons("fleet-sort", SORTS, view.sort))
        # After Back the fields show what the address says; while a person types they are ahead of it.
        same = (picked or "") == (search or "")
        links += [no_update] * 3 if same else [list(view.sources), view.find, search]
        try:
            listed = self._sources.read()
            shown = shown_sources(listed, view)
            speeds = self._store.readings.last_speeds([each.span for each in shown])
            tiles = [self._tile(each, speeds.get(each.source), reader) for each in shown]
        except StoreError as problem:
            return ([], f"Sources cannot be read: {problem}", no_update, *links)
        if view.sort == "speed":
            tiles.sort(key=lambda tile: -(tile["speed"] if tile["live"] else -1))
        word = "" if tiles else "Nothing stored yet. A source appears here as soon as it sends."
        if not tiles and listed:
            word = "No source of that name."
        if ctx.triggered_id == "fleet-poll" and same:
            # The controls are as they were: setting them would ask for the address again.
            return (tiles, word, *[no_update] * 7)
        return (tiles, word, self._sources.options_with(view.sources), *links)

    def _tile(self, each: ListedSource, speed: float | None, reader: Reader) -> dict[str, Any]:
        km = self._today_km(each, reader)
        return {
            "source": each.source,
            "name": each.name,
            "last_ms": each.span.last_us / 1000,
            "speed": speed,
            "live": time.time_ns() // 1000 - each.span.last_us < 60_000_000,
            "limit_kmh": each.settings.limit_kmh,
            "today": reader.distance_with_unit(km),
        }

    def _today_km(self, each: ListedSource, reader: Reader) -> float:
        midnight = datetime.now(UTC).astimezone(reader.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        from_us = int(midnight.timestamp() * 1e6)
        if each.span.last_us < from_us:
            return 0.0
        held = self._today.get((each.source, from_us))
        if held and (held[1] == each.span.last_us or time.monotonic() - held[0] < TODAY_FRESH_S):
            return held[2]
        found = self._history.summary(each.source, TimeRange(from_us))
        if len(self._today) > 10 * MAX_TILES:
            self._today.clear()
        km = found.distance_km if found else 0.0
        self._today[each.source, from_us] = (time.monotonic(), each.span.last_us, km)
        return km


def shown_sources(listed: list[ListedSource], view: FleetView) -> list[ListedSource]:
    """Return the sources of a view in its order; `speed` as they come, because it is not known here."""
    if view.sources:
        listed = [each for each in listed if each.source in view.sources]
    wanted = view.find.casefold()
    found = [each for each in listed if wanted in f"{each.source} {each.name}".casefold()]
    if view.sort == "name":
        found.sort(key=lambda each: each.name.casefold())
    return found[:MAX_TILES]


def _tile() -> Component:
    """Return what a tile is copied from. `assets/app/view/fleet.mjs` fills the copies."""
    return html.Li(
        className="card",
        children=[
            html.A(className="tile-name"),
            dial(html.Span(className="tile-digits"), html.Span(className="unit")),
            html.P(
                className="tile-foot", children=[html.Span(className="tile-state"), html.Span(className="tile-today")]
            ),
        ],
    )
