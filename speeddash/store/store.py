"""What every store promises, and the SQL that is the same in all of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Dialect,
    Double,
    Engine,
    String,
    TypeDecorator,
    case,
    column,
    func,
    insert,
    inspect,
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
#: What `Store.stream` asks for at once unless told: some 2 MB.
PAGE_READINGS: Final = 5_000
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


class Span(NamedTuple):
    """A source, and the times of its first and its last reading."""

    source: str
    first_us: int
    last_us: int


class Bucket(NamedTuple):
    """The readings of one source in one stretch of time, never none.

    Attributes:
        at_us: The stretch's beginning, a multiple of its width since the epoch.
        first_us: When the first reading was.
        last_us: When the last one was.
        n: How many there are.
        moving: How many of them are above 0.
        total: Their sum, km/h.
        minimum: km/h.
        maximum: km/h.
        first: The first one's speed, km/h.
        last: The last one's speed, km/h.
    """

    at_us: int
    first_us: int
    last_us: int
    n: int
    moving: int
    total: float
    minimum: float
    maximum: float
    first: float
    last: float


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

    def stream(
        self,
        *,
        source: str | None = None,
        from_us: int | None = None,
        to_us: int | None = None,
        page_readings: int = PAGE_READINGS,
    ) -> Iterator[Reading]:
        """Every stored reading of a range in the order of its key, read page by page: memory is bounded however many there are.

        What is stored meanwhile is met where it lies ahead. See `select` for the other arguments.

        Args:
            source: Only this one.
            from_us: The first moment, inclusive.
            to_us: The last moment, exclusive.
            page_readings: How many are read at once; a server that must not stop for long takes fewer.
        """
        after = None
        while True:
            page = self.select(source=source, from_us=from_us, to_us=to_us, after=after, limit=page_readings)
            yield from page
            if len(page) < page_readings:
                return
            after = Key(*page[-1][:3])

    def sources(self, *, after: str | None = None, limit: int) -> list[Span]:
        """The sources that have readings, by name.

        Args:
            after: Go on behind this one.
            limit: How many at the most.
        """
        return self._call(self._sources, after, limit)

    def span(self, source: str) -> Span | None:
        """The times of a source's first and last reading; None where it has none."""
        return self._call(self._span, source)

    def buckets(self, source: str, from_us: int, to_us: int, width_us: int) -> list[Bucket]:
        """The readings of a source in buckets of one width, in the order of time; a bucket without readings is left out.

        Args:
            source: Whose readings.
            from_us: The first moment, inclusive, in microseconds since the epoch.
            to_us: The last moment, exclusive.
            width_us: The width of a bucket; its edges are multiples of it since the epoch.
        """
        return self._call(self._buckets, source, from_us, to_us, width_us)

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
        if after is not None and after.source == source:
            # Said once more where the index is searched by it: without it SQLite reads the source from its beginning for each page.
            from_us = after.at_us if from_us is None else max(from_us, after.at_us)
        if source is not None:
            query = query.where(c.source == source)
        if from_us is not None:
            query = query.where(c.timestamp >= from_us)
        if to_us is not None:
            query = query.where(c.timestamp < to_us)
        if after is not None:
            query = query.where(self._behind(after))
        with self._errors_translated(), self._engine.connect() as connection:
            return [Reading(*row) for row in connection.execute(query)]

    def _sources(self, after: str | None, limit: int) -> list[Span]:
        # A step down the index for each: GROUP BY reads every row (measured: 286 ms for 884,000 on MariaDB).
        c = speed_data.c
        ahead = select(c.source).order_by(c.source, c.timestamp, c.seq).limit(1)
        spans: list[Span] = []
        with self._errors_translated(), self._engine.connect() as connection:
            while len(spans) < limit:
                after = connection.execute(ahead if after is None else ahead.where(c.source > after)).scalar()
                if after is None:
                    break
                span = _span(connection, after)
                spans += [span] if span else []  # its readings may have been deleted between the two looks
        return spans

    def _span(self, source: str) -> Span | None:
        with self._errors_translated(), self._engine.connect() as connection:
            return _span(connection, source)

    def _buckets(self, source: str, from_us: int, to_us: int, width_us: int) -> list[Bucket]:
        c = speed_data.c
        number = self._bucket_number(c.timestamp, width_us).label("number")
        g = (
            select(
                number,
                func.min(c.timestamp).label("first_at"),
                func.max(c.timestamp).label("last_at"),
                func.count().label("n"),
                func.sum(case((c.speed > 0, 1), else_=0)).label("moving"),
                func.sum(c.speed).label("total"),
                func.min(c.speed).label("minimum"),
                func.max(c.speed).label("maximum"),
            )
            .where(c.source == source, c.timestamp >= from_us, c.timestamp < to_us)
            .group_by(number)
            .subquery()
        )
        at = speed_data.alias()
        speed = select(at.c.speed).where(at.c.source == source).limit(1)
        first = speed.where(at.c.timestamp == g.c.first_at).order_by(at.c.seq).scalar_subquery()
        last = speed.where(at.c.timestamp == g.c.last_at).order_by(at.c.seq.desc()).scalar_subquery()
        query = select(g, first, last).order_by(g.c.number)
        with self._errors_translated(), self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return [Bucket(int(row[0]) * width_us, row[1], row[2], row[3], int(row[4]), *row[5:]) for row in rows]

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
    def _bucket_number(self, timestamp: ColumnElement[int], width_us: int) -> ColumnElement[int]:
        """How many whole widths lie between the epoch and a moment."""

    @abstractmethod
    def _behind(self, key: Key) -> ColumnElement[bool]:
        """Rows that follow a key, said in the way that this database's index is searched by."""

    @abstractmethod
    def _durability(self, connection: PoolProxiedConnection) -> Durability:
        """Read the settings that decide whether a commit is durable."""

    @abstractmethod
    def _translate(self, error: BaseException) -> StoreError:
        """A driver's error as one of ours."""


def _span(connection: Connection, source: str) -> Span | None:
    c = speed_data.c
    at = select(c.timestamp).where(c.source == source).limit(1)
    first_us = connection.execute(at.order_by(c.timestamp, c.seq)).scalar()
    last_us = connection.execute(at.order_by(c.timestamp.desc(), c.seq.desc())).scalar()
    return None if first_us is None or last_us is None else Span(source, first_us, last_us)
