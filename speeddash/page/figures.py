"""How the chart looks. Pure functions; `assets/chart.js` fills in the readings."""

from typing import Any, Final

import plotly.graph_objects as go

GRAPH_CONFIG: Final[Any] = {
    "displayModeBar": False,
    "displaylogo": False,
    "showSendToCloud": False,  # plotly.js 4 would offer to upload the chart
    "doubleClick": "reset",
    "scrollZoom": False,
}

# Line against card: at least 4.5 to 1 in both.
_COLOURS: Final = {
    "light": {
        "line": "#0b62d6",
        "fill": "rgba(11, 98, 214, 0.10)",
        "text": "#48525f",
        "grid": "#e4e8ee",
        "card": "#ffffff",
    },
    "dark": {
        "line": "#5aa9ff",
        "fill": "rgba(90, 169, 255, 0.14)",
        "text": "#a9b4c2",
        "grid": "#2a323d",
        "card": "#181d24",
    },
}
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def empty_figure(theme: str = "light") -> dict[str, Any]:
    """The chart without readings, as JSON.

    Args:
        theme: `light` or `dark`.
    """
    colours = _COLOURS[theme]
    line = go.Scatter(
        x=[],
        y=[],
        mode="lines",
        line={"color": colours["line"], "width": 2},
        fill="tozeroy",
        fillcolor=colours["fill"],
        hovertemplate="%{y:.1f} km/h<extra></extra>",
    )
    axis = {"gridcolor": colours["grid"], "zeroline": False, "linecolor": colours["grid"]}
    layout = go.Layout(
        font={"family": _FONT, "size": 13, "color": colours["text"]},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 52, "r": 16, "t": 12, "b": 36},
        xaxis={"type": "date", "hoverformat": "%H:%M:%S", "nticks": 7, "tickangle": 0, **axis},
        yaxis={
            "title": {"text": "km/h", "standoff": 8},
            "nticks": 7,
            "fixedrange": True,
            "rangemode": "tozero",
            "autorangeoptions": {"minallowed": 0, "include": 20},
            **axis,
        },
        hovermode="x unified",
        hoverlabel={"bgcolor": colours["card"], "bordercolor": colours["grid"]},
        dragmode="zoom",
        showlegend=False,
    )
    figure: dict[str, Any] = go.Figure(line, layout).to_plotly_json()
    del figure["layout"]["template"]  # plotly's own: 6 KB of looks that are all set above
    return figure


def themes() -> dict[str, dict[str, Any]]:
    """The empty chart in each theme, by its name."""
    return {theme: empty_figure(theme) for theme in _COLOURS}
