"""The Dash page: layout, and callbacks that name the functions of `assets/`."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from heapq import nlargest
from typing import Any

import dash
from dash import ClientsideFunction, Input, Output
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate
from flask import Flask, g, has_request_context

from speeddash.auth.access import Permission, allow_all, current_role
from speeddash.errors import StoreError
from speeddash.files import shipped
from speeddash.page.layout import layout
from speeddash.store import Span, Store

INDEX = """<!DOCTYPE html>
<html lang="en">
    <head>
        {%metas%}
        <title>{%title%}</title>
        <link rel="icon" type="image/svg+xml" href="/assets/favicon.svg">
        {%css%}
    </head>
    <body>
        {%app_entry%}
        <footer>
            {%config%}
            {%scripts%}
            {%renderer%}
        </footer>
    </body>
</html>
"""
#: Files of assets/ that belong to other pages.
NOT_THE_PAGE = "^api[.]js$"
#: Age of the last reading up to which a source is shown as live.
LIVE_S = 10
#: Sources that are read, and the latest of them that are listed.
MAX_SOURCES = 10_000
MAX_LISTED = 1_000
#: Interval between two reads of the list of sources, as a multiple of the time that a read takes.
SOURCES_INTERVAL = 20.0

BUTTONS = (
    "pause", "go-live", "earlier", "later", "show-latest", "export-png", "export-csv", "show-table", "fullscreen",
    "driving", "leave-driving", "mirror", "help", "close-help", "open-import",
)  # fmt: skip
FIELDS = ("watched", "limit", "from", "to")


class Compressed(dict[str, bytes]):
    """Cache of compressed scripts. Everything else is compressed in each request.

    Compressing plotly.js takes 0.1 s, in which no socket is served: that may happen once, but not in each request.
    """

    def set(self, key: str, value: bytes) -> None:
        """Cache a value if the path in the key is a script of Dash or Plotly."""
        if "/_dash-component-suites/" in key or "/assets/plotly" in key:
            self[key] = value


class Page:
    """The Dash page of one Flask application.

    Readings do not pass through server callbacks: they are sent, confirmed and drawn in the browser, by functions of `assets/`.
    The only server callback returns the list of sources.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._spans: list[Span] = []
        self._read_again = 0.0

    def register(self, server: Flask) -> Sequence[str]:
        """Serve the page at `/`; return the hashes of its inline scripts for the Content-Security-Policy."""
        server.config.update(
            COMPRESS_ALGORITHM=["br", "gzip"],
            COMPRESS_BR_LEVEL=5,
            COMPRESS_CACHE_BACKEND=Compressed,
            COMPRESS_CACHE_KEY=lambda asked: asked.path,
        )
        others = set(server.view_functions)
        app = dash.Dash(
            __name__,
            compress=True,
            server=server,  # type: ignore[arg-type]  # it accepts a Flask application
            title="SpeedDash",
            update_title="",
            index_string=INDEX,
            assets_ignore=NOT_THE_PAGE,
            assets_folder=str(shipped("assets")),
            meta_tags=[
                {"name": "viewport", "content": "width=device-width, initial-scale=1"},
                {"name": "color-scheme", "content": "light dark"},
                {"name": "description", "content": "A live speed dashboard: every point drawn is stored."},
            ],
        )
        app.layout = _layout
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
        # Without Output: the functions update the page through set_props.
        for function, trigger in (
            ("start", Input("looks", "data")),
            ("senderChanged", Input("socket", "state")),
            ("senderReceived", Input("socket", "message")),
            ("watcherChanged", Input("live-socket", "state")),
            ("watcherReceived", Input("live-socket", "message")),
            ("sourcesListed", Input("sources", "data")),
            ("zoomed", Input("live-graph", "relayoutData")),
        ):
            app.clientside_callback(ClientsideFunction("speeddash", function), trigger)  # type: ignore[no-untyped-call]
        for function, triggers in (
            ("pressed", [Input(identity, "n_clicks") for identity in BUTTONS]),
            ("chosen", [Input(identity, "value") for identity in FIELDS]),
        ):
            app.clientside_callback(  # type: ignore[no-untyped-call]
                ClientsideFunction("speeddash", function), *triggers, prevent_initial_call=True
            )
        app.callback(Output("sources", "data"), Input("sources-poll", "n_intervals"), prevent_initial_call=True)(
            self.options
        )
        # The views that Dash has registered. The page shows readings and changes nothing on the server.
        allow_all(Permission.READ, server, server.view_functions.keys() - others)
        hashes: Sequence[str] = app.csp_hashes()
        return hashes

    def options(self, _polls: int) -> list[dict[str, Any]]:
        """Return the sources that can be watched, the latest first. All pages share one list, which is read in intervals."""
        began = time.monotonic()
        if began >= self._read_again:
            try:
                found = self._store.sources.select(limit=MAX_SOURCES)
                self._spans = nlargest(MAX_LISTED, found, key=lambda span: span.last_us)
            except StoreError:
                raise PreventUpdate from None  # the list stays; the page shows the error of /readyz
            self._read_again = time.monotonic() + SOURCES_INTERVAL * (time.monotonic() - began)
        return options(self._spans, time.time_ns() // 1000)


def _layout() -> Component:
    if not has_request_context():  # Dash calls it once at start
        return layout()
    return layout(may_send=current_role().may(Permission.SEND), signed_in=g.get("signed_in", False))


def options(spans: list[Span], now_us: int) -> list[dict[str, Any]]:
    """Return the options of the source picker.

    Args:
        spans: The sources, the latest first.
        now_us: Current time, microseconds since the epoch.
    """
    return [
        {"value": span.source, "label": _label(span, now_us), "search": span.source, "last_ms": span.last_us / 1000}
        for span in spans
    ]


def _label(span: Span, now_us: int) -> str:
    name = span.source or "(unnamed)"
    if abs(now_us - span.last_us) < LIVE_S * 1_000_000:
        return f"{name} (live)"
    last = datetime.fromtimestamp(span.last_us / 1e6, UTC)
    return f"{name} (last {last:%Y-%m-%d %H:%M} UTC)"
