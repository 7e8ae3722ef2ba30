"""A model of what the documents promise, and random operations on it and on a real store beside it.

The model holds plain dictionaries and computes every answer from all readings, with the definitions of docs/history.md and none of the product's
code. `run` prints nothing and raises `AssertionError` at the first difference; the same seed makes the same operations.
"""

import random
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from speeddash.alerts.alerts import Alerts
from speeddash.errors import SourceTaken
from speeddash.history.history import History
from speeddash.history.worker import RollupWorker
from speeddash.reading import Reading
from speeddash.store import Store
from speeddash.timerange import TimeRange

SECOND, HOUR = 1_000_000, 3_600_000_000
GAP = 300 * SECOND
START = 1_790_000_000 * SECOND // HOUR * HOUR
HOURS = 5
NOW = START + 3 * 24 * HOUR
NAMES = ["car", "bike", "boat", "van"]
SPEEDS = [0.0, 0.0, 30.0, 60.0, 99.5, 100.0, 100.5, 110.0, 140.0, 250.0]
EVER = 2**60


@dataclass
class Model:
    """Readings by source and time, and the limits of sources."""

    readings: dict[str, dict[int, float]] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)

    def put(self, source: str, at_us: int, speed: float) -> None:
        self.readings.setdefault(source, {}).setdefault(at_us, speed)

    def within(self, source: str, from_us: int, to_us: int) -> list[tuple[int, float]]:
        return sorted((at, v) for at, v in self.readings.get(source, {}).items() if from_us <= at < to_us)

    def events(self, source: str) -> list[tuple[int, int, float]]:
        """From the first reading above the limit to the last before one that is not, or before a gap."""
        found: list[list[Any]] = []
        before: tuple[int, float] | None = None
        limit = self.limits.get(source, float("inf"))
        for at, speed in self.within(source, -EVER, EVER):
            if speed > limit:
                if before and before[1] > limit and at - before[0] < GAP:
                    found[-1][1:] = [at, max(found[-1][2], speed)]
                else:
                    found.append([at, at, speed])
            before = (at, speed)
        return [(each[0], each[1], each[2]) for each in found]

    def summary(self, source: str, from_us: int, to_us: int) -> dict[str, Any] | None:
        some = self.within(source, from_us, to_us)
        return figures(some, some) if some else None

    def trips(self, source: str) -> list[dict[str, Any]]:
        """From the last standing reading before something moves to the last reading before a gap of 300 s or more."""
        rides: list[list[tuple[int, float]]] = []
        for at, speed in self.within(source, -EVER, EVER):
            if rides and at - rides[-1][-1][0] < GAP:
                rides[-1].append((at, speed))
            else:
                rides.append([(at, speed)])
        found = []
        for ride in rides:
            moving = next((place for place, (_, speed) in enumerate(ride) if speed > 0), None)
            if moving is not None:
                found.append(figures(ride[max(0, moving - 1) :], ride))
        return found


def figures(some: list[tuple[int, float]], ride: list[tuple[int, float]]) -> dict[str, Any]:
    close = [(a, b) for a, b in pairwise(ride) if b[0] - a[0] < GAP]
    jumps = [b for a, b in close if b[1] > a[1] + 5 + 15 * 3.6 * (b[0] - a[0]) / SECOND]
    moving = [speed for _, speed in some if speed > 0]
    return {
        "start": some[0][0],
        "end": some[-1][0],
        "count": len(some),
        "mean": sum(speed for _, speed in some) / len(some),
        "moving mean": sum(moving) / len(moving) if moving else None,
        "max": max(speed for at, speed in ride if (at, speed) not in jumps),
        "km": sum((a[1] + b[1]) / 2 * (b[0] - a[0]) / HOUR for a, b in close),
        "moving s": sum(b[0] - a[0] for a, b in close if a[1] > 0 or b[1] > 0) / SECOND,
        "stops": sum(a[1] > 0 and b[1] == 0 for a, b in close),
        "jumps": len(jumps),
    }


