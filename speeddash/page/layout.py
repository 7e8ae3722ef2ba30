"""The layout of the page."""

from dash import dcc, html
from dash.development.base_component import Component
from dash_extensions import WebSocket

from speeddash.page.controls import aria, button, choice, field, figure
from speeddash.page.dial import dial
from speeddash.page.figures import GRAPH_CONFIG, chart_config, empty_figure
from speeddash.units import SYMBOL

KEYS = {
    "space": "pause and resume",
    "1 to 5": "window: 1 and 5 and 15 minutes, an hour, a day",
    "← →": "earlier, later",
    "l": "back to live",
    "u": "next unit",
    "t": "next theme",
    "i": "import a file",
    "d": "driving mode",
    "m": "mirror driving mode for the windscreen",
    "f": "full screen",
    "?": "this help",
    "Esc": "leave driving mode",
}


def layout(*, may_send: bool = True, signed_in: bool = False) -> Component:
    """Return the components of the page for a visitor.

    Args:
        may_send: The visitor may send and change, not only watch.
        signed_in: The visitor can sign out.
    """
    return html.Div(
        id="page",
        className="page",
        children=[
            WebSocket(id="socket"),
            WebSocket(id="live-socket"),
            dcc.Interval(id="sources-poll", interval=3000, disabled=True),
            dcc.Store(id="looks", data=chart_config() | {"help": help_(), "maySend": may_send}),
            dcc.Store(id="sources"),
            _header(may_send, signed_in),
            html.P(id="notice", className="notice", hidden=True),
            html.P(id="announce", className="unseen", **aria(live="polite")),
            html.Main([_now(may_send), _chart(), _trips(), _events(may_send)]),
            _driving(),
            html.Dialog(
                id="keys", **aria(label="Keys"), children=[html.Div(id="keys-text"), button("close-help", "Close")]
            ),
            html.Dialog(id="import", **aria(label="Import a recording")),
            html.Div(id="drop", className="drop", hidden=True, children=html.P("Drop a recording to import it")),
        ],
    )


def _header(may_send: bool, signed_in: bool) -> Component:
    return html.Header(
        [
            html.Div(
                className="state",
                children=[
                    html.H1(["Speed", html.Span("Dash")]),
                    html.Span("Connecting", id="status", className="status connecting"),
                    html.Span("", id="waiting", className="waiting", title="Readings that are not stored yet"),
                ],
            ),
            html.Div(
                className="tools",
                children=[
                    choice("unit", "Unit", SYMBOL),
                    choice("theme", "Theme", {"light": "Light", "dark": "Dark", "system": "System"}),
                    button("driving", "Driving", hint="Huge digits (d)"),
                    button("fullscreen", "Full screen", hint="Full screen (f)"),
                    button("open-import", "Import", hint="Import a recording from a file (i)", hidden=not may_send),
                    button("help", "?", label="Keys and help"),
                    *([_sign_out()] if signed_in else []),
                ],
            ),
        ]
    )


def _sign_out() -> Component:
    return html.Form(action="/sign-out", method="post", children=html.Button("Sign out"))


def _now(may_send: bool) -> Component:
    modes = {"simulate": "Simulate", "gps": "This device’s GPS", "watch": "Watch"}
    return html.Section(
        className="card now",
        **aria(label="Speed now"),
        children=[
            html.Div(
                className="source",
                children=[
                    choice("source", "Source", modes if may_send else {"watch": modes["watch"]}),
                    html.Div(
                        id="sending",
                        children=[
                            html.Span("Sends as "),
                            html.Strong("–", id="source-name"),
                            html.A("Watch it elsewhere", id="watch-link", href="?mode=watch", target="_blank"),
                        ],
                    ),
                    html.Div(
                        id="watching",
                        hidden=True,
                        children=[
                            html.Label("Watched sources", htmlFor="watched", className="unseen"),
                            dcc.Dropdown(id="watched", options=[], multi=True, placeholder="Choose sources to watch"),
                            html.Details(id="manage", hidden=True, children=html.Summary("Rename or delete")),
                        ],
                    ),
                ],
            ),
            dial(),
            html.Dl(
                className="figures",
                children=[
                    figure("average", "Average"),
                    figure("maximum", "Maximum"),
                    figure("distance", "Distance"),
                    figure("moving", "Moving"),
                    figure("last-time", "Last reading"),
                    figure("stored", "Stored in this visit"),
                ],
            ),
            html.Div(id="others", role="region", tabIndex=0, **aria(label="All watched sources")),
        ],
    )


