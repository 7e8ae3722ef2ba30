"""What stands on the page."""

from typing import Any

from dash import dcc, html
from dash.development.base_component import Component
from dash_extensions import WebSocket

from speeddash.page.figures import GRAPH_CONFIG, empty_figure, themes


def layout() -> Component:
    """A fresh component tree, made anew for every visitor."""
    return html.Div(
        className="page",
        children=[
            WebSocket(id="socket"),
            dcc.Interval(id="second", interval=1000),
            dcc.Store(id="themes", data=themes()),
            _header(),
            html.Main([_now(), _chart()]),
        ],
    )


def _header() -> Component:
    return html.Header(
        [
            html.H1(["Speed", html.Span("Dash")]),
            html.Div(
                className="state",
                children=[
                    html.Span("Connecting", id="status", className="status connecting", role="status"),
                    html.Span(
                        "0 waiting", id="waiting", className="waiting", title="Readings that have no receipt yet"
                    ),
                ],
            ),
        ]
    )


def _now() -> Component:
    return html.Section(
        className="card now",
        **_labelled("Speed now"),
        children=[
            html.Div([html.Span("–", id="speed-now"), html.Span("km/h", className="unit")], className="speed"),
            html.Dl(
                [
                    html.Div([html.Dt("Average shown"), html.Dd("–", id="average")]),
                    html.Div([html.Dt("Maximum shown"), html.Dd("–", id="maximum")]),
                    html.Div([html.Dt("Simulated drive, source"), html.Dd("–", id="source-name")]),
                    html.Div([html.Dt("Stored in this visit"), html.Dd("0", id="stored")]),
                    html.Div([html.Dt("Last reading"), html.Dd("–", id="last-time")]),
                ]
            ),
        ],
    )


def _chart() -> Component:
    return html.Section(
        className="card chart",
        **_labelled("Speed over time"),
        children=[
            html.Div(
                className="toolbar",
                children=[
                    html.H2("Speed over time"),
                    html.Button("Back to live", id="go-live", hidden=True),
                    html.Button("Save as PNG", id="export-png"),
                ],
            ),
            dcc.Graph(id="live-graph", figure=empty_figure(), config=GRAPH_CONFIG, responsive=True),
        ],
    )


def _labelled(label: str) -> dict[str, Any]:
    """Dash takes attributes with a hyphen as keywords only this way."""
    return {"aria-label": label}
