"""The callbacks of the sources place: what is stored of each source, its names and limit."""

import time
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

from dash import Input, Output, State, ctx, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from speeddash.alerts.limits import Limits
from speeddash.errors import InvalidInput, SpeedDashError, StoreError
from speeddash.history.history import MAX_HOURS_AT_ONCE, History
from speeddash.page.limit import save_limit
from speeddash.page.place import Callbacks, Visitor, may_change
from speeddash.page.reader import Reader, shown_name
from speeddash.page.source_list import ListedSource, SourceList
from speeddash.page.sources import place
from speeddash.page.sources.rows import rows_of
from speeddash.reading import parse_display_name, parse_source
from speeddash.store import Store
from speeddash.timerange import ALL_TIME

PATH: Final = "/sources"


class SourcesPlace:
    """The sources place of one Dash application."""

    path = PATH
    title = "Sources"

    def __init__(self, store: Store, history: History, limits: Limits, sources: SourceList) -> None:
        self._store = store
        self._history = history
        self._limits = limits
        self._sources = sources

    def layout(self, search: str, reader: Reader, visitor: Visitor) -> Component:
        """Return the components of the place."""
        return place.layout(_chosen(search), reader, visitor)

    def register(self, callbacks: Callbacks) -> None:
        """Add the callbacks."""
        search, reader = Input("address", "search"), Input("reader", "data")
        callbacks.read(
            self.rows,
            Output("sources-grid", "rowData"),
            Output("delete-simulated", "disabled"),
            Output("sources-grid", "selectedRows", allow_duplicate=True),
            reader,
            Input("sources-tick", "n_intervals"),
            Input("sources-changed", "data"),
            Input("import-state", "data"),
            State("address", "search"),
            prevent_initial_call="initial_duplicate",
        )
        callbacks.read(
            self.choose,
            Output("address", "search", allow_duplicate=True),
            Output("sources-picked", "data"),
            Input("sources-grid", "selectedRows"),
            State("address", "search"),
            prevent_initial_call=True,
        )
        callbacks.read(
            self.selection,
            Output("sources-grid", "selectedRows"),
            search,
            State("address", "pathname"),
            State("sources-picked", "data"),
            prevent_initial_call=True,
        )
        callbacks.read(
            self.detail,
            Output("source-detail", "children"),
            search,
            reader,
            State("address", "pathname"),
        )
        word, changed = Output("source-word", "children"), Output("sources-changed", "data", allow_duplicate=True)
        source, changes = State("source-shown", "data"), State("sources-changed", "data")
        callbacks.change(
            self.describe,
            word,
            Output("source-heading", "children"),
            changed,
            Input("source-describe", "n_clicks"),
            source,
            State("source-display", "value"),
            changes,
        )
        callbacks.change(
            self.limit,
            Output("source-word", "children", allow_duplicate=True),
            changed,
            Output("source-limit", "value"),
            Input("source-limit-set", "n_clicks"),
            Input("source-limit-remove", "n_clicks"),
            source,
            State("source-limit", "value"),
            State("reader", "data"),
            changes,
        )
        moved = (
            Output("sources-word", "children", allow_duplicate=True),
            Output("source-word", "children", allow_duplicate=True),
            Output("address", "search", allow_duplicate=True),
            changed,
        )
        callbacks.change(
            self.rename, *moved, Input("source-rename", "n_clicks"), source, State("source-new-name", "value"), changes
        )
        callbacks.change(
            self.merge, *moved, Input("source-merge", "n_clicks"), source, State("source-into", "value"), changes
        )
        callbacks.change(
            self.delete, *moved, Input("source-delete", "n_clicks"), source, State("source-again", "value"), changes
        )
        callbacks.change(
            self.delete_simulated,
            Output("sources-word", "children"),
            changed,
            Input("delete-simulated", "n_clicks"),
            changes,
        )

    def rows(
        self, told: dict[str, Any] | None, _ticks: int, _changes: int, _imported: Any, search: str
    ) -> tuple[Any, bool, Any]:
        """Return the rows of the list, whether there is no simulated source, and the chosen row where it is a new one."""
        if told is None:
            raise PreventUpdate
        if ctx.triggered_id in ("sources-changed", "import-state"):
            self._sources.forget()
        listed = self._sources.held()
        rows = rows_of(listed, Reader.of(told), time.time_ns() // 1000)
        chosen = place.selection(_chosen(search)) if ctx.triggered_id == "sources-changed" else no_update
        return rows, not any(each.simulated for each in listed), chosen

    def choose(self, selected: Any, search: str) -> tuple[str, str]:
        """Return the query of the chosen source, twice: as the address, and as the one that comes from here."""
        if isinstance(selected, dict) or not selected:
            raise PreventUpdate
        wanted = _query(selected[0]["source"])
        if wanted == search:
            raise PreventUpdate
        return wanted, wanted

    def selection(self, search: str, pathname: str, picked: str | None) -> dict[str, list[str]]:
        """Return the row of the source in an address that did not come from the list, but from Back."""
        if pathname != PATH or search == picked:
            raise PreventUpdate
        return place.selection(_chosen(search))

    def detail(self, search: str, told: dict[str, Any] | None, pathname: str) -> Any:
        """Return what can be known and changed of the chosen source."""
        if pathname != PATH or told is None:
            raise PreventUpdate
        source, reader = _chosen(search), Reader.of(told)
        if source is None:
            return html.P("Choose a source to name it, limit it, export or delete it.", className="quiet empty")
        try:
            span = self._store.sources.span(source)
            if span is None:
                return html.P(f"Nothing is stored of {shown_name(source)}.", className="quiet empty")
            listed = ListedSource(span, self._store.sources.settings(source))
            # Many hours that are not rolled up would be read one by one.
            counted = self._history.hours_to_roll_up(source, ALL_TIME) <= MAX_HOURS_AT_ONCE
            whole = self._history.summary(source, ALL_TIME) if counted else None
        except StoreError as problem:
            return html.P(f"The source cannot be read: {problem}", className="problem")
        others = [each for each in self._sources.held() if each.source not in (source, "")]
        return place.detail(listed, whole.readings if whole else None, others, reader, may_change=may_change())

    def describe(self, clicks: int | None, source: str, name: str | None, changes: int) -> tuple[Any, ...]:
        """Store the name that people see."""
        if not clicks:
            raise PreventUpdate
        try:
            display = parse_display_name(name)
            self._store.source_maintenance.set_display_name(source, display)
        except (InvalidInput, StoreError) as problem:
            return f"Not saved: {problem}", no_update, no_update
        return "Saved", shown_name(source, display), changes + 1

    def limit(
        self,
        _set: int | None,
        _remove: int | None,
        source: str,
        text: str | None,
        told: dict[str, Any] | None,
        changes: int,
    ) -> tuple[Any, ...]:
        """Store or remove the limit of a source."""
        if not ctx.triggered or not ctx.triggered[0]["value"]:
            raise PreventUpdate
        typed = None if ctx.triggered_id == "source-limit-remove" else text or ""
        return save_limit(self._limits, self._sources, source, typed, told, changes)

    def rename(self, clicks: int | None, source: str, name: str | None, changes: int) -> tuple[Any, ...]:
        """Rename a source with all that is stored of it."""
        if not clicks:
            raise PreventUpdate
        try:
            wanted = parse_source((name or "").strip())
            self._store.source_maintenance.rename(source, wanted)
        except SpeedDashError as problem:
            return no_update, f"Not renamed: {problem}", no_update, no_update
        return f"{shown_name(source)} is {wanted} now.", no_update, _query(wanted), changes + 1

    def merge(self, clicks: int | None, source: str, into: str | None, changes: int) -> tuple[Any, ...]:
        """Merge a source into another one."""
        if not clicks:
            raise PreventUpdate
        if not into:
            return no_update, "Choose the source that gets the readings.", no_update, no_update
        try:
            self._store.source_maintenance.merge(source, into)
        except SpeedDashError as problem:
            return no_update, f"Not merged: {problem}", no_update, no_update
        return f"{shown_name(source)} is part of {into} now.", no_update, _query(into), changes + 1

    def delete(self, clicks: int | None, source: str, again: str | None, changes: int) -> tuple[Any, ...]:
        """Delete a source, if its name was typed."""
        if not clicks:
            raise PreventUpdate
        if (again or "").strip() != shown_name(source):
            return no_update, f"Not deleted: type {shown_name(source)} to confirm.", no_update, no_update
        try:
            self._store.source_maintenance.delete(source)
        except StoreError as problem:
            return no_update, f"Not deleted: {problem}", no_update, no_update
        return f"{shown_name(source)} is deleted.", no_update, "", changes + 1

    def delete_simulated(self, clicks: int | None, changes: int) -> tuple[str, Any]:
        """Delete every source of the page's simulator."""
        if not clicks:
            raise PreventUpdate
        self._sources.forget()
        names = [each.source for each in self._sources.held() if each.simulated]
        try:
            for each in names:
                self._store.source_maintenance.delete(each)
        except StoreError as problem:
            return f"Not all are deleted: {problem}", changes + 1
        return (
            "1 simulated source is" if len(names) == 1 else f"{len(names)} simulated sources are"
        ) + " deleted.", changes + 1


def _chosen(search: str | None) -> str | None:
    found = parse_qs((search or "").removeprefix("?"), keep_blank_values=True).get("source")
    return found[-1] if found else None


def _query(source: str) -> str:
    return "?" + urlencode({"source": source}, safe=":")
