"""The callbacks of the trips place. The address holds the whole view: controls change it, and panels follow it."""

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from dash import ALL, Input, Output, State, ctx, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from speeddash.errors import InvalidInput, StoreError
from speeddash.history.history import MAX_HOURS_AT_ONCE, History
from speeddash.history.notes import checked_texts
from speeddash.history.totals import by_period
from speeddash.page.controls import choice_buttons, figures
from speeddash.page.place import Callbacks, Visitor, changed_control, may_change
from speeddash.page.reader import Reader
from speeddash.page.source_list import SourceList
from speeddash.page.trips import place
from speeddash.page.trips.changes import changed_query, clicked_day, picked_range, selected_keys, selection
from speeddash.page.trips.detail import heading, one_trip, several_trips
from speeddash.page.trips.figures import days_figure
from speeddash.page.trips.rows import column_definitions, figures_of_all, rows_of
from speeddash.page.trips.search import TripsSearch, shown_time, tagged
from speeddash.page.trips.tables import events_table, list_word, paper_word, totals, totals_table
from speeddash.page.trips.view import By, TripKey, TripsView, parse
from speeddash.page.when import PRESETS, day_text, named, stepped
from speeddash.reading import parse_time, rfc3339
from speeddash.store import Store

PATH: Final = "/trips"


