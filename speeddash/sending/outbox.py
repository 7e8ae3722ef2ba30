"""Readings that wait for their echo, in an SQLite file that survives a restart."""

import fcntl
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from speeddash.errors import OutboxError
from speeddash.reading import Reading, rfc3339
from speeddash.sending.delivery import Outgoing

#: Messages of a broker that are remembered, to know one that comes again.
MAX_REMEMBERED: Final = 1_000
#: Rejected readings that are kept for a person to look at.
MAX_REJECTED: Final = 10_000
BUSY_TIMEOUT_S: Final = 10.0
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS waiting (
    number INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, at_us INTEGER NOT NULL, seq INTEGER NOT NULL, speed REAL NOT NULL,
    UNIQUE (source, at_us, seq)
);
CREATE TABLE IF NOT EXISTS rejected (
    number INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, at_us INTEGER NOT NULL, seq INTEGER NOT NULL, speed REAL NOT NULL,
    why TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS message (number INTEGER PRIMARY KEY AUTOINCREMENT, identity TEXT NOT NULL UNIQUE);
"""
COUNT_WAITING: Final = "SELECT COUNT(*) FROM waiting"


class Entry(NamedTuple):
    """A reading for the outbox.

    Attributes:
        reading: With a moment and a seq.
        message: Identity of the broker's message that brought it; None where there is no broker.
        repeated: The broker says that it may have sent the message before.
    """

    reading: Reading
    message: str | None = None
    repeated: bool = False


def waiting_beside(path: Path) -> dict[Path, int]:
    """Return other outboxes in the folder of one in which readings wait and that no process has, each with their number."""
    found = {}
    for other in path.parent.glob("outbox-*.db"):
        if other == path:
            continue
        with suppress(OSError, sqlite3.Error):
            # Only looked at, and the lock is given back at once: its own program may be about to start.
            with _lock_path(other).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with closing(sqlite3.connect(f"{other.absolute().as_uri()}?mode=ro", uri=True)) as opened:
                (waiting,) = opened.execute(COUNT_WAITING).fetchone()
            if waiting:
                found[other] = int(waiting)
    return found


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


class Outbox:
    """A supply of readings for `Delivery`, filled by one thread and emptied by another. One process at a time has the file.

    Attributes:
        path: The file.
        rejected_count: Readings that the server has rejected since the start.
        last_rejection: The last of its reasons.
    """

    ended = False

    def __init__(self, path: Path) -> None:
        """Open the file; a new one is made.

        Raises:
            OutboxError: Another process has it, or it cannot be opened.
        """
        self.path = path
        self.rejected_count = 0
        self.last_rejection = ""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock_file = _lock_path(path).open("w")
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutboxError(
                f"{path}: another `speeddash connect` uses this outbox; give this one another --outbox"
            ) from None
        except OSError as problem:
            raise OutboxError(f"{path}: {problem.strerror or problem}") from problem
        try:
            self._connection = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None
            )
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(SCHEMA)
            (waiting,) = self._connection.execute(COUNT_WAITING).fetchone()
        except sqlite3.Error as problem:
            raise OutboxError(f"{path}: {problem}") from problem
        self._waiting = int(waiting)
        self._lock = threading.Lock()
        self._taken = 0

    @property
    def waiting(self) -> int:
        """Number of readings without an echo."""
        return self._waiting

    def add(self, entries: Iterable[Entry]) -> None:
        """Write readings to the disk. They are durable when it returns.

        Raises:
            OutboxError: The disk is full, for example; none of them was written.
        """
        with self._lock:
            with self._transaction():
                added = sum([self._add(each) for each in entries])
                self._connection.execute(
                    "DELETE FROM message WHERE number <= (SELECT MAX(number) FROM message) - ?", (MAX_REMEMBERED,)
                )
            self._waiting += added

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except sqlite3.Error as problem:
            with suppress(sqlite3.Error):  # a full disk may have ended the transaction already
                self._connection.execute("ROLLBACK")
            raise OutboxError(f"{self.path}: {problem}") from problem

    def _add(self, entry: Entry) -> bool:
        if entry.message is not None:
            known = "SELECT 1 FROM message WHERE identity = ?"
            if entry.repeated and self._connection.execute(known, (entry.message,)).fetchone():
                return False
            self._connection.execute("INSERT OR REPLACE INTO message (identity) VALUES (?)", (entry.message,))
        insert = "INSERT OR IGNORE INTO waiting (source, at_us, seq, speed) VALUES (?, ?, ?, ?)"
        return bool(self._connection.execute(insert, entry.reading).rowcount)

    def take(self, limit: int) -> list[Outgoing]:
        """Return the next readings, oldest first.

        Raises:
            OutboxError: They cannot be read.
        """
        query = "SELECT number, source, at_us, seq, speed FROM waiting WHERE number > ? ORDER BY number LIMIT ?"
        with self._lock:
            try:
                rows = self._connection.execute(query, (self._taken, limit)).fetchall()
            except sqlite3.Error as problem:
                raise OutboxError(f"{self.path}: {problem}") from problem
        if rows:
            self._taken = rows[-1][0]
        return [
            Outgoing(number, {"source": source, "timestamp": rfc3339(at_us), "seq": seq, "speed": speed})
            for number, source, at_us, seq, speed in rows
        ]

    def wait_s(self) -> float | None:
        """Return None: who adds a reading wakes the delivery."""
        return None

    def echoed(self, readings: Sequence[Outgoing]) -> None:
        """Forget readings that are stored.

        Raises:
            OutboxError: They are still there, to be sent again.
        """
        with self._lock:
            with self._transaction():
                numbers = [(each.number,) for each in readings]
                self._connection.executemany("DELETE FROM waiting WHERE number = ?", numbers)
            self._waiting -= len(readings)

    def rejected(self, reading: Outgoing, why: str) -> None:
        """Put a reading aside that the server does not take.

        Raises:
            OutboxError: It is still there, to be sent again.
        """
        with self._lock:
            with self._transaction():
                self._connection.execute(
                    "INSERT INTO rejected (source, at_us, seq, speed, why)"
                    " SELECT source, at_us, seq, speed, ? FROM waiting WHERE number = ?",
                    (why, reading.number),
                )
                self._connection.execute("DELETE FROM waiting WHERE number = ?", (reading.number,))
                self._connection.execute(
                    "DELETE FROM rejected WHERE number <= (SELECT MAX(number) FROM rejected) - ?", (MAX_REJECTED,)
                )
            self._waiting -= 1
        self.rejected_count += 1
        self.last_rejection = why

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
        self._lock_file.close()