def _chart() -> Component:
    windows = {"1m": "1 m", "5m": "5 m", "15m": "15 m", "1h": "1 h", "24h": "24 h"}
    return html.Section(
        className="card chart",
        **aria(label="Speed over time"),
        children=[
            html.Div(
                className="toolbar",
                children=[
                    choice("window", "Window", windows),
                    button("earlier", "‹", label="Earlier (left arrow)"),
                    button("later", "›", label="Later (right arrow)"),
                    html.Span("", className="space"),
                    button("pause", "Pause", hint="Stop scrolling; readings are still stored (space)"),
                    button("go-live", "Back to live", hint="Follow the newest reading (l)", hidden=True),
                ],
            ),
            html.Div(
                className="plot",
                children=[
                    dcc.Graph(id="live-graph", figure=empty_figure(), config=GRAPH_CONFIG, responsive=True),
                    html.Div(
                        id="message",
                        className="message",
                        children=[
                            html.P("Loading", id="message-text"),
                            button("show-latest", "Show the latest", hidden=True),
                        ],
                    ),
                    html.Div(
                        id="table",
                        className="table",
                        hidden=True,
                        role="region",
                        tabIndex=0,
                        **aria(label="Readings shown"),
                    ),
                ],
            ),
            html.Div(
                className="toolbar",
                children=[
                    html.Span("", id="shown", className="quiet"),
                    html.Span(
                        id="readings",
                        role="group",
                        className="quiet",
                        hidden=True,
                        **aria(label="All readings of this range"),
                        children=[
                            "All readings: ",
                            *[
                                html.A(kind.upper(), href="#", download="", id=f"readings-{kind}", className="download")
                                for kind in ("csv", "ndjson", "gpx")
                            ],
                        ],
                    ),
                    html.Span("", className="break"),
                    html.Span("", className="space"),
                    field("from", "From", type="datetime-local", step=1, className="moment"),
                    field("to", "To", type="datetime-local", step=1, className="moment"),
                    button("show-table", "As a table", **aria(pressed="false")),
                    button("export-csv", "Save as CSV"),
                    button("export-png", "Save as PNG"),
                ],
            ),
        ],
    )


def _trips() -> Component:
    return html.Section(
        className="card trips",
        **aria(label="Trips"),
        children=[
            html.H2("Trips"),
            html.Div(id="trips"),
        ],
    )


def _events(may_send: bool) -> Component:
    return html.Section(
        className="card events",
        **aria(label="Events"),
        children=[
            html.Div(
                className="toolbar",
                children=[
                    html.H2("Above the limit"),
                    field(
                        "limit",
                        "Limit",
                        type="number",
                        min=0,
                        className="amount",
                        placeholder="none",
                        disabled=not may_send,
                    ),
                ],
            ),
            html.Div(id="events", role="region", tabIndex=0, **aria(label="Times above the limit")),
        ],
    )


def _driving() -> Component:
    return html.Div(
        id="driving-bar",
        className="driving-bar",
        children=[
            button("mirror", "Mirror", hint="For the windscreen (m)"),
            button("leave-driving", "Leave", hint="Esc"),
        ],
    )


def help_() -> list[Component]:
    """Return the components of the help, which the browser adds when it is first opened."""
    return [
        html.H2("Keys"),
        html.Dl([html.Div([html.Dt(html.Kbd(key)), html.Dd(does)]) for key, does in KEYS.items()]),
        html.P("Drag across the chart to zoom, along its time axis to move. Double-click to return to live."),
        html.P("Drop a recording on the page to import it: CSV, GPX, NMEA or NDJSON."),
    ]
