"""Any stretch of a source's history, as wide as the screen that shows it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from speeddash.reading import Reading
from speeddash.store import Bucket, Store

SECOND_US: Final = 1_000_000
#: A width from here up is a whole multiple of it, so that minutes and hours fall on bucket edges.
UNITS_US: Final = (3600 * SECOND_US, 60 * SECOND_US, SECOND_US, 1_000, 1)


@dataclass(frozen=True)
class Series:
    """A stretch of one source: readings where they are few, else buckets of one width.

    Attributes:
        width_us: The width of a bucket; 0 when each entry is a reading.
        buckets: In the order of time. A reading is a bucket of one.
        seqs: With readings, their numbers; else None.
    """

    width_us: int
    buckets: Sequence[Bucket]
    seqs: Sequence[int] | None

    def as_dict(self) -> dict[str, Any]:
        """Columns, as they cross the wire: times in seconds since the epoch, speeds in km/h."""
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


class History:
    """What is stored, by source and time. Anyone may call it, at once."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def series(self, source: str, from_us: int | None, to_us: int | None, points: int) -> Series:
        """A stretch of a source in at most `points` entries.

        Args:
            source: Whose readings.
            from_us: The first moment, inclusive, microseconds since the epoch; None begins with the first reading.
            to_us: The last moment, exclusive; None ends with the last reading.
            points: The most entries, for example the width of the plot in pixels.

        Raises:
            StoreError: The database cannot answer.
        """
        # One more than asked for tells whether there are more, whatever the stretch holds.
        readings = self._store.select(source=source, from_us=from_us, to_us=to_us, limit=points + 1)
        if len(readings) <= points:
            return Series(0, [_alone(each) for each in readings], [each.seq for each in readings])
        span = self._store.span(source)
        if from_us is None:
            from_us = readings[0].at_us
        if to_us is None:
            to_us = max(span.last_us if span else 0, readings[-1].at_us) + 1
        width_us = bucket_width(from_us, to_us, points)
        return Series(width_us, self._store.buckets(source, from_us, to_us, width_us), None)


def bucket_width(from_us: int, to_us: int, points: int) -> int:
    """The smallest width whose buckets, on multiples of it since the epoch, cover a stretch with at most `points`.

    Microseconds: whole milliseconds, from a second up whole seconds, then whole minutes and whole hours.
    """
    return next(width for width in _widths((to_us - from_us) // points) if _edges(from_us, to_us, width) <= points)


def _widths(least_us: int) -> Iterator[int]:
    least_us = max(1, least_us)
    while True:
        unit = next(each for each in UNITS_US if least_us >= each)
        least_us = -(-least_us // unit) * unit  # up to a whole multiple, which may be the next unit
        yield least_us
        least_us += unit


def _edges(from_us: int, to_us: int, width_us: int) -> int:
    return (to_us - 1) // width_us - from_us // width_us + 1


def _alone(reading: Reading) -> Bucket:
    _, at_us, _, speed = reading
    return Bucket(at_us, at_us, at_us, 1, int(speed > 0), speed, speed, speed, speed, speed)
