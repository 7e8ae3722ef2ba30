"""Minutes and hours kept ready: computed from readings, written in their place, and read as stretches."""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, FromClause, and_, case, delete, func, insert, literal, select

from speeddash.store.coverage import RAW, hours, kept, parts, seconds, unmarked_hours, unrolled
from speeddash.store.readings import more_than
from speeddash.store.tables import (
    Micros,
    begin_of,
    speed_data,
    speed_dirty,
    speed_rollup,
)
from speeddash.stretch import GAP_US, HOUR_US, JUMP_KMH_A_US, JUMP_MARGIN_KMH, MINUTE_US, TWICE_KM, Stretch, merge

#: Readings that one statement rolls up at most (60,000 take MariaDB 0.3 s).
MAX_READINGS_A_STATEMENT: Final = 50_000


def stretches(connection: Connection, source: str, from_us: int, to_us: int) -> Iterator[Stretch]:
    """See `Store.stretches`."""
    r = speed_rollup.c
    for unit, begin_us, end_us in parts(from_us, to_us, HOUR_US, unrolled(connection, source, from_us, to_us)):
        if unit == RAW:
            for hour_us in hours(connection, source, begin_us, end_us):
                yield from _computed(connection, source, max(hour_us, begin_us), min(hour_us + HOUR_US, end_us))
            continue
        inside = (r.source == source, r.at_us >= begin_us, r.at_us < end_us)
        if unit == MINUTE_US:
            yield from _rolled_up(connection, *inside, r.width_s == seconds(MINUTE_US))
            continue
        # An hour with a gap inside may hold the end of one trip and the beginning of another: its minutes tell.
        parted = select(r.at_us).where(*inside, r.width_s == seconds(HOUR_US), r.gap_us >= GAP_US)
        minutes: Iterable[Stretch] = ()
        if connection.execute(parted.limit(1)).first():
            mine = begin_of(r.at_us, HOUR_US).in_(parted)
            minutes = _rolled_up(connection, *inside, r.width_s == seconds(MINUTE_US), mine)
        whole = _rolled_up(connection, *inside, r.width_s == seconds(HOUR_US), r.gap_us < GAP_US)
        yield from sorted([*whole, *minutes])


def computed(connection: Connection, source: str, hour_us: int) -> tuple[list[int], list[Stretch] | None]:
    """Earlier hours that nobody has marked, and the minutes of this one from its readings; None where those were removed."""
    missing = unmarked_hours(connection, source, hour_us)
    if not kept(connection, source, hour_us):
        return missing, None
    return missing, list(_computed(connection, source, hour_us, hour_us + HOUR_US))


def write(
    connection: Connection,
    source: str,
    hour_us: int,
    minutes: Sequence[Stretch] | None,
    now_us: ColumnElement[int],
    quiet_us: int,
) -> None:
    """Put minutes, and the hour they make, in the place of those that are there; the mark goes unless it is a new one.

    Args:
        connection: In a transaction.
        source: Whose.
        hour_us: The beginning of the hour.
        minutes: None leaves those that are there.
        now_us: The database's clock.
        quiet_us: A mark that is not older is a new one.
    """
    d = speed_dirty.c
    if minutes is not None:
        connection.execute(delete(speed_rollup).where(_within(source, hour_us)))
    if minutes:
        hour = reduce(merge, minutes)._replace(at_us=hour_us)
        rows = [(MINUTE_US, each) for each in minutes] + [(HOUR_US, hour)]
        connection.execute(
            insert(speed_rollup),
            [{"source": source, "width_s": seconds(width_us), **each._asdict()} for width_us, each in rows],
        )
    mark = and_(d.source == source, d.hour_us == hour_us, d.marked_us <= now_us - quiet_us)
    connection.execute(delete(speed_dirty).where(mark))


def rolled_up_hours(connection: Connection, source: str) -> list[int]:
    """The beginnings of the hours that are rolled up."""
    r = speed_rollup.c
    return list(connection.execute(select(r.at_us).where(r.source == source, r.width_s == seconds(HOUR_US))).scalars())


