"""Trips as rows of the list, and the figures of one or several. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from speeddash.history.trips import Trip
from speeddash.page.reader import Reader, duration, shown_name
from speeddash.page.trips.view import TripKey
from speeddash.reading import rfc3339
from speeddash.store import TripNote


class Listed(NamedTuple):
    """A trip of a source, and what people wrote about it."""

    source: str
    trip: Trip
    note: TripNote

    @property
    def key(self) -> TripKey:
        """Its identity in an address."""
        return TripKey(self.source, rfc3339(self.trip.start_us))


#: Columns of the list: field, title, and whether it holds numbers. Each row holds `field_text` for people beside the number for sorting.
COLUMNS: Final = (
    ("start", "Trip", False),
    ("source", "Source", False),
    ("distance", "Distance", True),
    ("duration", "Duration", True),
    ("max", "Max.", True),
    ("name", "Name", False),
    ("tag", "Tag", False),
    ("mean", "Mean", True),
    ("stops", "Stops", True),
)


def column_definitions(reader: Reader, *, several: bool, noted: Sequence[TripNote]) -> list[dict[str, Any]]:
    """Return the columns of the grid: the source only where there are several, names and tags only where a trip has one."""
    shown = {"source": several, "name": any(each.name for each in noted), "tag": any(each.tag for each in noted)}
    units = {"distance": reader.distance_symbol, "max": reader.symbol, "mean": reader.symbol}
    return [
        {
            "field": field,
            "headerName": f"{title} {units[field]}" if field in units else title,
            "hide": not shown.get(field, True),
            "sortingOrder": ["desc", "asc"] if numeric or field == "start" else ["asc", "desc"],
            **({"initialSort": "desc"} if field == "start" else {}),
            **({"type": "rightAligned"} if numeric else {}),
            **(
                {}
                if field in {"name", "tag", "source"}
                else {"valueFormatter": {"function": f"params.data.{field}_text"}}
            ),
            **WIDTHS[field],
        }
        for field, title, numeric in COLUMNS
    ]


WIDTHS: Final[dict[str, dict[str, Any]]] = {
    "start": {"minWidth": 245, "flex": 3},
    "source": {"minWidth": 110, "flex": 2},
    "distance": {"minWidth": 118, "flex": 1},
    "duration": {"minWidth": 104, "flex": 1},
    "max": {"minWidth": 92, "flex": 1},
    "mean": {"minWidth": 101, "flex": 1},
    "stops": {"minWidth": 72, "flex": 1},
    "name": {"minWidth": 96, "flex": 2},
    "tag": {"minWidth": 84, "flex": 1},
}


def rows_of(found: Sequence[Listed], reader: Reader, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the rows of the list, with numbers to sort by and texts to read. `names` are those of sources for people."""
    return [
        {
            "key": str(each.key),
            "start": each.trip.start_us,
            "start_text": f"{reader.moment(each.trip.start_us)} – {reader.clock(each.trip.end_us)}",
            "source": shown_name(each.source, names.get(each.source)),
            "distance": each.trip.distance_km,
            "distance_text": reader.distance(each.trip.distance_km),
            "duration": each.trip.duration_s,
            "duration_text": duration(each.trip.duration_s),
            "max": each.trip.max_speed,
            "max_text": reader.speed(each.trip.max_speed),
            "mean": each.trip.mean_speed,
            "mean_text": reader.speed(each.trip.mean_speed),
            "stops": each.trip.stops,
            "stops_text": reader.number(each.trip.stops),
            "name": each.note.name,
            "tag": each.note.tag,
        }
        for each in found
    ]


def figures_of_all(found: Sequence[Listed], reader: Reader) -> list[tuple[str, str]]:
    """Return the names and texts of the figures of all trips."""
    trips = [each.trip for each in found]
    moving_s = sum(each.moving_s for each in trips)
    distance_km = sum(each.distance_km for each in trips)
    # Weighed by time, so that the mean of a single trip is what its own figures say.
    moving = sum((each.mean_moving_speed or 0.0) * each.moving_s for each in trips)
    return [
        ("Trips", reader.number(len(trips))),
        ("Distance", reader.distance_with_unit(distance_km)),
        ("Moving", duration(moving_s)),
        ("Moving mean", reader.speed_with_unit(moving / moving_s if moving_s else None)),
        ("Maximum", reader.speed_with_unit(max((each.max_speed for each in trips), default=None))),
        ("Longest", reader.distance_with_unit(max((each.distance_km for each in trips), default=0.0))),
    ]


def figures_of_one(trip: Trip, reader: Reader) -> list[tuple[str, str]]:
    """Return the names and texts of the figures of one trip."""
    return [
        ("Distance", reader.distance_with_unit(trip.distance_km)),
        ("Duration", duration(trip.duration_s)),
        ("Moving", duration(trip.moving_s)),
        ("Maximum", reader.speed_with_unit(trip.max_speed)),
        ("Mean", reader.speed_with_unit(trip.mean_speed)),
        ("Moving mean", reader.speed_with_unit(trip.mean_moving_speed)),
        ("Stops", reader.number(trip.stops)),
        ("Readings", reader.number(trip.readings)),
    ]
