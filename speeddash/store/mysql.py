"""MySQL 8.0.13 and later, MariaDB 10.6 and later, through PyMySQL."""

import inspect
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

import pymysql
from sqlalchemy import ColumnElement, Connection, Engine, TableClause, create_engine, literal_column
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import URL
from sqlalchemy.pool import PoolProxiedConnection

from speeddash.errors import (
    ReadingsRefused,
    RowsLocked,
    SettingsError,
    StoreError,
    StoreMisconfigured,
    StoreUnavailable,
)
from speeddash.files import shipped
from speeddash.reading import SHIFT_US, Reading, rfc3339_second
from speeddash.store.database import ROWS_PER_STATEMENT, Durability
from speeddash.store.fences import session_limits
from speeddash.store.primary import ANSWER_S, Host, Primary, state_of
from speeddash.store.writer import SHARED_IDLE_S, SHARED_LOCK_S, Hour, Statement, WritableDatabase

CONNECT_TIMEOUT_S: Final = 5.0
#: Longest time that a server waits at start for another one that changes the schema.
SCHEMA_LOCK_S: Final = 5
#: Name of that lock, one for each database. MySQL 9.7 has no MD5() any more.
LOCK_NAME: Final = "CONCAT('speeddash ', LEFT(SHA2(DATABASE(), 256), 40))"
#: Longest wait for a lock, less than a statement may take: the change begins again then (`Database.change`).
LOCK_S: Final = 5
#: Longest row: a source of 64 characters, a time, a seq of 20 digits, a speed of 24 characters, quotes and commas.
ROW_BYTES: Final = 160
#: Longest statement until max_allowed_packet is known: it is 16 MiB or more by default, and 1 MiB on old servers.
MIN_PACKET_BYTES: Final = 1 << 20
HEAD: Final = "INSERT INTO speed_data (source, timestamp, seq, speed) VALUES "
NOW_US: Final = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))"
# Not INSERT IGNORE: it would skip rows with invalid values too, not only rows whose key exists.
TAIL: Final = " ON DUPLICATE KEY UPDATE source = source"

# Error numbers: https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html
OPERATOR_CODES: Final = {
    1021,  # disk full
    1044,  # access to the database denied
    1045,  # wrong user or password
    1049,  # unknown database
    1054,  # unknown column
    1114,  # table full
    1142,  # command denied on the table
    1146,  # no such table
    1698,  # access denied without a password
}
LOCK_CODES: Final = {
    1020,  # MariaDB from 11.6.2: read before another transaction changed it
    1205,  # waited for a lock as long as the session may
    1213,  # deadlock
}
DATA_CODES: Final = {
    1048,  # NULL where there must be a value
    1264,  # out of range
    1265,  # truncated
    1292,  # wrong value of a type
    1366,  # wrong value of a column
    1406,  # too long
    1644,  # SIGNAL of a trigger
    1690,  # out of range, as an expression
    3819,  # MySQL: CHECK
    4025,  # MariaDB: CHECK
}


