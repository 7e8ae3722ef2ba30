"""The group commit: frames of thousands of senders, stored in few durable transactions."""

import itertools
import logging
import queue
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

from prometheus_client import Histogram

from speeddash.errors import NotStored, ReadingsRefused, StoreError, StoreMisconfigured
from speeddash.live.feed import Feed
from speeddash.live.write_request import WriteRequest
from speeddash.reading import Reading
from speeddash.store import Durability, Store

log = logging.getLogger(__name__)

FIRST_RETRY_S = 0.1
MAX_RETRY_S = 5.0
#: Readings in one transaction; a larger one would delay all that wait for the next. A single frame may exceed it.
MAX_BATCH_READINGS = 20_000
BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)
COMMIT_BUCKETS_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Ingest:
    """The writer of one process. Any thread or greenlet may call it.

    Design: callers queue their frames. A writer thread takes what is queued, up to 20,000 readings, inserts it in one transaction and
    commits. There is no timer: while one commit is under way the next batch gathers, so an idle server answers at once and a busy one
    commits many frames together. A second thread acknowledges, so that the database works on the next batch while echoes of the last
    one are sent.
    While the database is away the batch is retried. Rows have keys, so a commit with an unknown outcome can be repeated.

    Attributes:
        received: Readings taken into a batch since the start.
        stored: Readings committed since the start.
        rejected: Frames that were not stored, by error code.
        tried: Set once the first attempt to open the store has ended.
        problem: Why nothing can be stored now; None while readings are stored.
        durability: How durable a commit is; None until the database was reached.
        seqs: Numbers for readings without `seq`. They begin at random, so that two servers on one database differ, and stay below 2^53,
            which JavaScript represents exactly.
        announce: Called with the readings of each commit, for other servers; None without them. It must not wait.
    """

    def __init__(self, store: Store, feed: Feed) -> None:
        self._store = store
        self._feed = feed
        self._queue: deque[WriteRequest] = deque()
        self._queued = threading.Event()
        self._batch: list[WriteRequest] = []
        self._committed: deque[WriteRequest | None] = deque()
        self._to_acknowledge = threading.Event()
        self._stopping = threading.Event()
        self._writer = threading.Thread(target=self._write, name="ingest", daemon=True)
        self._acknowledger = threading.Thread(target=self._acknowledge, name="receipts", daemon=True)
        self._commit_began: float | None = None
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
        self.announce: Callable[[Sequence[Reading]], object] | None = None
        self.tried = threading.Event()
        self.problem: StoreError | None = None
        self.durability: Durability | None = None
        self.seqs: Iterator[int] = itertools.count(secrets.randbits(52))

    def start(self) -> None:
        """Open the store in the background, with retries, then begin to commit."""
        self._writer.start()
        self._acknowledger.start()

    def submit(
        self, frames: Sequence[Sequence[Reading]], acknowledge: Callable[[WriteRequest], object]
    ) -> WriteRequest:
        """Queue frames and return at once.

        Args:
            frames: Readings of each frame, which is stored as a whole or not at all.
            acknowledge: Called once when the outcome is known, in the order of the calls of `submit`. It must not wait.
        """
        write = WriteRequest(frames, acknowledge)
        write.rows = self._store.writer.encode(write.readings)  # while the database works on an earlier batch
        if self._stopping.is_set():
            write.error = NotStored("the server stops")
            acknowledge(write)
        else:
            self._queue.append(write)
            self._queued.set()
        return write

    def commit(self, frames: Sequence[Sequence[Reading]], timeout_s: float | None = None) -> dict[int, ReadingsRefused]:
        """Store frames, and return when they are durable.

        Args:
            frames: Readings of each frame, which is stored as a whole or not at all.
            timeout_s: Longest time to wait; None for no limit.

        Returns:
            Errors of frames that the database rejects, by their position.

        Raises:
            NotStored: The time is over or the server stops; the outcome is unknown.
        """
        done: queue.SimpleQueue[WriteRequest] = queue.SimpleQueue()
        waiting = self.submit(frames, done.put)
        try:
            write = done.get(timeout=timeout_s)
        except queue.Empty:
            with suppress(ValueError):  # already in a transaction
                self._queue.remove(waiting)  # its sender sends it again: memory must not grow with every try
            reason = f": {self.problem}" if self.problem else ""
            raise NotStored(f"not committed within {timeout_s:g} s{reason}") from None
        if write.error:
            raise write.error
        return write.refused

    @property
    def stuck(self) -> bool:
        """Whether the writer still waits for the database, after `stop`."""
        return self._writer.is_alive()

    def depth(self) -> int:
        """Return the number of write requests that wait for a transaction."""
        return len(self._queue)

    def stalled_s(self) -> float:
        """Return the seconds since the commit under way began; 0 where there is none."""
        began = self._commit_began
        return time.monotonic() - began if began is not None else 0.0

    def stop(self, timeout_s: float) -> None:
        """Commit what is queued if the database allows it, then acknowledge everything else as `NotStored`."""
        self._stopping.set()
        self._queued.set()
        self._writer.join(timeout_s)
        # A batch that waits for a stopped database is taken from the writer, so that nothing is acknowledged twice.
        left, self._batch = [*self._batch, *self._queue], []
        self._queue.clear()
        _fail(left, NotStored("the server stops"))
        self._committed.extend([*left, None])
        self._to_acknowledge.set()
        self._acknowledger.join(timeout_s)

    def _write(self) -> None:
        if not self._retry(self._open):
            return
        while self._take():
            self._commit_began = time.monotonic()
            try:
                if not self._insert_all():
                    _fail(self._batch, NotStored("the server stops"))
            except Exception as bug:  # reported to the callers; the writer goes on
                log.exception("a batch of %d frames could not be stored", sum(len(each.frames) for each in self._batch))
                _fail(self._batch, bug)
            self._commit_began = None
            self._committed.extend(self._batch)
            self._batch = []
            self._to_acknowledge.set()

    def _acknowledge(self) -> None:
        while True:
            self._to_acknowledge.wait()
            self._to_acknowledge.clear()
            stored: list[Reading] = []
            while self._committed:
                write = self._committed.popleft()
                if write is None:
                    return
                try:
                    write.acknowledge(write)
                except Exception:
                    log.exception("a commit could not be acknowledged")
                if self._feed.watchers or self.announce:
                    stored += write.stored
            try:
                self._feed.publish(stored)
                if self.announce and stored:
                    self.announce(stored)
            except Exception:
                log.exception("readings could not be published to watchers")

    def _open(self) -> None:
        try:
            self.durability = self._store.prepare()
        except StoreError:
            raise
        except Exception as unforeseen:
            # An error of the driver that the store does not know ends the start with its text.
            raise StoreMisconfigured(str(unforeseen)) from unforeseen

    def _take(self) -> bool:
        """Wait for work and take it as the next batch; False if the server stops."""
        while not self._queue:
            if self._stopping.is_set():
                return False
            self._queued.wait()
            self._queued.clear()
        count, waiting, batch = 0, self._queue, self._batch
        while waiting and count < MAX_BATCH_READINGS:
            write = waiting.popleft()
            batch.append(write)
            count += len(write.readings)
        self.received += count
        return True

    def _insert_all(self) -> bool:
        """Store the batch in one transaction; False if the server stops first."""
        batch = self._batch  # `stop` may take it away meanwhile
        readings = list(chain.from_iterable([write.readings for write in batch]))
        rows = list(chain.from_iterable([write.rows for write in batch]))
        try:
            return self._insert(readings, rows)
        except ReadingsRefused:
            return self._insert_halves([(write, at) for write in batch for at in range(len(write.frames))])

    def _insert_halves(self, frames: list[tuple[WriteRequest, int]]) -> bool:
        """Store frames of which the database rejects some: halve until these are found."""
        try:
            return self._insert([reading for write, at in frames for reading in write.frames[at]])
        except ReadingsRefused as refused:
            if len(frames) == 1:
                write, at = frames[0]
                write.refused[at] = refused
                self.rejected["refused"] += 1
                return True
            half = len(frames) // 2
            return self._insert_halves(frames[:half]) and self._insert_halves(frames[half:])

    def _insert(self, readings: Sequence[Reading], rows: Sequence[Any] | None = None) -> bool:
        if not readings:
            return True
        if not self._retry(lambda: self._insert_once(readings, rows)):
            return False
        self.stored += len(readings)
        self.batch_readings.observe(len(readings))
        return True

    def _insert_once(self, readings: Sequence[Reading], rows: Sequence[Any] | None) -> None:
        began = time.perf_counter()
        self._store.writer.insert(readings, rows)
        self.commit_seconds.observe(time.perf_counter() - began)

    def _retry(self, operation: Callable[[], None]) -> bool:
        """Repeat an operation with back-off until it succeeds; False if the server stops first."""
        retry_s = FIRST_RETRY_S
        logged = ""
        while True:
            try:
                operation()
            except ReadingsRefused:
                raise
            except StoreError as problem:
                # Not logged if the next try succeeds.
                if retry_s > FIRST_RETRY_S and str(problem) != logged:
                    logged = str(problem)
                    log.warning("readings cannot be stored, retrying: %s", logged)
                self.problem = problem
                self.tried.set()
                if self._stopping.wait(retry_s):
                    return False
                retry_s = min(2 * retry_s, MAX_RETRY_S)
            else:
                if logged:
                    log.warning("the database accepts readings again")
                self.problem = None
                self.tried.set()
                return True


def _fail(writes: Iterable[WriteRequest], error: Exception) -> None:
    for each in writes:
        each.error = error
