"""Trips, and the figures of any range: pure functions over segments."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from speeddash.reading import rfc3339
from speeddash.segment import GAP_US, Segment, highest, merge

#: Sources whose trips are listed, or exported, together.
MAX_SOURCES_TOGETHER: Final = 20


class Trip(NamedTuple):
    """Figures of a trip, or of any range.

    A trip begins at the last standing reading before it moves, and ends at the last reading before a gap of 300 s or more.

    Attributes:
        start_us: Time of the first reading, microseconds since the epoch.
        end_us: Time of the last reading.
        readings: Number of readings; `count` on the wire.
        mean_speed: Mean of all readings, km/h.
        mean_moving_speed: Mean of the readings above 0, km/h; None where there is none.
        max_speed: Highest speed without implausible jumps, km/h.
        distance_km: Distance by the trapezoid rule between readings less than 300 s apart.
        duration_s: Time from start to end.
        moving_s: Time between readings less than 300 s apart of which at least one is above 0.
        stops: Number of readings of 0 that follow one above 0.
        jumps: Number of implausible jumps, which are left out of the maximum.
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
        """Return it as it is sent, with times as RFC 3339 in UTC."""
        start_us, end_us, count, *figures = self
        names = self._fields[-len(figures) :]
        return {
            "start": rfc3339(start_us),
            "end": rfc3339(end_us),
            "count": count,
            **dict(zip(names, figures, strict=True)),
        }


def trips(segments: Iterable[Segment]) -> Iterator[Trip]:
    """Yield the trips in the segments of one source, in the order of time.

    Args:
        segments: In the order of time, none with a gap inside.
    """
    for ride in _joined(segments):
        if ride.moving:
            start_us = ride.first_us if ride.standing_us is None else ride.standing_us
            yield _figures(ride, start_us, ride.n - max(0, ride.standing - 1))


def summary(segment: Segment) -> Trip:
    """Return the figures of everything in a range."""
    return _figures(segment, segment.first_us, segment.n)


def _joined(segments: Iterable[Segment]) -> Iterator[Segment]:
    ride: Segment | None = None
    for each in segments:
        if ride is not None and each.first_us - ride.last_us < GAP_US:
            ride = merge(ride, each)
            continue
        if ride is not None:
            yield ride
        ride = each
    if ride is not None:
        yield ride


def _figures(segment: Segment, start_us: int, count: int) -> Trip:
    return Trip(
        start_us=start_us,
        end_us=segment.last_us,
        readings=count,
        mean_speed=segment.total / count,
        mean_moving_speed=segment.total / segment.moving if segment.moving else None,
        max_speed=highest(segment),
        distance_km=segment.distance_km,
        duration_s=(segment.last_us - start_us) / 1e6,
        moving_s=segment.moving_us / 1e6,
        stops=segment.stops,
        jumps=segment.jumps,
    )
