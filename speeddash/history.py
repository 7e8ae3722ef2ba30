"""Any stretch of a source's history, as wide as the screen that shows it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain, pairwise
from typing import Any, Final

from speeddash.reading import Reading
from speeddash.store import Bucket, Span, Store
from speeddash.stretch import EVER_US, GAP_US, HOUR_US, MINUTE_US, SECOND_US, Stretch, jumped, merge
from speeddash.trips import Trip, summary, trips

DAY_US: Final = 24 * HOUR_US
#: Widths of buckets that divide the next larger unit; from a minute up a rollup answers them.
SIXTIETHS: Final = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)
WIDTHS_US: Final = (
    *[digit * 10**power for power in range(6) for digit in (1, 2, 5)],
    *[each * SECOND_US for each in SIXTIETHS],
    *[each * MINUTE_US for each in SIXTIETHS],
    *[each * HOUR_US for each in (1, 2, 3, 4, 6, 8, 12)],
)
#: How much of a source is looked at in one go.
CHUNK_US: Final = 31 * DAY_US


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

        The first bucket is whole: it may begin before the stretch, so that the same bucket is the same in every answer.

        Args:
            source: Whose readings.
            from_us: The first moment, inclusive, microseconds since the epoch; None begins with the first reading.
            to_us: The last moment, exclusive; None ends with the last reading.
            points: The most entries, for example the width of the plot in pixels.

        Raises:
            StoreError: The database cannot answer.
        """
        span = self._store.span(source)
        kept_us = self._store.upkeep(source).raw_from_us
        begin_us, end_us = _within(span, kept_us, from_us, to_us)
        if span is None or begin_us >= end_us:
            return Series(0, [], [])
        removed = kept_us is not None and begin_us < kept_us
        if not removed:
            readings = self._store.select_if_few(source, begin_us, end_us, points)
            if readings is not None:
                return Series(0, [_alone(each) for each in readings], [each.seq for each in readings])
        # By what is asked, where it is said: so that the width stays the same while readings come.
        asked_us = (span.first_us if from_us is None else from_us, span.last_us + 1 if to_us is None else to_us)
        width_us = bucket_width(*asked_us, points, MINUTE_US if removed else 1)
        buckets = self._store.buckets(source, begin_us - begin_us % width_us, end_us, width_us)
        return Series(width_us, buckets, None)

    def trips(self, source: str, from_us: int | None, to_us: int | None) -> Iterator[Trip]:
        """The trips that overlap a stretch, each whole, in the order of time.

        Args:
            source: Whose.
            from_us: Trips that end before it are left out, microseconds since the epoch; None begins with the first reading.
            to_us: Trips that begin then or later are left out; None ends with the last reading.

        Raises:
            StoreError: The database cannot answer.
        """
        begin_us, end_us = self._ends(source, from_us, None)
        first_us, _ = self._ends(source, None, None)
        for trip in trips(self._stretches(source, self._ride_begins(source, begin_us, first_us), end_us)):
            if to_us is not None and trip.start_us >= to_us:
                return
            if from_us is None or trip.end_us >= from_us:
                yield trip

    def summary(self, source: str, from_us: int | None, to_us: int | None) -> Trip | None:
        """The figures of exactly a stretch; None where nothing is.

        Args:
            source: Whose.
            from_us: The first moment, inclusive, microseconds since the epoch; None begins with the first reading.
            to_us: The last moment, exclusive; None ends with the last reading.

        Raises:
            StoreError: The database cannot answer.
        """
        stretches = list(self._stretches(source, *self._ends(source, from_us, to_us)))
        return summary(reduce(merge, stretches)) if stretches else None

    def jumps(self, source: str, from_us: int | None, to_us: int | None) -> Iterator[Reading]:
        """The readings in a stretch that are implausible jumps (`stretch.jumped`), in the order of time.

        Of several at one moment it is the last, which is the highest.

        Args:
            source: Whose.
            from_us: The first moment, inclusive, microseconds since the epoch; None begins with the first reading.
            to_us: The last moment, exclusive; None ends with the last reading.

        Raises:
            StoreError: The database cannot answer.
        """
        before: Stretch | None = None
        for each in self._stretches(source, *self._ends(source, from_us, to_us)):
            if each.jumps or (before and jumped(each.first_us - before.last_us, before.last, each.first)):
                begin_us = before.last_us if before else each.first_us
                some = self._store.stream(source=source, from_us=begin_us, to_us=each.last_us + 1)
                found: Reading | None = None
                for a, b in pairwise(some):
                    if b.at_us >= each.first_us and jumped(b.at_us - a.at_us, a.speed, b.speed):
                        if found is not None and found.at_us != b.at_us:
                            yield found
                        found = b
                if found is not None:
                    yield found
            before = each

    def _ends(self, source: str, from_us: int | None, to_us: int | None) -> tuple[int, int]:
        return _within(self._store.span(source), self._store.upkeep(source).raw_from_us, from_us, to_us)

    def _stretches(self, source: str, from_us: int, to_us: int) -> Iterator[Stretch]:
        begin_us: int | None = from_us
        while begin_us is not None and begin_us < to_us:
            end_us = begin_us - begin_us % HOUR_US + CHUNK_US
            found = self._store.stretches(source, begin_us, min(end_us, to_us))
            yield from found
            # A clock that was wrong once may have left a thousand years of nothing.
            begin_us = end_us if found else self._store.next_hour(source, end_us)

    def _ride_begins(self, source: str, at_us: int, first_us: int) -> int:
        """A moment at or before another, with nothing in the 300 s before it."""
        width_us = HOUR_US
        while at_us > first_us:
            next_us = at_us
            for each in reversed(self._store.stretches(source, at_us - width_us, at_us)):
                if next_us - each.last_us >= GAP_US:
                    return next_us
                next_us = each.first_us
            if next_us - (at_us - width_us) >= GAP_US:
                return next_us
            at_us, width_us = next_us, min(2 * width_us, CHUNK_US)
        return at_us


