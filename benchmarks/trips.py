"""Trips found in recorded drives, beside the figures that others published for them."""

import csv
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import servers
from speeddash.history.history import History
from speeddash.history.trips import Trip
from speeddash.history.worker import RollupWorker
from speeddash.reading import Reading, parse_time, rfc3339
from speeddash.store import Store, open_store
from speeddash.timerange import TimeRange
from speeddash.units import KMH_IN

MPH = KMH_IN["mph"]
#: Column of the table, and what it is in ours.
FIGURES = {
    "max_speed": lambda trip: trip.max_speed / MPH,
    "total_average_speed": lambda trip: trip.mean_speed / MPH,
    "driving_average_speed": lambda trip: trip.mean_moving_speed / MPH,
    "distance_total": lambda trip: trip.distance_km / MPH,
    "total_stops": lambda trip: trip.stops,
}


def run(folder: Path) -> Iterator[str]:
    """A line for each vehicle, database, and state of the rollups: trips, and the largest relative difference.

    Raises:
        AssertionError: A trip is missing, invented, or begins or ends elsewhere.
    """
    with servers.mariadb() as database, tempfile.TemporaryDirectory(prefix="speeddash-bench-") as place:
        for name, url in (("MariaDB", database.create("trips")), ("SQLite", f"sqlite:///{place}/speed.db")):
            store = open_store(url)
            store.prepare()
            for vehicle in sorted(each for each in folder.iterdir() if each.is_dir()):
                readings = _readings(vehicle)
                store.writer.insert(readings)
                published = list(csv.DictReader((vehicle / "trips.csv").open(encoding="utf-8")))
                for state in ("from readings", "from rollups"):
                    worst = _compare(store, vehicle.name, published)
                    yield (
                        f"{name}, {vehicle.name}, {state}: {len(published)} trips of {len(readings):,} readings found, none "
                        f"invented; largest relative difference {worst:.1e}"
                    )
                    RollupWorker(store, recheck=lambda *_: None).roll_up(grace_s=-1)
            store.close()


def _readings(vehicle: Path) -> list[Reading]:
    rows = [
        row
        for day in sorted(vehicle.glob("*.csv"))
        if day.name != "trips.csv"
        for row in csv.DictReader(day.open(encoding="utf-8"))
    ]
    return [
        Reading(vehicle.name, _us(row["timestamp"]), number, float(row["speed_mph"]) * MPH)
        for number, row in enumerate(rows)
    ]


def _us(text: str) -> int:
    return parse_time(text.replace(" ", "T") + "Z")  # the table's times have no zone


def _compare(store: Store, source: str, published: list[dict[str, str]]) -> float:
    found: list[Trip] = list(History(store).trips(source, TimeRange()))
    expected = [(_us(row["start_ts"]), _us(row["end_ts"])) for row in published]
    if [(each.start_us, each.end_us) for each in found] != expected:
        missing = {rfc3339(start) for start, _ in expected} ^ {rfc3339(each.start_us) for each in found}
        raise AssertionError(f"{source}: trips differ: {sorted(missing)[:5]}")
    return max(
        abs(figure(trip) - float(row[column])) / max(1e-9, abs(float(row[column])))
        for trip, row in zip(found, published, strict=True)
        for column, figure in FIGURES.items()
    )
