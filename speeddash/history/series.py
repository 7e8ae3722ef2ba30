"""Series: the history of a source in as many entries as a screen is wide."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from speeddash.reading import Reading
from speeddash.store import Bucket
from speeddash.timerange import EVER_US, HOUR_US, MINUTE_US, SECOND_US, TimeRange

DAY_US: Final = 24 * HOUR_US
#: Widths of buckets that divide the next larger unit. From a minute on they are answered from rollups; so are whole
#: seconds where there are very many readings.
DIVISORS_OF_60: Final = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)
WIDTHS_US: Final = (
    *[digit * 10**power for power in range(6) for digit in (1, 2, 5)],
    *[each * SECOND_US for each in DIVISORS_OF_60],
    *[each * MINUTE_US for each in DIVISORS_OF_60],
    *[each * HOUR_US for each in (1, 2, 3, 4, 6, 8, 12)],
)


@dataclass(frozen=True)
class Series:
    """The history of one source in a range: readings where they are few, else buckets of one width.

    Attributes:
        width_us: Width of a bucket; 0 when each entry is a reading.
        buckets: In the order of time. A reading is a bucket of one.
        seqs: The `seq` of each reading; None for buckets.
    """

    width_us: int
    buckets: Sequence[Bucket]
    seqs: Sequence[int] | None

    def as_dict(self) -> dict[str, Any]:
        """Return columns as they are sent: times in seconds since the epoch, speeds in km/h."""
        b = self.buckets
        columns: dict[str, Any] = {
            "bucket_s": self.width_us / SECOND_US,
            "t": [each.at_us / SECOND_US for each in b],
            "t_first": [each.first_us / SECOND_US for each in b],
            "t_last": [each.last_us / SECOND_US for each in b],
            "n": [each.n for each in b],
            "moving": [each.moving for each in b],
            "mean": [each.total / each.n for each in b],
            "min": [each.minimum for each in b],
            "max": [each.maximum for each in b],
            "first": [each.first for each in b],
            "last": [each.last for each in b],
        }
        return columns if self.seqs is None else {**columns, "seq": self.seqs}


def bucket_width(time: TimeRange, points: int, min_width_us: int = 1) -> int:
    """Return the smallest width whose buckets, at multiples of it since the epoch, cover a closed range with at most `points`.

    Microseconds: 1, 2 or 5 times a power of ten below a second; above it divisors of a minute, an hour and a day; then whole days.
    """
    days = (
        DAY_US * number for number in range(max(1, (time.to_us - time.from_us) // points // DAY_US), EVER_US // DAY_US)
    )
    widths: Iterator[int] = (each for each in chain(WIDTHS_US, days) if each >= min_width_us)
    return next(width for width in widths if (time.to_us - 1) // width - time.from_us // width < points)


def bucket_of(reading: Reading) -> Bucket:
    """Return a bucket of one reading."""
    _, at_us, _, speed = reading
    return Bucket(at_us, at_us, at_us, 1, int(speed > 0), speed, speed, speed, speed, speed)
