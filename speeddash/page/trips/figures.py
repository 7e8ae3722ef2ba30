"""Figures of the trips place, as JSON for Plotly: pure functions.

Plain dictionaries, because `plotly.graph_objects` takes 50 ms for a figure, in which no socket would be served.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from speeddash.history.performance import Point
from speeddash.history.totals import Total
from speeddash.page.figures import base_layout, colours_of
from speeddash.page.reader import Reader, shown_name
from speeddash.page.trips.rows import Listed
from speeddash.page.trips.view import Axis
from speeddash.segment import GAP_US

#: Days up to which each is a bar; more are a calendar.
MAX_BARS: Final = 45
#: Width of a bar, in ms; without it Plotly takes the least distance of two days that have one.
BAR_MS: Final = 0.75 * 86_400_000
#: Days that are written below the bars.
MAX_DAY_TICKS: Final = 6
#: Days of a calendar up to which each month is named.
MAX_MONTH_TICKS_DAYS: Final = 250
#: Speeds from which on their labels need more room.
WIDE_LABEL: Final = 1000
#: Steps of a difference between two trips.
DIFFERENCE_POINTS: Final = 400
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def days_figure(totals: Sequence[Total], first: date, last: date, reader: Reader) -> dict[str, Any]:
    """Return distance and highest speed a day: bars for a short range, a calendar of weeks for a long one.

    Args:
        totals: Totals by day.
        first: First day of the range.
        last: Last day of the range.
        reader: For units and colours.
    """
    days = {date.fromisoformat(each.key): each for each in totals}
    if days and (last - first).days > 400:  # an open range begins with its first trip
        first, last = max(first, min(days)), min(last, max(days))
    shown = [first + timedelta(days=n) for n in range(min((last - first).days + 1, 3_700))]
    if len(shown) <= MAX_BARS:
        return _bars(shown, days, reader)
    return _calendar(shown, days, reader)


def _bars(shown: Sequence[date], days: dict[date, Total], reader: Reader) -> dict[str, Any]:
    colours = colours_of(dark=reader.dark)
    known = [each for each in shown if each in days]
    x = [each.isoformat() for each in known]
    layout = base_layout(dark=reader.dark)
    layout["xaxis"] |= {
        "range": [_day_edge(shown[0], -1), _day_edge(shown[-1], 0)],
        "hoverformat": "%a %Y-%m-%d",
        "tickformat": "%b %-d",
        "tickvals": [each.isoformat() for each in shown[:: -(-len(shown) // MAX_DAY_TICKS)]],
    }
    layout["yaxis"] |= {
        "ticksuffix": f" {reader.distance_symbol}",
        "rangemode": "tozero",
        "range": None,
        "autorange": True,
    }
    layout["yaxis2"] = {
        "overlaying": "y",
        "side": "right",
        "rangemode": "tozero",
        "showgrid": False,
        "fixedrange": True,
        "tickmode": "auto",  # by default at the lines of the other axis, wherever those are: 33.9 km/h
    }
    layout["yaxis2"] |= {"ticksuffix": f" {reader.symbol}", "showticksuffix": "last", "nticks": 5}
    layout |= {"showlegend": True, "margin": {"l": 64, "r": 72, "t": 32, "b": 36}}
    return {
        "data": [
            {
                "type": "bar", "name": "Distance", "x": x, "width": BAR_MS, "marker": {"color": colours["lines"][0]},
                "y": [reader.distance_value(days[each].distance_km) for each in known],
                "hovertemplate": f"%{{y:.1f}} {reader.distance_symbol}",
            },
            {
                "type": "scatter", "mode": "markers", "name": "Maximum", "x": x, "yaxis": "y2",
                "marker": {"color": colours["lines"][1], "size": 8, "symbol": "diamond"},
                "y": [reader.speed_value(days[each].max_speed) for each in known],
                "hovertemplate": f"%{{y:.1f}} {reader.symbol}",
            },
        ],
        "layout": layout,
    }  # fmt: skip


def _calendar(shown: Sequence[date], days: dict[date, Total], reader: Reader) -> dict[str, Any]:
    colours = colours_of(dark=reader.dark)
    most = max((each.distance_km for each in days.values()), default=0.0) or 1.0
    monday = shown[0] - timedelta(days=shown[0].weekday())

    def week(day: date) -> str:
        return (day - timedelta(days=day.weekday())).isoformat()

    texts = []
    for day in shown:
        total = days.get(day)
        what = "no trip"
        if total:
            what = (
                f"{reader.distance_with_unit(total.distance_km)}, {total.trips} trip{'' if total.trips == 1 else 's'}"
            )
        texts.append(f"{day:%a %Y-%m-%d}: {what}")
    layout = base_layout(dark=reader.dark)
    layout["xaxis"] |= {"range": [_day_edge(monday, -5), _day_edge(shown[-1], 5)], "showgrid": False, "nticks": 12}
    layout["xaxis"] |= {"tickformat": "%b\n%Y"}
    if len(shown) <= MAX_MONTH_TICKS_DAYS:
        layout["xaxis"] |= {"dtick": "M1"}  # by itself Plotly names a month of so few twice
    layout["yaxis"] |= {
        "range": [6.6, -0.6], "tickvals": list(range(7)), "ticktext": list(WEEKDAYS), "showgrid": False, "nticks": 0,
        "showticksuffix": "none",
    }  # fmt: skip
    layout |= {"hovermode": "closest", "dragmode": False}
    weeks = max(1, (shown[-1] - monday).days // 7)
    return {
        "data": [
            {
                "type": "scatter", "mode": "markers", "x": [week(each) for each in shown],
                "y": [each.weekday() for each in shown], "text": texts, "hoverinfo": "text",
                "customdata": [each.isoformat() for each in shown],
                "marker": {
                    "symbol": "square", "size": max(6, min(22, 620 // weeks)), "cmin": 0, "cmax": most,
                    "color": [days[each].distance_km if each in days else 0 for each in shown],
                    "colorscale": [[0, colours["grid"]], [0.001, colours["low"]], [1, colours["lines"][0]]],
                    "line": {"width": 0},
                },
            }
        ],
        "layout": layout,
    }  # fmt: skip


def trip_figure(points: Sequence[Point], limit_kmh: float | None, reader: Reader) -> dict[str, Any]:
    """Return the speed of one trip over time."""
    colours = colours_of(dark=reader.dark)
    layout = base_layout(dark=reader.dark)
    top = max([each.speed for each in points] + ([limit_kmh] if limit_kmh else []), default=0) * 1.05
    layout["yaxis"] |= {"range": [0, max(10.0, reader.speed_value(top))], "ticksuffix": f" {reader.symbol}"}
    if reader.speed_value(top) >= WIDE_LABEL:
        layout["margin"]["l"] = 76
    if limit_kmh is not None:
        value = reader.speed_value(limit_kmh)
        line = {"color": colours["limit"], "dash": "dash", "width": 1}
        layout["shapes"] = [{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": value, "y1": value, "line": line}]
    x: list[str | None] = []
    y: list[float | None] = []
    for n, each in enumerate(points):
        if n and each.at_us - points[n - 1].at_us >= GAP_US:
            x.append(reader.plotted(each.at_us, points[0].at_us))
            y.append(None)
        x.append(reader.plotted(each.at_us, points[0].at_us))
        y.append(round(reader.speed_value(each.speed), 2))
    mode = "lines" if len(points) > 1 else "markers"  # a line needs two
    trace = {"type": "scatter", "mode": mode, "x": x, "y": y, "line": {"color": colours["lines"][0], "width": 2}}
    return {"data": [trace | {"hovertemplate": f"%{{y:.1f}} {reader.symbol}<extra></extra>"}], "layout": layout}


def bands_figure(seconds: Sequence[float], width: float, reader: Reader) -> dict[str, Any]:
    """Return the time at each speed.

    Args:
        seconds: Time in each band, from 0 up.
        width: Width of a band in the reader's unit.
        reader: For units and colours.
    """
    layout = base_layout(dark=reader.dark)
    layout["xaxis"] = layout["xaxis"] | {"type": "linear", "ticksuffix": f" {reader.symbol}", "showticksuffix": "last"}
    layout["xaxis"]["hoverformat"] = None
    layout["yaxis"] |= {"ticksuffix": " min", "range": None, "autorange": True, "rangemode": "tozero"}
    # Wide enough for half of the last label.
    layout |= {"bargap": 0.06, "hovermode": "closest", "margin": layout["margin"] | {"r": 44}}
    bar = {
        "type": "bar", "x": [(n + 0.5) * width for n in range(len(seconds))], "y": [each / 60 for each in seconds],
        "text": [f"{n * width:g} to {(n + 1) * width:g} {reader.symbol}" for n in range(len(seconds))], "textposition": "none",
        "hovertemplate": "%{text}: %{y:.1f} min<extra></extra>", "marker": {"color": colours_of(dark=reader.dark)["lines"][0]},
    }  # fmt: skip
    return {"data": [bar], "layout": layout}


def compared_figure(
    trips: Sequence[tuple[Listed, Sequence[Point]]], axis: Axis, reader: Reader, names: Mapping[str, str]
) -> dict[str, Any]:
    """Return several trips over the time or the distance since their start; of two also the difference, second less first.

    `names` are those of sources for people.
    """
    colours = colours_of(dark=reader.dark)
    layout = base_layout(dark=reader.dark)
    suffix = " min" if axis == "time" else f" {reader.distance_symbol}"
    layout["xaxis"] = layout["xaxis"] | {
        "type": "linear",
        "ticksuffix": suffix,
        "showticksuffix": "last",
        "hoverformat": ".1f",
    }
    layout["yaxis"] |= {"ticksuffix": f" {reader.symbol}", "range": None, "autorange": True, "rangemode": "tozero"}
    layout |= {"showlegend": True, "margin": layout["margin"] | {"t": 44}}
    curves = [curve(points, axis, reader) for _, points in trips]
    data: list[dict[str, Any]] = [
        {
            "type": "scatter", "mode": "lines", "x": [x for x, _ in line], "y": [y for _, y in line],
            "name": f"{shown_name(listed.source, names.get(listed.source))} {reader.moment(listed.trip.start_us)}".replace("<", "&lt;"),
            "line": {"color": colours["lines"][n % len(colours["lines"])], "width": 2},
            "hovertemplate": f"%{{y:.1f}} {reader.symbol}",
        }
        for n, ((listed, _), line) in enumerate(zip(trips, curves, strict=True))
    ]  # fmt: skip
    if len(curves) == 2 and all(curves):
        data.append(_difference(curves[0], curves[1], reader))
        layout["yaxis2"] = layout["yaxis"] | {"domain": [0, 0.26], "rangemode": "normal", "zeroline": True}
        layout["yaxis2"] |= {"zerolinecolor": colours["text"], "nticks": 3}
        layout["yaxis"] |= {"domain": [0.34, 1]}
        layout["xaxis"] |= {"anchor": "y2"}
    return {"data": data, "layout": layout}


def curve(points: Sequence[Point], axis: Axis, reader: Reader) -> list[tuple[float, float]]:
    """Return a trip's speed in the reader's unit over minutes or distance since its start."""
    found = []
    km = 0.0
    for n, each in enumerate(points):
        if n and axis == "distance":
            before = points[n - 1]
            km += (before.speed + each.speed) / 2 * (each.at_us - before.at_us) / 3.6e9
        x = (each.at_us - points[0].at_us) / 6e7 if axis == "time" else reader.distance_value(km)
        found.append((x, reader.speed_value(each.speed)))
    return found


def _difference(a: list[tuple[float, float]], b: list[tuple[float, float]], reader: Reader) -> dict[str, Any]:
    end = min(a[-1][0], b[-1][0])
    x = [end * n / DIFFERENCE_POINTS for n in range(DIFFERENCE_POINTS + 1)]
    return {
        "type": "scatter", "mode": "lines", "name": "Difference (second less first)", "yaxis": "y2", "x": x,
        "y": [_at(b, each) - _at(a, each) for each in x], "hovertemplate": f"%{{y:+.1f}} {reader.symbol}",
        "line": {"color": colours_of(dark=reader.dark)["text"], "width": 1.5},
    }  # fmt: skip


def _at(line: list[tuple[float, float]], x: float) -> float:
    n = bisect_left(line, (x,))
    if n == 0 or n >= len(line):
        return line[min(n, len(line) - 1)][1]
    (x0, y0), (x1, y1) = line[n - 1], line[n]
    return y0 if x1 == x0 else y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def _day_edge(day: date, days: int) -> str:
    return f"{day + timedelta(days=days)}T12:00:00"
