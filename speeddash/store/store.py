"""What every store promises, and the SQL that is the same in all of them."""

import copy
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Concatenate, Final, NamedTuple, ParamSpec, Self, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, TableClause, insert, inspect
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import PoolProxiedConnection

from speeddash.errors import ChunksTooLong, StoreError, StoreMisconfigured, StoreUnavailable
from speeddash.reading import Reading
from speeddash.store import buckets, coverage, migrations, readings, rollup, sources, upkeep
from speeddash.store.sources import Event, Upkeep
from speeddash.store.tables import (
    KEY_COLUMNS,
    TABLES,
    Bucket,
    Key,
    Span,
    speed_data,
    speed_dirty,
    speed_schema,
    speed_source,
)
from speeddash.stretch import EVER_US, HOUR_US, Stretch

P = ParamSpec("P")
T = TypeVar("T")
#: What `Store.stream` asks for at once unless told: some 2 MB.
PAGE_READINGS: Final = 5_000
#: SQL and its parameters.
Statement = tuple[str, Sequence[Any]]
#: A source, and the beginning of an hour in microseconds since the epoch.
Hour = tuple[str, int]
#: While readings keep coming into an hour, it is marked dirty anew so often.
MARK_S: Final = 60.0
#: An hour whose mark is older has no writer that counts on it; twice as long, so that no commit under way can be overtaken.
QUIET_S: Final = 2 * MARK_S
#: When more are remembered, the old ones are forgotten.
MARKS_KEPT: Final = 20_000
#: SQLite takes 32,766 variables a statement.
MARKS_A_STATEMENT: Final = 5_000
#: Rows of other tables that are written with one statement.
ROWS_A_STATEMENT: Final = 500


