"""Buckets and segments of a source's history, from valid rollups where there are any, else from readings."""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import groupby
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, FromClause, and_, case, func, literal, select

from speeddash.segment import GAP_US, JUMP_KMH_PER_US, JUMP_MARGIN_KMH, TWICE_KM, Segment, merge
from speeddash.store.buckets import buckets
from speeddash.store.readings import more_than
from speeddash.store.session import Session
from speeddash.store.tables import Bucket, Micros, begin_of, during, speed_data, speed_rollup
from speeddash.store.validity import RAW, computable_hours, hours, parts, seconds, without_rollup
from speeddash.timerange import EVER_US, HOUR_US, MINUTE_US, SECOND_US, TimeRange

#: Readings that one statement rolls up (60,000 take MariaDB 0.3 s). Of an hour with more, seconds are rolled up besides minutes: at most a
#: row for 14 readings, and a chart of an hour at 1,000 readings a second reads 3,600 rows instead of 3.6 million.
MAX_READINGS_PER_STATEMENT: Final = 50_000


class Rollups:
    """The history of sources in parts. Any thread or greenlet may call it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def buckets(self, source: str, time: TimeRange, width_us: int) -> list[Bucket]:
        """Return the readings of a source in buckets of one width, in the order of time; empty buckets are left out.

        Args:
            source: Name of the source.
            time: The range.
            width_us: Width of a bucket; its edges are multiples of it since the epoch.
        """
        return self._session.ask(buckets, source, time, width_us)

    def segments(self, source: str, time: TimeRange) -> list[Segment]:
        """Return the readings of a source in segments without a gap of 300 s or more, in the order of time.

        They are hours where that is possible, else minutes, and shorter at the ends of the range.
        """
        return self._session.ask(lambda connection: list(_segments(connection, source, time)))

    def hours(self, source: str, time: TimeRange) -> list[int]:
        """Return the beginnings of the hours of a source that hold readings."""
        return self._session.ask(lambda connection: list(hours(connection, source, time)))

    def dirty_hours(self, source: str, time: TimeRange) -> int:
        """Return the number of hours in a range whose readings are to be rolled up again."""
        return len(self._session.ask(computable_hours, source, time))

    def next_hour(self, source: str, from_us: int) -> int | None:
        """Return the beginning of the first hour from a moment on that holds readings or a rollup; None where none does."""
        return self._session.ask(_next_hour, source, from_us)

    def rolled_up_hours(self, source: str) -> list[int]:
        """Return the beginnings of the hours of a source that are rolled up."""
        return self._session.ask(_rolled_up_hours, source)


def _next_hour(connection: Connection, source: str, from_us: int) -> int | None:
    r = speed_rollup.c
    raw = next(hours(connection, source, TimeRange(from_us, EVER_US)), None)
    hour = select(func.min(r.at_us)).where(r.source == source, r.width_s == seconds(HOUR_US), r.at_us >= from_us)
    found = [each for each in (raw, connection.execute(hour).scalar()) if each is not None]
    return min(found, default=None)


def _rolled_up_hours(connection: Connection, source: str) -> list[int]:
    r = speed_rollup.c
    return list(connection.execute(select(r.at_us).where(r.source == source, r.width_s == seconds(HOUR_US))).scalars())


def _segments(connection: Connection, source: str, time: TimeRange) -> Iterator[Segment]:
    r = speed_rollup.c
    for part in parts(time, HOUR_US, without_rollup(connection, source, time)):
        if part.width_us == RAW:
            for hour_us in hours(connection, source, part.time):
                hour = TimeRange(hour_us, hour_us + HOUR_US).within(part.time)
                yield from minutes_of(connection, source, hour)
            continue
        inside = (r.source == source, r.at_us >= part.time.from_us, r.at_us < part.time.to_us)
        if part.width_us == MINUTE_US:
            yield from _rolled_up(connection, *inside, r.width_s == seconds(MINUTE_US))
            continue
        # An hour with a gap may hold the end of one trip and the beginning of another: its minutes are read instead.
        with_gap = select(r.at_us).where(*inside, r.width_s == seconds(HOUR_US), r.gap_us >= GAP_US)
        minutes: Iterable[Segment] = ()
        if connection.execute(with_gap.limit(1)).first():
            in_those = begin_of(r.at_us, HOUR_US).in_(with_gap)
            minutes = _rolled_up(connection, *inside, r.width_s == seconds(MINUTE_US), in_those)
        whole = _rolled_up(connection, *inside, r.width_s == seconds(HOUR_US), r.gap_us < GAP_US)
        yield from sorted([*whole, *minutes])


def _rolled_up(connection: Connection, *where: ColumnElement[bool]) -> Iterator[Segment]:
    query = select(*[speed_rollup.c[name] for name in Segment._fields]).where(*where).order_by(speed_rollup.c.at_us)
    return (Segment(*row) for row in connection.execute(query))


def minutes_kept(connection: Connection, source: str, hour: TimeRange) -> list[Segment]:
    """Return the stored minutes of an hour."""
    r = speed_rollup.c
    inside = (r.source == source, r.at_us >= hour.from_us, r.at_us < hour.to_us)
    return list(_rolled_up(connection, *inside, r.width_s == seconds(MINUTE_US)))


def minutes_of(connection: Connection, source: str, time: TimeRange) -> Iterator[Segment]:
    """Compute the minutes of at most an hour from its readings: the same figures as `segment.of`, in SQL.

    An hour with very many readings is computed minute by minute, so that no statement exceeds the database's time limit.
    """
    if time.to_us - time.from_us > MINUTE_US and _is_dense(connection, source, time):
        for minute in _minutes(time):
            yield from _computed(connection, source, minute, MINUTE_US)
    else:
        yield from _computed(connection, source, time, MINUTE_US)


def seconds_and_minutes(
    connection: Connection, source: str, hour: TimeRange
) -> tuple[Sequence[Segment], Sequence[Segment]]:
    """Compute the minutes of an hour from its readings, and its seconds if it has very many of them; else there are no seconds."""
    if not _is_dense(connection, source, hour):
        return [], list(_computed(connection, source, hour, MINUTE_US))
    fine = [each for minute in _minutes(hour) for each in _computed(connection, source, minute, SECOND_US)]
    minutes = groupby(fine, lambda each: each.at_us - each.at_us % MINUTE_US)
    return fine, [reduce(merge, part)._replace(at_us=at_us) for at_us, part in minutes]


def _is_dense(connection: Connection, source: str, time: TimeRange) -> bool:
    return more_than(connection, source, time, MAX_READINGS_PER_STATEMENT)


def _minutes(time: TimeRange) -> Iterator[TimeRange]:
    begin_us = time.from_us
    while begin_us < time.to_us:
        end_us = min(begin_us - begin_us % MINUTE_US + MINUTE_US, time.to_us)
        yield TimeRange(begin_us, end_us)
        begin_us = end_us


def _computed(connection: Connection, source: str, time: TimeRange, width_us: int) -> Iterator[Segment]:
    """Compute segments of one width, whose edges are multiples of it since the epoch, from readings."""
    x = _neighbours(source, time, width_us)
    c = x.c
    between_us = c.us - c.before_us
    first, last = c.before_us.is_(None), c.after_us.is_(None)
    joined = between_us < GAP_US
    jumped = and_(joined, c.speed > c.before + literal(JUMP_MARGIN_KMH) + literal(JUMP_KMH_PER_US) * between_us)
    standing = c.moved == 0

    def total(condition: ColumnElement[bool], value: Any) -> ColumnElement[Any]:
        return func.coalesce(func.sum(case((condition, value))), 0)

    columns = (
        c.begin_us,
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
        total(standing, 1),
        func.max(case((standing, c.us))),
        func.coalesce(func.max(between_us), 0),
    )
    query = select(*columns).group_by(c.begin_us).order_by(c.begin_us)
    for row in connection.execute(query):
        yield Segment._make(cast(each) for cast, each in zip(_CASTS, row, strict=True))


def _neighbours(source: str, time: TimeRange, width_us: int) -> FromClause:
    """Return each reading with the one before and after it in its segment, and the number of readings above 0 up to it."""
    c = speed_data.c
    us = Micros(c.timestamp)
    begin_us = begin_of(us, width_us)
    window: dict[str, Any] = {"partition_by": begin_us, "order_by": (c.timestamp, c.seq)}
    return (
        select(
            begin_us.label("begin_us"),
            us.label("us"),
            c.speed,
            func.lag(us).over(**window).label("before_us"),
            func.lag(c.speed).over(**window).label("before"),
            func.lead(us).over(**window).label("after_us"),
            # Not a running maximum: MariaDB computes it in time that grows with the square of a segment's readings.
            func.sum(case((c.speed > 0, 1), else_=0)).over(**window, rows=(None, 0)).label("moved"),
        )
        .where(c.source == source, *during(c.timestamp, time))
        .subquery()
    )


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)


def _unchanged(value: Any) -> Any:
    return value


#: Conversions of the columns: MySQL returns sums of integers as decimals.
_CASTS: Final = [
    _unchanged
    if name in {"first", "last", "minimum", "maximum", "peak"}
    else float
    if name in {"total", "distance_km"}
    else _integer
    for name in Segment._fields
]
