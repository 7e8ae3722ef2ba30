"""The layout of the sources place, and of the chosen source."""

from typing import Any, Final
from urllib.parse import urlencode

import dash_ag_grid as dag
from dash import dcc, html
from dash.development.base_component import Component
from flask import request

from speeddash.page.connect.ways import socket_of
from speeddash.page.controls import aria, button, field, figures
from speeddash.page.place import Visitor
from speeddash.page.reader import Reader, shown_name
from speeddash.page.source_list import ListedSource
from speeddash.page.sources.rows import COLUMNS
from speeddash.reading import MAX_DISPLAY_NAME

DEVICES: Final = """\
from websockets.sync.client import connect

with connect("SOCKET?source=NAME") as socket:
    socket.send('{"speed": 87.5}')
    print(socket.recv())  # the same text: the reading is stored
"""


def layout(chosen: str | None, reader: Reader, visitor: Visitor) -> Component:
    """Return the components of the place.

    Args:
        chosen: Source that is shown in full; None for none.
        reader: Whose time zone is named.
        visitor: What the visitor may do.
    """
    return html.Main(
        id="sources-place",
        className="place sources-place",
        children=[
            dcc.Store(id="sources-changed", data=0),
            dcc.Store(id="sources-picked"),
            dcc.Interval(id="sources-tick", interval=10_000),
            html.H1("Sources", className="unseen"),
            html.Section(
                className="card sources-list",
                **aria(label="List of sources"),
                children=[
                    html.Div(
                        className="toolbar",
                        children=[
                            html.H2("Sources"),
                            html.Span(f"Times in {reader.zone}", className="quiet"),
                            button("open-import-here", "Import recordings", hidden=not visitor.may_send),
                            # Enabled with the first rows: a click before them could be lost.
                            button(
                                "delete-simulated",
                                "Delete simulated sources",
                                disabled=True,
                                hidden=not visitor.may_change,
                            ),
                        ],
                    ),
                    dag.AgGrid(
                        id="sources-grid",
                        rowData=None,  # until the first rows have come it says so
                        columnDefs=COLUMNS,
                        defaultColDef={"sortable": True, "resizable": True, "suppressHeaderMenuButton": True},
                        getRowId="params.data.source || '~'",
                        selectedRows=selection(chosen),
                        dashGridOptions={
                            "rowSelection": {
                                "mode": "singleRow",
                                "checkboxes": False,
                                "enableClickSelection": True,
                            },
                            "animateRows": False,
                            "suppressMovableColumns": True,
                            "localeText": {
                                "loadingOoo": "Loading",
                                "noRowsToShow": "Nothing stored yet. A source appears here as soon as it sends.",
                            },
                        },
                        className="grid",
                        style={"height": None},
                    ),
                    html.P(id="sources-word", className="quiet", role="status"),
                ],
            ),
            html.Section(
                className="card source-detail", **aria(label="Chosen source"), children=html.Div(id="source-detail")
            ),
            html.Section(className="card connect", **aria(label="Connect a device"), children=_connect_a_device()),
        ],
    )


def selection(chosen: str | None) -> dict[str, list[str]]:
    """Return the selection of the list, by the ids of its rows."""
    return {"ids": [] if chosen is None else [chosen or "~"]}


def detail(
    listed: ListedSource, readings: int | None, others: list[ListedSource], reader: Reader, *, may_change: bool
) -> list[Component]:
    """Return what is stored of a source, and what can be changed of it.

    Args:
        listed: The source.
        readings: Number of its readings; None while they are being counted.
        others: Sources that it can be merged into.
        reader: For texts.
        may_change: The visitor may change it.
    """
    source = listed.source
    texts = [
        ("Source", shown_name(source)),
        ("Readings", "being counted" if readings is None else reader.number(readings)),
        ("First reading", reader.moment(listed.span.first_us)),
        ("Last reading", reader.moment(listed.span.last_us)),
    ]
    query = urlencode({"source": source})
    links = [(kind.upper(), f"/api/v1/export.{kind}?{query}") for kind in ("csv", "ndjson", "gpx", "tcx")]
    return [
        html.Div(
            className="toolbar",
            children=[
                html.H2(listed.name, id="source-heading"),
                dcc.Link("Live", href=f"/?mode=watch&{query}", className="download"),
                dcc.Link("Trips", href=f"/trips?{query}", className="download"),
            ],
        ),
        html.Dl(className="figures", children=figures(texts)),
        html.P(
            [
                "Export all readings: ",
                *(html.A(name, href=href, download="", className="download") for name, href in links),
            ],
            className="quiet",
        ),
        *(_forms(listed, others, reader) if may_change else []),
    ]


def _forms(listed: ListedSource, others: list[ListedSource], reader: Reader) -> list[Component]:
    source = listed.source
    limit = listed.settings.limit_kmh

    def text(identity: str, label: str, value: str, **options: Any) -> Component:
        return field(identity, label, value=value, debounce=False, autoComplete="off", spellCheck=False, **options)

    limit_text = "" if limit is None else f"{round(reader.speed_value(limit), 2):g}"
    return [
        dcc.Store(id="source-shown", data=source),
        html.P(id="source-word", className="word", role="status"),
        html.Div(
            className="form",
            children=[
                text("source-limit", f"Limit in {reader.symbol}", limit_text, inputMode="numeric", placeholder="none"),
                button("source-limit-set", "Set limit"),
                button("source-limit-remove", "Remove limit"),
            ],
        ),
        html.Div(
            className="form",
            children=[
                text(
                    "source-display", "Name for people", listed.settings.display_name or "", maxLength=MAX_DISPLAY_NAME
                ),
                button("source-describe", "Save name"),
            ],
        ),
        html.Details(
            [
                html.Summary("Rename, merge or delete"),
                html.P("These are for everyone, and for all that is stored. They cannot be undone.", className="quiet"),
                html.Div(
                    className="form",
                    children=[
                        text("source-new-name", "New source name", source, maxLength=64),
                        button("source-rename", "Rename"),
                    ],
                ),
                html.Div(
                    className="form",
                    children=[
                        html.Label("Merge into", htmlFor="source-into", className="field"),
                        dcc.Dropdown(
                            id="source-into",
                            options=[{"value": each.source, "label": each.both_names} for each in others],
                            placeholder="Another source",
                        ),
                        button("source-merge", "Merge"),
                    ],
                ),
                html.Div(
                    className="form",
                    children=[
                        text("source-again", f"To delete, type {shown_name(source)}", ""),
                        button("source-delete", "Delete", className="danger"),
                    ],
                ),
            ]
        ),
    ]


def _connect_a_device() -> list[Component]:
    return [
        html.H2("Connect a device"),
        html.P("A device is a source as soon as it sends a reading. From a program:", className="quiet"),
        html.Pre(
            html.Code(DEVICES.replace("SOCKET", socket_of(request.host_url.rstrip("/")))),
            tabIndex=0,
            **aria(label="Example of a sender"),
        ),
        html.P(
            [
                "Over HTTP: ",
                html.Code('POST /api/v1/readings {"source": "NAME", "speed": 87.5}'),
                ". The whole interface: ",
                html.A("REST reference", href="/api"),
                ". A recorded drive: Import recordings.",
            ],
            className="quiet",
        ),
    ]
