"""The page's small parts: choices, buttons, fields, each with a name for those who cannot see it."""

from typing import Any

from dash import dcc, html
from dash.development.base_component import Component


def aria(**attributes: str) -> dict[str, Any]:
    """`aria-` attributes; Dash takes a hyphen in a keyword only this way."""
    return _hyphened("aria", **attributes)


def choice(identity: str, label: str, options: dict[str, str]) -> Component:
    """A row of buttons of which one is pressed; `assets/controls.js` hears the click, `assets/screen.js` presses the button.

    Not dcc.RadioItems: its labels are options of a list with inputs inside, which screen readers stumble over (axe:
    nested-interactive).

    Args:
        identity: The group's id.
        label: What is chosen here, for a screen reader.
        options: What each value is called.
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
    """A button; `hint` names its key, `label` says what it does where the text is a sign."""
    return html.Button(text, id=identity, title=hint or label, **(aria(label=label) if label else {}), **options)


def field(identity: str, label: str, **options: Any) -> Component:
    """An input with its label before it."""
    return html.Label(
        className="field",
        htmlFor=identity,
        children=[html.Span(label), dcc.Input(id=identity, debounce=True, **options)],
    )


def figure(identity: str, label: str) -> Component:
    """One figure with its name."""
    return html.Div(id=f"{identity}-row", children=[html.Dt(label), html.Dd("–", id=identity)])


def _hyphened(prefix: str, **attributes: str) -> dict[str, Any]:
    return {f"{prefix}-{name}": value for name, value in attributes.items()}
