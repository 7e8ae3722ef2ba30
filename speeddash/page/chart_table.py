"""What the chart of the live place shows, as tables to read."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from dash import Input, Output, State, dcc, html
from dash.development.base_component import Component

from speeddash.errors import StoreError
from speeddash.history.history import History
from speeddash.history.totals import Period, Total
from speeddash.page.controls import aria, table
from speeddash.page.days import DATES, DaysPanel, are_bars
from speeddash.page.place import Callbacks
from speeddash.page.reader import Reader, duration
from speeddash.page.source_list import SourceList
from speeddash.store import Bucket
from speeddash.timerange import HOUR_US, TimeRange

#: Rows of a table, and tables; each cell takes the browser 2 ms.
MAX_ROWS: Final = 60
MAX_TABLES: Final = 4
WEEK_US: Final = 7 * 24 * HOUR_US


def chart_table() -> list[Component]:
    """Return the place of the tables. It is empty until `assets/app/` asks for what the chart shows."""
    return [
        dcc.Store(id="table-of"),
        html.Div(
            id="table",
            className="table scroll",
            hidden=True,
            role="region",
            tabIndex=0,
            **aria(label="Readings shown"),
        ),
    ]


class ChartTable:
    """The callback of the tables."""

    def __init__(self, history: History, sources: SourceList, days: DaysPanel) -> None:
        self._history = history
        self._sources = sources
        self._days = days

    def register(self, callbacks: Callbacks) -> None:
        """Add the callback."""
        callbacks.read(
            self.tables,
            Output("table", "children"),
            Input("table-of", "data"),
            State("days-of", "data"),
            State("reader", "data"),
            prevent_initial_call=True,
        )

    def tables(
        self, shown: dict[str, Any] | None, long: dict[str, Any] | None, told: dict[str, Any] | None
    ) -> list[Component]:
        """Return a table for each source.

        Args:
            shown: `sources`, `from` and `to` (epoch ms) of the chart; None while the tables are closed.
            long: What `DaysPanel.days` takes; None where the range is short.
            told: What the browser says about its reader.
        """
        if not shown:
            return []
        reader = Reader.of(told)
        time_range = TimeRange(int(shown["from"] * 1000), int(shown["to"] * 1000)).within(DATES)
        sources = shown["sources"][:MAX_TABLES]
        names = self._sources.names_of(sources)
        try:
            if long and are_bars(long):
                period = period_of(time_range)
                sums = self._days.sums(sources, time_range, period, reader)
                if sums and any(sums):
                    return [_periods(*each, period, reader) for each in zip(names, sums, strict=True)]
            series = [self._history.series(each, time_range, MAX_ROWS) for each in sources]
        except StoreError as problem:
            return [html.P(f"The table cannot be read: {problem}", className="problem")]
        return [_buckets(name, each.buckets, reader) for name, each in zip(names, series, strict=True)]


def period_of(time_range: TimeRange) -> Period:
    """Return what has a row in a range that the chart shows as bars."""
    return "week" if time_range.to_us - time_range.from_us <= (MAX_ROWS - 1) * WEEK_US else "month"


def _periods(name: str, totals: Iterable[Total], period: Period, reader: Reader) -> Component:
    head = (
        "Week from" if period == "week" else "Month from",
        "Trips",
        f"Distance {reader.distance_symbol}",
        "Moving",
        f"Highest {reader.symbol}",
    )
    rows = [
        (
            each.key,
            reader.number(each.trips),
            reader.distance(each.distance_km),
            duration(each.moving_s),
            reader.speed(each.max_speed),
        )
        for each in list(totals)[: -MAX_ROWS - 1 : -1]
    ]
    return table(head, rows, caption=name)


def _buckets(name: str, buckets: Sequence[Bucket], reader: Reader) -> Component:
    head = ("Time", f"Mean {reader.symbol}", "Lowest", "Highest", "Readings")
    rows = [
        (
            f"{reader.day(each.first_us)} {reader.local(each.first_us):%H:%M:%S}",
            *(reader.speed(speed) for speed in (each.total / each.n, each.minimum, each.maximum)),
            reader.number(each.n),
        )
        for each in reversed(buckets)
    ]
    return table(head, rows, caption=name)
