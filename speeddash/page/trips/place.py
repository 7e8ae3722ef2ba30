"""The trips place: trips of a range as a list, their totals, one trip in full, several compared."""

from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any, Final

import dash_ag_grid as dag
from dash import dcc, html, no_update
from dash.development.base_component import Component

from speeddash.errors import InvalidInput
from speeddash.page.controls import aria, button, choices, days, graph, labelled, picker
from speeddash.page.reader import Reader
from speeddash.page.trips.rows import column_definitions
from speeddash.page.trips.view import TripsView
from speeddash.page.when import PRESETS, RangeText, days_of, named

EMPTY: Final[dict[str, Any]] = {"data": [], "layout": {"xaxis": {"visible": False}, "yaxis": {"visible": False}}}
GRID_OPTIONS: Final = {
    "rowSelection": {"mode": "multiRow", "enableClickSelection": True, "headerCheckbox": False},
    "selectionColumnDef": {"width": 56, "pinned": "left", "headerName": "Pick"},
    "animateRows": False,
    "suppressMovableColumns": True,
    "tabToNextCell": {"function": "false"},  # Tab leaves the list, whose cells are a thousand; arrows move in it
    "localeText": {"noRowsToShow": "No trips"},
}
RANGES: Final = {name: name for name in PRESETS}
#: Interval between two looks at the database, while history is being prepared, and for a range that ends now. A new look discards the
#: answer to the one before, so it is longer than an answer takes.
PREPARING_MS: Final = 5_000
REFRESH_MS: Final = 60_000
BY: Final = {"auto": "Automatic", "day": "Day", "week": "Week", "month": "Month", "tag": "Tag"}


def layout(view: TripsView, options: list[dict[str, Any]], csv: str, reader: Reader) -> Component:
    """Return the components of the place.

    Args:
        view: What the address asks for.
        options: Sources to choose from.
        csv: Address of the trips as CSV.
        reader: Time zone, numbers and unit.
    """
    return html.Main(
        id="trips-place",
        className="place trips-place",
        children=[
            dcc.Store(id="trips-shown"),
            dcc.Store(id="trips-changed", data=0),
            dcc.Store(id="trips-picked"),
            dcc.Interval(id="trips-poll", interval=PREPARING_MS, disabled=True),
            html.H1("Trips", className="unseen"),
            _toolbar(view, options, csv, reader),
            html.P("Looking for trips", id="trips-word", className="word", role="status"),
            html.P(id="trips-paper", className="paper"),
            html.Dl(id="trips-figures", className="figures wide"),
            html.Section(className="card trips-list", **aria(label="List of trips"), children=_list(view, reader)),
            html.Div(
                className="trips-side",
                children=[
                    html.Section(
                        className="card trips-detail",
                        **aria(label="Chosen trips"),
                        children=html.Div(id="trips-detail", **aria(live="polite")),
                    ),
                    html.Section(
                        className="card trips-days",
                        **aria(label="Days"),
                        children=[
                            html.H2("Days"),
                            graph("trips-days-graph", EMPTY),
                        ],
                    ),
                    html.Section(className="card trips-totals", **aria(label="Totals"), children=_totals(view)),
                    html.Section(
                        className="card trips-events",
                        children=html.Div(id="trips-events"),
                        **aria(label="Above the limit"),
                    ),
                ],
            ),
        ],
    )


def _toolbar(view: TripsView, options: list[dict[str, Any]], csv: str, reader: Reader) -> Component:
    return html.Div(
        className="toolbar range",
        children=[
            picker("trips-source", options, view.sources, "The latest source"),
            choices("trips-range", "Range", RANGES, named(view.range)),
            button("trips-earlier", "‹", label="Earlier"),
            button("trips-later", "›", label="Later"),
            days("trips-day", *picked(view.range, reader)),
            html.Span(f"Times in {reader.zone}", className="quiet zone"),
            html.Span(className="space"),
            html.A("CSV", id="trips-csv", href=csv, className="download", download=""),
            button("trips-print", "Print report"),
        ],
    )


def picked(shown: RangeText, reader: Reader) -> tuple[str | None, str | None]:
    """Return the first and the last day of a range for the fields of days; None for what is no range of days."""
    with suppress(InvalidInput):
        first, last = days_of(shown, reader, datetime.now(UTC))
        return first.isoformat(), last.isoformat()
    with suppress(ValueError):  # days that end before they begin: the list says so
        return date.fromisoformat(shown.begin).isoformat(), date.fromisoformat(shown.end).isoformat()
    return None, None


def _list(view: TripsView, reader: Reader) -> list[Component]:
    return [
        dag.AgGrid(
            id="trips-grid",
            rowData=[],
            columnDefs=column_definitions(reader, several=len(view.sources) > 1, noted=()),
            defaultColDef={"sortable": True, "resizable": True, "suppressHeaderMenuButton": True},
            getRowId="params.data.key",
            dashGridOptions=GRID_OPTIONS,
            className="grid",
            style={"height": None},
        ),
        html.P("Choose a trip to see it, two or more to compare them.", className="quiet"),
    ]


def _totals(view: TripsView) -> list[Component]:
    return [
        html.Div(
            className="toolbar",
            children=[
                html.H2("Totals"),
                labelled(
                    "By", dcc.Dropdown(id="trips-by", options=BY, value=view.by, clearable=False, searchable=False)
                ),
            ],
        ),
        html.Div(id="trips-totals"),
    ]


def nothing_listed(word: str, *, prepared: bool = True) -> tuple[Any, ...]:
    """Return what the callback of the list returns where no trip can be listed.

    Args:
        word: Why.
        prepared: False while history is being prepared: it is looked at again soon.
    """
    return ([], no_update, no_update, word, "", [], EMPTY, [], [], prepared, PREPARING_MS, None)
