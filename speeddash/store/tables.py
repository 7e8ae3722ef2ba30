"""The tables, and the types of their rows."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Dialect, Double, Integer, String, TypeDecorator, column, table
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from speeddash.reading import EARLIEST_US, EPOCH, LATEST_US, microseconds
from speeddash.segment import Segment
from speeddash.timerange import EVER_US, TimeRange


class Moment(TypeDecorator[int]):
    """A column of moments: microseconds since the epoch in Python and SQLite, DATETIME(6) in UTC in MySQL."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of the column in a dialect."""
        return dialect.type_descriptor(DATETIME(fsp=6) if dialect.name == "mysql" else BigInteger())

    def process_bind_param(self, value: int | None, dialect: Dialect) -> datetime | int | None:
        """Convert a value for the database."""
        if value is None or dialect.name != "mysql":
            return value
        # A value outside can only be an end of a range.
        within = min(max(value, EARLIEST_US), LATEST_US)
        return (EPOCH + timedelta(microseconds=within)).replace(tzinfo=None)

    def process_result_value(self, value: datetime | int | None, _dialect: Dialect) -> int | None:
        """Convert a value from the database."""
        return microseconds(value.replace(tzinfo=UTC)) if isinstance(value, datetime) else value


#: The readings.
speed_data: Final = table(
    "speed_data",
    column("source", String),
    column("timestamp", Moment),
    column("seq", BigInteger),
    column("speed", Double),
)
KEY_COLUMNS: Final = ["source", "timestamp", "seq"]


#: Minutes and hours of a source, and seconds where it has very many readings, with the fields of `Segment`.
speed_rollup: Final = table(
    "speed_rollup", column("source", String), column("width_s", Integer), *[column(name) for name in Segment._fields]
)
#: Hours that got or lost readings since they were rolled up, and when they were marked last.
speed_dirty: Final = table(
    "speed_dirty", column("source", String), column("hour_us", BigInteger), column("marked_us", BigInteger)
)
#: Settings of sources; see `SourceSettings`.
speed_source: Final = table(
    "speed_source",
    column("source", String),
    column("limit_kmh", Double),
    column("limited_us", BigInteger),
    column("checked_us", BigInteger),
    column("raw_from_us", BigInteger),
    column("renamed_to", String),
    column("display_name", String),
)
#: Events above a source's limit; see `Event`.
speed_event: Final = table(
    "speed_event",
    column("source", String),
    column("start_us", BigInteger),
    column("end_us", BigInteger),
    column("peak", Double),
    column("limit_kmh", Double),
    column("ongoing", Integer),
    column("tell", Integer),
    column("tries", Integer),
    column("try_us", BigInteger),
    column("notice", Integer),
    column("notice_tries", Integer),
    column("notice_us", BigInteger),
)
#: Names, notes and tags of trips; see `TripNote`.
speed_trip: Final = table(
    "speed_trip",
    column("source", String),
    column("start_us", BigInteger),
    column("name", String),
    column("note", String),
    column("tag", String),
)
#: Servers that use the database together; see `store.nodes`.
speed_node: Final = table(
    "speed_node",
    column("node", String),
    column("url", String),
    column("committed", BigInteger),
    column("expires_us", BigInteger),
)
#: What one server at a time may do; see `store.leases`.
speed_lease: Final = table(
    "speed_lease",
    column("name", String),
    column("node", String),
    column("term", BigInteger),
    column("expires_us", BigInteger),
)
#: Versions of the schema that were applied; see `store.migrations`.
speed_schema: Final = table("speed_schema", column("version", Integer))
TABLES: Final = (
    speed_data, speed_rollup, speed_dirty, speed_source, speed_event, speed_trip, speed_node, speed_lease, speed_schema,
)  # fmt: skip


class Micros(FunctionElement[int]):
    """SQL expression: a `Moment` column as microseconds since the epoch."""

    type = BigInteger()
    inherit_cache = True


@compiles(Micros)
def _micros_sqlite(element: Micros, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(Micros, "mysql")
def _micros_mysql(element: Micros, compiler: SQLCompiler, **options: Any) -> str:
    return f"TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {compiler.process(element.clauses, **options)})"


def begin_of(at_us: ColumnElement[int], width_us: int) -> ColumnElement[int]:
    """Return the multiple of a width at or before a moment; also before the epoch, where SQL's % is negative."""
    return at_us - (at_us % width_us + width_us) % width_us


def during(moment: ColumnElement[int], time: TimeRange) -> list[ColumnElement[bool]]:
    """Return the conditions that a moment is in a range; none for an open end."""
    conditions = [] if time.from_us == -EVER_US else [moment >= time.from_us]
    return conditions if time.to_us == EVER_US else [*conditions, moment < time.to_us]


class Key(NamedTuple):
    """The identity of a reading. Readings are ordered by it."""

    source: str
    at_us: int
    seq: int


class Span(NamedTuple):
    """A source, and the times of its first and last reading, microseconds since the epoch."""

    source: str
    first_us: int
    last_us: int


class Bucket(NamedTuple):
    """At least one reading of a source in a part of its history.

    Attributes:
        at_us: Beginning of the bucket, a multiple of its width since the epoch, in microseconds.
        first_us: Time of the first reading.
        last_us: Time of the last reading.
        n: Number of readings.
        moving: Number of readings above 0.
        total: Sum of the speeds, km/h.
        minimum: Lowest speed, km/h.
        maximum: Highest speed, km/h.
        first: Speed of the first reading, km/h.
        last: Speed of the last reading, km/h.
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
