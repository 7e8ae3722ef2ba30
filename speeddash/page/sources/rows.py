"""Sources as rows of the list. Pure functions."""

from typing import Any, Final

from speeddash.page.reader import Reader
from speeddash.page.source_list import ListedSource, state_of

COLUMNS: Final = (
    {"field": "name", "headerName": "Source", "minWidth": 145, "flex": 3},
    {"field": "state", "headerName": "State", "minWidth": 132, "flex": 2, "valueFormatter": {"function": "params.data.state_text"}},
    {"field": "first", "headerName": "First reading", "minWidth": 182, "flex": 2, "valueFormatter": {"function": "params.data.first_text"}},
    {"field": "last", "headerName": "Last reading", "minWidth": 182, "flex": 2, "valueFormatter": {"function": "params.data.last_text"}},
    {
        "field": "limit", "headerName": "Limit", "minWidth": 106, "flex": 1, "type": "rightAligned",
        "valueFormatter": {"function": "params.data.limit_text"},
    },
)  # fmt: skip


def rows_of(listed: list[ListedSource], reader: Reader, now_us: int) -> list[dict[str, Any]]:
    """Return the rows of the list, with numbers to sort by and texts to read."""
    return [
        {
            "source": each.source,
            "name": each.both_names,
            "state": now_us - each.span.last_us,
            "state_text": state_of(each.span.last_us, now_us),
            "first": each.span.first_us,
            "first_text": reader.moment(each.span.first_us),
            "last": each.span.last_us,
            "last_text": reader.moment(each.span.last_us),
            "limit": each.settings.limit_kmh,
            "limit_text": reader.limit(each.settings.limit_kmh),
        }
        for each in listed
    ]
