"""Stores readings, in as few statements as possible, with the marks of the hours that they change."""

import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy.pool import PoolProxiedConnection

from speeddash.reading import Reading
from speeddash.store.database import Database
from speeddash.timerange import HOUR_US

T = TypeVar("T")
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


class WritableDatabase(Database):
    """What the writer needs to know of a database.

    Attributes:
        rows_per_statement: Readings that one INSERT may hold.
    """

    rows_per_statement: int

    @abstractmethod
    def encode(self, readings: Sequence[Reading]) -> Sequence[Any]:
        """Return readings as rows that `insert_statement` takes."""

    @abstractmethod
    def key(self, row: Any) -> Any:
        """Return what rows of the same identity have in common. Its order is nearly that of the table."""

    @abstractmethod
    def insert_statement(self, rows: Sequence[Any]) -> Statement:
        """Return the statement that stores rows, at most `rows_per_statement`, except those whose key exists."""

    @abstractmethod
    def mark_statement(self, hours: Sequence[Hour]) -> Statement:
        """Return the statement that marks hours dirty, now."""

    def limit_waits(self, connection: PoolProxiedConnection) -> None:
        """Let the database close a connection that is idle for `SHARED_IDLE_S`, and wait no longer than `SHARED_LOCK_S` for a lock."""

    @abstractmethod
    def write(self, connection: Any, statements: Sequence[Statement]) -> None:
        """Execute statements in one transaction of the driver's connection, and commit it."""


class ReadingWriter:
    """The only writer of readings in a process. One thread or greenlet at a time may call `insert`; anyone may call `encode`.

    Attributes:
        encode: Returns readings as rows for the database; `insert` takes them, so that they can be encoded while it works on others.
    """

    def __init__(self, database: WritableDatabase) -> None:
        self.encode = database.encode
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

    def insert(self, readings: Sequence[Reading], rows: Sequence[Any] | None = None) -> None:
        """Store readings in one transaction; they are durable when it returns. Readings whose key exists stay as they are.

        After `StoreUnavailable` the outcome is unknown: insert the same readings again.

        Args:
            readings: In any order; of several with one key the first is stored.
            rows: The same readings in that order, encoded; None if they are not yet.

        Raises:
            StoreError: They were not stored, or the outcome is unknown.
        """
        hours = {(source, at_us - at_us % HOUR_US) for source, at_us, _, _ in readings}
        marks = self._due_marks(hours)
        # Nearly in the order of the key: pages are filled one after the other, and two servers lock rows in the same order.
        ordered = sorted(self.encode(readings) if rows is None else rows, key=self._database.key)
        self._database.call(self._insert, ordered, sorted(marks))
        self._touched |= hours
        if marks:
            self._remember(marks)

    def close(self) -> None:
        """Close the connection. The next `insert` opens another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()

    def _insert(self, rows: Sequence[Any], marks: Sequence[Hour]) -> None:
        try:
            with self._database.errors_translated():
                connection = self._connect()
                self._database.write(connection.driver_connection, self._statements(rows, marks))
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

    def _statements(self, rows: Sequence[Any], marks: Sequence[Hour]) -> list[Statement]:
        """Return as few statements as the database takes."""
        database = self._database
        size = min(MARKS_PER_STATEMENT, database.rows_per_statement)
        return [
            *[database.mark_statement(part) for part in parts_of(marks, size)],
            *[database.insert_statement(part) for part in parts_of(rows, database.rows_per_statement)],
        ]

    def _due_marks(self, hours: Collection[Hour]) -> set[Hour]:
        """Return the hours to mark with readings of these hours: a new hour at once, then all together every `MARK_S`."""
        now = time.time()
        marked, oldest, newest = self._marked, now - MARK_S, now + MARK_S
        if all([oldest < marked.get(each, 0.0) < newest for each in hours]):  # noqa: C419 - half the time of a generator
            return set()
        return {each for each in self._touched.union(hours) if abs(now - marked.get(each, 0.0)) > MARK_S / 2}

    def _remember(self, marks: Collection[Hour]) -> None:
        now = time.time()
        self._touched.difference_update(marks)
        if len(self._marked) > MAX_MARKS:
            self._marked = {each: when for each, when in self._marked.items() if abs(now - when) < MARK_S}
        self._marked.update(dict.fromkeys(marks, now))


def parts_of(rows: Sequence[T], size: int) -> Sequence[Sequence[T]]:
    """Return rows in parts of at most `size`; nearly always they are one."""
    return [rows[at : at + size] for at in range(0, len(rows), size)]
