"""Stretches above a source's limit: found as readings come, stored, and told to whoever wants to know."""

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
#: Rests for so many times as long as a round took.
REST: Final = 3.0
#: Nobody is told of what is over for longer: who imports last year's drives wants no alarm.
NEWS_US: Final = 24 * HOUR_US
TIMEOUT_S: Final = 10.0
FIRST_RETRY_S: Final = 5.0
LAST_RETRY_S: Final = 3_600.0
#: With back-off that is more than a day.
MOST_TRIES: Final = 32
MOST_TOLD: Final = 20
CHUNK_US: Final = 24 * HOUR_US
MOST_READINGS: Final = 3_600_000


class Alerts:
    """The background work of one process on limits.

    Design: events are a pure function of a source's readings and its limit. Every `ROUND_S` what is new of each source that has one
    is looked at; where readings came late, their hour is looked at again before it is rolled up (`recheck`). Whom to tell of what is
    stored with the event, so that a restart forgets nobody.
    """

    def __init__(self, store: Store, webhook_url: str | None) -> None:
        """Prepare to work.

        Args:
            store: Whose readings and limits.
            webhook_url: Gets a POST for each event; None tells nobody.
        """
        self._store = store
        self._webhook_url = webhook_url
        self._stopping = threading.Event()
        # A webhook that is slow to answer delays no event.
        self._threads = [
            threading.Thread(target=self._repeat, args=(work,), name=name, daemon=True)
            for name, work in (("alerts", self.check), ("webhook", self.deliver))
        ]
        # One at a time looks at a source: the round, or the recheck of an hour.
        self._looking = threading.Lock()
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
        with self._looking:
            if self._store.upkeep(source).limit_kmh != limit_kmh:
                values = {"limit_kmh": limit_kmh, "limited_us": now_us, "checked_us": None}
                self._store.replace_events(source, -EVER_US, EVER_US, [], **values)

    def check(self, now_us: int) -> None:
        """Look at what is new of every source that has a limit.

        Raises:
            StoreError: The last one of some source; the others were looked at, and it is next time.
        """
        failed: StoreError | None = None
        for source in self._store.limited():
            try:
                while not self._stopping.is_set() and self._look_on(source, now_us):
                    pass
            except StoreError as problem:
                failed = problem
        if failed:
            raise failed

    def recheck(self, source: str, hour_us: int) -> None:
        """Look again at an hour that got or lost readings.

        Raises:
            StoreError: The database cannot answer.
        """
        with self._looking:
            upkeep = self._store.upkeep(source)
            kept_us = -EVER_US if upkeep.raw_from_us is None else upkeep.raw_from_us
            if upkeep.limit_kmh is None or upkeep.checked_us is None or not kept_us <= hour_us < upkeep.checked_us:
                return
            now_us = time.time_ns() // 1000
            near = self._store.events(source, hour_us - GAP_US, hour_us + HOUR_US + GAP_US, MOST_READINGS)
            # Of an event that begins among removed readings the beginning is not known any more: it stays as it is.
            begin_us = max(kept_us, min([hour_us - GAP_US, *[each.start_us for each in near]]))
            begin_us = max([begin_us, *[each.end_us + 1 for each in near if each.start_us < kept_us]])
            end_us = max([hour_us + HOUR_US + GAP_US, *[each.end_us + GAP_US for each in near]])
            end_us = min(end_us, upkeep.checked_us)
            found = [
                each._replace(ongoing=each.ongoing and now_us - each.end_us < GAP_US)
                for each in self._events(
                    source, upkeep.limit_kmh, self._store.stretches(source, begin_us, end_us), None
                )
            ]
            self._store.replace_events(source, begin_us, end_us, self._news(found, upkeep, now_us))

    def deliver(self, now_us: int) -> None:
        """Tell the webhook of the events that are due.

        Raises:
            StoreError: Somebody may be told twice.
        """
        if self._webhook_url is None:
            return
        for event in self._store.untold(now_us, MOST_TOLD):
            if self._stopping.is_set():
                return
            why = self._post(event)
            if why is None:
                self.delivered += 1
                with self._looking:
                    self._store.told(event._replace(tell=False, tries=event.tries + 1))
                continue
            self.failed += 1
            tries = event.tries + 1
            if tries in (1, MOST_TRIES):
                host = urlsplit(self._webhook_url).hostname
                log.warning(
                    "the webhook at %s did not take an event: %s; %s",
                    host,
                    why,
                    "gave up" if tries > 1 else "trying again",
                )
            retry_s = min(FIRST_RETRY_S * 2**event.tries, LAST_RETRY_S) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
            with self._looking:
                self._store.told(
                    event._replace(tell=tries < MOST_TRIES, tries=tries, try_us=now_us + round(retry_s * 1e6))
                )

    def _look_on(self, source: str, now_us: int) -> bool:
        """Look at what is new of a source, a day at the most; whether there is more."""
        with self._looking:
            upkeep, span = self._store.upkeep(source), self._store.span(source)
            if span is None or upkeep.limit_kmh is None:
                return False
            begin_us = max(span.first_us, -EVER_US if upkeep.checked_us is None else upkeep.checked_us)
            open_event = self._open(source, begin_us)
            # A reading ahead of its time waits until then: what comes meanwhile is looked at as it comes.
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
            return end_us <= last_us  # the next look finds out if there is anything

    def _close(self, event: Event | None, now_us: int) -> None:
        """An event is over when nothing has come for long enough."""
        if event and event.ongoing and now_us - event.end_us >= GAP_US:
            self._store.replace_events(
                event.source, event.start_us, event.start_us + 1, [event._replace(ongoing=False)]
            )

    def _open(self, source: str, at_us: int) -> Event | None:
        """The event that the last reading before a moment belongs to."""
        near = self._store.events(source, at_us - GAP_US, at_us, MOST_READINGS)
        # One that was closed because nothing came goes on if what comes is near enough in its own time, as in a drive sent again.
        return near[-1] if near and (near[-1].ongoing or near[-1].end_us == at_us - 1) else None

    def _events(
        self, source: str, limit_kmh: float, stretches: Iterable[Stretch], open_event: Event | None
    ) -> Iterator[Event]:
        return above(source, limit_kmh, self._telling(source, limit_kmh, stretches), open_event)

    def _telling(self, source: str, limit_kmh: float, stretches: Iterable[Stretch]) -> Iterator[Reading]:
        """The readings that tell where events begin and end: all of a stretch that goes above the limit, else its two ends."""
        for each in stretches:
            if each.maximum > limit_kmh:
                yield from self._store.select(
                    source=source, from_us=each.first_us, to_us=each.last_us + 1, limit=MOST_READINGS
                )
            else:
                yield Reading(source, each.first_us, 0, each.first)
                yield Reading(source, each.last_us, 0, each.last)

    def _news(self, found: Sequence[Event], upkeep: Upkeep, now_us: int) -> list[Event]:
        # What was over before there was a limit is no news.
        since_us = max(now_us - NEWS_US, (upkeep.limited_us or 0) - MINUTE_US)
        return [each._replace(tell=self._webhook_url is not None and each.end_us > since_us) for each in found]

    def _post(self, event: Event) -> str | None:
        """Why it failed; None where it was taken."""
        body: dict[str, str | float] = {
            "event": "over_limit",
            "source": event.source,
            "start": rfc3339(event.start_us),
            "end": rfc3339(event.end_us),
            "peak_kmh": event.peak,
            "limit_kmh": event.limit_kmh,
        }
        try:
            # Streamed, because what it says beyond its status is of no interest, however long it goes on.
            with requests.post(
                str(self._webhook_url), json=body, timeout=TIMEOUT_S, allow_redirects=False, stream=True
            ) as answer:
                return None if answer.status_code // 100 == 2 else f"it answered {answer.status_code}"
        except requests.RequestException as failure:
            return type(failure).__name__  # its text holds the address, which may hold a secret

    def _repeat(self, work: Callable[[int], None]) -> None:
        rest_s, quiet = ROUND_S, True
        while not self._stopping.wait(rest_s):
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
            rest_s = max(ROUND_S, REST * (time.monotonic() - began))


def above(
    source: str, limit_kmh: float, readings: Iterable[Reading], open_event: Event | None = None
) -> Iterator[Event]:
    """The stretches above a limit: from the first reading above it to the last before one that is not, or before a gap.

    Args:
        source: Whose.
        limit_kmh: A speed equal to it is not above.
        readings: In the order of time.
        open_event: One that was still going on before them; it comes first.
    """
    for reading in readings:
        if open_event and (reading.speed <= limit_kmh or reading.at_us - open_event.end_us >= GAP_US):
            yield open_event._replace(ongoing=False)
            open_event = None
        if reading.speed > limit_kmh:
            if open_event is None:
                open_event = Event(source, reading.at_us, reading.at_us, reading.speed, limit_kmh, ongoing=True)
            open_event = open_event._replace(end_us=reading.at_us, peak=max(open_event.peak, reading.speed))
    if open_event:
        yield open_event
