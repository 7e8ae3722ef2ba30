"""The rollup worker: keeps rollups valid while readings arrive, and removes readings that are too old."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Final

from speeddash.errors import SourceTaken, StoreError
from speeddash.store import GRACE_PERIOD_S, Store
from speeddash.timerange import HOUR_US, TimeRange

log = logging.getLogger(__name__)

ROUND_S: Final = 15.0
#: Interval of the search for rows of other programs and for readings that are too old.
SEARCH_S: Final = 600.0
#: Pause after a step, as a multiple of the time that it took: while readings arrive, and while none do.
PAUSE_BUSY: Final = 9.0
PAUSE_IDLE: Final = 1.0
#: Longest pause: an hour of very many readings does not delay the others for longer.
MAX_PAUSE_S: Final = 60.0
STEP_HOURS: Final = 100
#: Consecutive hours that fail before a round ends: the database is away.
MAX_FAILURES: Final = 3
MAX_SOURCES: Final = 1_000
#: No mark is older than this.
NEVER_S: Final = 1e10
DAY_S: Final = 86_400


class RollupWorker:
    """The background work of one process on history.

    Design: every `ROUND_S` the hours whose mark is older than the grace period are computed, one after the other with a pause after each.
    A round that fails is repeated with the next one, because marks are stored in the database. With many sources a search takes longer
    than a round, so hours that become due meanwhile are computed between its steps.
    """

    def __init__(
        self,
        store: Store,
        *,
        keep_raw_days: int | None = None,
        received: Callable[[], int] = lambda: 0,
        recheck: Callable[[str, int], object],
        turn: Callable[[], AbstractContextManager[bool]] = lambda: nullcontext(True),
    ) -> None:
        """Prepare to work.

        Args:
            store: The store.
            keep_raw_days: Age at which readings are removed; None keeps all.
            received: Returns how many readings the process has received. While it grows, pauses are longer.
            recheck: Called with source and beginning of each hour before it is computed.
            turn: Says within its block whether this server does the background work; see `cluster.node`.
        """
        self._store = store
        self._keep_raw_days = keep_raw_days
        self._received = received
        self._received_before = 0
        self._rolled_up_at = time.monotonic()
        self._searched_at = -SEARCH_S
        self._recheck = recheck
        self._turn = turn
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rollups", daemon=True)
        #: Store error that ended the last round; None without one.
        self.problem: StoreError | None = None
        #: Hours computed since the start.
        self.hours = 0

    def start(self) -> None:
        """Begin in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current step, without waiting for it."""
        self._stopping.set()

    def roll_up(self, *, grace_s: float = GRACE_PERIOD_S) -> None:
        """Compute every hour whose mark is older than `grace_s`.

        An hour that fails keeps its mark, and the others are computed.

        Raises:
            StoreError: The error of the last hour that failed.
        """
        failed: dict[tuple[str, int], StoreError] = {}
        consecutive = 0
        while hours := self._store.rollup_maintenance.dirty_hours(grace_s=grace_s, limit=STEP_HOURS + len(failed)):
            due = [each for each in hours if each not in failed]
            if not due:
                break
            for source, hour_us in due:
                began = time.monotonic()
                try:
                    self._store.rollup_maintenance.roll_up(source, hour_us, grace_s=grace_s, before=self._recheck)
                except StoreError as problem:
                    failed[source, hour_us] = problem
                    consecutive += 1
                    if consecutive == MAX_FAILURES:  # the database is away
                        raise
                else:
                    consecutive = 0
                    self.hours += 1
                if self._paused(began):
                    return
        if failed:
            raise list(failed.values())[-1]

    def retain(self, now_us: int) -> None:
        """Remove readings that are too old, in steps; their rollups stay.

        Raises:
            StoreError: The rest is removed in the next search.
        """
        if self._keep_raw_days is None:
            return
        before_us = now_us - self._keep_raw_days * DAY_S * 1_000_000
        before_us -= before_us % HOUR_US
        renames = self._store.sources.renames()
        for source in _sources(self._store):
            began = time.monotonic()
            waiting = source in renames or source in renames.values()
            while not waiting and self._store.rollup_maintenance.retain(source, before_us):
                if self._interrupted(began):
                    return
                began = time.monotonic()
            if self._interrupted(began):
                return

    def search(self) -> None:
        """Complete interrupted renames, and mark hours after the last rolled-up one that other programs inserted rows into."""
        for source, name in self._store.sources.renames().items():
            with suppress(SourceTaken):  # another process has completed it, and the name is in use
                self._store.source_maintenance.rename(source, name)
        for source in _sources(self._store):
            began = time.monotonic()
            self._store.rollup_maintenance.mark(source, self._store.rollup_maintenance.unmarked_hours(source))
            if self._interrupted(began):
                return

    def _interrupted(self, began: float) -> bool:
        """Pause after a step of a search, and compute hours that are due; return whether the process stops."""
        if time.monotonic() - self._rolled_up_at >= ROUND_S:
            with suppress(StoreError):  # an hour that fails keeps its mark; the next round reports it
                self.roll_up()
            self._rolled_up_at = time.monotonic()
        return self._paused(began)

    def _paused(self, began: float) -> bool:
        """Pause in proportion to the time since a step began; return whether the process stops."""
        received = self._received()
        factor = PAUSE_IDLE if received == self._received_before else PAUSE_BUSY
        self._received_before = received
        return self._stopping.wait(min(factor * (time.monotonic() - began), MAX_PAUSE_S))

    def _run(self) -> None:
        while not self._stopping.wait(ROUND_S):
            with self._turn() as mine:
                if mine:
                    self._round()

    def _round(self) -> None:
        problem = self._problem_of(self.roll_up)
        if time.monotonic() - self._searched_at >= SEARCH_S:
            found = self._problem_of(self._search_and_retain)
            problem = problem or found
        if problem and self.problem is None:
            log.warning("rollups are delayed: %s", problem)
        self.problem = problem

    def _search_and_retain(self) -> None:
        self.search()
        self.retain(time.time_ns() // 1000)
        self._searched_at = time.monotonic()

    def _problem_of(self, work: Callable[[], None]) -> StoreError | None:
        """Return the error that ended a piece of work; None if it was completed."""
        try:
            work()
        except StoreError as problem:
            return problem
        except Exception:
            log.exception("rollups failed; the next round tries again")
        return None


class Rebuild:
    """All hours of one source, computed while they are iterated over; `len` is their number."""

    def __init__(self, store: Store, source: str) -> None:
        self._store = store
        self._source = source
        raw_from_us = store.sources.settings(source).raw_from_us
        hours = set(store.rollups.hours(source, TimeRange()))
        # Also hours without readings. Where readings were removed for their age, rollups stay.
        rolled_up = store.rollups.rolled_up_hours(source)
        hours |= {each for each in rolled_up if raw_from_us is None or each >= raw_from_us}
        self._hours = sorted(hours)

    def __len__(self) -> int:
        return len(self._hours)

    def __iter__(self) -> Iterator[int]:
        for hour_us in self._hours:
            # The mark stays, because a server has to check the hour's events.
            self._store.rollup_maintenance.roll_up(self._source, hour_us, grace_s=NEVER_S)
            yield hour_us


def rebuild(store: Store, sources: Sequence[str] = ()) -> Iterator[tuple[str, Rebuild]]:
    """Yield each source with what computes its hours.

    Args:
        store: The store.
        sources: Only these; none for all sources.

    Raises:
        StoreError: Hours computed before it stay computed.
    """
    for source in sources or _sources(store):
        yield source, Rebuild(store, source)


def _sources(store: Store) -> Iterator[str]:
    after: str | None = None
    while page := store.sources.select(after=after, limit=MAX_SOURCES):
        for each in page:
            yield each.source
        after = page[-1].source
