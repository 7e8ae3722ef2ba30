"""One database: its connections, transactions, errors and schema. What differs between databases is in `store.mysql` and `store.sqlite`."""

import copy
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, TableClause, insert, inspect
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import PoolProxiedConnection

from speeddash.errors import RowsLocked, StoreError, StoreMisconfigured, StoreUnavailable
from speeddash.store import migrations
from speeddash.store.fences import IDLE_S, check_fence
from speeddash.store.primary import Group
from speeddash.store.tables import KEY_COLUMNS, TABLES, speed_data, speed_dirty, speed_schema

P = ParamSpec("P")
T = TypeVar("T")
#: Rows of other tables than `speed_data` that are written with one statement.
ROWS_PER_STATEMENT: Final = 500
#: Time during which a change that meets locks of others is tried again: longer than a server that stands still can hold them.
CHANGE_AGAIN_S: Final = IDLE_S + 5.0


@dataclass(frozen=True)
class Durability:
    """Whether a commit survives a power cut with the current settings of the database.

    Attributes:
        durable: An echo is a receipt.
        detail: The settings that decide it, as an operator would check them.
        group: The servers that hold the data; None for a single one.
    """

    durable: bool
    detail: str
    group: Group | None = None


class Database(ABC):
    """The connections to one database. Any thread or greenlet may call it.

    Every method raises `StoreUnavailable`, `StoreMisconfigured` or `ReadingsRefused`, and no error of a driver.

    Attributes:
        shown_url: The URL with `***` in the place of the password.
        now_us: SQL expression: the database's own clock, microseconds since the epoch.
        ignore_duplicates: Prefix that lets an INSERT skip rows whose key exists.
    """

    now_us: ColumnElement[int]
    ignore_duplicates: str
    #: Base classes of the driver's exceptions, for calls that do not pass through SQLAlchemy.
    _driver_errors: tuple[type[Exception], ...]

    def __init__(self, url: URL) -> None:
        self.shown_url = url.render_as_string(hide_password=True).replace("mysql+pymysql:", "mysql:")
        self._url = url
        self.engine = self._new_engine()

    def with_own_connections(self) -> Self:
        """Return the same database with a connection pool of its own."""
        other = copy.copy(self)
        other.engine = self._new_engine()
        return other

    def ask(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query in one snapshot; see `Session.ask`."""

        def asked() -> T:
            with self.errors_translated(), self.engine.connect() as connection:
                self.begin_snapshot(connection)
                return query(connection, *args, **kwargs)

        return self.call(asked)

    def change(self, change: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a change in one transaction, and commit it, if the fence of the caller allows it (`store.fences`).

        Where locks of others are in the way, the transaction is rolled back and begins again.
        """
        deadline = time.monotonic() + CHANGE_AGAIN_S
        while True:
            try:
                return self.change_once(change, *args, **kwargs)
            except RowsLocked:
                if time.monotonic() > deadline:
                    raise

    def change_once(self, change: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a change as `change` does, and fail where locks of others are in the way."""

        def changed() -> T:
            with self.errors_translated(), self.engine.begin() as connection:
                check_fence(connection)
                return change(connection, *args, **kwargs)

        return self.call(changed)

    def call(self, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an operation that waits for the database without blocking the event loop."""
        return operation(*args, **kwargs)

    @contextmanager
    def errors_translated(self) -> Iterator[None]:
        """Raise errors of the driver as ours."""
        try:
            yield
        except DBAPIError as wrapped:
            _clear_frames(wrapped)
            raise self.translate(wrapped.orig or wrapped) from wrapped
        except PoolTimeout as busy:
            raise StoreUnavailable("all connections to the database are in use") from busy
        except self._driver_errors as raw:
            _clear_frames(raw)
            raise self.translate(raw) from raw

    def mark_dirty(self, connection: Connection, source: str, hours: Collection[int]) -> None:
        """Mark hours of a source, given by their beginnings, so that their rollups are computed again."""
        rows = [{"source": source, "hour_us": hour_us, "marked_us": self.now_us} for hour_us in sorted(hours)]
        self.upsert(connection, speed_dirty, rows)

    def prepare(self) -> Durability:
        """Connect, create missing tables, apply migrations, and return how durable a commit is.

        Raises:
            StoreMisconfigured: Also for a table `speed_data` of another shape, and for a schema of a newer version.
        """
        return self.call(self._prepare)

    def check_writable(self) -> Durability:
        """Try a write and roll it back; return how durable its commit would have been.

        Raises:
            StoreError: Nothing can be written, with the reason.
        """
        return self.call(self._check_writable)

    def close(self) -> None:
        """Close every connection that is not in use."""
        self.engine.dispose()

    def _prepare(self) -> Durability:
        with self.errors_translated(), self.engine.connect() as connection:
            with self._schema_lock(connection):
                self._create_tables(connection)
                migrations.migrate(connection, self.ignore_duplicates)
                _check_columns(connection)
            self.read_limits(connection.connection)
            return self._durability(connection.connection)

    def _create_tables(self, connection: Connection) -> None:
        existing = set(inspect(connection).get_table_names())
        if speed_schema.name in existing:
            migrations.check_version(connection)  # before anything is created in a database of a newer program
        if not existing.issuperset(each.name for each in TABLES):
            for statement in self._schema():
                connection.exec_driver_sql(statement)
            if speed_data.name not in existing:  # nothing to migrate in a new database
                connection.execute(
                    insert(speed_schema).prefix_with(self.ignore_duplicates), {"version": migrations.VERSION}
                )
            connection.commit()
        found = inspect(connection)
        columns = [each["name"] for each in found.get_columns(speed_data.name)]
        key = found.get_pk_constraint(speed_data.name)["constrained_columns"]
        if not {each.name for each in speed_data.columns}.issuperset(columns) or key != KEY_COLUMNS:
            raise StoreMisconfigured(
                f"the database has a table {speed_data.name} of another program: columns {', '.join(columns)}, "
                f"primary key ({', '.join(key)}); rename it, or give SpeedDash a database of its own (see schema.sql)"
            )

    def _check_writable(self) -> Durability:
        probe = {"source": "", "timestamp": 0, "seq": 0, "speed": 0.0}
        with self.errors_translated(), self.engine.connect() as connection:
            connection.execute(insert(speed_data).prefix_with(self.ignore_duplicates), probe)
            connection.rollback()
            return self._durability(connection.connection)

    def _schema_lock(self, connection: Connection) -> AbstractContextManager[None]:  # noqa: ARG002 - MySQL needs it
        """Keep other servers from changing the schema at the same time. SQLite's lock of the file is enough."""
        return nullcontext()

    @abstractmethod
    def upsert(self, connection: Connection, table: TableClause, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows; where the key exists, update the given columns. All rows have the same columns."""

    @abstractmethod
    def begin_snapshot(self, connection: Connection) -> None:
        """Make the following queries of a connection see one state of the database."""

    @abstractmethod
    def read_limits(self, connection: PoolProxiedConnection) -> None:
        """Read from a connection how long a statement may be."""

    @abstractmethod
    def translate(self, error: BaseException) -> StoreError:
        """Return an error of the driver as one of ours."""

    @abstractmethod
    def _new_engine(self) -> Engine:
        """Create an engine for `_url`, without connecting."""

    @abstractmethod
    def _schema(self) -> list[str]:
        """Return the statements that create the tables."""

    @abstractmethod
    def _durability(self, connection: PoolProxiedConnection) -> Durability:
        """Read the settings that decide whether a commit is durable."""


def _clear_frames(error: BaseException) -> None:
    """Free what the frames of a driver's error refer to: the error and its frames form a cycle that holds a connection of 200 KB."""
    causes: list[BaseException | None] = [error]
    while causes:
        cause = causes.pop()
        if cause is not None:
            traceback.clear_frames(cause.__traceback__)
            causes += [cause.__cause__, cause.__context__ if cause.__context__ is not cause.__cause__ else None]


def _check_columns(connection: Connection) -> None:
    """Raise `StoreMisconfigured` if a table lacks a column of the current schema."""
    found = inspect(connection)
    for table in TABLES:
        names = {each["name"] for each in found.get_columns(table.name)}
        if missing := [each.name for each in table.columns if each.name not in names]:
            raise StoreMisconfigured(
                f"the table {table.name} of the database lacks the column {', '.join(missing)}: it was made by another "
                "version of SpeedDash; compare it with schema.sql"
            )
