"""The speedometer. `assets/dial.css` draws it from two properties, `--speed` and `--limit` (0 to 1 of the scale).

`assets/app/view/screen.mjs` writes the numbers of its scale.
"""

from dash import html
from dash.development.base_component import Component

from speeddash.page.controls import aria


def dial() -> Component:
    """Return the dial: needle, limit zone, and the speed in digits."""
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
