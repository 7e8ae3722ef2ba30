"""Trips, and the figures of any window: pure functions over stretches."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from speeddash.reading import rfc3339
from speeddash.stretch import GAP_US, Stretch, highest, merge


class Trip(NamedTuple):
    """From the last standing reading before it moves to the last one before a gap of 300 s or more; or any window's figures.

    Attributes:
        start_us: Microseconds since the epoch.
        end_us: Likewise.
        readings: How many there are; on the wire it is `count`.
        mean_speed: Over all of them, km/h.
        mean_moving_speed: Over those above 0, km/h; None where none is.
        max_speed: Without implausible jumps, km/h.
        distance_km: Trapezoid rule between readings less than 300 s apart.
        duration_s: From start to end.
        moving_s: The time between readings of which one at least is above 0.
        stops: How often a reading of 0 follows one above it.
        jumps: How many readings were left out of the maximum.
    """

    start_us: int
    end_us: int
    readings: int
    mean_speed: float
    mean_moving_speed: float | None
    max_speed: float
    distance_km: float
    duration_s: float
    moving_s: float
    stops: int
    jumps: int

    def as_dict(self) -> dict[str, Any]:
        """As it crosses the wire, its times as RFC 3339 in UTC."""
        start_us, end_us, count, *figures = self
        names = self._fields[-len(figures) :]
        return {
            "start": rfc3339(start_us),
            "end": rfc3339(end_us),
            "count": count,
            **dict(zip(names, figures, strict=True)),
        }


def trips(stretches: Iterable[Stretch]) -> Iterator[Trip]:
    """The trips in one source's stretches, in the order of time.

    Args:
        stretches: In the order of time; none with a gap of 300 s or more inside.
    """
    for ride in _rides(stretches):
        if ride.moving:
            start_us = ride.first_us if ride.standing_us is None else ride.standing_us
            yield _figures(ride, start_us, ride.n - max(0, ride.standing - 1))


def summary(stretch: Stretch) -> Trip:
    """The figures of everything in a window."""
    return _figures(stretch, stretch.first_us, stretch.n)


def _rides(stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    ride: Stretch | None = None
    for each in stretches:
        if ride is not None and each.first_us - ride.last_us < GAP_US:
            ride = merge(ride, each)
            continue
        if ride is not None:
            yield ride
        ride = each
    if ride is not None:
        yield ride


def _figures(stretch: Stretch, start_us: int, count: int) -> Trip:
    return Trip(
        start_us=start_us,
        end_us=stretch.last_us,
        readings=count,
        mean_speed=stretch.total / count,
        mean_moving_speed=stretch.total / stretch.moving if stretch.moving else None,
        max_speed=highest(stretch),
        distance_km=stretch.distance_km,
        duration_s=(stretch.last_us - start_us) / 1e6,
        moving_s=stretch.moving_us / 1e6,
        stops=stretch.stops,
        jumps=stretch.jumps,
    )