@dataclass
class Run:
    """One sequence of random operations.

    Attributes:
        operations: How many were done.
        comparisons: How many answers were compared.
    """

    store: Store
    seed: int
    operations: int = 0
    comparisons: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.model = Model()
        self.history = History(self.store)
        self.alerts = Alerts(self.store, None)
        self.rollups = RollupWorker(self.store, recheck=self.alerts.limits.recheck)
        self.rollups._rested = lambda _began: False  # type: ignore[method-assign]

    def step(self) -> None:
        operation = self.random.choices(
            [
                self.drive,
                self.late,
                self.repeat,
                self.remove,
                self.limit,
                self.rename,
                self.delete,
                self.work,
                self.compare,
            ],
            [6, 8, 2, 2, 2, 1, 1, 6, 6],
        )[0]
        operation()
        self.operations += 1

    def drive(self) -> None:
        at = self.moment()
        step_s = self.random.choice([1, 7, 10, 10, 60, 299, 300, 301])
        speed = self.random.choice(SPEEDS)
        some = []
        for _ in range(self.random.randint(1, 150)):
            if self.random.random() < 0.1:
                speed = self.random.choice(SPEEDS)
            some.append((at, speed))
            at += step_s * SECOND
        self.put(self.name(), some)

    def late(self) -> None:
        self.put(self.name(), [(self.moment(), self.random.choice(SPEEDS)) for _ in range(self.random.randint(1, 3))])

    def repeat(self) -> None:
        source = self.name()
        known = self.model.within(source, -EVER, EVER)
        self.put(source, self.random.sample(known, min(len(known), 5)))

    def remove(self) -> None:
        source, from_us = self.name(), self.moment()
        to_us = from_us + self.random.choice([60, 600, 5000]) * SECOND
        while self.store.source_maintenance.remove(source, TimeRange(from_us, to_us)):
            pass
        for at, _ in self.model.within(source, from_us, to_us):
            del self.model.readings[source][at]

    def limit(self) -> None:
        source, limit = self.name(), self.random.choice([None, 50.0, 99.5, 100.0, 100.0, 120.0])
        self.alerts.limits.set_limit(source, limit, NOW)
        self.model.limits.pop(source, None)
        if limit is not None:
            self.model.limits[source] = limit

    def rename(self) -> None:
        source, name = self.name(), self.name()
        if source == name or not self.model.readings.get(source):
            return
        taken = bool(self.model.readings.get(name)) or name in self.model.limits
        try:
            self.store.source_maintenance.rename(source, name)
        except SourceTaken:
            assert taken, f"{name} is free"
            return
        assert not taken, f"{name} was taken"
        self.model.readings[name] = self.model.readings.pop(source)
        if source in self.model.limits:
            self.model.limits[name] = self.model.limits.pop(source)

    def delete(self) -> None:
        source = self.name()
        self.store.source_maintenance.delete(source)
        self.model.readings.pop(source, None)
        self.model.limits.pop(source, None)

    def work(self) -> None:
        """What the background does: new readings are held against limits, hours that changed are computed again."""
        self.alerts.limits.check(NOW)
        if self.random.random() < 0.7:
            self.rollups.roll_up(grace_s=-1)

    def compare(self) -> None:
        source, from_us = self.name(), self.moment()
        to_us = from_us + self.random.choice([600, 3600, 20_000]) * SECOND
        whole = self.random.random() < 0.5
        asked = TimeRange() if whole else TimeRange(from_us, to_us)
        inside = (-EVER, EVER) if whole else (from_us, to_us)
        readings = [(each.at_us, each.speed) for each in self.store.readings.select(source=source, limit=99_999)]
        self.equal("readings", readings, self.model.within(source, -EVER, EVER))
        summary = self.history.summary(source, asked)
        self.equal("summary", summary and shown(summary), self.model.summary(source, *inside))
        expected = [each for each in self.model.trips(source) if each["end"] >= inside[0] and each["start"] < inside[1]]
        self.equal("trips", [shown(each) for each in self.history.trips(source, asked)], expected)
        buckets = self.history.series(source, asked, self.random.choice([2, 10, 300, 10_000])).buckets
        if whole:
            self.equal("series", sum(each.n for each in buckets), len(readings))
            self.equal(
                "maximum", max((each.maximum for each in buckets), default=0.0), max([v for _, v in readings] or [0.0])
            )
        self.alerts.limits.check(NOW)
        self.rollups.roll_up(grace_s=-1)
        events = [
            (each.start_us, each.end_us, each.peak) for each in self.store.events.select(source, TimeRange(), 9999)
        ]
        self.equal("events", events, self.model.events(source))
        self.equal("trips after rollups", [shown(each) for each in self.history.trips(source, asked)], expected)

    def put(self, source: str, some: list[tuple[int, float]]) -> None:
        readings = {at: Reading(source, at, at // SECOND % 1000, speed) for at, speed in some}
        self.store.writer._marked.clear()  # a mark lasts for a minute, and hours are rolled up at once here
        self.store.writer.insert(sorted(readings.values()))
        for each in readings.values():
            self.model.put(source, each.at_us, each.speed)

    def name(self) -> str:
        return self.random.choice(NAMES)

    def moment(self) -> int:
        """Often close to the end of an hour, where most mistakes are."""
        at_s = self.random.randrange(HOURS * 3600)
        if self.random.random() < 0.4:
            at_s = self.random.randrange(1, HOURS) * 3600 + self.random.randrange(-320, 320)
        return START + at_s * SECOND

    def equal(self, what: str, found: Any, expected: Any) -> None:
        self.comparisons += 1
        assert rounded(found) == rounded(expected), (
            f"{what} after {self.operations} operations of seed {self.seed}:\nfound    {found}\nexpected {expected}"
        )


def shown(trip: Any) -> dict[str, Any]:
    return {
        "start": trip.start_us,
        "end": trip.end_us,
        "count": trip.readings,
        "mean": trip.mean_speed,
        "moving mean": trip.mean_moving_speed,
        "max": trip.max_speed,
        "km": trip.distance_km,
        "moving s": trip.moving_s,
        "stops": trip.stops,
        "jumps": trip.jumps,
    }


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return value


def run(store: Store, seed: int, steps: int) -> Run:
    """Do random operations on an empty store; return how many, and how many answers were compared."""
    done = Run(store, seed)
    for _ in range(steps):
        done.step()
    done.compare()
    return done