def _within(source: str, hour_us: int) -> ColumnElement[bool]:
    r = speed_rollup.c
    return and_(
        r.source == source,
        r.width_s.in_([seconds(MINUTE_US), seconds(HOUR_US)]),
        r.at_us >= hour_us,
        r.at_us < hour_us + HOUR_US,
    )


def _rolled_up(connection: Connection, *where: ColumnElement[bool]) -> Iterator[Stretch]:
    query = select(*[speed_rollup.c[name] for name in Stretch._fields]).where(*where).order_by(speed_rollup.c.at_us)
    return (Stretch(*row) for row in connection.execute(query))


def _computed(connection: Connection, source: str, from_us: int, to_us: int) -> Iterator[Stretch]:
    """The minutes of at most an hour, from its readings: what `stretch.of` computes, in SQL.

    An hour with very many readings is computed minute by minute, so that no statement takes longer than a database may.
    """
    if to_us - from_us > MINUTE_US and more_than(connection, source, from_us, to_us, MAX_READINGS_A_STATEMENT):
        begin_us = from_us
        while begin_us < to_us:
            end_us = min(begin_us - begin_us % MINUTE_US + MINUTE_US, to_us)
            yield from _computed(connection, source, begin_us, end_us)
            begin_us = end_us
        return
    x = _neighbours(source, from_us, to_us)
    c = x.c
    between_us = c.us - c.before_us
    first, last = c.before_us.is_(None), c.after_us.is_(None)
    joined = between_us < GAP_US
    jumped = and_(joined, c.speed > c.before + literal(JUMP_MARGIN_KMH) + literal(JUMP_KMH_A_US) * between_us)
    stands = c.moved == 0

    def total(condition: ColumnElement[bool], value: Any) -> ColumnElement[Any]:
        return func.coalesce(func.sum(case((condition, value))), 0)

    columns = (
        c.minute_us,
        func.min(c.us),
        func.max(c.us),
        func.max(case((first, c.speed))),
        func.max(case((last, c.speed))),
        func.count(),
        total(c.speed > 0, 1),
        func.sum(c.speed),
        func.min(c.speed),
        func.max(c.speed),
        func.max(case((and_(~first, ~func.coalesce(jumped, False)), c.speed))),
        total(jumped, 1),
        total(joined, (c.speed + c.before) * between_us) / literal(float(TWICE_KM)),
        total(and_(joined, (c.speed > 0) | (c.before > 0)), between_us),
        total(and_(joined, c.before > 0, c.speed <= 0), 1),
        total(stands, 1),
        func.max(case((stands, c.us))),
        func.coalesce(func.max(between_us), 0),
    )
    query = select(*columns).group_by(c.minute_us).order_by(c.minute_us)
    for row in connection.execute(query):
        yield Stretch._make(cast(each) for cast, each in zip(_CASTS, row, strict=True))


def _neighbours(source: str, from_us: int, to_us: int) -> FromClause:
    """Each reading with the one before and after it in its minute, and how many up to it are above 0."""
    c = speed_data.c
    us = Micros(c.timestamp)
    minute_us = begin_of(us, MINUTE_US)
    window: dict[str, Any] = {"partition_by": minute_us, "order_by": (c.timestamp, c.seq)}
    return (
        select(
            minute_us.label("minute_us"),
            us.label("us"),
            c.speed,
            func.lag(us).over(**window).label("before_us"),
            func.lag(c.speed).over(**window).label("before"),
            func.lead(us).over(**window).label("after_us"),
            # Not a running maximum: MariaDB computes it in time that grows with the square of a minute's readings.
            func.sum(case((c.speed > 0, 1), else_=0)).over(**window, rows=(None, 0)).label("moved"),
        )
        .where(c.source == source, c.timestamp >= from_us, c.timestamp < to_us)
        .subquery()
    )


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _same(value: Any) -> Any:
    return value


#: MySQL's sums of integers are decimals.
_CASTS: Final = [
    _same
    if name in {"first", "last", "minimum", "maximum", "peak"}
    else float
    if name in {"total", "distance_km"}
    else _whole
    for name in Stretch._fields
]
