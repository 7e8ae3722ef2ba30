"""Minutes and hours kept ready, and every question about history: from them where they are true, from readings elsewhere.

Design: who stores readings marks their hour dirty in the same transaction, and an hour that is dirty is answered from its readings. A
mark is renewed while readings keep coming (`Store.insert`); once it has been quiet for longer than that, nobody can be storing into
the hour without marking it anew, and `roll_up` computes the hour from its readings. Nothing is ever added to a rollup.
Rows that others insert are seen behind the last rolled-up hour; further back, `python -m speeddash rollup` finds them.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, FromClause, and_, case, delete, func, insert, literal, select

from speeddash.store.tables import (
    Bucket,
    Micros,
    begin_of,
    speed_data,
    speed_dirty,
    speed_rollup,
    speed_source,
)
from speeddash.stretch import GAP_US, HOUR_US, JUMP_KMH_A_US, JUMP_MARGIN_KMH, MINUTE_US, TWICE_KM, Stretch, merge

#: Its own readings, and no rollup.
RAW: Final = 0
ENDLESS_US: Final = 2**62
#: A stretch of time: from, inclusive, and to, exclusive.
Range = tuple[int, int]


def buckets(connection: Connection, source: str, from_us: int, to_us: int, width_us: int) -> list[Bucket]:
    """See `Store.buckets`."""
    unit_us = next((each for each in (HOUR_US, MINUTE_US) if width_us % each == 0), RAW)
    unrolled = _unrolled(connection, source, from_us, to_us) if unit_us else []
    found: list[Bucket] = []
    for unit, begin_us, end_us in _parts(from_us, to_us, unit_us, unrolled):
        ask = _bucket_rollups if unit else _bucket_readings
        for row in connection.execute(ask(source, begin_us, end_us, width_us, unit)):
            bucket = Bucket(int(row[0]), int(row[1]), int(row[2]), int(row[3]), int(row[4]), *row[5:])
            if found and found[-1].at_us == bucket.at_us:
                found[-1] = _joined(found[-1], bucket)
            else:
                found.append(bucket)
    return found


def stretches(connection: Connection, source: str, from_us: int, to_us: int) -> Iterator[Stretch]:
    """See `Store.stretches`."""
    r = speed_rollup.c
    for unit, begin_us, end_us in _parts(from_us, to_us, HOUR_US, _unrolled(connection, source, from_us, to_us)):
        if unit == RAW:
            for hour_us in hours(connection, source, begin_us, end_us):
                yield from _computed(connection, source, max(hour_us, begin_us), min(hour_us + HOUR_US, end_us))
            continue
        inside = (r.source == source, r.at_us >= begin_us, r.at_us < end_us)
        if unit == MINUTE_US:
            yield from _rolled_up(connection, *inside, r.width_s == _seconds(MINUTE_US))
            continue
        # An hour with a gap inside may hold the end of one trip and the beginning of another: its minutes tell.
        parted = select(r.at_us).where(*inside, r.width_s == _seconds(HOUR_US), r.gap_us >= GAP_US)
        minutes = (
            list(
                _rolled_up(
                    connection, *inside, r.width_s == _seconds(MINUTE_US), begin_of(r.at_us, HOUR_US).in_(parted)
                )
            )
            if connection.execute(parted.limit(1)).first()
            else []
        )
        whole = _rolled_up(connection, *inside, r.width_s == _seconds(HOUR_US), r.gap_us < GAP_US)
        yield from sorted([*whole, *minutes])


def hours(connection: Connection, source: str, from_us: int, to_us: int) -> Iterator[int]:
    """The beginnings of the hours that hold readings, one step down the index for each."""
    c = speed_data.c
    while from_us < to_us:
        first = select(c.timestamp).where(c.source == source, c.timestamp >= from_us, c.timestamp < to_us)
        at_us = connection.execute(first.order_by(c.timestamp).limit(1)).scalar()
        if at_us is None:
            return
        yield at_us - at_us % HOUR_US
        from_us = at_us - at_us % HOUR_US + HOUR_US


def dirty(connection: Connection, now_us: ColumnElement[int], quiet_us: int, limit: int) -> list[tuple[str, int]]:
    """Hours that were marked, and not again for some time: (source, beginning)."""
    d = speed_dirty.c
    query = select(d.source, d.hour_us).where(d.marked_us <= now_us - quiet_us).order_by(d.source, d.hour_us)
    return [(source, hour_us) for source, hour_us in connection.execute(query.limit(limit))]


def unmarked_hours(connection: Connection, source: str, before_us: int) -> list[int]:
    """See `Store.unmarked_hours`."""
    d = speed_dirty.c
    marked = set(connection.execute(select(d.hour_us).where(d.source == source)).scalars())
    begin_us = max(_frontier(connection, source), raw_from(connection, source))
    return [each for each in hours(connection, source, begin_us, before_us) if each not in marked]


def unrolled_hours(connection: Connection, source: str, before_us: int) -> list[int]:
    """See `Store.unrolled_hours`."""
    d = speed_dirty.c
    inside = (d.source == source, d.hour_us < before_us, d.hour_us >= raw_from(connection, source))
    marked = connection.execute(select(d.hour_us).where(*inside)).scalars()
    return [*marked, *unmarked_hours(connection, source, before_us)]


def computed(connection: Connection, source: str, hour_us: int) -> tuple[list[int], list[Stretch] | None]:
    """Earlier hours that nobody has marked, and the minutes of this one from its readings; None where those were removed."""
    missing = unmarked_hours(connection, source, hour_us)
    if hour_us < raw_from(connection, source):
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
            [{"source": source, "width_s": _seconds(width_us), **each._asdict()} for width_us, each in rows],
        )
    mark = and_(d.source == source, d.hour_us == hour_us, d.marked_us <= now_us - quiet_us)
    connection.execute(delete(speed_dirty).where(mark))


def rolled_up_hours(connection: Connection, source: str) -> list[int]:
    """The beginnings of the hours that are rolled up."""
    r = speed_rollup.c
    return list(connection.execute(select(r.at_us).where(r.source == source, r.width_s == _seconds(HOUR_US))).scalars())


def raw_from(connection: Connection, source: str) -> int:
    """From when on the readings are still there: rollups alone tell of what lies before."""
    s = speed_source.c
    found: int | None = connection.execute(select(s.raw_from_us).where(s.source == source)).scalar()
    return -ENDLESS_US if found is None else found


def _within(source: str, hour_us: int) -> ColumnElement[bool]:
    r = speed_rollup.c
    return and_(
        r.source == source,
        r.width_s.in_([_seconds(MINUTE_US), _seconds(HOUR_US)]),
        r.at_us >= hour_us,
        r.at_us < hour_us + HOUR_US,
    )


def _frontier(connection: Connection, source: str) -> int:
    """Behind this no hour is rolled up."""
    r = speed_rollup.c
    last = select(func.max(r.at_us)).where(r.source == source, r.width_s == _seconds(HOUR_US))
    last_us: int | None = connection.execute(last).scalar()
    return -ENDLESS_US if last_us is None else last_us + HOUR_US


def _unrolled(connection: Connection, source: str, from_us: int, to_us: int) -> list[Range]:
    """Where readings must be asked themselves: dirty hours, and all behind the last rolled-up one."""
    d = speed_dirty.c
    inside = (d.source == source, d.hour_us > from_us - HOUR_US, d.hour_us < to_us)
    marked = connection.execute(select(d.hour_us).where(*inside).order_by(d.hour_us)).scalars()
    kept_us = raw_from(connection, source)
    ranges = [(each, each + HOUR_US) for each in marked if each >= kept_us]
    ranges.append((max(kept_us, _frontier(connection, source)), ENDLESS_US))
    joined: list[Range] = []
    for begin_us, end_us in sorted(ranges):
        if joined and begin_us <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end_us, joined[-1][1]))
        else:
            joined.append((begin_us, end_us))
    return joined


def _parts(from_us: int, to_us: int, unit_us: int, unrolled: Iterable[Range]) -> Iterator[tuple[int, int, int]]:
    """A range in parts, each with the width of the rollup that answers it, as wide ones as fit."""
    units = [each for each in (HOUR_US, MINUTE_US) if each <= unit_us]
    at_us = from_us
    for begin_us, end_us in unrolled:
        if begin_us > at_us:
            yield from _split(at_us, min(begin_us, to_us), units)
        if max(begin_us, from_us) < min(end_us, to_us):
            yield RAW, max(begin_us, at_us), min(end_us, to_us)
        at_us = max(at_us, end_us)
        if at_us >= to_us:
            return
    yield from _split(at_us, to_us, units)


def _split(from_us: int, to_us: int, units: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    if from_us >= to_us:
        return
    if not units:
        yield RAW, from_us, to_us
        return
    unit, *finer = units
    begin_us, end_us = -(-from_us // unit) * unit, to_us // unit * unit
    if begin_us >= end_us:
        yield from _split(from_us, to_us, finer)
        return
    yield from _split(from_us, begin_us, finer)
    yield unit, begin_us, end_us
    yield from _split(end_us, to_us, finer)


def _bucket_readings(source: str, from_us: int, to_us: int, width_us: int, _unit: int) -> Any:
    c = speed_data.c
    at_us = begin_of(Micros(c.timestamp), width_us).label("at_us")
    g = (
        select(
            at_us,
            func.min(c.timestamp).label("first_at"),
            func.max(c.timestamp).label("last_at"),
            func.count().label("n"),
            func.sum(case((c.speed > 0, 1), else_=0)).label("moving"),
            func.sum(c.speed).label("total"),
            func.min(c.speed).label("minimum"),
            func.max(c.speed).label("maximum"),
        )
        .where(c.source == source, c.timestamp >= from_us, c.timestamp < to_us)
        .group_by(at_us)
        .subquery()
    )
    at = speed_data.alias()
    speed = select(at.c.speed).where(at.c.source == source).limit(1)
    first = speed.where(at.c.timestamp == g.c.first_at).order_by(at.c.seq).scalar_subquery()
    last = speed.where(at.c.timestamp == g.c.last_at).order_by(at.c.seq.desc()).scalar_subquery()
    return select(g, first, last).order_by(g.c.at_us)


def _bucket_rollups(source: str, from_us: int, to_us: int, width_us: int, unit_us: int) -> Any:
    r = speed_rollup.c
    mine = (r.source == source, r.width_s == _seconds(unit_us))
    inside = (*mine, r.at_us >= from_us, r.at_us < to_us)
    same = (r.at_us, r.first_us, r.last_us, r.n, r.moving, r.total, r.minimum, r.maximum, r.first, r.last)
    if width_us == unit_us:
        return select(*same).where(*inside).order_by(r.at_us)
    at_us = begin_of(r.at_us, width_us).label("bucket_us")
    g = (
        select(
            at_us,
            func.min(r.first_us),
            func.max(r.last_us),
            func.sum(r.n),
            func.sum(r.moving),
            func.sum(r.total),
            func.min(r.minimum),
            func.max(r.maximum),
            func.min(r.at_us).label("begin_us"),
            func.max(r.at_us).label("end_us"),
        )
        .where(*inside)
        .group_by(at_us)
        .subquery()
    )
    at = speed_rollup.alias()
    mine_too = (at.c.source == source, at.c.width_s == _seconds(unit_us))
    first = select(at.c.first).where(*mine_too, at.c.at_us == g.c.begin_us).scalar_subquery()
    last = select(at.c.last).where(*mine_too, at.c.at_us == g.c.end_us).scalar_subquery()
    return select(*list(g.c)[:-2], first, last).order_by(g.c.bucket_us)


def _joined(a: Bucket, b: Bucket) -> Bucket:
    return Bucket(
        a.at_us, a.first_us, b.last_us, a.n + b.n, a.moving + b.moving, a.total + b.total,
        min(a.minimum, b.minimum), max(a.maximum, b.maximum), a.first, b.last,
    )  # fmt: skip


def _rolled_up(connection: Connection, *where: ColumnElement[bool]) -> Iterator[Stretch]:
    query = select(*[speed_rollup.c[name] for name in Stretch._fields]).where(*where).order_by(speed_rollup.c.at_us)
    return (Stretch(*row) for row in connection.execute(query))


def _computed(connection: Connection, source: str, from_us: int, to_us: int) -> Iterator[Stretch]:
    """The minutes of at most an hour, from its readings: what `stretch.of` computes, in SQL."""
    x = _neighbours(source, from_us, to_us)
    c = x.c
    between_us = c.us - c.before_us
    first, last = c.before_us.is_(None), c.after_us.is_(None)
    joined = between_us < GAP_US
    jumped = and_(joined, c.speed > c.before + literal(JUMP_MARGIN_KMH) + literal(JUMP_KMH_A_US) * between_us)
    stands = c.highest <= 0

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
    """Each reading with the one before and behind it in its minute, and the highest speed up to it."""
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
            func.max(c.speed).over(**window, rows=(None, 0)).label("highest"),
        )
        .where(c.source == source, c.timestamp >= from_us, c.timestamp < to_us)
        .subquery()
    )


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _seconds(width_us: int) -> int:
    return width_us // 1_000_000


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
