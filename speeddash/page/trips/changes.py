"""What controls of the trips place ask for."""

from datetime import date
from typing import Any

from dash.exceptions import PreventUpdate

from speeddash.page.reader import Reader
from speeddash.page.trips import place
from speeddash.page.trips.view import MAX_COMPARED, TripKey, TripsView, format_view
from speeddash.page.when import RangeText


def picked_range(first: str | None, last: str | None, shown: RangeText, reader: Reader) -> RangeText:
    """Return the range that the fields ask for; the one shown if it has these days already. A field that is empty is the other's day."""
    if place.picked(shown, reader) == (first, last) or not (first or last):
        return shown
    return RangeText(first or last or "", last or first or "")


def selection(view: TripsView) -> dict[str, list[str]]:
    """Return the selection of the grid. It comes with the rows: of a row that it has not, the grid reports that it is not selected."""
    return {"ids": [str(each) for each in view.chosen]}


def selected_keys(selected: Any) -> tuple[TripKey, ...]:
    """Return the trips that the grid reports as selected."""
    given = selected.get("ids", []) if isinstance(selected, dict) else [each["key"] for each in selected or []]
    return tuple(TripKey.of(each) for each in given)[:MAX_COMPARED]


def clicked_day(clicked: dict[str, Any] | None) -> date:
    """Return the day that was clicked in the chart of days."""
    point = (clicked or {"points": [{}]})["points"][0]
    try:
        return date.fromisoformat(str(point.get("customdata") or point.get("x"))[:10])
    except ValueError:
        raise PreventUpdate from None


def changed_query(view: TripsView, changed: TripsView) -> str:
    """Return the query of a changed view.

    Raises:
        PreventUpdate: It is the same view.
    """
    if changed == view:
        raise PreventUpdate
    return format_view(changed)
