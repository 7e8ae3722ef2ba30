"""The live place: dial, chart and figures of what streams. `assets/app/` draws it; only the limit is changed by a callback."""

from typing import Any

from dash import Input, Output, State, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from speeddash.alerts.limits import Limits
from speeddash.page.chart_table import chart_table
from speeddash.page.controls import aria, button, choice, days, field, figure, graph
from speeddash.page.days import days_box
from speeddash.page.dial import dial
from speeddash.page.figures import empty_figure
from speeddash.page.limit import save_limit
from speeddash.page.place import Callbacks, Visitor
from speeddash.page.source_list import SourceList

#: Circumference of a wheel of 700 x 25C in mm, until a person types that of their own.
WHEEL_MM = 2105
WINDOWS = {"1m": "1 m", "5m": "5 m", "15m": "15 m", "1h": "1 h", "24h": "24 h"}


def live(visitor: Visitor, *, hidden: bool = False) -> Component:
    """Return the components of the place."""
    return html.Main(
        id="live",
        className="live-place",
        hidden=hidden,
        children=[html.H1("Live", className="unseen"), _now(visitor), _chart()],
    )


class LiveCallbacks:
    """The callbacks of the live place."""

    def __init__(self, limits: Limits, sources: SourceList) -> None:
        self._limits = limits
        self._sources = sources

    def register(self, callbacks: Callbacks) -> None:
        """Add the callbacks."""
        callbacks.read(
            lambda _polls, _saved: self._sources.options(),
            Output("sources", "data"),
            Input("sources-poll", "n_intervals"),
            Input("limit-saved", "data"),
        )
        callbacks.change(
            self.limit,
            Output("limit-word", "children"),
            Output("limit-saved", "data"),
            Output("limit", "value"),
            Input("limit-set", "n_clicks"),
            Input("limit-remove", "n_clicks"),
            Input("limit", "n_submit"),
            State("limit", "value"),
            State("limit-source", "data"),
            State("reader", "data"),
            State("limit-saved", "data"),
        )

    def limit(
        self,
        _set: int | None,
        _remove: int | None,
        _submits: int | None,
        text: str | None,
        source: str | None,
        told: dict[str, Any] | None,
        changes: int,
    ) -> tuple[Any, Any, Any]:
        """Store or remove the limit of the source that is shown."""
        if not ctx.triggered or not ctx.triggered[0]["value"] or source is None:
            raise PreventUpdate
        typed = None if ctx.triggered_id == "limit-remove" else text or ""
        return save_limit(self._limits, self._sources, source, typed, told, changes)


def _now(visitor: Visitor) -> Component:
    modes = {"simulate": "Simulate", "gps": "GPS", "bluetooth": "Bluetooth", "watch": "Watch"}
    return html.Section(
        className="card now",
        **aria(label="Speed now"),
        children=[
            html.Div(
                className="source",
                children=[
                    choice("source", "Source", modes if visitor.may_send else {"watch": modes["watch"]}),
                    html.Div(
                        id="sending",
                        children=[
                            html.Span("Sends as ", id="sends-as"),
                            html.Strong("–", id="source-name"),
                            html.A("Watch it elsewhere", id="watch-link", href="?mode=watch", target="_blank"),
                        ],
                    ),
                    html.Div(
                        id="sensor",
                        className="form",
                        children=[
                            button("choose-sensor", "Choose sensor", hint="A wheel sensor, a treadmill or a trainer"),
                            field(
                                "wheel",
                                "Wheel, mm around",
                                debounce=False,
                                className="amount",
                                type="number",
                                min=100,
                                max=10_000,
                                value=WHEEL_MM,
                                persistence=True,
                            ),
                        ],
                    ),
                    html.Div(
                        id="watching",
                        children=[
                            html.Label("Watched sources", htmlFor="watched", className="unseen"),
                            dcc.Dropdown(id="watched", options=[], multi=True, placeholder="Choose sources to watch"),
                        ],
                    ),
                ],
            ),
            dial(
                html.Span("–", id="speed-now"),
                html.Span("km/h", id="unit-now", className="unit"),
                html.Div(id="dial-scale", className="dial-scale", **aria(hidden="true")),
                id="dial",
            ),
            html.P("", id="age", className="quiet age"),
            button("driving", "Driving mode", hint="Huge digits (d)"),
            html.Dl(
                className="figures",
                children=[
                    figure("average", "Average"),
                    figure("maximum", "Maximum"),
                    figure("distance", "Distance"),
                    figure("moving", "Moving"),
                    figure("last-time", "Last reading"),
                    figure("stored", "Stored in this visit"),
                ],
            ),
            html.Div(id="others", role="region", tabIndex=0, **aria(label="All watched sources")),
            _limit(visitor),
        ],
    )


def _limit(visitor: Visitor) -> Component:
    return html.Div(
        id="limit-row",
        className="form",
        children=[
            dcc.Store(id="limit-source"),
            dcc.Store(id="limit-saved", data=0),
            field(
                "limit",
                "Limit",
                debounce=False,
                className="amount",
                inputMode="numeric",
                placeholder="none",
                disabled=not visitor.may_change,
            ),
            button("limit-set", "Set", hidden=not visitor.may_change, label="Set the limit"),
            button("limit-remove", "Remove", hidden=not visitor.may_change, label="Remove the limit"),
            html.Span(id="limit-word", className="quiet", role="status"),
        ],
    )


def _chart() -> Component:
    return html.Section(
        className="card chart",
        **aria(label="Speed over time"),
        children=[
            html.Div(
                className="toolbar",
                children=[
                    choice("window", "Window", WINDOWS),
                    button("earlier", "‹", label="Earlier (left arrow)"),
                    button("later", "›", label="Later (right arrow)"),
                    days("day"),
                    html.Span("", className="space"),
                    button("pause", "Pause", hint="Stop scrolling; readings are still stored (space)"),
                    button("go-live", "Resume live", hint="Follow the newest reading (l)"),
                ],
            ),
            html.Div(
                className="plot",
                children=[
                    graph("live-graph", empty_figure()),
                    days_box(),
                    html.Div(
                        id="message",
                        className="message",
                        children=[
                            html.P("Loading", id="message-text"),
                            button("show-latest", "Show the latest", hidden=True),
                        ],
                    ),
                ],
            ),
            html.Div(
                className="toolbar",
                children=[
                    html.Div(className="about quiet", children=[html.Span("", id="shown"), html.Span("", id="zone")]),
                    html.Span(
                        id="readings",
                        role="group",
                        className="quiet",
                        hidden=True,
                        **aria(label="Export data of this range"),
                        children=[
                            "Export data ",
                            *[
                                html.A(kind.upper(), href="#", download="", id=f"readings-{kind}", className="download")
                                for kind in ("csv", "ndjson", "gpx", "tcx")
                            ],
                        ],
                    ),
                    dcc.Link("Trips of this range", id="trips-link", href="/trips", className="download"),
                    button("show-table", "As a table", **aria(expanded="false", controls="table")),
                    button("export-png", "Save picture"),
                ],
            ),
            *chart_table(),
        ],
    )