class TripsPlace:
    """The trips place of one Dash application."""

    path = PATH
    title = "Trips"

    def __init__(self, store: Store, history: History, sources: SourceList) -> None:
        self._history = history
        self._sources = sources
        self._search = TripsSearch(store, history)

    def layout(self, search: str, reader: Reader, visitor: Visitor) -> Component:  # noqa: ARG002 - a place has all of them
        """Return the components of the place."""
        view = parse(search)
        return place.layout(view, self._sources.options_with(view.sources), self._csv(view, reader), reader)

    def register(self, callbacks: Callbacks) -> None:
        """Add the callbacks."""
        search, reader = Input("address", "search"), Input("reader", "data")
        callbacks.read(
            self.address,
            Output("address", "search", allow_duplicate=True),
            Output("trips-picked", "data"),
            Input("trips-source", "value"),
            Input("trips-day-first", "value"),
            Input("trips-day-last", "value"),
            Input({"type": "trips-range", "value": ALL}, "n_clicks"),
            Input("trips-earlier", "n_clicks"),
            Input("trips-later", "n_clicks"),
            Input("trips-grid", "selectedRows"),
            Input("trips-by", "value"),
            Input("trips-days-graph", "clickData"),
            State("address", "search"),
            State("reader", "data"),
            prevent_initial_call=True,
        )
        callbacks.read(
            self.axis,
            Output("address", "search", allow_duplicate=True),
            Input({"type": "trips-axis", "value": ALL}, "n_clicks"),
            State("address", "search"),
            prevent_initial_call=True,
        )
        callbacks.read(
            self.controls,
            Output("trips-source", "options"),
            Output("trips-source", "value"),
            Output("trips-day-first", "value"),
            Output("trips-day-last", "value"),
            Output("trips-range-choice", "children"),
            Output("trips-grid", "selectedRows"),
            Output("trips-by", "value"),
            Output("trips-csv", "href"),
            search,
            State("address", "pathname"),
            State("reader", "data"),
            State("trips-picked", "data"),
            prevent_initial_call=True,
        )
        callbacks.read(
            self.rows,
            Output("trips-grid", "rowData"),
            Output("trips-grid", "selectedRows", allow_duplicate=True),
            Output("trips-grid", "columnDefs"),
            Output("trips-word", "children"),
            Output("trips-paper", "children"),
            Output("trips-figures", "children"),
            Output("trips-days-graph", "figure"),
            Output("trips-totals", "children"),
            Output("trips-events", "children"),
            Output("trips-poll", "disabled"),
            Output("trips-poll", "interval"),
            Output("trips-shown", "data"),
            search,
            reader,
            Input("trips-poll", "n_intervals"),
            Input("trips-changed", "data"),
            State("address", "pathname"),
            State("trips-shown", "data"),
            prevent_initial_call="initial_duplicate",
        )
        callbacks.read(
            self.detail,
            Output("trips-detail", "children"),
            search,
            reader,
            State("address", "pathname"),
        )
        callbacks.change(
            self.save,
            Output("trip-saved", "children"),
            Output("trip-heading", "children"),
            Output("trip-shown", "data"),
            Output("trips-changed", "data"),
            Input("trip-save", "n_clicks"),
            State("trip-shown", "data"),
            State("trip-name", "value"),
            State("trip-tag", "value"),
            State("trip-note", "value"),
            State("trips-changed", "data"),
            State("reader", "data"),
        )

    def address(
        self,
        sources: list[str] | None,
        start: str | None,
        end: str | None,
        _presets: list[int | None],
        _earlier: int | None,
        _later: int | None,
        selected: Any,
        by: By,
        clicked: dict[str, Any] | None,
        search: str,
        told: dict[str, Any] | None,
    ) -> tuple[str, str]:
        """Return the query of the view that a control asks for, twice: as the address, and as the one that comes from here."""
        view, reader, now = parse(search), Reader.of(told), datetime.now(UTC)
        trigger = changed_control()
        if trigger is None:
            raise PreventUpdate
        if trigger == "trips-source":
            changed = view._replace(sources=tuple(sources or ()), chosen=())
        elif trigger in ("trips-day-first", "trips-day-last"):
            changed = view._replace(range=picked_range(start, end, view.range, reader), chosen=())
        elif trigger in ("trips-earlier", "trips-later"):
            step = -1 if trigger == "trips-earlier" else 1
            try:
                changed = view._replace(range=stepped(view.range, step, reader, now), chosen=())
            except InvalidInput:
                raise PreventUpdate from None  # the list says what is wrong with the range
        elif trigger == "trips-grid":
            chosen = selected_keys(selected)
            # What the address says, in the order of the list; or the list has none of it, and nobody took it back.
            if set(chosen) == set(view.chosen) or not (chosen or self._search.lists_chosen(view, reader)):
                raise PreventUpdate
            changed = view._replace(chosen=chosen)
        elif trigger == "trips-by":
            changed = view._replace(by=by)
        elif trigger == "trips-days-graph":
            changed = view._replace(range=day_text(clicked_day(clicked)), chosen=())
        else:
            changed = view._replace(range=PRESETS[trigger["value"]], chosen=())
        query = changed_query(view, changed)
        return query, query

    def axis(self, clicks: list[int | None], search: str) -> str:
        """Return the query with another axis of compared trips."""
        if not any(clicks):
            raise PreventUpdate  # the buttons have just appeared
        view = parse(search)
        return changed_query(view, view._replace(axis=ctx.triggered_id["value"]))

    def controls(self, search: str, pathname: str, told: dict[str, Any] | None, picked: str | None) -> tuple[Any, ...]:
        """Return what the controls show for an address."""
        if pathname != PATH:
            raise PreventUpdate
        view, reader = parse(search), Reader.of(told)
        first, last = place.picked(view.range, reader)
        return (
            self._sources.options_with(view.sources), list(view.sources), first, last,
            choice_buttons("trips-range", place.RANGES, named(view.range)),
            # A selection that the grid reported is older than what it shows where a person clicks fast.
            no_update if search == picked else selection(view), view.by, self._csv(view, reader),
        )  # fmt: skip

    def rows(
        self, search: str, told: dict[str, Any] | None, _polls: int, changes: int, pathname: str, shown: str | None
    ) -> tuple[Any, ...]:
        """Return rows, figures, days, totals and events of the range in an address."""
        if pathname != PATH or told is None:
            raise PreventUpdate
        view, reader = parse(search), Reader.of(told)
        key = repr((view._replace(chosen=(), axis="time"), told, changes))
        if key == shown and ctx.triggered_id == "address":
            raise PreventUpdate  # only another trip was chosen
        try:
            found = tagged(self._search.find(view, self._sources.latest(), reader), view.tag)
        except (InvalidInput, StoreError) as problem:
            return place.nothing_listed(f"Trips cannot be read: {problem}")
        if found.hours_left > MAX_HOURS_AT_ONCE:
            word = (
                f"History is being prepared: {reader.number(found.hours_left)} hours of recordings are still to be summed. "
                "Trips appear when all are done, so that no figure is wrong."
            )
            return place.nothing_listed(word, prepared=False)
        first, last = reader.local(found.time.from_us).date(), reader.local(found.time.to_us - 1).date()
        days, names = by_period((each.trip for each in found.listed), "day", reader.zone), self._sources.names()
        return (
            rows_of(found.listed, reader, names),
            selection(view),
            column_definitions(reader, several=len(found.sources) > 1, noted=[each.note for each in found.listed]),
            list_word(found, view, reader, names),
            paper_word(found, first, last, reader, names),
            figures(figures_of_all(found.listed, reader)) if days else [],
            days_figure(days, first, last, reader) if days else place.EMPTY,
            totals_table(totals(found, view, (last - first).days, reader), view, reader),
            events_table(self._search.events(found), reader, names if len(found.sources) > 1 else None),
            view.range.end != "now",
            place.REFRESH_MS,
            key,
        )

    def detail(self, search: str, told: dict[str, Any] | None, pathname: str) -> Any:
        """Return the chosen trip in full, or the chosen trips compared."""
        if pathname != PATH or told is None:
            raise PreventUpdate
        view, reader, names = parse(search), Reader.of(told), self._sources.names()
        try:
            found = [listed for listed in map(self._search.one, view.chosen) if listed]
            curves = [(each, self._search.points(each)) for each in found]
            if len(found) == 1:
                listed, points = curves[0]
                neighbours = self._search.neighbours(listed)
                limit = self._search.limit(listed.source)
                return one_trip(listed, points, neighbours, limit, view, reader, names, may_change=may_change())
        except (InvalidInput, StoreError) as problem:
            return html.P(f"The trip cannot be read: {problem}", className="problem")
        if not found:
            word = "That trip is not stored any more." if view.chosen else "Choose a trip to see its chart and figures."
            return html.P(word, className="quiet empty")
        return several_trips(curves, view, reader, names)

    def save(
        self,
        clicks: int | None,
        shown: dict[str, str],
        name: str | None,
        tag: str | None,
        note: str | None,
        changes: int,
        told: dict[str, Any] | None,
    ) -> tuple[Any, ...]:
        """Store what a person changed of a trip's texts; the others may have been changed elsewhere."""
        if not clicks:
            raise PreventUpdate
        source, start = TripKey.of(shown["key"])
        wanted = {"name": name or "", "tag": tag or "", "note": note or ""}
        changed = {each: text for each, text in wanted.items() if text.strip() != shown[each]}
        try:
            start_us = parse_time(start)
            if changed and self._history.write_note(source, start_us, checked_texts(changed)) is None:
                return "Not saved: that trip is not stored any more.", no_update, no_update, no_update
        except (InvalidInput, StoreError) as problem:
            return f"Not saved: {problem}", no_update, no_update, no_update
        shown |= {each: text.strip() for each, text in changed.items()}
        return "Saved", heading(shown["name"], start_us, Reader.of(told)), shown, changes + 1

    def _csv(self, view: TripsView, reader: Reader) -> str:
        """Return the address of the trips as CSV."""
        try:
            time = shown_time(view, reader)
        except InvalidInput:
            return "#"
        sources = [("source", each) for each in view.sources or (self._sources.latest() or "",)]
        range_of_time = [("from", rfc3339(time.from_us)), ("to", rfc3339(time.to_us))]
        tag = [("tag", view.tag)] if view.tag else []
        return f"/api/v1/trips.csv?{urlencode([*sources, *range_of_time, *tag, ('unit', reader.unit)])}"
