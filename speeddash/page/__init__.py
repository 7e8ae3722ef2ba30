"""The page: what is stored, drawn."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dash
from dash import ClientsideFunction, Input, Output
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate
from flask import Flask, g, has_request_context

from speeddash.access import Permission, allow_all, current_role
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
#: What in assets/ belongs to other pages.
NOT_THE_PAGE = "^api[.]js$"
#: A source whose last reading is younger is called live.
LIVE_S = 10
MAX_SOURCES = 1_000
#: The list of sources is not read again for so many times as long as it took.
REST = 20.0

BUTTONS = (
    "pause", "go-live", "earlier", "later", "show-latest", "export-png", "export-csv", "show-table", "fullscreen",
    "driving", "leave-driving", "mirror", "help", "close-help", "open-import",
)  # fmt: skip
FIELDS = ("watched", "limit", "from", "to")


class Compressed(dict[str, bytes]):
    """What was compressed once and is the same for everyone: the scripts. All else is compressed when it is asked for.

    Compressing plotly.js takes a tenth of a second, in which no socket is served; once in a server's life it may.
    """

    def set(self, key: str, value: bytes) -> None:
        """Keep `value`, if the path in the key is a script of Dash's or Plotly's."""
        if "/_dash-component-suites/" in key or "/assets/plotly" in key:
            self[key] = value


class Page:
    """The Dash page of one Flask application.

    A reading never passes through a server callback: sending, confirming and drawing happen in the browser, in the functions
    of `assets/`, which the callbacks below name. The server's part is the list of sources.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._spans: list[Span] = []
        self._read_again = 0.0

    def register(self, server: Flask) -> Sequence[str]:
        """Serve the page at `/`; the hashes of its inline scripts."""
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
            server=server,  # type: ignore[arg-type]  # a Flask application is what it takes first of all
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
        # Else the environment could turn them on.
        app.enable_dev_tools(
            debug=False,
            dev_tools_ui=False,
            dev_tools_props_check=False,
            dev_tools_serve_dev_bundles=False,
            dev_tools_hot_reload=False,
            dev_tools_silence_routes_logging=False,
            dev_tools_disable_version_check=True,
        )
        # No Output: the functions show what they decide through set_props.
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
        # Dash registers its own views. The page shows readings and changes nothing on the server.
        allow_all(Permission.READ, server, server.view_functions.keys() - others)
        hashes: Sequence[str] = app.csp_hashes()
        return hashes

    def options(self, _polls: int) -> list[dict[str, Any]]:
        """The sources that can be watched, the latest first.

        One list serves all pages, and the more there are the longer: a thousand take the database a second.
        """
        began = time.monotonic()
        if began >= self._read_again:
            try:
                self._spans = self._store.sources(limit=MAX_SOURCES)
            except StoreError:
                raise PreventUpdate from None  # the list stays as it is; the page asks /readyz and says what is wrong
            self._read_again = time.monotonic() + REST * (time.monotonic() - began)
        return options(self._spans, time.time_ns() // 1000)


def _layout() -> Component:
    if not has_request_context():  # Dash looks at it once before there is a visitor
        return layout()
    return layout(may_send=current_role().may(Permission.SEND), signed_in=g.get("signed_in", False))


def options(spans: list[Span], now_us: int) -> list[dict[str, Any]]:
    """Choices for the picker of sources, the latest first. Pure.

    Args:
        spans: The sources.
        now_us: Microseconds since the epoch.
    """
    latest = sorted(spans, key=lambda span: -span.last_us)
    return [
        {"value": span.source, "label": _label(span, now_us), "search": span.source, "last_ms": span.last_us / 1000}
        for span in latest
    ]


def _label(span: Span, now_us: int) -> str:
    name = span.source or "(unnamed)"
    if abs(now_us - span.last_us) < LIVE_S * 1_000_000:
        return f"{name} (live)"
    last = datetime.fromtimestamp(span.last_us / 1e6, UTC)
    return f"{name} (last {last:%Y-%m-%d %H:%M} UTC)"
