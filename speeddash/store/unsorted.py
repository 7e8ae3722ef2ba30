"""Readings that SQLite has stored in the order of their commits, before they are merged into `speed_data`.

Design: `speed_data` is in the order of its key, so a commit writes a page for each source of its batch: 72 pages for 42 readings of as many
sources. Appended to `speed_unsorted` they are two pages, and thousands of readings are merged at once. Batches of few sources go into
`speed_data` itself. Whatever else reads or changes the database merges first, so only other programs that open the file see a difference.
"""

import sqlite3
import time
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Final

from gevent import monkey

from speeddash.reading import Reading
from speeddash.store.writer import Statement, parts_of

TABLE: Final = """
CREATE TABLE IF NOT EXISTS speed_unsorted (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, timestamp INTEGER NOT NULL, seq INTEGER NOT NULL, speed REAL NOT NULL
) STRICT
"""
INSERT: Final = "INSERT INTO speed_data (source, timestamp, seq, speed) VALUES "
APPEND: Final = "INSERT INTO speed_unsorted (source, timestamp, seq, speed) VALUES "
#: Of several readings with one key the first is stored, as if each had been inserted when it arrived.
MERGE: Final[tuple[Statement, ...]] = (
    (
        "INSERT INTO speed_data (source, timestamp, seq, speed) SELECT source, timestamp, seq, speed FROM speed_unsorted"
        " WHERE true ORDER BY source, timestamp, seq, id ON CONFLICT DO NOTHING",
        (),
    ),
    ("DELETE FROM speed_unsorted", ()),
)
IS_ANY: Final = "SELECT EXISTS (SELECT 1 FROM speed_unsorted)"
#: What somebody has added to the table: constraints and columns change its statement, triggers have their own.
DEFINITION: Final = "SELECT type, sql FROM sqlite_master WHERE tbl_name = 'speed_data' AND type IN ('table', 'trigger')"
#: A reading has 4 variables; SQLite takes 32,766 per statement.
READINGS_PER_STATEMENT: Final = 8_191
#: Cached INSERT statements, one for each number of rows; a large one has hundreds of KB.
MAX_CACHED_STATEMENTS: Final = 32
#: Readings that are merged together. A commit that merges takes some 10 ms.
MAX_UNSORTED: Final = 8_192
#: A batch is appended if it has more sources than this, and fewer readings of each than that.
MIN_SOURCES, MAX_READINGS_OF_SOURCE = 8, 4
#: For so long after such a batch others are appended too: `speed_data` takes none before it has those that came earlier.
SCATTERED_S: Final = 1.0


class Unsorted:
    """What stands in `speed_unsorted` of one file, and who merges it. Its methods wait for the disk: call them in a thread.

    Attributes:
        turn: Held while a batch is written or merged, so that a request that has to merge need not find a pause between two commits. It is
            no lock of gevent, because its users are threads.
        count: Readings that stood there after the last batch that was appended.
    """

    def __init__(self, table: str) -> None:
        """Remember the statement that creates `speed_data`."""
        self.turn = monkey.get_original("_thread", "allocate_lock")()
        self._table = " ".join(table.replace(" IF NOT EXISTS", "").split())
        self.count = 0
        self._has_plain_table = False
        self._scattered_at = -SCATTERED_S

    def look(self, connection: sqlite3.Connection) -> None:
        """Look at a new connection of the writer whether `speed_data` is as SpeedDash has created it.

        With constraints or triggers that somebody has added, the database may reject a reading, which its sender must hear.
        """
        definition = connection.execute(DEFINITION).fetchall()
        self._has_plain_table = [(kind, " ".join(sql.split())) for kind, sql in definition] == [("table", self._table)]

    def statements(self, rows: Sequence[Reading]) -> list[Statement]:
        """Return the statements that store a batch, here or in `speed_data` itself."""
        head, tail = (APPEND, "") if self._takes(rows) else (INSERT, " ON CONFLICT DO NOTHING")
        parts = parts_of(rows, READINGS_PER_STATEMENT)
        return [(_values(head, len(part), tail), list(chain.from_iterable(part))) for part in parts]

    def _takes(self, rows: Sequence[Reading]) -> bool:
        now = time.monotonic()
        few = max(MIN_SOURCES, len(rows) // MAX_READINGS_OF_SOURCE)
        if len(rows) > few and len({row[0] for row in rows}) > few:
            self._scattered_at = now
        return self._has_plain_table and now - self._scattered_at < SCATTERED_S

    def write(self, connection: sqlite3.Connection, statements: Sequence[Statement]) -> None:
        """Execute statements in one transaction of a connection in autocommit mode, and commit it."""
        appends = any(sql.startswith(APPEND) for sql, _ in statements)
        with self.turn:
            if self.count >= MAX_UNSORTED if appends else _is_any(connection):
                statements = [*MERGE, *statements]
            # After each call the thread waits for the interpreter lock, so there are few. A single statement is a transaction.
            if len(statements) > 1:
                connection.execute("BEGIN IMMEDIATE")
            for sql, values in statements:
                last = connection.execute(sql, values)
            connection.commit()
            if appends:
                self.count = last.lastrowid or 0  # numbers begin with 1 after every merge

    def merge(self, connection: sqlite3.Connection) -> None:
        """Merge what there is, in a transaction of its own."""
        if _is_any(connection):
            with self.turn:
                merge(connection)


def merge(connection: sqlite3.Connection) -> None:
    """Merge in a transaction of its own, whoever else writes to the file."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for sql, _ in MERGE:
            connection.execute(sql)
        connection.commit()
    except sqlite3.Error:
        connection.rollback()
        raise


@lru_cache(maxsize=MAX_CACHED_STATEMENTS)
def _values(head: str, rows: int, tail: str) -> str:
    return head + ",".join(["(?,?,?,?)"] * rows) + tail


def _is_any(connection: sqlite3.Connection) -> bool:
    (found,) = connection.execute(IS_ANY).fetchone()
    return bool(found)
