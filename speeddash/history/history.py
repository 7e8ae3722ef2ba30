"""Answers about the history of a source, each from one snapshot of the database."""

from collections.abc import Iterator, Mapping
from functools import reduce
from itertools import islice, pairwise
from typing import Final

from speeddash.history.notes import notes_of
from speeddash.history.performance import Point
from speeddash.history.series import DAY_US, Series, bucket_of, bucket_width
from speeddash.history.trips import Trip, summary, trips
from speeddash.reading import Reading
from speeddash.segment import GAP_US, Segment, jumped, merge
from speeddash.store import Queries, Store, TripNote
from speeddash.timerange import HOUR_US, MINUTE_US, TimeRange

#: Part of a source's history that is read at once.
CHUNK_US: Final = 31 * DAY_US
#: Points of the curve of a trip.
CURVE_POINTS: Final = 2_000
#: Hours that are not rolled up yet, up to which a page computes from readings at once; a busy machine reads some 20 hours a second.
MAX_HOURS_AT_ONCE: Final = 48


class History:
    """The history of all sources. Any thread or greenlet may call it. Every method raises `StoreError` if the database cannot answer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def series(self, source: str, time: TimeRange, points: int) -> Series:
        """Return a range of a source in at most `points` entries.

        The first bucket is whole: it may begin before the range, so that a bucket is the same in every answer.

        Args:
            source: Name of the source.
            time: The range. An open end is closed with the first or last reading.
            points: Maximum number of entries, for example the width of the plot in pixels.
        """
        with self._store.snapshot() as queries:
            return _SourceHistory(queries, source).series(time, points)

    def curve(self, source: str, time: TimeRange) -> list[Point]:
        """Return a range of a source as a curve: its readings if they are few, else means of short buckets."""
        series = self.series(source, time, CURVE_POINTS)
        return [Point((each.first_us + each.last_us) // 2, each.total / each.n) for each in series.buckets]

    def trips(self, source: str, time: TimeRange, limit: int | None = None) -> list[Trip]:
        """Return the trips of a source that overlap a range, each whole, in the order of time.

        Args:
            source: Name of the source.
            time: The range.
            limit: Maximum number of trips; None for all.
        """
        with self._store.snapshot() as queries:
            return list(islice(_SourceHistory(queries, source).trips(time), limit))

    def noted_trips(self, source: str, time: TimeRange, limit: int | None = None) -> list[tuple[Trip, TripNote | None]]:
        """Return the same trips, each with what people wrote about it; None where they wrote nothing."""
        found = self.trips(source, time, limit)
        if not found:
            return []
        notes = self._store.trip_notes.select(source, TimeRange(found[0].start_us, found[-1].end_us + 1))
        return list(zip(found, notes_of(found, notes), strict=True))

    def write_note(self, source: str, at_us: int, texts: Mapping[str, str]) -> tuple[Trip, TripNote | None] | None:
        """Change what people wrote about the trip that a moment is in; return the trip and its note, None where there is no trip.

        Args:
            source: Name of the source.
            at_us: Moment, microseconds since the epoch.
            texts: Some of name, note and tag; the others stay.
        """
        found = self.noted_trips(source, TimeRange(at_us, at_us + 1), 1)
        if not found:
            return None
        trip, note = found[0]
        changed = (note or TripNote(trip.start_us))._replace(start_us=trip.start_us, **texts)
        self._store.trip_notes.replace(source, TimeRange(trip.start_us, trip.end_us + 1), changed)
        return trip, changed

    def hours_to_roll_up(self, source: str, time: TimeRange) -> int:
        """Return how many hours of a range are not rolled up yet: their readings are read one by one, which takes long for many."""
        return self._store.rollups.dirty_hours(source, time)

    def summary(self, source: str, time: TimeRange) -> Trip | None:
        """Return the figures of exactly a range; None where there is no reading."""
        with self._store.snapshot() as queries:
            segments = list(_SourceHistory(queries, source).segments(time))
        return summary(reduce(merge, segments)) if segments else None

    def jumps(self, source: str, time: TimeRange, limit: int | None = None) -> list[Reading]:
        """Return the readings in a range that are implausible jumps (`segment.jumped`), in the order of time.

        Of several readings at one moment it is the last, which is the highest.

        Args:
            source: Name of the source.
            time: The range.
            limit: Maximum number of readings; None for all.
        """
        with self._store.snapshot() as queries:
            return list(islice(_SourceHistory(queries, source).jumps(time), limit))


class _SourceHistory:
    """The history of one source in one snapshot."""

    def __init__(self, queries: Queries, source: str) -> None:
        self._queries = queries
        self._source = source
        self._span = queries.sources.span(source)
        #: Readings before this moment were removed; only rollups are left of them.
        self._raw_from_us = queries.sources.settings(source).raw_from_us

    def series(self, time: TimeRange, points: int) -> Series:
        """See `History.series`."""
        inside = self._inside(time)
        if self._span is None or inside.empty:
            return Series(0, [], [])
        has_removed = self._raw_from_us is not None and inside.from_us < self._raw_from_us
        if not has_removed:
            readings = self._queries.readings.select_if_few(self._source, inside, points)
            if readings is not None:
                return Series(0, [bucket_of(each) for each in readings], [each.seq for each in readings])
        # The width depends on the range that was asked for where it has ends, so that it stays the same while readings arrive.
        asked = time.closed(TimeRange(self._span.first_us, self._span.last_us + 1))
        width_us = bucket_width(asked, points, MINUTE_US if has_removed else 1)
        whole = TimeRange(inside.from_us - inside.from_us % width_us, inside.to_us)
        return Series(width_us, self._queries.rollups.buckets(self._source, whole, width_us), None)

    def trips(self, time: TimeRange) -> Iterator[Trip]:
        """See `History.trips`."""
        inside = self._inside(TimeRange(from_us=time.from_us))
        begin_us = self._gap_before(inside.from_us, self._inside(TimeRange()).from_us)
        for trip in trips(self._read(TimeRange(begin_us, inside.to_us))):
            if trip.start_us >= time.to_us:
                return
            if trip.end_us >= time.from_us:
                yield trip

    def segments(self, time: TimeRange) -> Iterator[Segment]:
        """Yield the segments of a range."""
        return self._read(self._inside(time))

    def jumps(self, time: TimeRange) -> Iterator[Reading]:
        """See `History.jumps`."""
        before: Segment | None = None
        for each in self.segments(time):
            if each.jumps or (before and jumped(each.first_us - before.last_us, before.last, each.first)):
                near = TimeRange(before.last_us if before else each.first_us, each.last_us + 1)
                found: Reading | None = None
                for a, b in pairwise(self._queries.readings.stream(source=self._source, time=near)):
                    if b.at_us >= each.first_us and jumped(b.at_us - a.at_us, a.speed, b.speed):
                        if found is not None and found.at_us != b.at_us:
                            yield found
                        found = b
                if found is not None:
                    yield found
            before = each

    def _inside(self, time: TimeRange) -> TimeRange:
        """Return the part of a range in whole hours with readings; empty where the source has none.

        Where readings were removed it is widened to whole minutes: nothing is known about a part of one.
        """
        if self._span is None:
            return TimeRange(0, 0)
        first_us, last_us, raw_from_us = self._span.first_us, self._span.last_us, self._raw_from_us
        hours = TimeRange(first_us - first_us % HOUR_US, last_us - last_us % HOUR_US + HOUR_US)
        begin_us, end_us = time.within(hours)
        if raw_from_us is not None and begin_us < raw_from_us:
            begin_us -= begin_us % MINUTE_US
        if raw_from_us is not None and end_us < raw_from_us:
            end_us = -(-end_us // MINUTE_US) * MINUTE_US
        return TimeRange(begin_us, end_us)

    def _read(self, time: TimeRange) -> Iterator[Segment]:
        begin_us: int | None = time.from_us
        while begin_us is not None and begin_us < time.to_us:
            end_us = begin_us - begin_us % HOUR_US + CHUNK_US
            found = self._queries.rollups.segments(self._source, TimeRange(begin_us, min(end_us, time.to_us)))
            yield from found
            # A clock that was wrong once may have left a gap of a thousand years.
            begin_us = end_us if found else self._queries.rollups.next_hour(self._source, end_us)

    def _gap_before(self, at_us: int, first_us: int) -> int:
        """Return a moment at or before `at_us` with no reading in the 300 s before it, but not before `first_us`."""
        width_us = HOUR_US
        while at_us > first_us:
            next_us = at_us
            for each in reversed(self._queries.rollups.segments(self._source, TimeRange(at_us - width_us, at_us))):
                if next_us - each.last_us >= GAP_US:
                    return next_us
                next_us = each.first_us
            if next_us - (at_us - width_us) >= GAP_US:
                return next_us
            at_us, width_us = next_us, min(2 * width_us, CHUNK_US)
        return at_us
