"""The speedometer: drawn by `assets/dial.css`, turned by two of its properties, `--speed` and `--limit` (0 to 1 of the scale).

The numbers of its scale are written by `assets/screen.js`.
"""

from dash import html
from dash.development.base_component import Component

from speeddash.page.controls import aria


def dial() -> Component:
    """A dial with a needle, its limit zone, and the speed in digits."""
    return html.Div(
        id="dial",
        className="dial",
        style={"--speed": 0, "--limit": 1},
        children=[
            html.Div(className="dial-face", **aria(hidden="true")),
            html.Div(id="dial-scale", className="dial-scale", **aria(hidden="true")),
            html.Div(className="needle", **aria(hidden="true")),
            html.Div(
                className="digits",
                children=[html.Span("–", id="speed-now"), html.Span("km/h", id="unit-now", className="unit")],
            ),
        ],
    )
