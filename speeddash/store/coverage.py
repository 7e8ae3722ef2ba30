"""Where rollups are true, and where readings must be asked themselves.

Design: who stores readings marks their hour dirty in the same transaction, and an hour that is dirty is answered from its readings. A
mark is renewed while readings keep coming (`Store.insert`); once it has been quiet for longer than that, nobody can be storing into
the hour without marking it anew, and `Store.roll_up` computes the hour from its readings. Nothing is ever added to a rollup.
Rows that others insert are seen behind the last rolled-up hour; further back, `python -m speeddash rollup` finds them.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sqlalchemy import ColumnElement, Connection, func, select

from speeddash.store.tables import speed_data, speed_dirty, speed_rollup, speed_source
from speeddash.stretch import EVER_US, HOUR_US, MINUTE_US

#: Its own readings, and no rollup.
RAW: Final = 0
#: A stretch of time: from, inclusive, and to, exclusive.
Range = tuple[int, int]


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


def next_hour(connection: Connection, source: str, from_us: int) -> int | None:
    """See `Store.next_hour`."""
    r = speed_rollup.c
    here = next(hours(connection, source, from_us, EVER_US), None)
    rolled = select(func.min(r.at_us)).where(r.source == source, r.width_s == seconds(HOUR_US), r.at_us >= from_us)
    found = [each for each in (here, connection.execute(rolled).scalar()) if each is not None]
    return min(found, default=None)


def dirty(connection: Connection, now_us: ColumnElement[int], quiet_us: int, limit: int) -> list[tuple[str, int]]:
    """Hours that were marked, and not again for some time: (source, beginning)."""
    d, s = speed_dirty.c, speed_source.c
    # A source that is being renamed is half here, half there.
    moving = (
        select(s.source)
        .where(s.renamed_to.is_not(None))
        .union_all(select(s.renamed_to).where(s.renamed_to.is_not(None)))
    )
    due = (d.marked_us <= now_us - quiet_us, d.source.not_in(moving))
    query = select(d.source, d.hour_us).where(*due).order_by(d.source, d.hour_us).limit(limit)
    return [(source, hour_us) for source, hour_us in connection.execute(query)]


def unmarked_hours(connection: Connection, source: str, before_us: int) -> list[int]:
    """See `Store.unmarked_hours`."""
    d = speed_dirty.c
    begin_us = max(_frontier(connection, source), raw_from(connection, source))
    found = list(hours(connection, source, begin_us, before_us))
    if not found:
        return []
    inside = (d.source == source, d.hour_us >= found[0], d.hour_us <= found[-1])
    marked = set(connection.execute(select(d.hour_us).where(*inside)).scalars())
    return [each for each in found if each not in marked]


def unrolled_hours(connection: Connection, source: str, before_us: int) -> list[int]:
    """See `Store.unrolled_hours`."""
    return [*_marked(connection, source, -EVER_US, before_us), *unmarked_hours(connection, source, before_us)]


def kept(connection: Connection, source: str, hour_us: int) -> bool:
    """Whether an hour's readings are all there: they were not removed, or it never was rolled up before."""
    r = speed_rollup.c
    hour = select(r.at_us).where(r.source == source, r.width_s == seconds(HOUR_US), r.at_us == hour_us)
    return hour_us >= raw_from(connection, source) or connection.execute(hour).first() is None


def _marked(connection: Connection, source: str, from_us: int, to_us: int) -> list[int]:
    """The dirty hours that overlap a range and can be computed from readings."""
    d = speed_dirty.c
    inside = (d.source == source, d.hour_us > from_us - HOUR_US, d.hour_us < to_us)
    marked = connection.execute(select(d.hour_us).where(*inside).order_by(d.hour_us)).scalars().all()
    kept_us = raw_from(connection, source)
    return [each for each in marked if each >= kept_us or kept(connection, source, each)]


def raw_from(connection: Connection, source: str) -> int:
    """From when on the readings are still there: rollups alone tell of what lies before."""
    s = speed_source.c
    found: int | None = connection.execute(select(s.raw_from_us).where(s.source == source)).scalar()
    return -EVER_US if found is None else found


def _frontier(connection: Connection, source: str) -> int:
    """Behind this no hour is rolled up."""
    r = speed_rollup.c
    last = select(func.max(r.at_us)).where(r.source == source, r.width_s == seconds(HOUR_US))
    last_us: int | None = connection.execute(last).scalar()
    return -EVER_US if last_us is None else last_us + HOUR_US


def unrolled(connection: Connection, source: str, from_us: int, to_us: int) -> list[Range]:
    """Where readings must be asked themselves: dirty hours, and all behind the last rolled-up one."""
    ranges = [(each, each + HOUR_US) for each in _marked(connection, source, from_us, to_us)]
    ranges.append((max(raw_from(connection, source), _frontier(connection, source)), EVER_US))
    joined: list[Range] = []
    for begin_us, end_us in sorted(ranges):
        if joined and begin_us <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end_us, joined[-1][1]))
        else:
            joined.append((begin_us, end_us))
    return joined


def parts(from_us: int, to_us: int, unit_us: int, raw: Iterable[Range]) -> Iterator[tuple[int, int, int]]:
    """A range in parts, each with the width of the rollup that answers it, as wide ones as fit."""
    units = [each for each in (HOUR_US, MINUTE_US) if each <= unit_us]
    at_us = from_us
    for begin_us, end_us in raw:
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


def seconds(width_us: int) -> int:
    """A width as `speed_rollup` names it."""
    return width_us // 1_000_000
