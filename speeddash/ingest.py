"""The group commit: what turns thousands of senders into one stream of durable transactions."""

import itertools
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from speeddash.errors import NotStored, ReadingsRefused, StoreError, StoreMisconfigured, StoreUnavailable
from speeddash.reading import Reading
from speeddash.store import Durability, Store

log = logging.getLogger(__name__)

FIRST_RETRY_S = 0.1
LAST_RETRY_S = 5.0
#: A transaction of more readings would delay everyone behind it; a single frame may exceed it.
MAX_BATCH = 20_000


class Ticket:
    """Frames of one caller on their way into the store."""

    def __init__(self, frames: Sequence[Sequence[Reading]]) -> None:
        self.frames = frames
        self.count = sum(map(len, frames))
        self.refused: dict[int, ReadingsRefused] = {}
        self.error: Exception | None = None
        self.done = threading.Event()


class Ingest:
    """The one writer of a process. Any thread or greenlet may call it.

    Design: callers queue their frames and wait. The writer takes whatever is queued, inserts it in one transaction,
    commits, and wakes the callers. There is no timer: while one commit is under way the next batch gathers by itself,
    so an idle server answers at once and a busy one commits many frames for the price of one.
    While the database is away the batch is kept and tried again; its rows are keyed, so a commit of unknown outcome is repeated safely.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: deque[Ticket] = deque()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._writer = threading.Thread(target=self._run, name="ingest", daemon=True)
        self._commit_began: float | None = None
        #: Set once the first attempt to open the store has ended, well or not.
        self.tried = threading.Event()
        #: Why nothing can be stored just now; None while all is well.
        self.problem: StoreError | None = None
        #: What the database promises; None until it has been reached.
        self.durability: Durability | None = None
        #: Numbers for readings that come without one. They begin anywhere, so that two servers on one database do not meet,
        #: and stay below 2^53, so that JavaScript holds them.
        self.seqs: Iterator[int] = itertools.count(secrets.randbits(52))

    def start(self) -> None:
        """Open the store, in the background and for as long as it takes, then begin to commit."""
        self._writer.start()

    def commit(self, frames: Sequence[Sequence[Reading]], timeout_s: float | None = None) -> dict[int, ReadingsRefused]:
        """Store frames and return when they are durable.

        Args:
            frames: Each is stored as a whole or not at all.
            timeout_s: How long to wait; None is for as long as it takes.

        Returns:
            The frames that the database will never take, by their position; mostly empty.

        Raises:
            NotStored: The time is over or the server stops; the outcome is open.
        """
        ticket = Ticket(frames)
        if self._stopping.is_set():
            raise NotStored("the server stops")
        self._queue.append(ticket)
        self._wake.set()
        if not ticket.done.wait(timeout_s):
            reason = f": {self.problem}" if self.problem else ""
            raise NotStored(f"not committed within {timeout_s:g} s{reason}")
        if ticket.error:
            raise ticket.error
        return ticket.refused

    def stalled_s(self) -> float:
        """For how many seconds the commit under way has been waiting for the database; 0 where none is."""
        began = self._commit_began
        return time.monotonic() - began if began is not None else 0.0

    def stop(self, timeout_s: float) -> None:
        """Commit what is queued if the database lets us, then answer every other caller with `NotStored`."""
        self._stopping.set()
        self._wake.set()
        self._writer.join(timeout_s)
        while self._queue:
            self._finish([self._queue.popleft()], NotStored("the server stops"))

    def _run(self) -> None:
        if not self._until_it_works(self._open):
            return
        while tickets := self._take():
            error: Exception | None = None
            self._commit_began = time.monotonic()
            try:
                if not self._insert([(ticket, at) for ticket in tickets for at in range(len(ticket.frames))]):
                    error = NotStored("the server stops")
            except Exception as bug:
                log.exception("a batch of %d could not be stored", sum(ticket.count for ticket in tickets))
                error = bug
            self._commit_began = None
            self._finish(tickets, error)

    def _open(self) -> None:
        self.durability = self._store.prepare()

    def _take(self) -> list[Ticket]:
        """Wait for work; nothing means that the server stops."""
        while not self._queue:
            if self._stopping.is_set():
                return []
            self._wake.wait()
            self._wake.clear()
        tickets, count = [], 0
        while self._queue and count < MAX_BATCH:
            tickets.append(self._queue.popleft())
            count += tickets[-1].count
        return tickets

    def _insert(self, frames: list[tuple[Ticket, int]]) -> bool:
        """Store frames in one transaction; where the database refuses one, halve until it stands alone."""
        # In the order of the key: pages are filled one after the other, and two servers lock in the same order.
        readings = sorted(reading for ticket, at in frames for reading in ticket.frames[at])
        try:
            return self._until_it_works(lambda: self._store.insert(readings))
        except ReadingsRefused as refused:
            if len(frames) == 1:
                ticket, at = frames[0]
                ticket.refused[at] = refused
                return True
            half = len(frames) // 2
            return self._insert(frames[:half]) and self._insert(frames[half:])

    def _until_it_works(self, operation: Callable[[], None]) -> bool:
        """Try with back-off until it succeeds; False if the server stops first."""
        retry_s = FIRST_RETRY_S
        said = ""
        while True:
            try:
                operation()
            except (StoreUnavailable, StoreMisconfigured) as problem:
                # What is over at the next try is not worth a line.
                if retry_s > FIRST_RETRY_S and str(problem) != said:
                    said = str(problem)
                    log.warning("readings wait: %s", said)
                self.problem = problem
                self.tried.set()
                if self._stopping.wait(retry_s):
                    return False
                retry_s = min(2 * retry_s, LAST_RETRY_S)
            else:
                if said:
                    log.warning("the database takes readings again")
                self.problem = None
                self.tried.set()
                return True

    def _finish(self, tickets: Sequence[Ticket], error: Exception | None) -> None:
        for ticket in tickets:
            ticket.error = error
            ticket.done.set()
