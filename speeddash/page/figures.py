"""Figure and themes of the charts: pure functions. `assets/app/view/chart.mjs` adds the readings to the live one."""

from typing import Any, Final

from speeddash.units import KMH_IN, SYMBOL

GRAPH_CONFIG: Final[Any] = {
    "displayModeBar": False,
    "displaylogo": False,
    "showSendToCloud": False,  # plotly.js 4 would offer to upload the chart
    "doubleClick": "reset",
    "scrollZoom": False,
}

# Contrast to the card: text at least 4.5 to 1, lines at least 3 to 1 (WCAG 2.2, 1.4.3 and 1.4.11). The lines of several sources also
# differ in lightness, for people with colour blindness.
_THEMES: Final[dict[str, dict[str, Any]]] = {
    "light": {
        "lines": ["#0b62d6", "#a63d00", "#00785f", "#8f2c9c", "#5b6300", "#b3266f", "#155e75", "#5a4632"],
        "above": "#c62828",
        "limit": "#b3261e",
        "text": "#48525f",
        "grid": "#e4e8ee",
        "card": "#ffffff",
        "low": "#bcd6f7",
    },
    "dark": {
        "lines": ["#5aa9ff", "#ffa15c", "#3fd0a8", "#e08af0", "#c9d24b", "#ff86b5", "#67d4ee", "#d8b48a"],
        "above": "#ff6b60",
        "limit": "#ff8a80",
        "text": "#a9b4c2",
        "grid": "#2a323d",
        "card": "#181d24",
        "low": "#1d3f68",
    },
}
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def colours_of(*, dark: bool) -> dict[str, Any]:
    """Return the colours of the dark or the light theme."""
    return _THEMES["dark" if dark else "light"]


def base_layout(*, dark: bool) -> dict[str, Any]:
    """Return the layout that all charts share, as JSON; each call returns a new one."""
    colours = colours_of(dark=dark)
    axis = {
        "gridcolor": colours["grid"],
        "zeroline": False,
        "linecolor": colours["grid"],
        "ticklabeloverflow": "allow",  # measuring every label takes longer than drawing the line
    }
    return {
        "font": {"family": _FONT, "size": 13, "color": colours["text"]},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 64, "r": 28, "t": 12, "b": 36},
        # The highest tick shows the unit: placing a title of the axis takes a third of a redraw.
        "xaxis": {"type": "date", "hoverformat": "%a %Y-%m-%d %H:%M:%S", "nticks": 5, "tickangle": 0, **axis},
        "yaxis": {"nticks": 5, "fixedrange": True, "range": [0, 100], "showticksuffix": "last", **axis},
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": colours["card"], "bordercolor": colours["grid"]},
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "itemclick": False,
            "itemdoubleclick": False,
        },
        "dragmode": "zoom",
        "showlegend": False,
    }


def empty_figure(theme: str = "light") -> dict[str, Any]:
    """Return the chart without readings, as JSON.

    Args:
        theme: `light` or `dark`.
    """
    # A zoom stays while the chart is drawn again.
    return {"data": [], "layout": base_layout(dark=theme == "dark") | {"uirevision": "speeddash"}}


def chart_config() -> dict[str, Any]:
    """Return what the browser needs to draw: the empty chart and colours of each theme, and the units.

    `units` maps a name to its symbol and to the km/h in one unit.
    """
    return {
        "themes": {theme: {"figure": empty_figure(theme), **colours} for theme, colours in _THEMES.items()},
        "units": {name: {"symbol": SYMBOL[name], "kmh": kmh} for name, kmh in KMH_IN.items()},
    }
