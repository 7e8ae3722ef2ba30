"""The page: a shell, and its places. A place is a file or folder of its own with layout, pure functions and callbacks."""

from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import dash
from dash import MATCH, ClientsideFunction, Input, Output, State
from dash.development.base_component import Component
from flask import Flask, Response, g, has_request_context, request

from speeddash.alerts.limits import Limits
from speeddash.auth.access import Permission, allow_all, current_role
from speeddash.errors import StoreError
from speeddash.files import shipped
from speeddash.history.history import History
from speeddash.page.caching import ASSETS, IMMUTABLE, SCRIPT, Compressed, cache_key, keep_assets
from speeddash.page.chart_table import ChartTable
from speeddash.page.connect import ConnectPlace
from speeddash.page.days import DaysPanel
from speeddash.page.fleet import FleetPlace
from speeddash.page.importing import ImportDialog
from speeddash.page.keys import keys_dialog
from speeddash.page.live import LiveCallbacks
from speeddash.page.place import Callbacks, Place, Visitor, may_change
from speeddash.page.reader import Reader, told_before
from speeddash.page.script import joined
from speeddash.page.shell import Shown, shell
from speeddash.page.source_list import SourceList
from speeddash.page.sources import SourcesPlace
from speeddash.page.trips import TripsPlace
from speeddash.settings import Settings
from speeddash.store import Store

INDEX = """<!DOCTYPE html>
<html lang="en">
    <head>
        {%metas%}
        <title>{%title%}</title>
        <link rel="icon" type="image/svg+xml" href="/assets/favicon.svg">
        <link rel="manifest" href="/assets/manifest.webmanifest" crossorigin="use-credentials">
        <link rel="apple-touch-icon" href="/assets/icon-192.png">
        {%css%}
    </head>
    <body>
        {%app_entry%}
        <noscript>SpeedDash draws with JavaScript, which is off in this browser. Turn it on for this address.</noscript>
        KEYS
        <footer>
            {%config%}
            {%scripts%}
            <script src="SCRIPT"></script>
            {%renderer%}
        </footer>
    </body>
</html>
"""
#: Files of assets/ that the page does not load by itself: another page's script, and the modules that `script.joined` joins.
NOT_LOADED = r"^(api|offline|worker)[.]js$|[.]mjs$"


