"""Stores readings: encoded rows in as few statements as possible, with the marks of the hours that they change."""

import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy.pool import PoolProxiedConnection

from speeddash.errors import ChunksTooLong
from speeddash.reading import Reading
from speeddash.store.database import Database
from speeddash.timerange import HOUR_US

#: SQL and its parameters.
Statement = tuple[str, Sequence[Any]]
#: A source, and the beginning of an hour in microseconds since the epoch.
Hour = tuple[str, int]
#: Interval at which an hour is marked dirty again while readings arrive in it.
MARK_S: Final = 60.0
#: Age of a mark from which on no writer relies on it. Twice `MARK_S`, so that no commit under way is overtaken.
GRACE_PERIOD_S: Final = 2 * MARK_S
#: A connection that other servers rely on is closed by the database when it is idle for so long: less than the lease of a server, so that a
#: server that stood still longer than that cannot commit without saying first that it lives again.
SHARED_IDLE_S: Final = 8
#: Longest wait of such a connection for a lock.
SHARED_LOCK_S: Final = 2
#: Above this number, remembered marks older than `MARK_S` are forgotten.
MAX_MARKS: Final = 20_000
#: SQLite takes 32,766 variables per statement.
MARKS_PER_STATEMENT: Final = 5_000


class Chunk(NamedTuple):
    """Encoded readings, at most as many as one statement takes.

    Attributes:
        rows: Number of readings.
        form: The readings as the database's driver takes them.
        hours: The hours they are in.
    """

    rows: int
    form: Any
    hours: Collection[Hour]


class WritableDatabase(Database):
    """What the writer needs to know of a database.

    Attributes:
        rows_per_statement: Readings that one INSERT may hold.
    """

    rows_per_statement: int

    @abstractmethod
    def encode(self, readings: Sequence[Reading]) -> list[Chunk]:
        """Return readings in the form that `insert_statement` takes."""

    @abstractmethod
    def insert_statement(self, chunks: Sequence[Chunk], rows: int) -> Statement:
        """Return the statement that stores rows, except those whose key exists."""

    @abstractmethod
    def mark_statement(self, hours: Sequence[Hour]) -> Statement:
        """Return the statement that marks hours dirty, now."""

    def limit_waits(self, connection: PoolProxiedConnection) -> None:
        """Let the database close a connection that is idle for `SHARED_IDLE_S`, and wait no longer than `SHARED_LOCK_S` for a lock."""

    @abstractmethod
    def write(self, connection: Any, statements: Sequence[Statement]) -> None:
        """Execute statements in one transaction of the driver's connection, and commit it."""


class ReadingWriter:
    """The only writer of readings in a process. One thread or greenlet at a time may call `insert`; anyone may call `encode`."""

    def __init__(self, database: WritableDatabase) -> None:
        self._database = database
        self._connection: PoolProxiedConnection | None = None
        self._join: Callable[[bool], object] | None = None
        self._used_at = 0.0
        # When each hour was last marked dirty (`time.time`), and the hours that got readings since.
        self._marked: dict[Hour, float] = {}
        self._touched: set[Hour] = set()

    def share(self, join: Callable[[bool], object]) -> None:
        """Take other servers into account from now on.

        Args:
            join: Called before each transaction, with whether its connection is new; if it fails, nothing is written.
        """
        self._join = join

    def encode(self, readings: Sequence[Reading]) -> list[Chunk]:
        """Return readings in the form that `insert` takes, for example while the database works on an earlier batch."""
        return self._database.encode(readings)

    def insert(self, chunks: Sequence[Chunk]) -> None:
        """Store readings in one transaction; they are durable when it returns. Readings whose key exists stay as they are.

        After `StoreUnavailable` the outcome is unknown: insert the same readings again.

        Raises:
            ChunksTooLong: The database takes shorter statements than when they were encoded; nothing was sent.
            StoreError: They were not stored, or the outcome is unknown.
        """
        hours: set[Hour] = set().union(*[chunk.hours for chunk in chunks])
        marks = self._due_marks(hours)
        self._database.call(self._insert, chunks, sorted(marks))
        self._touched |= hours
        if marks:
            self._remember(marks)

    def close(self) -> None:
        """Close the connection. The next `insert` opens another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()

    def _insert(self, chunks: Sequence[Chunk], marks: Sequence[Hour]) -> None:
        try:
            with self._database.errors_translated():
                connection = self._connect()
                self._database.write(connection.driver_connection, self._statements(chunks, marks))
                self._used_at = time.monotonic()
        except BaseException:
            # The state of that connection is unknown: the next try uses a new one. Rows have keys, so a repetition is safe.
            self.close()
            raise

    def _connect(self) -> PoolProxiedConnection:
        """Return the connection, a new one where there is none; other servers, if there are any, know then that this one lives."""
        if self._join and time.monotonic() - self._used_at > SHARED_IDLE_S / 2:
            self.close()
        connection, new = self._connection, self._connection is None
        if connection is None:
            connection = self._connection = self._database.engine.raw_connection()
            self._database.read_limits(connection)
            if self._join:
                self._database.limit_waits(connection)
        if self._join:
            self._join(new)
        return connection

    def _statements(self, chunks: Sequence[Chunk], marks: Sequence[Hour]) -> list[Statement]:
        """Return as few statements as the database takes."""
        database = self._database
        most = database.rows_per_statement
        size = min(MARKS_PER_STATEMENT, most)
        statements = [database.mark_statement(marks[at : at + size]) for at in range(0, len(marks), size)]
        part: list[Chunk] = []
        rows = 0
        for chunk in chunks:
            if rows + chunk.rows > most:
                if chunk.rows > most:
                    raise ChunksTooLong(f"the database takes {most} readings per statement now")
                statements.append(database.insert_statement(part, rows))
                part, rows = [], 0
            part.append(chunk)
            rows += chunk.rows
        if part:
            statements.append(database.insert_statement(part, rows))
        return statements

    def _due_marks(self, hours: Collection[Hour]) -> set[Hour]:
        """Return the hours to mark with readings of these hours: a new hour at once, then all together every `MARK_S`."""
        now = time.time()
        if all(abs(now - self._marked.get(each, -MARK_S)) < MARK_S for each in hours):
            return set()
        old = {each for each in self._touched if abs(now - self._marked.get(each, 0.0)) > MARK_S / 2}
        return old | {each for each in hours if abs(now - self._marked.get(each, -MARK_S)) > MARK_S / 2}

    def _remember(self, marks: Collection[Hour]) -> None:
        now = time.time()
        self._touched.difference_update(marks)
        if len(self._marked) > MAX_MARKS:
            self._marked = {each: when for each, when in self._marked.items() if abs(now - when) < MARK_S}
        self._marked.update(dict.fromkeys(marks, now))


def parts_of(readings: Sequence[Reading], size: int) -> Sequence[Sequence[Reading]]:
    """Return readings in parts of at most `size`; nearly always they are one."""
    if 0 < len(readings) <= size:
        return (readings,)
    return [readings[at : at + size] for at in range(0, len(readings), size)]


def hours_of(readings: Sequence[Reading]) -> Collection[Hour]:
    """Return the hours that readings are in, each once."""
    if len(readings) == 1:  # a frame of its own: most are
        ((source, at_us, _, _),) = readings
        return ((source, at_us - at_us % HOUR_US),)
    return {(source, at_us - at_us % HOUR_US) for source, at_us, _, _ in readings}