class MySQL(WritableDatabase):
    """A MySQL or MariaDB database. Its sessions are in UTC and in strict mode."""

    _driver_errors = (pymysql.MySQLError, OSError, RuntimeError)
    ignore_duplicates = "IGNORE"
    rows_per_statement = MIN_PACKET_BYTES // ROW_BYTES - 1
    now_us: ColumnElement[int] = literal_column(NOW_US)

    def __init__(self, url: URL, timeout_s: float, hosts: Sequence[Host] = ()) -> None:
        """Remember the URL, without connecting.

        Args:
            url: With one host.
            timeout_s: Longest time that the database may take to answer a statement.
            hosts: All hosts, if there are several.

        Raises:
            SettingsError: The driver knows no such option as the URL has.
        """
        # By default PyMySQL waits for a stopped database for ever.
        options: dict[str, Any] = {
            "connect_timeout": min(CONNECT_TIMEOUT_S, timeout_s),
            "read_timeout": timeout_s,
            "write_timeout": timeout_s,
            "charset": "utf8mb4",
            "init_command": f"SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES', innodb_lock_wait_timeout = {LOCK_S}",
        }
        self._options = options
        self._primary = Primary(hosts, self._connect_briefly, self.errors_translated) if hosts else None
        super().__init__(url)
        if hosts:
            shown = url._replace(drivername="mysql", host="HOSTS", port=None).render_as_string(hide_password=True)
            self.shown_url = shown.replace("@HOSTS/", f"@{','.join(map(str, hosts))}/")
        given = self.engine.dialect.create_connect_args(url)[1]
        unknown = set(given) - set(inspect.signature(pymysql.Connection).parameters)
        if unknown:
            raise SettingsError("SPEEDDASH_DATABASE_URL", f"PyMySQL knows no option {', '.join(sorted(unknown))}")

    def _new_engine(self) -> Engine:
        timeout_s = self._options["read_timeout"]
        engine = create_engine(
            self._url, connect_args=self._options, pool_recycle=1800, pool_pre_ping=True, pool_timeout=timeout_s
        )
        if self._primary is not None:
            self._primary.choose_for(engine)
        return engine

    def _connect_briefly(self, host: Host) -> "pymysql.Connection[Any]":
        """Open a connection that says what the host is. In autocommit mode, so that each answer is of now."""
        options = dict(self.engine.dialect.create_connect_args(self._url)[1]) | self._options
        options |= dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout"), ANSWER_S)
        return pymysql.connect(**options | {"host": host.name, "port": host.port, "autocommit": True})

    def _schema(self) -> list[str]:
        lines = shipped("schema.sql").read_text(encoding="utf-8").splitlines()
        script = "\n".join(line for line in lines if not line.startswith("--"))
        return [statement.strip() for statement in script.split(";") if statement.strip()]

    @contextmanager
    def _schema_lock(self, connection: Connection) -> Iterator[None]:
        # Migrations can be repeated: if a cluster gives the lock to two servers, only time is lost.
        connection.exec_driver_sql(f"SELECT GET_LOCK({LOCK_NAME}, %s)", (SCHEMA_LOCK_S,))
        try:
            yield
        finally:
            connection.exec_driver_sql(f"SELECT RELEASE_LOCK({LOCK_NAME})")

    def encode(self, readings: Sequence[Reading]) -> list[str]:
        """Return rows as SQL text.

        It takes half the time of the driver's own quoting, and only the source needs quoting. `repr` of a float is the shortest text that
        reads back to the same bits.
        """
        # A format with a width takes twice as long.
        return [
            f"({_quoted(source)},'{_second(at_us // 1_000_000)}.{str(at_us + SHIFT_US)[-6:]}',{seq},{speed!r})"
            for source, at_us, seq, speed in readings
        ]

    def key(self, row: str) -> str:
        """See `WritableDatabase.key`."""
        return row.rpartition(",")[0]

    def insert_statement(self, rows: Sequence[str]) -> Statement:
        """See `WritableDatabase.insert_statement`."""
        return HEAD + ",".join(rows) + TAIL, ()

    def write(self, connection: "pymysql.Connection[Any]", statements: Sequence[Statement]) -> None:
        """See `WritableDatabase.write`."""
        # A single statement is a transaction: COMMIT would be a second round trip.
        single = len(statements) == 1
        connection.autocommit(single)
        for sql, _ in statements:
            connection.query(sql)
        if not single:
            connection.commit()

    def mark_statement(self, hours: Sequence[Hour]) -> Statement:
        """See `WritableDatabase.mark_statement`."""
        values = ",".join([f"({_quoted(source)},{hour_us},{NOW_US})" for source, hour_us in hours])
        return (
            f"INSERT INTO speed_dirty (source, hour_us, marked_us) VALUES {values}"  # noqa: S608 - quoted
            " ON DUPLICATE KEY UPDATE marked_us = VALUES(marked_us)",
            (),
        )

    def upsert(self, connection: Connection, table: TableClause, rows: Sequence[Mapping[str, Any]]) -> None:
        """See `Database.upsert`."""
        for at in range(0, len(rows), ROWS_PER_STATEMENT):
            statement = mysql.insert(table).values(rows[at : at + ROWS_PER_STATEMENT])
            changed = {name: statement.inserted[name] for name in rows[0]}
            connection.execute(statement.on_duplicate_key_update(changed))

    def begin_snapshot(self, connection: Connection) -> None:
        """Do nothing: with REPEATABLE READ, the default, the first SELECT begins a snapshot."""

    def _durability(self, connection: PoolProxiedConnection) -> Durability:
        cursor = connection.cursor()
        cursor.execute("SELECT @@innodb_flush_log_at_trx_commit, @@log_bin, @@sync_binlog")
        flush, log_bin, sync_binlog = cursor.fetchone() or (0, 0, 0)
        cursor.execute(
            "SELECT engine FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'speed_data'"
        )
        (engine,) = cursor.fetchone() or ("",)
        detail = f"engine={engine}, innodb_flush_log_at_trx_commit={flush}"
        if log_bin:
            detail += f", sync_binlog={sync_binlog}"
        state = state_of(cursor, len(self._primary.hosts) if self._primary else 1)
        if state.problem:
            raise StoreUnavailable(state.problem)
        if state.group:
            detail += f"; {state.group}"
        durable = engine == "InnoDB" and flush == 1 and (not log_bin or sync_binlog == 1)
        return Durability(durable, detail, state.group)

    def read_limits(self, connection: PoolProxiedConnection) -> None:
        """See `Database.read_limits`."""
        cursor = connection.cursor()
        cursor.execute("SELECT @@max_allowed_packet")  # a connection keeps the value that it began with
        (packet_bytes,) = cursor.fetchone() or (MIN_PACKET_BYTES,)
        self.rows_per_statement = max(1, packet_bytes // ROW_BYTES - 1)

    def limit_waits(self, connection: PoolProxiedConnection) -> None:
        """See `WritableDatabase.limit_waits`."""
        connection.cursor().execute(session_limits(SHARED_IDLE_S, SHARED_LOCK_S))

    def translate(self, error: BaseException) -> StoreError:
        """See `Database.translate`."""
        if isinstance(error, RuntimeError):
            if "cryptography" not in str(error):
                raise error
            return StoreMisconfigured(
                "without TLS this server wants its password encrypted: pip install 'speeddash[rsa]'"
            )
        code = error.args[0] if error.args else 0
        message = str(error.args[1] if len(error.args) > 1 else error)
        if self._primary is None and self._url.host and self._url.host not in message:
            message = f"{self._url.host}: {message}"
        cause = getattr(error, "original_exception", None)
        if code in OPERATOR_CODES or isinstance(cause, socket.gaierror | ssl.SSLCertVerificationError):
            return StoreMisconfigured(message)
        if code in LOCK_CODES:
            return RowsLocked(message)
        if code in DATA_CODES or isinstance(error, pymysql.DataError | pymysql.IntegrityError):
            return ReadingsRefused(message)
        if isinstance(error, pymysql.ProgrammingError | pymysql.NotSupportedError):
            return StoreMisconfigured(message)
        return StoreUnavailable(message)


@lru_cache(maxsize=65_536)
def _quoted(source: str) -> str:
    return f"'{pymysql.converters.escape_string(source)}'"


@lru_cache(maxsize=65_536)
def _second(second: int) -> str:
    return rfc3339_second(second).replace("T", " ")
