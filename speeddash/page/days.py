"""The days of a long range in the live place, as bars: as a line, a year would be a solid block."""

from collections.abc import Sequence
from datetime import date, timedelta
from time import time_ns
from typing import Any, Final

from dash import Input, Output, State, dcc, html
from dash.development.base_component import Component

from speeddash.errors import StoreError
from speeddash.history.history import MAX_HOURS_AT_ONCE, History
from speeddash.history.totals import Period, Total, by_period, first_day
from speeddash.page.controls import aria, graph
from speeddash.page.figures import GRAPH_CONFIG, base_layout, colours_of
from speeddash.page.place import Callbacks
from speeddash.page.reader import Reader
from speeddash.page.source_list import SourceList
from speeddash.reading import EARLIEST_US, LATEST_US
from speeddash.timerange import HOUR_US, TimeRange

#: Interval between two looks at the database: while history is being prepared, and for a range that ends later than now.
PREPARING_MS: Final = 5_000
REFRESH_MS: Final = 60_000
#: Sources that are drawn; more would be bars too thin to see, and stay lines.
MAX_SOURCES: Final = 4
#: Days up to which each has a bar, on a wide and on a narrow screen; then weeks have one, and from ten times as many days on months.
MAX_DAYS: Final = 800
MAX_DAYS_NARROW: Final = 200
#: Share of its period that a bar takes.
BAR_SHARE: Final = 0.85
DAY_MS: Final = 86_400_000
#: Moments that every time zone has a date for.
DATES: Final = TimeRange(EARLIEST_US + 48 * HOUR_US, LATEST_US - 48 * HOUR_US)


def days_box() -> Component:
    """Return the place of the bars, which lies over the line. It is empty until `assets/app/` asks for a long range."""
    return html.Div(
        [
            html.Div(id="days-box", className="days-box", role="group", **aria(label="Bars by day")),
            dcc.Store(id="days-of"),
            dcc.Interval(id="days-poll", interval=PREPARING_MS, disabled=True),
        ]
    )


class DaysPanel:
    """The callback of the bars."""

    def __init__(self, history: History, sources: SourceList) -> None:
        self._history = history
        self._sources = sources

    def register(self, callbacks: Callbacks) -> None:
        """Add the callback."""
        callbacks.read(
            self.days,
            Output("days-box", "children"),
            Output("days-poll", "disabled"),
            Output("days-poll", "interval"),
            Input("days-of", "data"),
            Input("days-poll", "n_intervals"),
            State("reader", "data"),
            prevent_initial_call=True,
        )

    def days(
        self, shown: dict[str, Any] | None, _polls: int | None, told: dict[str, Any] | None
    ) -> tuple[list[Component], bool, int]:
        """Return the bars, whether they are final, and when to look again if not. Where there are none the line stays.

        Args:
            shown: `sources`, their `limits` (km/h or null), `from` and `to` (epoch ms) of the chart, and whether the screen is
                `narrow`; None where the range is short.
            told: What the browser says about its reader.
        """
        if not shown or not are_bars(shown):
            return [], True, REFRESH_MS
        time = TimeRange(int(shown["from"] * 1000), int(shown["to"] * 1000)).within(DATES)
        reader, period = Reader.of(told), period_of(time, narrow=shown["narrow"])
        try:
            sums = self.sums(shown["sources"], time, period, reader)
            if sums is None:
                return [], False, PREPARING_MS
        except StoreError:
            return [], False, REFRESH_MS  # the line says what is wrong
        final = time.to_us <= time_ns() / 1000
        if not any(sums):
            return [], final, REFRESH_MS
        names = self._sources.names_of(shown["sources"])
        figure = days_figure(list(zip(names, shown["limits"], sums, strict=True)), time, period, reader)
        # A click shows a day already: a second one would lead away from it.
        config = GRAPH_CONFIG | {"doubleClick": False}
        return [graph("days-graph", figure, config=config)], final, REFRESH_MS

    def sums(self, sources: Sequence[str], time: TimeRange, period: Period, reader: Reader) -> list[list[Total]] | None:
        """Return the totals of each source, the earliest first; None while history is being prepared.

        Raises:
            StoreError: They cannot be read.
        """
        if sum(self._history.hours_to_roll_up(each, time) for each in sources) > MAX_HOURS_AT_ONCE:
            return None
        begin = first_day(reader.local(time.from_us).date(), period).isoformat()
        return [
            # A trip belongs to the day on which it starts; one that started before the range is not in it.
            [each for each in by_period(self._history.trips(source, time), period, reader.zone) if each.key >= begin]
            for source in sources
        ]


