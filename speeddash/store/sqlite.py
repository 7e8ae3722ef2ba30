"""SQLite: the embedded database, with nothing to install."""

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, Final, ParamSpec, Self, TypeVar

from gevent import monkey
from gevent.threadpool import ThreadPool
from gevent.util import wrap_errors
from sqlalchemy import ColumnElement, Connection, Engine, NullPool, TableClause, create_engine, event, literal_column
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL
from sqlalchemy.pool import PoolProxiedConnection

from speeddash.errors import ReadingsRefused, SpeedDashError, StoreError, StoreMisconfigured, StoreUnavailable
from speeddash.reading import Reading
from speeddash.store import migrations
from speeddash.store.database import ROWS_PER_STATEMENT, Durability
from speeddash.store.writer import Hour, Statement, WritableDatabase

P = ParamSpec("P")
T = TypeVar("T")

NOW_US: Final = "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"
VERSIONS_TABLE: Final = "CREATE TABLE IF NOT EXISTS speed_schema (version INTEGER NOT NULL PRIMARY KEY) STRICT"
# The other tables of schema.sql. A timestamp is an integer, microseconds since the epoch.
SCHEMA: Final = (
    """
CREATE TABLE IF NOT EXISTS speed_data (
    source    TEXT NOT NULL DEFAULT '' CHECK (length(source) <= 64),
    timestamp INTEGER NOT NULL DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000),
    seq       INTEGER NOT NULL DEFAULT (ABS(RANDOM() / 2048)),
    speed     REAL NOT NULL,
    PRIMARY KEY (source, timestamp, seq)
) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE IF NOT EXISTS speed_rollup (
    source TEXT NOT NULL, width_s INTEGER NOT NULL, at_us INTEGER NOT NULL, first_us INTEGER NOT NULL, last_us INTEGER NOT NULL,
    first REAL NOT NULL, last REAL NOT NULL, n INTEGER NOT NULL, moving INTEGER NOT NULL, total REAL NOT NULL,
    minimum REAL NOT NULL, maximum REAL NOT NULL, peak REAL, jumps INTEGER NOT NULL, distance_km REAL NOT NULL,
    moving_us INTEGER NOT NULL, stops INTEGER NOT NULL, standing INTEGER NOT NULL, standing_us INTEGER, gap_us INTEGER NOT NULL,
    PRIMARY KEY (source, width_s, at_us)
) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE IF NOT EXISTS speed_dirty (
    source TEXT NOT NULL, hour_us INTEGER NOT NULL, marked_us INTEGER NOT NULL,
    PRIMARY KEY (source, hour_us)
) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE IF NOT EXISTS speed_source (
    source TEXT NOT NULL, limit_kmh REAL, limited_us INTEGER, checked_us INTEGER, raw_from_us INTEGER, renamed_to TEXT,
    display_name TEXT,
    PRIMARY KEY (source)
) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE IF NOT EXISTS speed_event (
    source TEXT NOT NULL, start_us INTEGER NOT NULL, end_us INTEGER NOT NULL, peak REAL NOT NULL, limit_kmh REAL NOT NULL,
    ongoing INTEGER NOT NULL, tell INTEGER NOT NULL, tries INTEGER NOT NULL, try_us INTEGER NOT NULL,
    notice INTEGER NOT NULL DEFAULT 0, notice_tries INTEGER NOT NULL DEFAULT 0, notice_us INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (source, start_us)
) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE IF NOT EXISTS speed_trip (
    source TEXT NOT NULL, start_us INTEGER NOT NULL, name TEXT NOT NULL, note TEXT NOT NULL, tag TEXT NOT NULL,
    PRIMARY KEY (source, start_us)
) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE IF NOT EXISTS speed_node (
    node TEXT NOT NULL, url TEXT NOT NULL, committed INTEGER NOT NULL, expires_us INTEGER NOT NULL,
    PRIMARY KEY (node)
) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE IF NOT EXISTS speed_lease (
    name TEXT NOT NULL, node TEXT NOT NULL, term INTEGER NOT NULL, expires_us INTEGER NOT NULL,
    PRIMARY KEY (name)
) STRICT, WITHOUT ROWID
""",
    "CREATE INDEX IF NOT EXISTS speed_event_delivery ON speed_event (tell, ongoing, try_us)",
)
#: Indexes of columns that a database of an earlier version gets with a migration, which creates them too.
LATER_INDEXES: Final = ("CREATE INDEX IF NOT EXISTS speed_event_notice ON speed_event (notice, notice_us)",)
#: A reading has 4 variables; SQLite takes 32,766 per statement.
READINGS_PER_STATEMENT: Final = 8_191
#: Cached INSERT statements, one for each number of rows; a large one has hundreds of KB.
MAX_CACHED_STATEMENTS: Final = 32
#: A batch writes a page for each of its sources. With small pages and a checkpoint every 32 MB a commit of 50 sources takes 0.9 ms,
#: with SQLite's defaults (4,096 bytes, 1,000 pages) 1.4 ms. `page_size` applies to a new file only.
PRAGMAS: Final = (
    "page_size = 2048",
    "journal_mode = WAL",
    "synchronous = FULL",
    "wal_autocheckpoint = 16384",
    "cache_size = -32768",
)
#: Statements that are executed at once; others wait.
MAX_THREADS: Final = 10
#: Pause between two tries of a pragma on a locked file.
PRAGMA_RETRY_S: Final = 0.005
BUSY_CODES: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT}
DATA_CODES: Final = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE}


