"""What a run of readings says about a vehicle: time at each speed, and the best times of standard accelerations. Pure functions."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Any, Final, NamedTuple

from speeddash.reading import rfc3339
from speeddash.segment import GAP_US, jumped

#: A speed above all of them counts for the last one.
MAX_BANDS: Final = 1_000
QUARTER_MILE_KM: Final = 0.402336
#: A start is counted from a speed up to this, km/h: a receiver seldom reports exactly 0.
STANDING_KMH: Final = 1.0


class Point(NamedTuple):
    """A speed in km/h at a moment in microseconds."""

    at_us: int
    speed: float


class Acceleration(NamedTuple):
    """The best time of one kind of acceleration.

    Attributes:
        from_kmh: Speed at the beginning.
        to_kmh: Speed at the end; None for the quarter mile, which ends with a distance.
        seconds: Its duration.
        error_s: How far the duration can be off: the median interval between readings.
        start_us: When it began, microseconds since the epoch.
    """

    from_kmh: float
    to_kmh: float | None
    seconds: float
    error_s: float
    start_us: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is sent, with its beginning as RFC 3339 in UTC."""
        rest = self._asdict()
        return {"start": rfc3339(rest.pop("start_us")), **rest}


def plausible(points: Sequence[Point]) -> list[Point]:
    """Return readings without implausible jumps."""
    return [*points[:1], *(b for a, b in pairwise(points) if not jumped(b.at_us - a.at_us, a.speed, b.speed))]


def time_at_speeds(points: Sequence[Point], width_kmh: float) -> list[float]:
    """Return the seconds spent in each band of speed of a width, from 0 up, without standing.

    The time between two readings less than 300 s apart counts for their mean speed. Implausible jumps are left out.
    """
    bands: list[float] = []
    for a, b in pairwise(plausible(points)):
        mean = (a.speed + b.speed) / 2
        if b.at_us - a.at_us >= GAP_US or mean <= 0:
            continue
        band = min(int(mean // width_kmh), MAX_BANDS - 1)
        bands += [0.0] * (band + 1 - len(bands))
        bands[band] += (b.at_us - a.at_us) / 1e6
    return bands


def best_accelerations(points: Sequence[Point], pairs: Sequence[tuple[float, float]]) -> list[Acceleration]:
    """Return the best times from one speed to another, and of the quarter mile from standing; those that never happened are left out.

    A time ends where a straight line between two readings crosses the speed. A time that is shorter than two intervals between readings
    is left out: such readings cannot measure it. So are implausible jumps.

    Args:
        points: Readings of one trip in the order of time.
        pairs: Speeds from and to, km/h. From 0, a time begins at the last standing reading.
    """
    points = plausible(points)
    steps = [b.at_us - a.at_us for a, b in pairwise(points)]
    if not steps:
        return []
    error_s = median(steps) / 1e6
    found = [_best(points, from_kmh, to_kmh, error_s) for from_kmh, to_kmh in pairs]
    found.append(_quarter_mile(points, error_s))
    return [each for each in found if each is not None]


def _best(points: Sequence[Point], from_kmh: float, to_kmh: float, error_s: float) -> Acceleration | None:
    best: Acceleration | None = None
    begin_us: float | None = None
    for a, b in pairwise(points):
        if b.at_us - a.at_us >= GAP_US:
            begin_us = None
            continue
        floor = max(from_kmh, STANDING_KMH)
        if a.speed <= floor < b.speed:
            begin_us = a.at_us if from_kmh == 0 else _crossing(a, b, from_kmh)
        elif b.speed <= floor:
            begin_us = None
        if begin_us is not None and a.speed < to_kmh <= b.speed:
            seconds = (_crossing(a, b, to_kmh) - begin_us) / 1e6
            if seconds >= 2 * error_s and (best is None or seconds < best.seconds):
                best = Acceleration(from_kmh, to_kmh, seconds, error_s, int(begin_us))
            begin_us = None
    return best


def _quarter_mile(points: Sequence[Point], error_s: float) -> Acceleration | None:
    best: Acceleration | None = None
    begin_us: int | None = None
    km = 0.0
    for a, b in pairwise(points):
        if b.at_us - a.at_us >= GAP_US or b.speed <= STANDING_KMH:
            begin_us = None
            continue
        if a.speed <= STANDING_KMH:
            begin_us, km = a.at_us, 0.0
        if begin_us is None:
            continue
        step_km = (a.speed + b.speed) / 2 * (b.at_us - a.at_us) / 3.6e9
        if km + step_km >= QUARTER_MILE_KM:
            end_us = a.at_us + (b.at_us - a.at_us) * (QUARTER_MILE_KM - km) / step_km
            seconds = (end_us - begin_us) / 1e6
            if seconds >= 2 * error_s and (best is None or seconds < best.seconds):
                best = Acceleration(0.0, None, seconds, error_s, begin_us)
            begin_us = None
        km += step_km
    return best


def _crossing(a: Point, b: Point, speed: float) -> float:
    return a.at_us + (speed - a.speed) / (b.speed - a.speed) * (b.at_us - a.at_us)