def are_bars(shown: dict[str, Any]) -> bool:
    """Return whether a long range is drawn as bars: of more sources they would be too thin to see."""
    return len(shown["sources"]) <= MAX_SOURCES


def period_of(time: TimeRange, *, narrow: bool) -> Period:
    """Return what has a bar in a range: a bar should be wide enough to see."""
    days = (time.to_us - time.from_us) / (24 * HOUR_US)
    most = MAX_DAYS_NARROW if narrow else MAX_DAYS
    return "day" if days <= most else "week" if days <= 10 * most else "month"


def days_figure(
    sources: Sequence[tuple[str, float | None, Sequence[Total]]], time: TimeRange, period: Period, reader: Reader
) -> dict[str, Any]:
    """Return the highest speed of each day, and below it the distance, as JSON for Plotly.

    Args:
        sources: The name of each for people, with its limit in km/h, or None, and its totals by `period`.
        time: The range.
        period: What has a bar; see `period_of`.
        reader: For units, days and colours.
    """
    colours = colours_of(dark=reader.dark)
    layout = base_layout(dark=reader.dark)
    grows = {"range": None, "autorange": True, "rangemode": "tozero"}
    formats = {"day": "%a %Y-%m-%d", "week": "Week from %Y-%m-%d", "month": "%B %Y"}
    layout["xaxis"] |= {
        "range": [reader.plotted(time.from_us), reader.plotted(time.to_us)],
        "hoverformat": formats[period],
        "anchor": "y2",
    }
    layout["yaxis2"] = (
        layout["yaxis"] | grows | {"domain": [0, 0.3], "ticksuffix": f" {reader.distance_symbol}", "nticks": 3}
    )
    layout["yaxis"] |= grows | {"domain": [0.4, 0.95], "ticksuffix": f" {reader.symbol}"}
    layout |= {"showlegend": len(sources) > 1, "margin": layout["margin"] | {"t": 36 if len(sources) > 1 else 12}}
    layout["annotations"] = [
        {"text": f"{what} by {period}", "xref": "paper", "x": 0, "yref": "paper", "y": y, "yanchor": "bottom", "showarrow": False}
        for what, y in (("Highest speed", 0.95), ("Distance", 0.3))
    ]  # fmt: skip
    layout["shapes"] = [
        {
            "type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": reader.speed_value(limit), "y1": reader.speed_value(limit),
            "line": {"color": colours["limit"], "width": 1.5, "dash": "dash"},
        }
        for _, limit, _ in sources if limit is not None
    ]  # fmt: skip
    data = []
    for n, (name, _, totals) in enumerate(sources):
        begins = [date.fromisoformat(each.key) for each in totals]
        ends = [end_of(each, period) for each in begins]
        widths = [(end - begin).days * DAY_MS for begin, end in zip(begins, ends, strict=True)]
        share = BAR_SHARE / len(sources)
        bars = {
            "type": "bar", "x": [each.key for each in totals], "width": [each * share for each in widths],
            "offset": [each * ((1 - BAR_SHARE) / 2 + share * n) for each in widths],
            "customdata": [[each.key, (end - timedelta(days=1)).isoformat()] for each, end in zip(totals, ends, strict=True)],
            "name": name.replace("<", "&lt;"),  # Plotly takes some HTML
            "legendgroup": name, "marker": {"color": colours["lines"][n]},
        }  # fmt: skip
        data += [
            bars | {
                "y": [reader.speed_value(each.max_speed) for each in totals],
                "hovertemplate": f"at most %{{y:.1f}} {reader.symbol}",
            },
            bars | {
                "yaxis": "y2", "y": [reader.distance_value(each.distance_km) for each in totals],
                "hovertemplate": f"%{{y:.1f}} {reader.distance_symbol}", "showlegend": False,
            },
        ]  # fmt: skip
    return {"data": data, "layout": layout}


def end_of(begin: date, period: Period) -> date:
    """Return the day after a period."""
    if period == "month":
        return first_day(begin + timedelta(days=31), period)
    return begin + timedelta(days=7 if period == "week" else 1)
