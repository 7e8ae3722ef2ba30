"""Keeps minutes and hours true while readings come, and removes readings that are too old, in the background."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from speeddash.errors import SourceTaken, StoreError
from speeddash.store import QUIET_S, Store
from speeddash.stretch import EVER_US, HOUR_US

log = logging.getLogger(__name__)

ROUND_S = 15.0
#: Rows that others insert, and readings that are too old, are looked for so often.
SEARCH_S = 600.0
#: Rests for so many times as long as a step took: what works beside people must not be in their way.
REST_BUSY = 9.0
REST_IDLE = 1.0
STEP_HOURS = 100
#: Hours that fail one after the other before a round ends: then the database is away.
MAX_FAILURES = 3
MAX_SOURCES = 1_000
#: No mark is so old.
NEVER_S = 1e10
DAY_S = 86_400


class Rollups:
    """The background work of one process on history.

    Design: every `ROUND_S` the hours whose mark is quiet are computed anew, one after the other with a rest behind each. A round
    that fails is tried again with the next one: marks are kept by the database.
    """

    def __init__(
        self,
        store: Store,
        *,
        keep_raw_days: int | None = None,
        received: Callable[[], int] = lambda: 0,
        dirty: Callable[[str, int], object],
    ) -> None:
        """Prepare to work.

        Args:
            store: Whose history.
            keep_raw_days: Readings older than it are removed; None keeps them all.
            received: How many readings the process has taken in; while it grows the work goes slowly.
            dirty: Told of each hour before it is computed anew: source and beginning.
        """
        self._store = store
        self._keep_raw_days = keep_raw_days
        self._received = received
        self._received_before = 0
        self._dirty = dirty
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rollups", daemon=True)
        #: Why the last round did not end; None while all is well.
        self.problem: StoreError | None = None
        #: Hours computed anew since the start.
        self.hours = 0

    def start(self) -> None:
        """Begin, in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End after the step under way; does not wait for it."""
        self._stopping.set()

    def roll_up(self, *, quiet_s: float = QUIET_S) -> None:
        """Compute every hour again whose mark is old enough, then return.

        An hour that fails is left for the next round, and the others are computed.

        Raises:
            StoreError: The error of the last hour that failed; its mark stays.
        """
        failed: dict[tuple[str, int], StoreError] = {}
        in_a_row = 0
        while hours := self._store.dirty_hours(quiet_s=quiet_s, limit=STEP_HOURS + len(failed)):
            due = [each for each in hours if each not in failed]
            if not due:
                break
            for source, hour_us in due:
                began = time.monotonic()
                try:
                    self._store.roll_up(source, hour_us, quiet_s=quiet_s, first=self._dirty)
                except StoreError as problem:
                    failed[source, hour_us] = problem
                    in_a_row += 1
                    if in_a_row == MAX_FAILURES:  # not these hours: the database
                        raise
                else:
                    in_a_row = 0
                    self.hours += 1
                if self._rested(began):
                    return
        if failed:
            raise list(failed.values())[-1]

    def retain(self, now_us: int) -> None:
        """Remove readings that are older than they are kept, in steps; their rollups stay.

        Raises:
            StoreError: What is left is removed next time.
        """
        if self._keep_raw_days is None:
            return
        before_us = now_us - self._keep_raw_days * DAY_S * 1_000_000
        before_us -= before_us % HOUR_US
        moving = self._store.renames()
        for source in _sources(self._store):
            began = time.monotonic()
            waiting = source in moving or source in moving.values() or self._store.unrolled_hours(source, before_us)
            while not waiting and self._store.retain(source, before_us):  # first their rollups, then they may go
                if self._rested(began):
                    return
                began = time.monotonic()
            if self._rested(began):
                return

    def search(self) -> None:
        """End renames that were cut off; mark hours behind the last rolled-up one with readings that nobody marked: others' ones."""
        for source, name in self._store.renames().items():
            with suppress(SourceTaken):  # somebody else has ended it, and the name is in use
                self._store.rename(source, name)
        for source in _sources(self._store):
            began = time.monotonic()
            self._store.mark(source, self._store.unmarked_hours(source))
            if self._rested(began):
                return

    def _rested(self, began: float) -> bool:
        """Rest in proportion to a step; True if the process stops."""
        received = self._received()
        rest = REST_IDLE if received == self._received_before else REST_BUSY
        self._received_before = received
        return self._stopping.wait(rest * (time.monotonic() - began))

    def _run(self) -> None:
        searched = -SEARCH_S
        while not self._stopping.wait(ROUND_S):
            try:
                self.roll_up()
                if time.monotonic() - searched >= SEARCH_S:
                    self.search()
                    self.retain(time.time_ns() // 1000)
                    searched = time.monotonic()
                self.problem = None
            except StoreError as problem:
                if self.problem is None:
                    log.warning("rollups wait: %s", problem)
                self.problem = problem
            except Exception:
                log.exception("rollups failed; the next round tries again")


class Rebuild:
    """One source's hours, computed anew from their readings while they are gone through; `len` is how many there are."""

    def __init__(self, store: Store, source: str) -> None:
        self._store = store
        self._source = source
        kept_us = store.upkeep(source).raw_from_us
        hours = set(store.hours(source, -EVER_US, EVER_US))
        # Also those that hold none any more; where readings were removed on purpose, what they left stays.
        hours |= {each for each in store.rolled_up_hours(source) if kept_us is None or each >= kept_us}
        self._hours = sorted(hours)

    def __len__(self) -> int:
        return len(self._hours)

    def __iter__(self) -> Iterator[int]:
        for hour_us in self._hours:
            self._store.roll_up(self._source, hour_us, quiet_s=NEVER_S)  # its mark stays: a server looks at its events
            yield hour_us


def rebuild(store: Store, sources: Sequence[str] | None = None) -> Iterator[tuple[str, Rebuild]]:
    """Every source, or these, with what computes its hours anew.

    Raises:
        StoreError: What was done is done.
    """
    for source in _sources(store) if sources is None else sources:
        yield source, Rebuild(store, source)


def _sources(store: Store) -> Iterator[str]:
    after: str | None = None
    while page := store.sources(after=after, limit=MAX_SOURCES):
        for each in page:
            yield each.source
        after = page[-1].source