class Chunk(NamedTuple):
    """Some rows in a store's own form, never more than one statement takes, and the hours they are in."""

    rows: int
    form: Any
    hours: Collection[Hour]


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

    def __init__(self, url: URL) -> None:
        #: The URL as it may be shown: its password is `***`.
        self.shown_url = url.render_as_string(hide_password=True).replace("mysql+pymysql:", "mysql:")
        self._url = url
        self._engine = self._new_engine()
        self._writer: PoolProxiedConnection | None = None
        # Held while a source as a whole is renamed or deleted, and while an hour is rolled up: neither sees the other's half.
        self._whole = threading.Lock()
        # When an hour was last marked dirty, and those that got readings since marks were last renewed (`time.time`).
        self._marked: dict[Hour, float] = {}
        self._touched: set[Hour] = set()

    def with_own_connections(self) -> Self:
        """Return this store with other connections to the database: however many requests wait for theirs, these are free."""
        other = copy.copy(self)
        other._engine = self._new_engine()
        return other

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

        Raises:
            ChunksTooLong: The database takes shorter statements than when they were encoded; nothing was sent.
        """
        hours: set[Hour] = set().union(*[chunk.hours for chunk in chunks])
        marks = self._due_marks(hours)
        self._call(self._insert, chunks, sorted(marks))
        self._touched |= hours
        if marks:
            self._renewed(marks)

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
        return self._ask(readings.page, source, from_us, to_us, after, limit)

    def select_if_few(self, source: str, from_us: int, to_us: int, most: int) -> list[Reading] | None:
        """The readings of a source from a moment (inclusive) to another (exclusive); None where there are more than `most`."""
        return self._ask(readings.if_few, source, from_us, to_us, most)

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
        return self._ask(readings.sources, after, limit)

    def span(self, source: str) -> Span | None:
        """The times of a source's first and last reading; None where it has none."""
        return self._ask(readings.span, source)

    def buckets(self, source: str, from_us: int, to_us: int, width_us: int) -> list[Bucket]:
        """The readings of a source in buckets of one width, in the order of time; a bucket without readings is left out.

        Args:
            source: Whose readings.
            from_us: The first moment, inclusive, in microseconds since the epoch.
            to_us: The last moment, exclusive.
            width_us: The width of a bucket; its edges are multiples of it since the epoch.
        """
        return self._ask(buckets.buckets, source, from_us, to_us, width_us)

    def stretches(self, source: str, from_us: int, to_us: int) -> list[Stretch]:
        """The readings of a source from a moment (inclusive) to another (exclusive), none with a gap of 300 s or more inside.

        They are hours where they can be, else minutes, or less at the ends; in the order of time.
        """
        return self._ask(lambda connection: list(rollup.stretches(connection, source, from_us, to_us)))

    def dirty_hours(self, *, quiet_s: float = QUIET_S, limit: int) -> list[Hour]:
        """Hours that got or lost readings since they were rolled up, and none any more for some time."""
        return self._ask(coverage.dirty, self._now_us, round(quiet_s * 1e6), limit)

    def hours(self, source: str, from_us: int, to_us: int) -> list[int]:
        """The beginnings of the hours of a source that hold readings."""
        return self._ask(lambda connection: list(coverage.hours(connection, source, from_us, to_us)))

    def next_hour(self, source: str, from_us: int) -> int | None:
        """The beginning of the first hour from a moment on that holds readings or what they left; None where none does."""
        return self._ask(coverage.next_hour, source, from_us)

    def rolled_up_hours(self, source: str) -> list[int]:
        """The beginnings of the hours of a source that are rolled up."""
        return self._ask(rollup.rolled_up_hours, source)

    def roll_up(
        self, source: str, hour_us: int, *, quiet_s: float = QUIET_S, first: Callable[[str, int], object] | None = None
    ) -> None:
        """Compute an hour anew from its readings. Before that, earlier hours that nobody has rolled up are marked dirty.

        Where the readings of the hour were removed (`retain`), what they left stays as it is.

        Args:
            source: Whose.
            hour_us: The beginning of the hour.
            quiet_s: Its mark goes if it is older.
            first: Called before, with source and hour; what it raises leaves the mark.
        """
        with self._whole:
            if first:
                first(source, hour_us)
            missing, minutes = self._ask(rollup.computed, source, hour_us)
            self.mark(source, missing)
            self._change(rollup.write, source, hour_us, minutes, self._now_us, round(quiet_s * 1e6))

    def unmarked_hours(self, source: str) -> list[int]:
        """The hours of a source behind its last rolled-up one that hold readings and no mark: others inserted those."""
        return self._ask(coverage.unmarked_hours, source, EVER_US)

    def unrolled_hours(self, source: str, before_us: int) -> list[int]:
        """The hours of a source before a moment whose rollup is missing or not true."""
        return self._ask(coverage.unrolled_hours, source, before_us)

    def mark(self, source: str, hours: Collection[int]) -> None:
        """Say that these hours of a source are to be computed anew."""
        ordered = sorted(hours)
        for at in range(0, len(ordered), ROWS_A_STATEMENT):  # so that nobody who stores waits for all of them
            self._change(self._mark_all, source, ordered[at : at + ROWS_A_STATEMENT])

    def remove(self, source: str, from_us: int, to_us: int) -> int:
        """Remove some of the readings in a range, the oldest first; how many, 0 when none is left."""

        def step(connection: Connection) -> int:
            keys = upkeep.remove(connection, source, from_us, to_us)
            self._mark_all(connection, source, {each.at_us - each.at_us % HOUR_US for each in keys})
            return len(keys)

        return self._change(step)

    def retain(self, source: str, before_us: int) -> int:
        """Remove some of the readings before a moment and leave their rollups; 0 when none is left."""

        def step(connection: Connection) -> int:
            if (sources.upkeep(connection, source).raw_from_us or -EVER_US) < before_us:
                self._upsert(connection, speed_source, [{"source": source, "raw_from_us": before_us}])
            return len(upkeep.remove(connection, source, -EVER_US, before_us))

        return self._change(step)

    def delete(self, source: str) -> None:
        """Remove a source with all that is kept of it."""
        with self._whole:
            while self.remove(source, -EVER_US, EVER_US):
                pass
            self._change(upkeep.forget, source)

    def rename(self, source: str, name: str) -> None:
        """Give everything that is stored of a source another name. What was cut off goes on when it is called again.

        Raises:
            SourceTaken: The name has something of its own.
            RenameUnderWay: A rename of the source to another name has begun.
        """
        with self._whole:
            self._change(upkeep.begin_rename, source, name, self._upsert)
            while self._change(upkeep.move_rollups, source, name):
                pass
            span = self.span(source)  # whoever still sends under the old name does not keep us here
            end_us = span.last_us + 1 if span else -EVER_US
            while self._change(upkeep.move_readings, source, name, end_us, self._ignore_duplicates):
                pass
            self._change(upkeep.end_rename, source, name, self._upsert, self._now_us)

    def renames(self) -> dict[str, str]:
        """The new names of sources whose renaming has begun and not ended."""
        return self._ask(sources.renames)

    def upkeep(self, source: str) -> Upkeep:
        """What a source has besides readings."""
        return self._ask(sources.upkeep, source)

    def sources_to_check(self, latest_us: int, silent_us: int) -> list[str]:
        """The sources whose limit has to be held against something, found with one statement.

        Args:
            latest_us: Readings after this moment do not count yet.
            silent_us: An ongoing event whose last reading is not younger has to be ended.
        """
        return self._ask(sources.to_check, latest_us, silent_us)

    def keep(self, source: str, **values: Any) -> None:
        """Change some of what a source has besides readings; see `Upkeep` for the names."""
        self._change(lambda connection: self._upsert(connection, speed_source, [{"source": source, **values}]))

    def events(
        self, source: str, from_us: int, to_us: int, limit: int, *, from_start_us: int = -EVER_US
    ) -> list[Event]:
        """The stretches above its limit that overlap a range, and begin at a moment or later, in the order of time."""
        return self._ask(sources.events, source, from_us, to_us, limit, from_start_us)

    def replace_events(self, source: str, from_us: int, to_us: int, found: Sequence[Event], **values: Any) -> None:
        """Put events in the place of those that begin in a range, and change what a source has, in one transaction."""

        def step(connection: Connection) -> None:
            sources.replace_events(connection, source, from_us, to_us, found, self._upsert)
            if values:
                self._upsert(connection, speed_source, [{"source": source, **values}])

        self._change(step)

    def undelivered(self, now_us: int, limit: int) -> list[Event]:
        """Events that are over and whose delivery is due."""
        return self._ask(sources.undelivered, now_us, limit)

    def claim_delivery(self, event: Event, until_us: int) -> bool:
        """Reserve the delivery of an event until a moment; False if another process has done so, or it changed meanwhile."""
        return self._change(sources.claim_delivery, event, until_us)

    def set_delivery(self, event: Event) -> None:
        """Store the outcome of a delivery: `tell`, `tries` and `try_us` of the event."""
        self._change(sources.set_delivery, event)

    def check_writable(self) -> Durability:
        """Return if a write is possible now: one is tried and taken back. How durable it would have been, as things are set now.

        Raises:
            StoreError: With the reason.
        """
        return self._call(self._check_writable)

    def close(self) -> None:
        """Give back every connection."""
        self._drop_writer()
        self._engine.dispose()

    def _prepare(self) -> Durability:
        with self._errors_translated(), self._engine.connect() as connection:
            with self._schema_lock(connection):
                self._make_tables(connection)
                migrations.migrate(connection, self._ignore_duplicates)
            self._learn_limits(connection.connection)
            return self._durability(connection.connection)

    def _make_tables(self, connection: Connection) -> None:
        there = set(inspect(connection).get_table_names())
        if speed_schema.name in there:
            migrations.check_version(connection)  # before anything is created in a database of a newer program
        if not there.issuperset(each.name for each in TABLES):
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
        for table in TABLES:
            there_now = {each["name"] for each in found.get_columns(table.name)}
            if missing := [each.name for each in table.columns if each.name not in there_now]:
                raise StoreMisconfigured(
                    f"the table {table.name} of the database lacks the column {', '.join(missing)}: it was made by another "
                    "version of SpeedDash; compare it with schema.sql"
                )

    def _due_marks(self, hours: Collection[Hour]) -> set[Hour]:
        """What is to be marked dirty with rows of these hours: an hour for the first time, then every `MARK_S`, all at once."""
        now = time.time()
        if all(abs(now - self._marked.get(each, -MARK_S)) < MARK_S for each in hours):
            return set()
        old = {each for each in self._touched if abs(now - self._marked.get(each, 0.0)) > MARK_S / 2}
        return old | {each for each in hours if abs(now - self._marked.get(each, -MARK_S)) > MARK_S / 2}

    def _renewed(self, marks: Collection[Hour]) -> None:
        now = time.time()
        self._touched.difference_update(marks)
        if len(self._marked) > MARKS_KEPT:
            self._marked = {each: when for each, when in self._marked.items() if abs(now - when) < MARK_S}
        self._marked.update(dict.fromkeys(marks, now))

    def _statements(self, chunks: Sequence[Chunk], marks: Sequence[Hour]) -> list[Statement]:
        """As few statements as the database takes."""
        if any(chunk.rows > self._rows_a_statement for chunk in chunks):
            raise ChunksTooLong(f"the database takes {self._rows_a_statement} readings a statement now")
        size = min(MARKS_A_STATEMENT, self._rows_a_statement)
        statements = [self._mark(marks[at : at + size]) for at in range(0, len(marks), size)]
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

    def _insert(self, chunks: Sequence[Chunk], marks: Sequence[Hour]) -> None:
        try:
            with self._errors_translated():
                if self._writer is None:
                    self._writer = self._engine.raw_connection()
                    self._learn_limits(self._writer)
                self._write(self._writer.driver_connection, self._statements(chunks, marks))
        except BaseException:
            # Whatever state that connection is in, the next try begins on a new one. Rows are keyed, so trying again is safe.
            self._drop_writer()
            raise

    def _ask(self, question: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Answer a question from one state of the database."""

        def asked() -> T:
            with self._errors_translated(), self._engine.connect() as connection:
                self._begin(connection)
                return question(connection, *args, **kwargs)

        return self._call(asked)

    def _change(self, change: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Change something in one transaction."""

        def changed() -> T:
            with self._errors_translated(), self._engine.begin() as connection:
                return change(connection, *args, **kwargs)

        return self._call(changed)

    def _mark_all(self, connection: Connection, source: str, hours: Collection[int]) -> None:
        rows = [{"source": source, "hour_us": hour_us, "marked_us": self._now_us} for hour_us in sorted(hours)]
        self._upsert(connection, speed_dirty, rows)

    def _check_writable(self) -> Durability:
        probe = {"source": "", "timestamp": 0, "seq": 0, "speed": 0.0}
        with self._errors_translated(), self._engine.connect() as connection:
            connection.execute(insert(speed_data).prefix_with(self._ignore_duplicates), probe)
            connection.rollback()
            return self._durability(connection.connection)

    def _drop_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.invalidate()

    @contextmanager
    def _errors_translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as wrapped:
            _let_go(wrapped)
            raise self._translate(wrapped.orig or wrapped) from wrapped
        except PoolTimeout as busy:
            raise StoreUnavailable("all connections to the database are in use") from busy
        except self._driver_errors as raw:
            _let_go(raw)
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
    def _new_engine(self) -> Engine:
        """Create an engine for `_url`, without connecting."""

    @abstractmethod
    def _schema(self) -> list[str]:
        """The statements that make the tables."""

    def _schema_lock(self, connection: Connection) -> AbstractContextManager[None]:  # noqa: ARG002 - for those that lock
        """Keep other servers from changing the schema at the same time; SQLite's own lock of the file is enough."""
        return nullcontext()

    @abstractmethod
    def _statement(self, chunks: Sequence[Chunk], rows: int) -> Statement:
        """What stores these rows and leaves alone those that are stored."""

    @abstractmethod
    def _write(self, connection: Any, statements: Sequence[Statement]) -> None:
        """Execute the statements in one transaction of the driver's connection, and commit it."""

    @abstractmethod
    def _learn_limits(self, connection: PoolProxiedConnection) -> None:
        """Ask how long a statement may be on this connection: `_rows_a_statement`."""

    #: The database's own clock, microseconds since the epoch.
    _now_us: ColumnElement[int]

    @abstractmethod
    def _mark(self, hours: Sequence[Hour]) -> Statement:
        """What marks hours dirty, now."""

    @abstractmethod
    def _upsert(self, connection: Connection, table: TableClause, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows, or change those columns of the rows that are there. Every row has the same columns."""

    @abstractmethod
    def _begin(self, connection: Connection) -> None:
        """Hold on to one state of the database, where the driver does not do so by itself."""

    @abstractmethod
    def _durability(self, connection: PoolProxiedConnection) -> Durability:
        """Read the settings that decide whether a commit is durable."""

    @abstractmethod
    def _translate(self, error: BaseException) -> StoreError:
        """A driver's error as one of ours."""


def _let_go(error: BaseException) -> None:
    """Free what the driver had in hand when it failed: its error and its frames hold each other, and a connection of 200 KB with them."""
    causes: list[BaseException | None] = [error]
    while causes:
        cause = causes.pop()
        if cause is not None:
            traceback.clear_frames(cause.__traceback__)
            causes += [cause.__cause__, cause.__context__ if cause.__context__ is not cause.__cause__ else None]


def hours_of(readings: Sequence[Reading]) -> frozenset[Hour]:
    """The hours in which readings are."""
    return frozenset([(source, at_us - at_us % HOUR_US) for source, at_us, _, _ in readings])
