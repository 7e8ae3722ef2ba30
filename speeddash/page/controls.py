"""Small parts of the page: choices, buttons and fields, each with an accessible name."""

from typing import Any

from dash import dcc, html
from dash.development.base_component import Component


def aria(**attributes: str) -> dict[str, Any]:
    """Return `aria-` attributes, whose hyphen cannot be part of a keyword argument."""
    return _hyphened("aria", **attributes)


def choice(identity: str, label: str, options: dict[str, str]) -> Component:
    """Return a row of buttons of which one is pressed. `assets/controls.js` handles clicks, `assets/screen.js` shows the pressed button.

    Not dcc.RadioItems, because it nests interactive elements (axe: nested-interactive).

    Args:
        identity: The group's id.
        label: Accessible name of the group.
        options: Values and their labels.
    """
    return html.Div(
        id=identity,
        role="group",
        className="choice",
        **aria(label=label),
        children=[
            html.Button(name, **_hyphened("data", value=value), **aria(pressed="false"))
            for value, name in options.items()
        ],
    )


def button(identity: str, text: str, *, hint: str = "", label: str = "", **options: Any) -> Component:
    """Return a button. `hint` is its tooltip, `label` its accessible name if the text is a symbol."""
    return html.Button(text, id=identity, title=hint or label, **(aria(label=label) if label else {}), **options)


def field(identity: str, label: str, **options: Any) -> Component:
    """Return an input after its label."""
    return html.Label(
        className="field",
        htmlFor=identity,
        children=[html.Span(label), dcc.Input(id=identity, debounce=True, **options)],
    )


def figure(identity: str, label: str) -> Component:
    """Return one figure with its name."""
    return html.Div(id=f"{identity}-row", children=[html.Dt(label), html.Dd("–", id=identity)])


def _hyphened(prefix: str, **attributes: str) -> dict[str, Any]:
    return {f"{prefix}-{name}": value for name, value in attributes.items()}
