"""The import dialog: what was chosen, how it is to be read, and what became of it. `assets/app/data/upload.mjs` sends the files."""

from pathlib import PurePath
from typing import Any, Final
from urllib.parse import urlencode

from dash import Input, Output, State, dcc, html
from dash.development.base_component import Component

from speeddash.formats import FORMAT_OF_ENDING, FORMATS, source_of
from speeddash.page.controls import aria, button, field, labelled, scrolled, table
from speeddash.page.place import Callbacks
from speeddash.page.reader import Reader
from speeddash.reading import parse_time
from speeddash.units import SYMBOL

MAX_BAD: Final = 20
#: Formats that are suggested by the ending of a file's name; for others the server looks at the content.
ENDINGS: Final = FORMAT_OF_ENDING | {".txt": "csv", ".log": "nmea"}


class ImportDialog:
    """The import dialog of one Dash application."""

    def register(self, callbacks: Callbacks) -> None:
        """Add its callback."""
        callbacks.read(
            self.box,
            Output("import-box", "children"),
            Input("import-state", "data"),
            State("reader", "data"),
            prevent_initial_call=True,
        )

    def box(self, state: dict[str, Any] | None, told: dict[str, Any] | None) -> list[Component]:
        """Return the dialog.

        Args:
            state: `files` that were chosen (name, size), why they cannot be imported (`refused`), or `results` (name, and `answer` of the
                REST interface or `failure`).
            told: What the browser says about its reader.
        """
        state, reader = state or {}, Reader.of(told)
        files, refused = state.get("files") or [], state.get("refused")
        results = state.get("results")
        title = "Import recordings"
        if len(files) == 1:
            title = f"Import {files[0]['name']}"
        elif files:
            title = f"Import {len(files)} files"
        return [
            html.H2(title),
            html.P(
                "CSV, FIT, GPX, TCX, NMEA, VBO or NDJSON, dropped anywhere on the page, or chosen here.",
                className="quiet",
            ),
            *([html.P(refused, className="problem", role="alert")] if refused else []),
            *(_fields(files) if files and results is None else []),
            *([outcome for each in results or [] for outcome in _result(each, reader)]),
            html.Progress(id="import-progress", max="1", value="0", hidden=True, **aria(label="How much is sent")),
            html.P("", id="import-word", role="status"),
            html.Div(
                className="toolbar",
                children=[
                    button("import-choose", "Choose files" if not files else "Other files"),
                    button("import-start", "Import", className="main", hidden=not files or results is not None),
                    button("import-close", "Close"),
                ],
            ),
        ]


def outcome_text(answer: dict[str, Any], reader: Reader) -> str:
    """Return what became of a file, in words."""

    def count(number: int, one: str) -> str:
        return f"{reader.number(number)} {one}{'' if number == 1 else 's'}"

    sources = answer.get("sources") or []
    stored_as = f" as {', '.join(sources)}{' and more' if answer.get('more_sources') else ''}" if sources else ""
    parts = [f"{count(answer['stored'], 'reading')} stored{stored_as}."]
    if answer["bad_count"]:
        parts.append(f"{count(answer['bad_count'], 'line')} could not be read.")
    parts += [f"{each[:1].upper()}{each[1:]}." for each in answer.get("notes") or ()]
    if answer.get("failure"):
        parts.append(f"The rest was not read: {answer['failure']}")
    return " ".join(parts)


def _fields(files: list[dict[str, Any]]) -> list[Component]:
    one = files[0] if len(files) == 1 else None
    name = source_of(one["name"]) if one else ""
    suggested = ENDINGS.get(PurePath(one["name"]).suffix.lower(), "") if one else ""
    return [
        html.Div(
            className="form",
            children=[
                field(
                    "import-name",
                    "Stored as" if one else "Stored as (empty: each under its file’s name)",
                    value=name,
                    debounce=False,
                    maxLength=64,
                    autoComplete="off",
                    spellCheck=False,
                ),
                _choice(
                    "import-format",
                    "Format",
                    {"": "as the file looks", **{each: each.upper() for each in FORMATS}},
                    suggested,
                ),
                _choice("import-unit", "Speeds are in", {"": "as the file says", **SYMBOL}, ""),
            ],
        )
    ]


def _choice(identity: str, label: str, options: dict[str, str], selected: str) -> Component:
    """Return a choice of the browser's own: `upload.mjs` reads its value."""
    choices = [html.Option(text, value=value, selected=value == selected) for value, text in options.items()]
    return labelled(label, html.Select(choices, id=identity))


def _result(result: dict[str, Any], reader: Reader) -> list[Component]:
    answer = result.get("answer")
    if answer is None:
        return [html.P(f"{result['name']}: not imported: {result['failure']}", className="problem")]
    found: list[Component] = [html.P(f"{result['name']}: {outcome_text(answer, reader)}")]
    if answer.get("bad"):
        lines = table(("Line", "Why"), [(str(each["line"]), each["why"]) for each in answer["bad"][:MAX_BAD]])
        found.append(scrolled("Lines that could not be read", lines))
        if answer["bad_count"] > MAX_BAD:
            found.append(html.P(f"The first {MAX_BAD} of {reader.number(answer['bad_count'])}.", className="quiet"))
    if answer.get("first"):
        query = [
            *(("source", each) for each in answer["sources"][:8]),
            ("from", answer["first"]),
            ("to", answer["last"]),
        ]
        live = urlencode([("mode", "watch"), *query], safe=":")
        days = [f"{reader.local(parse_time(answer[end])):%Y-%m-%d}" for end in ("first", "last")]
        trips = urlencode([*query[:-2], ("from", days[0]), ("to", days[1])], safe=":")
        found.append(
            html.P(
                [
                    dcc.Link("Show in Live", href=f"/?{live}", className="download"),
                    dcc.Link("Show trips", href=f"/trips?{trips}", className="download"),
                ]
            )
        )
    return found