class SQLite(WritableDatabase):
    """One file in WAL mode, synced at every commit.

    A commit waits for the disk inside C code, which would block the event loop; under gevent it runs in a thread. Each connection pool has
    its own threads, so that requests which read for long hold up no commit, and no look-up of a name in gevent's own threads.
    """

    _driver_errors = (sqlite3.Error, OverflowError)
    ignore_duplicates = "OR IGNORE"
    rows_per_statement = READINGS_PER_STATEMENT
    now_us: ColumnElement[int] = literal_column(NOW_US)

    def __init__(self, url: URL, timeout_s: float) -> None:
        self._options: dict[str, Any] = {
            "timeout": timeout_s,
            "check_same_thread": False,
            "cached_statements": MAX_CACHED_STATEMENTS,
        }
        super().__init__(url)
        self.path = Path(url.database or "").resolve()
        self._threads: ThreadPool | None = None
        self._opened: sqlite3.Connection | None = None
        self._inode = 0

    def with_own_connections(self) -> Self:
        """See `Database.with_own_connections`; it also has its own threads."""
        other = super().with_own_connections()
        other._threads = None
        return other

    def _new_engine(self) -> Engine:
        # NullPool: opening a file is cheap, and a pool's locks would be shared between threads and greenlets.
        engine = create_engine(self._url, poolclass=NullPool, connect_args=self._options)
        event.listen(engine, "connect", partial(_set_pragmas, self._options["timeout"]))
        return engine

    def _schema(self) -> list[str]:
        return []  # every connection creates them: `_set_pragmas`

    def encode(self, readings: Sequence[Reading]) -> Sequence[Reading]:
        """Return them as they are: the driver takes their fields."""
        return readings

    def key(self, row: Reading) -> tuple[str, int, int]:
        """See `WritableDatabase.key`."""
        return row[:3]

    def insert_statement(self, rows: Sequence[Reading]) -> Statement:
        """See `WritableDatabase.insert_statement`."""
        return _insert(len(rows)), list(chain.from_iterable(rows))

    def write(self, connection: sqlite3.Connection, statements: Sequence[Statement]) -> None:
        """See `WritableDatabase.write`."""
        # After each call the thread waits for the interpreter lock, so there are as few as possible. A single statement is a transaction.
        connection.isolation_level = None
        self._check_file(connection)
        single = len(statements) == 1
        try:
            if not single:
                connection.execute("BEGIN IMMEDIATE")
            for sql, values in statements:
                connection.execute(sql, values)
            connection.commit()
        except sqlite3.Error:
            # Without it, a closed connection whose statement failed would hold its lock as long as the error is referenced.
            connection.rollback()
            raise

    def _check_file(self, connection: sqlite3.Connection) -> None:
        """Raise if the file was removed or replaced: commits would succeed, but nobody could read them."""
        try:
            inode = self.path.stat().st_ino
        except FileNotFoundError:
            inode = 0
        if connection is not self._opened:
            self._opened, self._inode = connection, inode
        elif inode != self._inode:
            raise StoreMisconfigured(f"{self.path}: the file was removed or replaced")

    def mark_statement(self, hours: Sequence[Hour]) -> Statement:
        """See `WritableDatabase.mark_statement`."""
        values = ",".join([f"(?,?,{NOW_US})"] * len(hours))
        return (
            f"INSERT INTO speed_dirty (source, hour_us, marked_us) VALUES {values}"  # noqa: S608 - question marks alone
            " ON CONFLICT DO UPDATE SET marked_us = excluded.marked_us",
            list(chain.from_iterable(hours)),
        )

    def upsert(self, connection: Connection, table: TableClause, rows: Sequence[Mapping[str, Any]]) -> None:
        """See `Database.upsert`."""
        for at in range(0, len(rows), ROWS_PER_STATEMENT):
            statement = sqlite.insert(table).values(rows[at : at + ROWS_PER_STATEMENT])
            changed = {name: statement.excluded[name] for name in rows[0]}
            connection.execute(statement.on_conflict_do_update(set_=changed))

    def begin_snapshot(self, connection: Connection) -> None:
        """See `Database.begin_snapshot`."""
        connection.exec_driver_sql("BEGIN")

    def _durability(self, connection: PoolProxiedConnection) -> Durability:
        cursor = connection.cursor()
        journal_mode = cursor.execute("PRAGMA journal_mode").fetchone()[0]
        synchronous = cursor.execute("PRAGMA synchronous").fetchone()[0]
        # NORMAL (1) does not sync the log at commit: https://sqlite.org/pragma.html#pragma_synchronous
        return Durability(synchronous >= 2, f"journal_mode={journal_mode}, synchronous={synchronous}")

    def read_limits(self, connection: PoolProxiedConnection) -> None:
        """Do nothing: the limit is compiled into the library (`READINGS_PER_STATEMENT`)."""

    def translate(self, error: BaseException) -> StoreError:
        """See `Database.translate`."""
        # The low byte is the primary code: https://sqlite.org/rescode.html
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        message = f"{self.path}: {error}"
        if code in BUSY_CODES:
            return StoreUnavailable(message)
        if code in DATA_CODES or isinstance(error, OverflowError):
            return ReadingsRefused(message)
        return StoreMisconfigured(message)

    def call(self, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See `Database.call`."""
        if monkey.is_module_patched("threading"):
            if self._threads is None:
                self._threads = ThreadPool(MAX_THREADS)
            # Returned, not raised: the pool prints a traceback of an error that is raised in it.
            outcome = self._threads.apply(wrap_errors((SpeedDashError,), operation), args, kwargs)
            if isinstance(outcome, SpeedDashError):
                raise outcome
            result: T = outcome
            return result
        return operation(*args, **kwargs)


@lru_cache(maxsize=MAX_CACHED_STATEMENTS)
def _insert(rows: int) -> str:
    values = ",".join(["(?,?,?,?)"] * rows)
    return f"INSERT INTO speed_data (source, timestamp, seq, speed) VALUES {values} ON CONFLICT DO NOTHING"  # noqa: S608 - question marks alone


def _set_pragmas(timeout_s: float, connection: sqlite3.Connection, _record: Any) -> None:
    cursor = connection.cursor()
    try:
        for pragma in PRAGMAS:
            _set_pragma(cursor, pragma, timeout_s)
        is_new = cursor.execute("SELECT 1 FROM sqlite_master WHERE name = 'speed_data'").fetchone() is None
        cursor.execute(VERSIONS_TABLE)
        if is_new:  # nothing to migrate
            cursor.execute("INSERT OR IGNORE INTO speed_schema VALUES (?)", (migrations.VERSION,))
            connection.commit()
        for table in (
            *SCHEMA,
            *(LATER_INDEXES if is_new else ()),
        ):  # for each connection, because the file may have been removed while the server runs
            cursor.execute(table)
    except sqlite3.Error:
        # SQLAlchemy does not close a connection that fails here, and it would hold its lock as long as the error is referenced.
        cursor.close()
        connection.close()
        raise
    cursor.close()


def _set_pragma(cursor: sqlite3.Cursor, pragma: str, timeout_s: float) -> None:
    # SQLite does not wait for a lock when the journal mode changes: servers that start at once on a new file would fail.
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            cursor.execute(f"PRAGMA {pragma}")
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in BUSY_CODES or time.monotonic() > deadline:
                raise
        else:
            return
        time.sleep(PRAGMA_RETRY_S)
