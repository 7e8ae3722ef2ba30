"""The speedometer. `assets/dial.css` draws it from two properties, `--speed` and `--limit` (0 to 1 of the scale).

`assets/app/view/dial.mjs` turns it; `assets/app/view/screen.mjs` writes the numbers of its scale.
"""

from typing import Any

from dash import html
from dash.development.base_component import Component

from speeddash.page.controls import aria


def dial(digits: Component, unit: Component, *scale: Component, **options: Any) -> Component:
    """Return a dial: needle, limit zone, and the speed in digits.

    Args:
        digits: Where the speed stands.
        unit: Where its unit stands.
        scale: Where the numbers around it stand; none for a small dial.
        options: Options of its element.
    """
    return html.Div(
        className="dial",
        style={"--speed": 0, "--limit": 1},
        children=[
            html.Div(className="dial-face", **aria(hidden="true")),
            *scale,
            html.Div(className="needle", **aria(hidden="true")),
            html.Div(className="digits", children=[digits, unit]),
        ],
        **options,
    )
