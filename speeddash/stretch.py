"""What is worth knowing of the readings of one source in one stretch of time, so that two stretches make one.

Minute and hour rollups, trips and summaries are all stretches: each is computed from readings, or merged from shorter ones, with the
same figures (`merge(of(a), of(b)) == of(a + b)`).
"""

from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Final, NamedTuple

from speeddash.reading import Reading

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
#: Before -EVER_US and from EVER_US on there is nothing: the ends of a range that is not asked to have any.
EVER_US: Final = 2**60
#: Readings further apart do not belong together: no distance lies between them, and a trip ends.
GAP_US: Final = 300 * SECOND_US
#: A gain of speed beyond it is a fault of the sensor: 0 to 100 km/h in 1.7 s, more than nearly anything on wheels does. The margin
#: is for the noise of fast sensors.
JUMP_MPS2: Final = 15.0
JUMP_MARGIN_KMH: Final = 5.0
JUMP_KMH_A_US: Final = 3.6 * JUMP_MPS2 / SECOND_US
#: km/h times microseconds, twice (a trapezoid's two sides), in a kilometre.
TWICE_KM: Final = 2 * 3_600 * SECOND_US


class Stretch(NamedTuple):
    """Readings of one source in the order of time, never none. Neighbours belong together where they are less than `GAP_US` apart.

    Attributes:
        at_us: The beginning of the time it stands for, microseconds since the epoch.
        first_us: When the first reading was.
        last_us: When the last one was.
        first: The first one's speed, km/h.
        last: The last one's speed, km/h.
        n: How many there are.
        moving: How many of them are above 0.
        total: Their sum, km/h.
        minimum: km/h.
        maximum: km/h, implausible jumps included.
        peak: The highest of all but the first that is no implausible jump, km/h; None where there is none.
        jumps: How many readings are implausible jumps: higher than the one before by more than `JUMP_MPS2` allows.
        distance_km: Trapezoid rule between neighbours.
        moving_us: The time between neighbours of which one at least is above 0.
        stops: How often a reading of 0 follows one above it.
        standing: How many readings there are before it first moves.
        standing_us: When the last of those was; None where there is none.
        gap_us: The longest time between neighbours.
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


def of(readings: Iterable[Reading]) -> Stretch:
    """The stretch of some readings, which must be in the order of time and not none."""
    return reduce(merge, map(_alone, readings))


def merge(a: Stretch, b: Stretch) -> Stretch:
    """One stretch of two; `b` follows `a`."""
    between_us = b.first_us - a.last_us
    joined = between_us < GAP_US
    leaps = jumped(between_us, a.last, b.first)
    peaks = [peak for peak in (a.peak, None if leaps else b.first, b.peak) if peak is not None]
    starts_later = a.standing == a.n
    return Stretch(
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
        jumps=a.jumps + b.jumps + leaps,
        distance_km=a.distance_km + b.distance_km + joined * (a.last + b.first) * between_us / TWICE_KM,
        moving_us=a.moving_us + b.moving_us + (between_us if joined and (a.last > 0 or b.first > 0) else 0),
        stops=a.stops + b.stops + (joined and a.last > 0 and b.first <= 0),
        standing=a.standing + (b.standing if starts_later else 0),
        standing_us=b.standing_us if starts_later and b.standing else a.standing_us,
        gap_us=max(a.gap_us, b.gap_us, between_us),
    )


def merged(stretches: Iterable[Stretch], width_us: int) -> Iterator[Stretch]:
    """Neighbours that begin in the same multiple of a width, as one each."""
    whole: Stretch | None = None
    for each in stretches:
        at_us = each.at_us - each.at_us % width_us
        if whole is not None and whole.at_us == at_us:
            whole = merge(whole, each)
            continue
        if whole is not None:
            yield whole
        whole = each._replace(at_us=at_us)
    if whole is not None:
        yield whole


def jumped(between_us: int, before: float, speed: float) -> bool:
    """Whether a speed so soon after another one is an implausible jump; km/h."""
    return between_us < GAP_US and speed > before + JUMP_MARGIN_KMH + JUMP_KMH_A_US * between_us


def highest(stretch: Stretch) -> float:
    """The highest speed that is no implausible jump, km/h; what lies before the stretch is not known."""
    return stretch.first if stretch.peak is None else max(stretch.first, stretch.peak)


def _alone(reading: Reading) -> Stretch:
    _, at_us, _, speed = reading
    stands = speed <= 0
    return Stretch(
        at_us, at_us, at_us, speed, speed, 1, int(not stands), speed, speed, speed, None, 0, 0.0, 0, 0,
        int(stands), at_us if stands else None, 0,
    )  # fmt: skip