class Page:
    """The Dash page of one Flask application.

    Readings do not pass through server callbacks: they are sent, confirmed and drawn in the browser, by the modules of `assets/app/`.
    """

    def __init__(self, settings: Settings, store: Store, history: History, limits: Limits) -> None:
        self._sources = SourceList(store)
        self._live = LiveCallbacks(limits, self._sources)
        self._days = DaysPanel(history, self._sources)
        self._table = ChartTable(history, self._sources, self._days)
        self._places: tuple[Place, ...] = (
            TripsPlace(store, history, self._sources),
            FleetPlace(store, history, self._sources),
            SourcesPlace(store, history, limits, self._sources),
            ConnectPlace(settings),
        )
        #: Outputs of the callbacks that change something; see `Callbacks`.
        self.changing: list[str] = []

    def register(self, server: Flask) -> Sequence[str]:
        """Serve the page at `/` and the paths of its places; return the hashes of its inline scripts for the Content-Security-Policy."""
        server.config.update(
            COMPRESS_ALGORITHM=["br", "gzip"],
            COMPRESS_BR_LEVEL=5,
            COMPRESS_CACHE_BACKEND=Compressed,
            COMPRESS_CACHE_KEY=cache_key,
            COMPRESS_STREAMING_ENDPOINT_CONDITIONAL=[ASSETS],
        )
        script = joined(shipped("assets/app/main.mjs"))
        version = sha256(script.encode()).hexdigest()[:16]
        others = set(server.view_functions)
        app = dash.Dash(
            __name__,
            compress=True,
            server=server,  # type: ignore[arg-type]  # it accepts a Flask application
            title="SpeedDash",
            update_title="",
            index_string=INDEX.replace("KEYS", keys_dialog()).replace("SCRIPT", f"{SCRIPT}?v={version}"),
            assets_ignore=NOT_LOADED,
            assets_folder=str(shipped("assets")),
            suppress_callback_exceptions=True,  # the components of a place exist while it is shown
            meta_tags=[
                {"name": "viewport", "content": "width=device-width, initial-scale=1"},
                {"name": "color-scheme", "content": "light dark"},
                {"name": "theme-color", "content": "#0b62d6"},
                {"name": "description", "content": "A live speed dashboard: every point drawn is stored."},
            ],
        )
        app.layout = self._layout
        # Otherwise environment variables could turn them on.
        app.enable_dev_tools(
            debug=False,
            dev_tools_ui=False,
            dev_tools_props_check=False,
            dev_tools_serve_dev_bundles=False,
            dev_tools_hot_reload=False,
            dev_tools_silence_routes_logging=False,
            dev_tools_disable_version_check=True,
        )
        _clientside(app)
        callbacks = Callbacks(app)
        callbacks.read(
            self._place,
            Output("place", "children"),
            Input("place-wanted", "data"),
            State("reader", "data"),
            State("address", "search"),
            prevent_initial_call=True,
        )
        self._live.register(callbacks)
        self._days.register(callbacks)
        self._table.register(callbacks)
        ImportDialog().register(callbacks)
        for place in self._places:
            place.register(callbacks)
        self.changing = callbacks.changing

        def live_path() -> Response:
            answer = Response(script, content_type="text/javascript; charset=utf-8")
            if request.args.get("v") == version:
                answer.headers["Cache-Control"] = IMMUTABLE
            return answer

        worker_script = shipped("assets/worker.js").read_text(encoding="utf-8")

        def worker() -> Response:
            # At the root, because a service worker only sees addresses below its own.
            return Response(worker_script, content_type="text/javascript; charset=utf-8")

        server.after_request(keep_assets)  # before they are compressed: Flask calls what was registered last first
        server.add_url_rule(SCRIPT, SCRIPT, live_path)
        server.add_url_rule("/worker.js", "service worker", worker)
        # The views that Dash has registered. Callbacks that change something check the role themselves.
        allow_all(Permission.READ, server, server.view_functions.keys() - others)
        hashes: Sequence[str] = app.csp_hashes()
        return hashes

    def _layout(self) -> Component:
        titles = {"/": "Live", **{each.path: each.title for each in self._places}}
        if not has_request_context():  # Dash calls it once at start
            return shell(titles, Visitor(), None)
        # Known early, so that no other place flashes up, and that a reload need not ask for it.
        address = urlsplit(request.headers.get("Referer", ""))
        path = address.path if any(address.path == each.path for each in self._places) else None
        told = told_before(request.cookies)
        search = f"?{address.query}" if address.query else ""
        shown = None
        if path and told:
            with suppress(StoreError):  # the page asks again, and says what is wrong
                shown = Shown(path, search, told, self._place(path, told, search))
        return shell(titles, _visitor(), self._sources.latest_real(), elsewhere=path is not None, shown=shown)

    def _place(self, path: str | None, told: dict[str, Any] | None, search: str | None) -> Any:
        for place in self._places:
            if path == place.path:
                return place.layout(search or "", Reader.of(told), _visitor())
        return []


def _visitor() -> Visitor:
    role = current_role()
    return Visitor(role.may(Permission.SEND), may_change(), g.get("signed_in", False))


def _clientside(app: dash.Dash) -> None:
    """Add the callbacks that functions of `assets/app/main.mjs` answer. Without Output: they update the page through set_props."""
    for function, triggers in (
        ("start", [Input("looks", "data")]),
        ("placed", [Input("address", "pathname"), Input("address", "search")]),
        ("senderChanged", [Input("socket", "state")]),
        ("senderReceived", [Input("socket", "message")]),
        ("watcherChanged", [Input("live-socket", "state")]),
        ("watcherReceived", [Input("live-socket", "message")]),
        ("sourcesListed", [Input("sources", "data")]),
        ("fleetListed", [Input("fleet-data", "data")]),
        ("zoomed", [Input("live-graph", "relayoutData")]),
        ("zoomed", [Input("days-graph", "relayoutData")]),
        ("dayClicked", [Input("days-graph", "clickData")]),
        ("picked", [Input("day-first", "value"), Input("day-last", "value")]),
        ("watched", [Input("watched", "value")]),
    ):
        # Only the first one works at the start: each call costs Dash a pass over all components.
        app.clientside_callback(  # type: ignore[no-untyped-call]
            ClientsideFunction("speeddash", function), *triggers, prevent_initial_call=function != "start"
        )
    app.clientside_callback(  # type: ignore[no-untyped-call]
        "presses => presses",
        Output({"type": "clipboard", "number": MATCH}, "n_clicks"),
        Input({"type": "copy", "number": MATCH}, "n_clicks"),
        prevent_initial_call=True,
    )
