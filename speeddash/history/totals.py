"""Sums of trips by day, week, month or tag: pure functions."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Literal, NamedTuple

from speeddash.history.trips import Trip
from speeddash.store import TripNote

Period = Literal["day", "week", "month"]


class Total(NamedTuple):
    """The sum of some trips.

    Attributes:
        key: First day of the period, or the tag; empty for trips without a tag.
        trips: Number of trips.
        distance_km: Sum of their distances.
        duration_s: Sum of their durations.
        moving_s: Sum of the times in motion.
        max_speed: Highest speed of any, km/h.
    """

    key: str
    trips: int = 0
    distance_km: float = 0.0
    duration_s: float = 0.0
    moving_s: float = 0.0
    max_speed: float = 0.0

    def plus(self, trip: Trip) -> "Total":
        """Return the sum with one more trip."""
        return Total(
            self.key,
            self.trips + 1,
            self.distance_km + trip.distance_km,
            self.duration_s + trip.duration_s,
            self.moving_s + trip.moving_s,
            max(self.max_speed, trip.max_speed),
        )

    def as_dict(self, key_name: str) -> dict[str, Any]:
        """Return it as it is sent."""
        _, *figures = self
        return {key_name: self.key, **dict(zip(self._fields[1:], figures, strict=True))}


def by_period(trips: Iterable[Trip], period: Period, zone: tzinfo) -> list[Total]:
    """Return the totals of the periods that have trips, the earliest first. A trip belongs to the local day on which it starts.

    Args:
        trips: Any trips.
        period: Weeks begin on Monday (ISO 8601).
        zone: Time zone whose days count.
    """
    return _sums((first_day(day_of(each.start_us, zone), period).isoformat(), each) for each in trips)


def by_tag(trips: Iterable[tuple[Trip, TripNote | None]]) -> list[Total]:
    """Return the totals of each tag, by name; trips without a tag come first."""
    return _sums((note.tag if note else "", trip) for trip, note in trips)


def day_of(at_us: int, zone: tzinfo) -> date:
    """Return the local day of a moment."""
    moment = datetime.fromtimestamp(at_us // 1_000_000, UTC)
    try:
        return moment.astimezone(zone).date()
    except OverflowError:  # the last hours of the year 9999
        return moment.date()


def first_day(day: date, period: Period) -> date:
    """Return the first day of the period that a day is in."""
    if period == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == "month" else day


def _sums(keyed: Iterable[tuple[str, Trip]]) -> list[Total]:
    sums: dict[str, Total] = {}
    for key, trip in keyed:
        sums[key] = sums.get(key, Total(key)).plus(trip)
    return [sums[key] for key in sorted(sums)]
