"""Segments: figures of consecutive readings of one source, which can be merged.

Rollups, trips and summaries are segments, computed from readings or merged from shorter segments with the same result:
`merge(of(a), of(b)) == of(a + b)`.
"""

from collections.abc import Iterable
from functools import reduce
from typing import Final, NamedTuple

from speeddash.reading import Reading
from speeddash.timerange import SECOND_US

#: From this time between two readings on there is a gap: no distance is counted across it, and a trip ends.
GAP_US: Final = 300 * SECOND_US
#: Acceleration above which a gain of speed is an implausible jump, a fault of the sensor: 0 to 100 km/h in 1.7 s. The margin allows for
#: the noise of sensors with a high rate.
JUMP_MPS2: Final = 15.0
JUMP_MARGIN_KMH: Final = 5.0
JUMP_KMH_PER_US: Final = 3.6 * JUMP_MPS2 / SECOND_US
#: Twice a kilometre in km/h times microseconds: the trapezoid rule adds two speeds.
TWICE_KM: Final = 2 * 3_600 * SECOND_US


class Segment(NamedTuple):
    """Figures of at least one reading of one source, in the order of time.

    Attributes:
        at_us: Beginning of the time that it stands for, microseconds since the epoch.
        first_us: Time of the first reading.
        last_us: Time of the last reading.
        first: Speed of the first reading, km/h.
        last: Speed of the last reading, km/h.
        n: Number of readings.
        moving: Number of readings above 0.
        total: Sum of the speeds, km/h.
        minimum: Lowest speed, km/h.
        maximum: Highest speed, km/h, implausible jumps included.
        peak: Highest speed of all readings but the first, without implausible jumps, km/h; None where there is none.
        jumps: Number of implausible jumps: readings above the one before by more than `JUMP_MPS2` allows.
        distance_km: Distance by the trapezoid rule between readings without a gap.
        moving_us: Time between readings without a gap of which at least one is above 0.
        stops: Number of readings of 0 that follow one above 0.
        standing: Number of readings before the first one above 0.
        standing_us: Time of the last of those; None where there is none.
        gap_us: Longest time between two readings.
    """

    at_us: int
    first_us: int
    last_us: int
    first: float
    last: float
    n: int
    moving: int
    total: float
    minimum: float
    maximum: float
    peak: float | None
    jumps: int
    distance_km: float
    moving_us: int
    stops: int
    standing: int
    standing_us: int | None
    gap_us: int


def of(readings: Iterable[Reading]) -> Segment:
    """Return the segment of readings, at least one, in the order of time."""
    return reduce(merge, map(_of_one, readings))


def merge(a: Segment, b: Segment) -> Segment:
    """Return one segment of two; `b` follows `a`."""
    between_us = b.first_us - a.last_us
    joined = between_us < GAP_US
    jump = jumped(between_us, a.last, b.first)
    peaks = [peak for peak in (a.peak, None if jump else b.first, b.peak) if peak is not None]
    starts_later = a.standing == a.n
    return Segment(
        at_us=a.at_us,
        first_us=a.first_us,
        last_us=b.last_us,
        first=a.first,
        last=b.last,
        n=a.n + b.n,
        moving=a.moving + b.moving,
        total=a.total + b.total,
        minimum=min(a.minimum, b.minimum),
        maximum=max(a.maximum, b.maximum),
        peak=max(peaks, default=None),
        jumps=a.jumps + b.jumps + jump,
        distance_km=a.distance_km + b.distance_km + joined * (a.last + b.first) * between_us / TWICE_KM,
        moving_us=a.moving_us + b.moving_us + (between_us if joined and (a.last > 0 or b.first > 0) else 0),
        stops=a.stops + b.stops + (joined and a.last > 0 and b.first <= 0),
        standing=a.standing + (b.standing if starts_later else 0),
        standing_us=b.standing_us if starts_later and b.standing else a.standing_us,
        gap_us=max(a.gap_us, b.gap_us, between_us),
    )


def jumped(between_us: int, before: float, speed: float) -> bool:
    """Whether a speed is an implausible jump, `between_us` after the speed before; km/h."""
    return between_us < GAP_US and speed > before + JUMP_MARGIN_KMH + JUMP_KMH_PER_US * between_us


def highest(segment: Segment) -> float:
    """Return the highest speed without implausible jumps, km/h. The first reading is never a jump: the one before it is unknown."""
    return segment.first if segment.peak is None else max(segment.first, segment.peak)


def _of_one(reading: Reading) -> Segment:
    _, at_us, _, speed = reading
    standing = speed <= 0
    return Segment(
        at_us, at_us, at_us, speed, speed, 1, int(not standing), speed, speed, speed, None, 0, 0.0, 0, 0,
        int(standing), at_us if standing else None, 0,
    )  # fmt: skip
