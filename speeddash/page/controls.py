"""Small parts of the page: choices, buttons and fields, each with an accessible name."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from dash import dcc, html
from dash.development.base_component import Component

from speeddash.page.figures import GRAPH_CONFIG

#: A field of a day; its year would take six digits without a maximum.
DAY: Final[dict[str, Any]] = {"type": "date", "max": "9999-12-31"}


def aria(**attributes: str) -> dict[str, Any]:
    """Return `aria-` attributes, whose hyphen cannot be part of a keyword argument."""
    return {f"aria-{name}": value for name, value in attributes.items()}


def choice(identity: str, label: str, options: dict[str, str]) -> Component:
    """Return a row of buttons of which one is pressed. `controls.mjs` handles clicks, `screen.mjs` shows the pressed button.

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
            html.Button(name, **{"data-value": value, **aria(pressed="false")}) for value, name in options.items()
        ],
    )


def choices(kind: str, label: str, options: dict[str, str], pressed: str | None) -> Component:
    """Return a row of buttons whose clicks a server callback handles, by the ids `{"type": kind, "value": ...}`.

    Args:
        kind: Type in the ids; the group's id is `KIND-choice`.
        label: Accessible name of the group.
        options: Values and their labels.
        pressed: Value whose button is pressed; None for none.
    """
    return html.Div(
        id=f"{kind}-choice",
        role="group",
        className="choice",
        children=choice_buttons(kind, options, pressed),
        **aria(label=label),
    )


def choice_buttons(kind: str, options: dict[str, str], pressed: str | None) -> list[Component]:
    """Return the buttons of `choices`."""
    return [
        html.Button(name, id={"type": kind, "value": value}, **aria(pressed=str(value == pressed).lower()))
        for value, name in options.items()
    ]


def days(identity: str, first: str | None = None, last: str | None = None) -> Component:
    """Return the fields of the first and the last day of a range, `IDENTITY-first` and `IDENTITY-last`.

    The browser's own fields: they are reached by keyboard, a phone has a wheel for them, and the reader's locale writes them. (Dash's
    DatePickerRange has an ARIA attribute that its element may not have: axe, aria-allowed-attr.)
    """
    return html.Span(
        className="days",
        role="group",
        **aria(label="Days"),
        children=[
            field(f"{identity}-{end}", name, value=value, **DAY)
            for end, name, value in (("first", "From", first), ("last", "To", last))
        ],
    )


def button(identity: str, text: str, *, hint: str = "", label: str = "", **options: Any) -> Component:
    """Return a button. `hint` is its tooltip, `label` its accessible name if the text is a symbol."""
    return html.Button(text, id=identity, title=hint or label, **(aria(label=label) if label else {}), **options)


def labelled(label: str, control: Any, name: str = "") -> Component:
    """Return a control after its label; `name` is a class of its own."""
    return html.Label(className=f"field {name}".strip(), htmlFor=control.id, children=[html.Span(label), control])


def field(identity: str, label: str, *, debounce: bool | float = True, name: str = "", **options: Any) -> Component:
    """Return an input after its label; see `labelled`."""
    return labelled(label, dcc.Input(id=identity, debounce=debounce, **options), name)


def picker(identity: str, options: Sequence[Any], value: Sequence[str], placeholder: str) -> Component:
    """Return a choice of several sources."""
    chosen = dcc.Dropdown(id=identity, options=options, value=list(value), multi=True, placeholder=placeholder)
    return html.Div([html.Label("Sources", htmlFor=identity, className="unseen"), chosen], className="picker")


def graph(identity: str, figure: dict[str, Any], **options: Any) -> Component:
    """Return a chart."""
    return dcc.Graph(id=identity, figure=figure, **{"config": GRAPH_CONFIG, **options}, responsive=True)


def scrolled(label: str, content: Component) -> Component:
    """Return a region that scrolls within itself; `label` is its accessible name."""
    return html.Div(content, className="scroll", role="region", tabIndex=0, **aria(label=label))


def figures(texts: Sequence[tuple[str, str]]) -> list[Component]:
    """Return names and texts of figures, for a `Dl`."""
    return [html.Div([html.Dt(name), html.Dd(text)]) for name, text in texts]


def table(
    head: Sequence[Any], rows: Iterable[Sequence[Any]], *, row_headers: bool = False, caption: str | None = None
) -> Component:
    """Return a small table; each cell takes the browser 2 ms.

    Args:
        head: Names of the columns.
        rows: Contents of the cells.
        row_headers: The first cell of each row names it.
        caption: Name of the table; None for none.
    """
    cells = [
        html.Tr([html.Th(each, scope="row") if row_headers and not n else html.Td(each) for n, each in enumerate(row)])
        for row in rows
    ]
    parts = [html.Thead(html.Tr([html.Th(name, scope="col") for name in head])), html.Tbody(cells)]
    return html.Table([html.Caption(caption), *parts] if caption else parts)


def figure(identity: str, label: str) -> Component:
    """Return one figure with its name."""
    return html.Div(id=f"{identity}-row", children=[html.Dt(label), html.Dd("–", id=identity)])
