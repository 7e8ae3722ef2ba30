"""The group commit: what turns thousands of senders into one stream of durable transactions."""

import itertools
import logging
import queue
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from prometheus_client import Histogram

from speeddash.errors import ChunksTooLong, NotStored, ReadingsRefused, StoreError, StoreMisconfigured
from speeddash.feed import Feed
from speeddash.reading import Reading
from speeddash.store import Chunk, Durability, Store

log = logging.getLogger(__name__)

FIRST_RETRY_S = 0.1
LAST_RETRY_S = 5.0
#: A transaction of more readings would delay everyone behind it; a single frame may exceed it.
MAX_BATCH = 20_000
BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)
COMMIT_BUCKETS_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Ticket:
    """Frames of one caller on their way into the store.

    Attributes:
        refused: The frames that the database will never take, by their position.
        error: Why none of the others was stored; None when they are durable.
    """

    __slots__ = ("chunks", "error", "frames", "refused", "settle")

    def __init__(
        self, frames: Sequence[Sequence[Reading]], chunks: list[Chunk], settle: "Callable[[Ticket], object]"
    ) -> None:
        self.frames = frames
        self.chunks = chunks
        self.settle = settle
        self.refused: dict[int, ReadingsRefused] = {}
        self.error: Exception | None = None


class Ingest:
    """The one writer of a process. Any thread or greenlet may call it.

    Design: callers queue their frames. The writer takes whatever is queued, inserts it in one transaction and commits; there
    is no timer: while one commit is under way the next batch gathers by itself, so an idle server answers at once and a busy
    one commits many frames for the price of one. A second thread settles with the callers, so that the database works on the
    next batch while the echoes of the last go out.
    While the database is away the batch is kept and tried again; its rows are keyed, so a commit of unknown outcome is
    repeated safely.
    """

    def __init__(self, store: Store, feed: Feed) -> None:
        self._store = store
        self._feed = feed
        self._queue: deque[Ticket] = deque()
        self._queued = threading.Event()
        self._in_hand: list[Ticket] = []
        self._committed: deque[Ticket | None] = deque()
        self._to_settle = threading.Event()
        self._stopping = threading.Event()
        self._writer = threading.Thread(target=self._write, name="ingest", daemon=True)
        self._settler = threading.Thread(target=self._settle, name="receipts", daemon=True)
        self._commit_began: float | None = None
        #: Readings taken into a batch and readings committed, and frames that were not stored by the reason's code.
        self.received = 0
        self.stored = 0
        self.rejected: Counter[str] = Counter()
        self.batch_readings = Histogram(
            "speeddash_batch_readings", "Readings in one transaction", buckets=BATCH_BUCKETS, registry=None
        )
        self.commit_seconds = Histogram(
            "speeddash_commit_seconds",
            "From sending a transaction to its commit",
            buckets=COMMIT_BUCKETS_S,
            registry=None,
        )
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
        self._settler.start()

    def submit(self, frames: Sequence[Sequence[Reading]], settle: Callable[[Ticket], object]) -> None:
        """Queue frames, and return at once.

        Args:
            frames: Each is stored as a whole or not at all.
            settle: Called once, when the outcome is known, in the order in which tickets were submitted. It must not wait.
        """
        ticket = Ticket(frames, self._store.encode([reading for frame in frames for reading in frame]), settle)
        if self._stopping.is_set():
            ticket.error = NotStored("the server stops")
            settle(ticket)
            return
        self._queue.append(ticket)
        self._queued.set()

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
        settled: queue.SimpleQueue[Ticket] = queue.SimpleQueue()
        self.submit(frames, settled.put)
        try:
            ticket = settled.get(timeout=timeout_s)
        except queue.Empty:
            reason = f": {self.problem}" if self.problem else ""
            raise NotStored(f"not committed within {timeout_s:g} s{reason}") from None
        if ticket.error:
            raise ticket.error
        return ticket.refused

    @property
    def stuck(self) -> bool:
        """After `stop`: the database still holds the writer."""
        return self._writer.is_alive()

    def depth(self) -> int:
        """How many frames' tickets wait for a transaction."""
        return len(self._queue)

    def stalled_s(self) -> float:
        """For how many seconds the commit under way has been waiting for the database; 0 where none is."""
        began = self._commit_began
        return time.monotonic() - began if began is not None else 0.0

    def stop(self, timeout_s: float) -> None:
        """Commit what is queued if the database lets us, then tell every other caller `NotStored`."""
        self._stopping.set()
        self._queued.set()
        self._writer.join(timeout_s)
        # What a stopped database still holds is taken from the writer, so that nobody is told twice.
        left, self._in_hand = [*self._in_hand, *self._queue], []
        self._queue.clear()
        _fail(left, NotStored("the server stops"))
        self._committed.extend([*left, None])
        self._to_settle.set()
        self._settler.join(timeout_s)

    def _write(self) -> None:
        if not self._until_it_works(self._open):
            return
        while self._take():
            self._commit_began = time.monotonic()
            try:
                if not self._insert_all(self._in_hand):
                    _fail(self._in_hand, NotStored("the server stops"))
            except Exception as bug:
                # The writer outlives it, the callers are told.
                log.exception(
                    "a batch of %d frames could not be stored", sum(len(each.frames) for each in self._in_hand)
                )
                _fail(self._in_hand, bug)
            self._commit_began = None
            self._committed.extend(self._in_hand)
            self._in_hand = []
            self._to_settle.set()

    def _settle(self) -> None:
        while True:
            self._to_settle.wait()
            self._to_settle.clear()
            stored: list[Reading] = []
            while self._committed:
                ticket = self._committed.popleft()
                if ticket is None:
                    return
                try:
                    ticket.settle(ticket)
                except Exception:
                    log.exception("a commit could not be acknowledged")
                if self._feed.watchers and not ticket.error:
                    frames = [frame for at, frame in enumerate(ticket.frames) if at not in ticket.refused]
                    stored += chain.from_iterable(frames)
            try:
                self._feed.publish(stored)
            except Exception:
                log.exception("readings could not be published to watchers")

    def _open(self) -> None:
        try:
            self.durability = self._store.prepare()
        except StoreError:
            raise
        except Exception as unforeseen:
            # A driver's error of a kind of its own, for instance that a package for its authentication is missing.
            raise StoreMisconfigured(str(unforeseen)) from unforeseen

    def _take(self) -> bool:
        """Wait for work and take it in hand; False means that the server stops."""
        while not self._queue:
            if self._stopping.is_set():
                return False
            self._queued.wait()
            self._queued.clear()
        count = 0
        while self._queue and count < MAX_BATCH:
            ticket = self._queue.popleft()
            self._in_hand.append(ticket)
            count += sum(map(len, ticket.frames))
        self.received += count
        return True

    def _insert_all(self, tickets: list[Ticket]) -> bool:
        """Store all frames in one transaction; False if the server stops first."""
        try:
            # In the order of the key, or nearly: pages are filled one after the other, and two servers lock in the same order.
            return self._insert([chunk for ticket in sorted(tickets, key=_first) for chunk in ticket.chunks])
        except (ReadingsRefused, ChunksTooLong):
            return self._insert_halves([(ticket, at) for ticket in tickets for at in range(len(ticket.frames))])

    def _insert_halves(self, frames: list[tuple[Ticket, int]]) -> bool:
        """Encode them anew. Where something among them is refused, halve until it stands alone."""
        try:
            return self._insert(self._store.encode([reading for ticket, at in frames for reading in ticket.frames[at]]))
        except ChunksTooLong:
            return self._insert_halves(frames)
        except ReadingsRefused as refused:
            if len(frames) == 1:
                ticket, at = frames[0]
                ticket.refused[at] = refused
                self.rejected["refused"] += 1
                return True
            half = len(frames) // 2
            return self._insert_halves(frames[:half]) and self._insert_halves(frames[half:])

    def _insert(self, chunks: list[Chunk]) -> bool:
        rows = sum(chunk.rows for chunk in chunks)
        if not rows:
            return True
        if not self._until_it_works(lambda: self._insert_once(chunks)):
            return False
        self.stored += rows
        self.batch_readings.observe(rows)
        return True

    def _insert_once(self, chunks: list[Chunk]) -> None:
        began = time.perf_counter()
        self._store.insert(chunks)
        self.commit_seconds.observe(time.perf_counter() - began)

    def _until_it_works(self, operation: Callable[[], None]) -> bool:
        """Try with back-off until it succeeds; False if the server stops first."""
        retry_s = FIRST_RETRY_S
        said = ""
        while True:
            try:
                operation()
            except (ReadingsRefused, ChunksTooLong):
                raise
            except StoreError as problem:
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


def _first(ticket: Ticket) -> tuple[Reading, ...]:
    return tuple(frame[0] for frame in ticket.frames[:1])


def _fail(tickets: Iterable[Ticket], error: Exception) -> None:
    for ticket in tickets:
        ticket.error = error
