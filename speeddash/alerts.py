"""Events above a source's limit: found as readings arrive, stored, and delivered to a webhook."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

import requests

from speeddash.errors import StoreError
from speeddash.reading import Reading, rfc3339
from speeddash.store import Event, Store, Upkeep
from speeddash.stretch import EVER_US, GAP_US, HOUR_US, MINUTE_US, Stretch

log = logging.getLogger(__name__)

ROUND_S: Final = 1.0
#: Pause between two rounds, as a multiple of the time that a round took.
PAUSE: Final = 3.0
#: Events that ended more than 24 h ago are not delivered: an import of last year's drives raises no alarm.
NEWS_US: Final = 24 * HOUR_US
TIMEOUT_S: Final = 10.0
#: A delivery under way is claimed for so long; after a crash within it the event is delivered again.
CLAIM_US: Final = 60 * 1_000_000
FIRST_RETRY_S: Final = 5.0
LAST_RETRY_S: Final = 3_600.0
#: With back-off this is more than a day.
MAX_TRIES: Final = 32
#: Events delivered in one round.
MAX_DELIVERIES: Final = 20
#: How much history of a source one step checks.
CHUNK_US: Final = 24 * HOUR_US
#: Readings fetched at once: so few that sockets do not wait for them.
PAGE_READINGS: Final = 1_000
#: Stored events of a source that one step looks at.
MAX_EVENTS: Final = 100_000


class Alerts:
    """The background work of one process on limits.

    Design: events are a pure function of a source's readings and its limit. Every `ROUND_S` one statement finds the sources that have
    work, and new readings of these are checked, a day of each source in turn. An hour that got or lost readings is checked again
    before it is rolled up (`recheck`). Pending deliveries are stored with the event, so they survive a restart.
    """

    def __init__(self, store: Store, webhook_url: str | None) -> None:
        """Prepare to work.

        Args:
            store: Holds readings, limits and events.
            webhook_url: Receives a POST for each event; None for no deliveries.
        """
        self._store = store
        self._webhook_url = webhook_url
        self._stopping = threading.Event()
        # A webhook that is slow to answer delays no event.
        self._threads = [
            threading.Thread(target=self._repeat, args=(work,), name=name, daemon=True)
            for name, work in (("alerts", self.check), ("webhook", self.deliver))
        ]
        # Protects events and `checked_us` of sources: either a round or the recheck of an hour changes them.
        self._checking = threading.Lock()
        #: Deliveries since the start, by how they ended.
        self.delivered = 0
        self.failed = 0

    def start(self) -> None:
        """Begin, in the background."""
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """End after the step under way; does not wait for it."""
        self._stopping.set()

    def set_limit(self, source: str, limit_kmh: float | None, now_us: int) -> None:
        """Give a source a limit, None for none: its events are found anew, from its first reading on.

        Raises:
            StoreError: It has the limit it had.
        """
        with self._checking:
            if self._store.upkeep(source).limit_kmh != limit_kmh:
                values = {"limit_kmh": limit_kmh, "limited_us": now_us, "checked_us": None}
                self._store.replace_events(source, -EVER_US, EVER_US, [], **values)

    def check(self, now_us: int) -> None:
        """Check new readings of every source that has a limit.

        Raises:
            StoreError: The last error of a source; the others were checked, and this one is again in the next round.
        """
        failed: StoreError | None = None
        pending = self._store.sources_to_check(now_us + MINUTE_US, now_us - GAP_US)
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
        with self._checking:
            upkeep = self._store.upkeep(source)
            kept_us = -EVER_US if upkeep.raw_from_us is None else upkeep.raw_from_us
            if upkeep.limit_kmh is None or upkeep.checked_us is None or not kept_us <= hour_us < upkeep.checked_us:
                return
            now_us = time.time_ns() // 1000
            hour_end_us = hour_us + HOUR_US
            near = self._store.events(source, hour_us - GAP_US, hour_end_us + GAP_US, MAX_EVENTS)
            # The beginning of an event among removed readings is not known any more: such an event stays as it is.
            begin_us = max(kept_us, min([hour_us - GAP_US, *[each.start_us for each in near]]))
            begin_us = max([begin_us, *[each.end_us + 1 for each in near if each.start_us < kept_us]])
            # The hour's readings may change events that begin before its end, and the first one after it.
            later = [each for each in near if each.start_us >= hour_end_us]
            changeable = [each for each in near if each.start_us < hour_end_us] + later[:1]
            end_us = max([hour_end_us, *[each.end_us + 1 for each in changeable]])
            segments = self._segments(source, begin_us, end_us, upkeep.checked_us)
            found = [
                each._replace(ongoing=each.ongoing and now_us - each.end_us < GAP_US)
                for each in self._events(source, upkeep.limit_kmh, segments, None, end_us)
            ]
            end_us = min(max([end_us, *[each.end_us + 1 for each in found]]), upkeep.checked_us)
            self._store.replace_events(source, begin_us, end_us, self._news(found, upkeep, now_us))

    def deliver(self, now_us: int) -> None:
        """Send the events that are due to the webhook.

        Raises:
            StoreError: An event may be sent twice.
        """
        if self._webhook_url is None:
            return
        for pending in self._store.undelivered(now_us, MAX_DELIVERIES):
            if self._stopping.is_set():
                return
            # Another process on this database may be about to send it as well.
            event = pending._replace(try_us=now_us + CLAIM_US)
            if not self._store.claim_delivery(pending, event.try_us):
                continue
            why = self._post(event)
            if why is None:
                self.delivered += 1
                with self._checking:
                    self._store.set_delivery(event._replace(tell=False, tries=event.tries + 1))
                continue
            self.failed += 1
            tries = event.tries + 1
            if tries in (1, MAX_TRIES):
                host = urlsplit(self._webhook_url).hostname
                log.warning(
                    "the webhook at %s did not take an event: %s; %s",
                    host,
                    why,
                    "gave up" if tries > 1 else "trying again",
                )
            retry_s = min(FIRST_RETRY_S * 2**event.tries, LAST_RETRY_S) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
            with self._checking:
                self._store.set_delivery(
                    event._replace(tell=tries < MAX_TRIES, tries=tries, try_us=now_us + round(retry_s * 1e6))
                )

    def _check_next(self, source: str, now_us: int) -> bool:
        """Check the next readings of a source, a day at most; return whether there are more."""
        with self._checking:
            upkeep, span = self._store.upkeep(source), self._store.span(source)
            if span is None or upkeep.limit_kmh is None:
                return False
            begin_us = max(span.first_us, -EVER_US if upkeep.checked_us is None else upkeep.checked_us)
            open_event = self._open(source, begin_us)
            # A reading with a time in the future waits until then: readings that arrive meanwhile are checked as they arrive.
            last_us = min(span.last_us, now_us + MINUTE_US)
            begin_us = max(begin_us, self._store.next_hour(source, begin_us) or begin_us)
            stretches = self._store.stretches(source, begin_us, min(begin_us + CHUNK_US, last_us + 1))
            if not stretches:
                self._close(open_event, now_us)
                return False
            end_us = stretches[-1].last_us + 1
            found = list(self._events(source, upkeep.limit_kmh, stretches, open_event))
            first_us = begin_us if open_event is None else open_event.start_us
            self._store.replace_events(source, first_us, end_us, self._news(found, upkeep, now_us), checked_us=end_us)
            return end_us <= last_us

    def _close(self, event: Event | None, now_us: int) -> None:
        """An event is over when nothing has come for long enough."""
        if event and event.ongoing and now_us - event.end_us >= GAP_US:
            self._store.replace_events(
                event.source, event.start_us, event.start_us + 1, [event._replace(ongoing=False)]
            )

    def _open(self, source: str, at_us: int) -> Event | None:
        """The event that the last reading before a moment belongs to."""
        near = self._store.events(source, at_us - GAP_US, at_us, MAX_EVENTS)
        # An event that was closed because nothing arrived continues if the next reading follows it closely, as in a recording sent late.
        return near[-1] if near and (near[-1].ongoing or near[-1].end_us == at_us - 1) else None

    def _segments(self, source: str, begin_us: int, least_us: int, most_us: int) -> Iterator[Stretch]:
        """Segments from a moment on, fetched hour by hour beyond `least_us`, until `most_us` or an hour without readings."""
        end_us = min(least_us + GAP_US, most_us)
        while begin_us < end_us:
            found = self._store.stretches(source, begin_us, end_us)
            yield from found
            if not found and end_us - begin_us >= GAP_US and end_us > least_us:
                return
            begin_us, end_us = end_us, min(end_us + HOUR_US, most_us)

    def _events(
        self,
        source: str,
        limit_kmh: float,
        stretches: Iterable[Stretch],
        open_event: Event | None,
        until_us: int = EVER_US,
    ) -> Iterator[Event]:
        return above(source, limit_kmh, self._deciding(source, limit_kmh, stretches), open_event, until_us)

    def _deciding(self, source: str, limit_kmh: float, stretches: Iterable[Stretch]) -> Iterator[Reading]:
        """The readings that decide where events begin and end: all of a segment that exceeds the limit, else its two ends."""
        for each in stretches:
            if each.maximum > limit_kmh:
                yield from self._store.stream(
                    source=source, from_us=each.first_us, to_us=each.last_us + 1, page_readings=PAGE_READINGS
                )
            else:
                yield Reading(source, each.first_us, 0, each.first)
                yield Reading(source, each.last_us, 0, each.last)

    def _news(self, found: Sequence[Event], upkeep: Upkeep, now_us: int) -> list[Event]:
        # Events that ended before the limit was set are not delivered.
        since_us = max(now_us - NEWS_US, (upkeep.limited_us or 0) - MINUTE_US)
        return [each._replace(tell=self._webhook_url is not None and each.end_us > since_us) for each in found]

    def _post(self, event: Event) -> str | None:
        """Send an event; return why that failed, or None."""
        body: dict[str, str | float] = {
            "event": "over_limit",
            "source": event.source,
            "start": rfc3339(event.start_us),
            "end": rfc3339(event.end_us),
            "peak_kmh": event.peak,
            "limit_kmh": event.limit_kmh,
        }
        try:
            # Streamed: only the status matters, and the body may be endless.
            with requests.post(
                str(self._webhook_url), json=body, timeout=TIMEOUT_S, allow_redirects=False, stream=True
            ) as answer:
                return None if answer.status_code // 100 == 2 else f"it answered {answer.status_code}"
        except requests.RequestException as failure:
            return type(failure).__name__  # its text holds the address, which may hold a secret

    def _repeat(self, work: Callable[[int], None]) -> None:
        pause_s, quiet = ROUND_S, True
        while not self._stopping.wait(pause_s):
            began = time.monotonic()
            try:
                work(time.time_ns() // 1000)
                quiet = True
            except StoreError as problem:
                if quiet:
                    log.warning("alerts wait: %s", problem)
                quiet = False
            except Exception:
                log.exception("alerts failed; the next round tries again")
            pause_s = max(ROUND_S, PAUSE * (time.monotonic() - began))


def above(
    source: str,
    limit_kmh: float,
    readings: Iterable[Reading],
    open_event: Event | None = None,
    until_us: int = EVER_US,
) -> Iterator[Event]:
    """The events above a limit: from the first reading above it to the last before one that is not, or before a gap of 300 s.

    Args:
        source: Name of the source.
        limit_kmh: A speed equal to it is not above it.
        readings: In the order of time; read no further than needed.
        open_event: An event that was ongoing before them; it comes first.
        until_us: Stop at the first reading from this moment on at which no event is open.
    """
    for reading in readings:
        if open_event and (reading.speed <= limit_kmh or reading.at_us - open_event.end_us >= GAP_US):
            yield open_event._replace(ongoing=False)
            open_event = None
        if open_event is None and reading.at_us >= until_us:
            return
        if reading.speed > limit_kmh:
            if open_event is None:
                open_event = Event(source, reading.at_us, reading.at_us, reading.speed, limit_kmh, ongoing=True)
            open_event = open_event._replace(end_us=reading.at_us, peak=max(open_event.peak, reading.speed))
    if open_event:
        yield open_event
