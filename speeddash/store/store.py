"""What every store promises, and the SQL that is the same in all of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

from sqlalchemy import (
    BigInteger,
    Dialect,
    Double,
    Engine,
    String,
    TypeDecorator,
    and_,
    column,
    insert,
    inspect,
    or_,
    select,
    table,
)
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.types import TypeEngine

from speeddash.errors import StoreError, StoreMisconfigured, StoreUnavailable
from speeddash.reading import EPOCH, Reading, microseconds

P = ParamSpec("P")
T = TypeVar("T")
#: SQL and its parameters.
Statement = tuple[str, Sequence[Any]]


class Chunk(NamedTuple):
    """Some rows in a store's own form, never more than one statement takes."""

    rows: int
    form: Any


class Moment(TypeDecorator[int]):
    """Microseconds since the epoch in Python; DATETIME(6) in UTC on MySQL, the same integer on SQLite."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The column's type in this dialect."""
        return dialect.type_descriptor(DATETIME(fsp=6) if dialect.name == "mysql" else BigInteger())

    def process_bind_param(self, value: int | None, dialect: Dialect) -> datetime | int | None:
        """From Python to the database."""
        if value is None or dialect.name != "mysql":
            return value
        return (EPOCH + timedelta(microseconds=value)).replace(tzinfo=None)

    def process_result_value(self, value: datetime | int | None, _dialect: Dialect) -> int | None:
        """From the database to Python."""
        return microseconds(value.replace(tzinfo=UTC)) if isinstance(value, datetime) else value


#: The table that `schema.sql` makes; `timestamp` is microseconds since the epoch on this side.
speed_data: Final = table(
    "speed_data",
    column("source", String),
    column("timestamp", Moment),
    column("seq", BigInteger),
    column("speed", Double),
)
KEY_COLUMNS: Final = ["source", "timestamp", "seq"]


class Key(NamedTuple):
    """A reading's identity, and the order in which `Store.select` answers."""

    source: str
    at_us: int
    seq: int


@dataclass(frozen=True)
class Durability:
    """Whether a commit outlives a power cut with the settings the database has now.

    Attributes:
        durable: The echo may be taken as a receipt.
        detail: The settings that decide it, as a person would check them.
    """

    durable: bool
    detail: str