def _within(span: Span | None, kept_us: int | None, from_us: int | None, to_us: int | None) -> tuple[int, int]:
    """A stretch, cut to the whole hours in which a source has readings; it ends before it begins where it has none.

    Before `kept_us`, where readings were removed, it is widened to whole minutes: nobody knows what is in a part of one.
    """
    if span is None:
        return 0, 0
    begin_us = span.first_us - span.first_us % HOUR_US
    end_us = span.last_us - span.last_us % HOUR_US + HOUR_US
    begin_us = begin_us if from_us is None else max(from_us, begin_us)
    end_us = end_us if to_us is None else min(to_us, end_us)
    if kept_us is not None and begin_us < kept_us:
        begin_us -= begin_us % MINUTE_US
    if kept_us is not None and end_us < kept_us:
        end_us = -(-end_us // MINUTE_US) * MINUTE_US
    return begin_us, end_us


def bucket_width(from_us: int, to_us: int, points: int, least_us: int = 1) -> int:
    """The smallest width whose buckets, on multiples of it since the epoch, cover a stretch with at most `points`.

    Microseconds: 1, 2 or 5 times a power of ten below a second; above it what divides a minute, an hour, a day; then whole days.
    """
    days = (DAY_US * number for number in range(max(1, (to_us - from_us) // points // DAY_US), EVER_US // DAY_US))
    widths: Iterator[int] = (each for each in chain(WIDTHS_US, days) if each >= least_us)
    return next(width for width in widths if (to_us - 1) // width - from_us // width < points)


def _alone(reading: Reading) -> Bucket:
    _, at_us, _, speed = reading
    return Bucket(at_us, at_us, at_us, 1, int(speed > 0), speed, speed, speed, speed, speed)
