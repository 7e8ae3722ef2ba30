"""The tables as SQLAlchemy sees them, and what their rows are called in Python."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Dialect, Double, Integer, String, TypeDecorator, column, table
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from speeddash.reading import EARLIEST_US, EPOCH, LATEST_US, microseconds
from speeddash.stretch import Stretch


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
        # What lies outside can only be an end of a range.
        within = min(max(value, EARLIEST_US), LATEST_US)
        return (EPOCH + timedelta(microseconds=within)).replace(tzinfo=None)

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


#: Minutes and hours, as `Stretch` describes them: what `store.rollup` computes from `speed_data`.
speed_rollup: Final = table(
    "speed_rollup", column("source", String), column("width_s", Integer), *[column(name) for name in Stretch._fields]
)
#: Hours that got or lost readings since they were rolled up, and when that was last said.
speed_dirty: Final = table(
    "speed_dirty", column("source", String), column("hour_us", BigInteger), column("marked_us", BigInteger)
)
#: What a source has besides readings: its limit, and how far its history has been worked through.
speed_source: Final = table(
    "speed_source",
    column("source", String),
    column("limit_kmh", Double),
    column("limited_us", BigInteger),
    column("checked_us", BigInteger),
    column("raw_from_us", BigInteger),
    column("renamed_to", String),
)
#: Stretches above a source's limit.
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
)
#: Versions of the schema that were applied; see `store.migrations`.
speed_schema: Final = table("speed_schema", column("version", Integer))
TABLES: Final = (speed_data, speed_rollup, speed_dirty, speed_source, speed_event, speed_schema)


class Micros(FunctionElement[int]):
    """A `Moment` as microseconds since the epoch, inside SQL."""

    type = BigInteger()
    inherit_cache = True


@compiles(Micros)
def _as_it_is(element: Micros, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(Micros, "mysql")
def _counted(element: Micros, compiler: SQLCompiler, **options: Any) -> str:
    return f"TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {compiler.process(element.clauses, **options)})"


def begin_of(at_us: ColumnElement[int], width_us: int) -> ColumnElement[int]:
    """The multiple of a width at or before a moment; also before the epoch, where SQL's % is negative."""
    return at_us - (at_us % width_us + width_us) % width_us


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