class Store(ABC):
    """Keeps readings. `insert` belongs to one writer at a time; everything else may be called by anyone, at once.

    Every method raises `StoreUnavailable`, `StoreMisconfigured` or `ReadingsRefused`, and no driver's own error.
    """

    def __init__(self, url: URL, engine: Engine) -> None:
        #: The URL as it may be shown: its password is `***`.
        self.shown_url = url.render_as_string(hide_password=True).replace("mysql+pymysql:", "mysql:")
        self._url = url
        self._engine = engine
        self._writer: PoolProxiedConnection | None = None

    def prepare(self) -> Durability:
        """Connect, make the tables that are missing, and read how durable a commit is.

        Raises:
            StoreMisconfigured: Also for a table `speed_data` that is not ours.
        """
        return self._call(self._prepare)

    @abstractmethod
    def encode(self, readings: Sequence[Reading]) -> list[Chunk]:
        """Readings in the form in which `insert` takes them: made while the database still works on what came before."""

    def insert(self, chunks: Sequence[Chunk]) -> None:
        """Store readings in one transaction; when this returns they are durable. What is stored already stays as it is.

        After `StoreUnavailable` the outcome is open: insert the same readings again.
        """
        self._call(self._insert, self._statements(chunks))

    def select(
        self,
        *,
        source: str | None = None,
        from_us: int | None = None,
        to_us: int | None = None,
        after: Key | None = None,
        limit: int,
    ) -> list[Reading]:
        """Stored readings in the order of their key.

        Args:
            source: Only this one; None is all of them.
            from_us: The first moment, inclusive, in microseconds since the epoch.
            to_us: The last moment, exclusive.
            after: Go on behind this key.
            limit: How many at the most.
        """
        return self._call(self._select, source, from_us, to_us, after, limit)

    def check_writable(self) -> None:
        """Return if a write is possible now: one is tried and taken back.

        Raises:
            StoreError: With the reason.
        """
        self._call(self._check_writable)

    def close(self) -> None:
        """Give back every connection."""
        self._drop_writer()
        self._engine.dispose()

    def _prepare(self) -> Durability:
        with self._errors_translated(), self._engine.connect() as connection:
            found = inspect(connection)
            if not found.has_table(speed_data.name):
                for statement in self._schema():
                    connection.exec_driver_sql(statement)
                connection.commit()
                found = inspect(connection)
            columns = [each["name"] for each in found.get_columns(speed_data.name)]
            key = found.get_pk_constraint(speed_data.name)["constrained_columns"]
            if set(columns) != {each.name for each in speed_data.columns} or key != KEY_COLUMNS:
                raise StoreMisconfigured(
                    f"the database has a table {speed_data.name} of another shape: columns {', '.join(columns)}, "
                    f"primary key ({', '.join(key)}); rename it, or give SpeedDash a database of its own (see schema.sql)"
                )
            return self._durability(connection.connection)

    def _statements(self, chunks: Sequence[Chunk]) -> list[Statement]:
        """As few statements as the database takes."""
        statements: list[Statement] = []
        part: list[Chunk] = []
        rows = 0
        for chunk in chunks:
            if rows + chunk.rows > self._rows_a_statement and part:
                statements.append(self._statement(part, rows))
                part, rows = [], 0
            part.append(chunk)
            rows += chunk.rows
        if part:
            statements.append(self._statement(part, rows))
        return statements

    def _insert(self, statements: Sequence[Statement]) -> None:
        try:
            with self._errors_translated():
                if self._writer is None:
                    self._writer = self._engine.raw_connection()
                self._write(self._writer.driver_connection, statements)
        except BaseException:
            # Whatever state that connection is in, the next try begins on a new one. Rows are keyed, so trying again is safe.
            self._drop_writer()
            raise

    def _select(
        self, source: str | None, from_us: int | None, to_us: int | None, after: Key | None, limit: int
    ) -> list[Reading]:
        c = speed_data.c
        query = select(c.source, c.timestamp, c.seq, c.speed).order_by(c.source, c.timestamp, c.seq).limit(limit)
        if source is not None:
            query = query.where(c.source == source)
        if from_us is not None:
            query = query.where(c.timestamp >= from_us)
        if to_us is not None:
            query = query.where(c.timestamp < to_us)
        if after is not None:
            # Spelled out, because MySQL does not search its index by (a, b, c) > (x, y, z).
            later = or_(c.timestamp > after.at_us, and_(c.timestamp == after.at_us, c.seq > after.seq))
            query = query.where(
                c.source >= after.source, or_(c.source > after.source, and_(c.source == after.source, later))
            )
        with self._errors_translated(), self._engine.connect() as connection:
            return [Reading(*row) for row in connection.execute(query)]

    def _check_writable(self) -> None:
        probe = {"source": "", "timestamp": 0, "seq": 0, "speed": 0.0}
        with self._errors_translated(), self._engine.connect() as connection:
            connection.execute(insert(speed_data).prefix_with(self._ignore_duplicates), probe)
            connection.rollback()

    def _drop_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.invalidate()

    @contextmanager
    def _errors_translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as wrapped:
            raise self._translate(wrapped.orig or wrapped) from wrapped
        except PoolTimeout as busy:
            raise StoreUnavailable("all connections to the database are in use") from busy
        except self._driver_errors as raw:
            raise self._translate(raw) from raw

    def _call(self, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something that waits for the database without stopping the sockets."""
        return operation(*args, **kwargs)

    #: The most that one INSERT may hold.
    _rows_a_statement: int
    #: The driver's root exceptions, for what does not pass through SQLAlchemy.
    _driver_errors: tuple[type[Exception], ...]
    #: Makes an INSERT of the probe succeed over a row that is already there.
    _ignore_duplicates: str

    @abstractmethod
    def _schema(self) -> list[str]:
        """The statements that make the tables."""

    @abstractmethod
    def _statement(self, chunks: Sequence[Chunk], rows: int) -> Statement:
        """What stores these rows and leaves alone those that are stored."""

    @abstractmethod
    def _write(self, connection: Any, statements: Sequence[Statement]) -> None:
        """Execute the statements in one transaction of the driver's connection, and commit it."""

    @abstractmethod
    def _durability(self, connection: PoolProxiedConnection) -> Durability:
        """Read the settings that decide whether a commit is durable."""

    @abstractmethod
    def _translate(self, error: BaseException) -> StoreError:
        """A driver's error as one of ours."""
