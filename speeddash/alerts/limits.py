"""Checks readings against the limits of their sources, and stores the events."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from speeddash.alerts.events import above
from speeddash.errors import StoreError
from speeddash.reading import Reading
from speeddash.segment import GAP_US, Segment
from speeddash.store import Event, Notice, SourceSettings, Store
from speeddash.timerange import EVER_US, HOUR_US, MINUTE_US, TimeRange

#: Events that ended more than 24 h ago are not delivered: an import of last year's drives raises no alarm.
MAX_AGE_US: Final = 24 * HOUR_US
#: How much history of a source one step checks.
CHUNK_US: Final = 24 * HOUR_US
#: Readings fetched at once: so few that sockets do not wait for them.
PAGE_READINGS: Final = 1_000
#: Most stored events of a source that one step reads.
MAX_EVENTS: Final = 100_000


class Limits:
    """The limits of all sources in one process. Any thread or greenlet may call it.

    Design: events are a pure function of a source's readings and its limit (`alerts.events`). In each round one statement finds the
    sources that have work, and their new readings are checked, a day of each source in turn. An hour that got or lost readings is
    checked again before it is rolled up (`recheck`).
    """

    def __init__(
        self,
        store: Store,
        lock: threading.Lock,
        *,
        deliver: bool,
        tolerance_kmh: float = 0.0,
        notify_from_us: int | None = None,
    ) -> None:
        """Prepare to work.

        Args:
            store: Holds readings, limits and events.
            lock: Protects events and `checked_us` of sources: a round, a recheck and a delivery change them.
            deliver: New events are to be delivered.
            tolerance_kmh: See `alerts.events.above`.
            notify_from_us: Events that last for so long are to be notified; None for no notifications.
        """
        self._tolerance_kmh = tolerance_kmh
        self._notify_from_us = notify_from_us
        self._store = store
        self._lock = lock
        self._deliver = deliver
        self._checked_at_us = EVER_US
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Stop after the current step, without waiting for it."""
        self._stopping.set()

    def set_limit(self, source: str, limit_kmh: float | None, now_us: int) -> None:
        """Set the limit of a source, None for none. Its events are found again, from its first reading on.

        Raises:
            StoreError: The limit is unchanged.
        """
        with self._store.source_lock.everywhere(), self._lock:
            if self._store.sources.settings(source).limit_kmh != limit_kmh:
                values = {"limit_kmh": limit_kmh, "limited_us": now_us, "checked_us": None}
                self._store.events.replace(source, TimeRange(), [], **values)

    def check(self, now_us: int) -> None:
        """Check new readings of every source that has a limit.

        Raises:
            StoreError: The last error of a source; the others were checked, and this one is again in the next round.
        """
        failed: StoreError | None = None
        if now_us < self._checked_at_us:  # the first round, or a clock that was ahead
            self._store.events.check_again(now_us + MINUTE_US, now_us - GAP_US)
        self._checked_at_us = now_us
        pending = self._store.events.sources_to_check(now_us + MINUTE_US, now_us - GAP_US)
        while pending and not self._stopping.is_set():
            unfinished = []
            for source in pending:  # in turn: a new limit on years of readings does not delay other sources
                try:
                    if self._check_next(source, now_us):
                        unfinished.append(source)
                except StoreError as problem:
                    failed = problem
            pending = unfinished
        if failed:
            raise failed

    def recheck(self, source: str, hour_us: int) -> None:
        """Find the events of an hour again that got or lost readings.

        Design: from the first event that the hour's readings may change, readings are checked until no event is open after the
        last event that they may change. Events after that stay untouched: a reading at or below the limit, or a gap, separates them.

        Raises:
            StoreError: The database cannot answer.
        """
        with self._lock:
            settings = self._store.sources.settings(source)
            raw_from_us = -EVER_US if settings.raw_from_us is None else settings.raw_from_us
            if (
                settings.limit_kmh is None
                or settings.checked_us is None
                or not raw_from_us <= hour_us < settings.checked_us
            ):
                return
            now_us = time.time_ns() // 1000
            hour_end_us = hour_us + HOUR_US
            around = TimeRange(hour_us - GAP_US, hour_end_us + GAP_US)
            near = self._store.events.select(source, around, MAX_EVENTS)
            # The beginning of an event among removed readings is not known any more: such an event stays as it is.
            begin_us = max(raw_from_us, min([hour_us - GAP_US, *[each.start_us for each in near]]))
            begin_us = max([begin_us, *[each.end_us + 1 for each in near if each.start_us < raw_from_us]])
            # The hour's readings may change events that begin before its end, and the first one after it.
            later = [each for each in near if each.start_us >= hour_end_us]
            changeable = [each for each in near if each.start_us < hour_end_us] + later[:1]
            end_us = max([hour_end_us, *[each.end_us + 1 for each in changeable]])
            segments = self._segments(source, begin_us, end_us, settings.checked_us)
            found = [
                each._replace(ongoing=each.ongoing and now_us - each.end_us < GAP_US)
                for each in self._events(source, settings.limit_kmh, segments, None, end_us)
            ]
            end_us = min(max([end_us, *[each.end_us + 1 for each in found]]), settings.checked_us)
            self._store.events.replace(source, TimeRange(begin_us, end_us), self._marked(found, settings, now_us))

    def _check_next(self, source: str, now_us: int) -> bool:
        """Check the next readings of a source, a day at most; return whether there are more."""
        with self._lock:
            settings, span = self._store.sources.settings(source), self._store.sources.span(source)
            if span is None or settings.limit_kmh is None:
                return False
            begin_us = max(span.first_us, -EVER_US if settings.checked_us is None else settings.checked_us)
            open_event = self._open(source, begin_us)
            # A reading with a time in the future waits until then: readings that arrive meanwhile are checked as they arrive.
            last_us = min(span.last_us, now_us + MINUTE_US)
            begin_us = max(begin_us, self._store.rollups.next_hour(source, begin_us) or begin_us)
            chunk = TimeRange(begin_us, min(begin_us + CHUNK_US, last_us + 1))
            segments = self._store.rollups.segments(source, chunk)
            if not segments:
                self._close(open_event, now_us)
                return False
            end_us = segments[-1].last_us + 1
            found = list(self._events(source, settings.limit_kmh, segments, open_event))
            first_us = begin_us if open_event is None else open_event.start_us
            changed = TimeRange(first_us, end_us)
            self._store.events.replace(source, changed, self._marked(found, settings, now_us), checked_us=end_us)
            return end_us <= last_us

    def _close(self, event: Event | None, now_us: int) -> None:
        """End an ongoing event when nothing has arrived for the length of a gap."""
        if event and event.ongoing and now_us - event.end_us >= GAP_US:
            this = TimeRange(event.start_us, event.start_us + 1)
            self._store.events.replace(event.source, this, [event._replace(ongoing=False)])

    def _open(self, source: str, at_us: int) -> Event | None:
        """Return the event that the last reading before a moment belongs to."""
        near = self._store.events.select(source, TimeRange(at_us - GAP_US, at_us), MAX_EVENTS)
        # `_close` ended an event because nothing arrived. It continues if the next reading follows within a gap, as in a late recording.
        return near[-1] if near and (near[-1].ongoing or near[-1].end_us == at_us - 1) else None

    def _segments(self, source: str, begin_us: int, min_end_us: int, max_end_us: int) -> Iterator[Segment]:
        """Yield segments from a moment on, fetched hour by hour after `min_end_us`, until `max_end_us` or an hour without readings."""
        end_us = min(min_end_us + GAP_US, max_end_us)
        while begin_us < end_us:
            found = self._store.rollups.segments(source, TimeRange(begin_us, end_us))
            yield from found
            if not found and end_us - begin_us >= GAP_US and end_us > min_end_us:
                return
            begin_us, end_us = end_us, min(end_us + HOUR_US, max_end_us)

    def _events(
        self,
        source: str,
        limit_kmh: float,
        segments: Iterable[Segment],
        open_event: Event | None,
        until_us: int = EVER_US,
    ) -> Iterator[Event]:
        deciding = self._deciding(source, limit_kmh, segments)
        return above(source, limit_kmh, deciding, open_event, until_us, self._tolerance_kmh)

    def _deciding(self, source: str, limit_kmh: float, segments: Iterable[Segment]) -> Iterator[Reading]:
        """Yield the readings that decide where events begin and end: all of a segment that exceeds the limit, else its two ends."""
        for each in segments:
            if each.maximum > limit_kmh:
                yield from self._store.readings.stream(
                    source=source, time=TimeRange(each.first_us, each.last_us + 1), page_readings=PAGE_READINGS
                )
            else:
                yield Reading(source, each.first_us, 0, each.first)
                # The lowest one ends an event within the segment that began before it.
                yield Reading(source, each.last_us, 0, each.minimum)
                yield Reading(source, each.last_us, 0, each.last)

    def _marked(self, found: Sequence[Event], settings: SourceSettings, now_us: int) -> list[Event]:
        """Return events marked for delivery, except those that ended too long ago."""
        # Events that ended before the limit was set are not delivered.
        since_us = max(now_us - MAX_AGE_US, (settings.limited_us or 0) - MINUTE_US)
        return [
            each._replace(
                tell=self._deliver and each.end_us > since_us,
                notice=Notice.BEGIN if each.end_us > since_us and self._is_notified(each) else Notice.NONE,
            )
            for each in found
        ]

    def _is_notified(self, event: Event) -> bool:
        """Whether an event is to be notified: it is long enough, or may still become so."""
        least_us = self._notify_from_us
        return least_us is not None and (event.ongoing or event.end_us - event.start_us >= least_us)
