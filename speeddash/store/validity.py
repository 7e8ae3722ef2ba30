"""Which rollups are valid, and where a query must read readings instead.

Design: the writer marks the hour of each reading dirty, in the same transaction. A dirty hour is answered from its readings. The mark is
renewed while readings keep arriving (`writer.MARK_S`); once it is older than `writer.GRACE_PERIOD_S`, no writer relies on it any more,
and the hour is computed from its readings and its mark removed. A rollup is always computed from all readings of its hour, never added to.
Rows that other programs insert have no mark. They are found after the last rolled-up hour; `python -m speeddash rollup` finds the others.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, func, select

from speeddash.store.tables import begin_of, during, speed_data, speed_dirty, speed_rollup, speed_source
from speeddash.timerange import ALL_TIME, EVER_US, HOUR_US, MINUTE_US, SECOND_US, TimeRange

#: In the place of a rollup's width: readings, no rollup.
RAW: Final = 0


class Part(NamedTuple):
    """A part of a range, and the width in microseconds of the rollups that answer it; `RAW` for readings."""

    width_us: int
    time: TimeRange


def hours(connection: Connection, source: str, time: TimeRange) -> Iterator[int]:
    """Yield the beginnings of the hours that hold readings, with one index lookup for each."""
    c = speed_data.c
    while not time.empty:
        first = select(c.timestamp).where(c.source == source, *during(c.timestamp, time))
        at_us = connection.execute(first.order_by(c.timestamp).limit(1)).scalar()
        if at_us is None:
            return
        yield at_us - at_us % HOUR_US
        time = TimeRange(at_us - at_us % HOUR_US + HOUR_US, time.to_us)


def unmarked_hours(connection: Connection, source: str, before_us: int) -> list[int]:
    """Return the hours after the last rolled-up one, and before a moment, that hold readings and have no mark."""
    d = speed_dirty.c
    begin_us = max(_end_of_rollups(connection, source), raw_from(connection, source))
    found = list(hours(connection, source, TimeRange(begin_us, before_us)))
    if not found:
        return []
    inside = (d.source == source, d.hour_us >= found[0], d.hour_us <= found[-1])
    marked = set(connection.execute(select(d.hour_us).where(*inside)).scalars())
    return [each for each in found if each not in marked]


def first_unrolled(connection: Connection, source: str, before_us: int) -> int:
    """Return the first hour that has readings which no rollup holds yet; the given moment where there is none before it."""
    d = speed_dirty.c
    marked = select(func.min(d.hour_us)).where(d.source == source)
    found = [connection.execute(marked).scalar(), *unmarked_hours(connection, source, before_us)[:1]]
    return min([each for each in found if each is not None], default=before_us)


def is_marked(connection: Connection, source: str, before_us: int) -> bool:
    """Whether an hour before a moment is dirty now, also if that was committed after the transaction began."""
    d = speed_dirty.c
    mark = select(d.hour_us).where(d.source == source, d.hour_us < before_us).limit(1)
    return connection.execute(mark.with_for_update(read=True)).first() is not None


def has_readings(connection: Connection, source: str, hour_us: int) -> bool:
    """Whether an hour can be computed from its readings: none were removed for their age, or it has no rollup."""
    r = speed_rollup.c
    hour = select(r.at_us).where(r.source == source, r.width_s == seconds(HOUR_US), r.at_us == hour_us)
    return hour_us >= raw_from(connection, source) or connection.execute(hour).first() is None


def raw_from(connection: Connection, source: str) -> int:
    """Return the moment before which readings were removed and only rollups are left."""
    s = speed_source.c
    found: int | None = connection.execute(select(s.raw_from_us).where(s.source == source)).scalar()
    return -EVER_US if found is None else found


def without_rollup(connection: Connection, source: str, time: TimeRange) -> list[TimeRange]:
    """Return where readings must be read: dirty hours, and everything after the last rolled-up hour."""
    ranges = [TimeRange(each, each + HOUR_US) for each in computable_hours(connection, source, time)]
    ranges.append(TimeRange(max(raw_from(connection, source), _end_of_rollups(connection, source))))
    joined: list[TimeRange] = []
    for each in sorted(ranges):
        if joined and each.from_us <= joined[-1].to_us:
            joined[-1] = TimeRange(joined[-1].from_us, max(each.to_us, joined[-1].to_us))
        else:
            joined.append(each)
    return joined


def without_seconds(connection: Connection, source: str, time: TimeRange) -> list[TimeRange]:
    """Return where readings must be read for lack of valid rollups of seconds, which only hours with very many readings have.

    The seconds of an hour must make up the hour: a server of an earlier version, which knows no seconds, may have computed it since.
    """
    r = speed_rollup.c
    begin = begin_of(r.at_us, HOUR_US).label("begin")
    hours_us = TimeRange(time.from_us // HOUR_US * HOUR_US, -(-time.to_us // HOUR_US) * HOUR_US)
    inside = (r.source == source, r.at_us >= hours_us.from_us, r.at_us < hours_us.to_us)
    sums = (
        func.sum(r.n), func.sum(r.moving), func.min(r.first_us), func.max(r.last_us), func.min(r.minimum), func.max(r.maximum),
        func.sum(r.total),
    )  # fmt: skip
    held = {
        row[0]: row[1:]
        for row in connection.execute(
            select(begin, *sums).where(*inside, r.width_s == seconds(SECOND_US)).group_by(begin)
        )
    }
    if not held:
        return [ALL_TIME]
    columns = (r.n, r.moving, r.first_us, r.last_us, r.minimum, r.maximum, r.total)
    whole = select(r.at_us, *columns).where(*inside, r.width_s == seconds(HOUR_US)).order_by(r.at_us)
    dirty = set(computable_hours(connection, source, time))
    valid = [
        at_us
        for at_us, *figures in connection.execute(whole)
        if at_us in held and at_us not in dirty and _equal(figures, held[at_us])
    ]
    begins = [-EVER_US, *(each + HOUR_US for each in valid)]
    ranges = [TimeRange(*each) for each in zip(begins, [*valid, EVER_US], strict=True)]
    return [each for each in ranges if not each.empty]


def _equal(hour: Sequence[Any], sums: Sequence[Any]) -> bool:
    """Whether figures of an hour are the sums of its seconds: all the same, but the total of the speeds, which depends on the order."""
    return [*hour[:-1]] == [*sums[:-1]] and math.isclose(hour[-1], sums[-1], rel_tol=1e-9)


def parts(time: TimeRange, max_width_us: int, raw: Iterable[TimeRange]) -> Iterator[Part]:
    """Divide a range into parts that are answered from the widest rollups that fit.

    Args:
        time: The range.
        max_width_us: Widest rollup to use, of hours, minutes or seconds; `RAW` for none. Seconds are used alone.
        raw: Where readings must be read, in the order of time.
    """
    widths = (
        [SECOND_US] if max_width_us == SECOND_US else [each for each in (HOUR_US, MINUTE_US) if each <= max_width_us]
    )
    at_us = time.from_us
    for each in raw:
        if each.from_us > at_us:
            yield from _split(TimeRange(at_us, min(each.from_us, time.to_us)), widths)
        here = each.within(TimeRange(at_us, time.to_us))
        if not here.empty:
            yield Part(RAW, here)
        at_us = max(at_us, each.to_us)
        if at_us >= time.to_us:
            return
    yield from _split(TimeRange(at_us, time.to_us), widths)


def seconds(width_us: int) -> int:
    """Return the width of a rollup as the column `width_s` has it."""
    return width_us // 1_000_000


def computable_hours(connection: Connection, source: str, time: TimeRange) -> list[int]:
    """Return the dirty hours that overlap a range and can be computed from readings."""
    d = speed_dirty.c
    inside = (d.source == source, d.hour_us > time.from_us - HOUR_US, d.hour_us < time.to_us)
    marked = connection.execute(select(d.hour_us).where(*inside).order_by(d.hour_us)).scalars().all()
    raw_from_us = raw_from(connection, source)
    return [each for each in marked if each >= raw_from_us or has_readings(connection, source, each)]


def _end_of_rollups(connection: Connection, source: str) -> int:
    """Return the end of the last rolled-up hour."""
    r = speed_rollup.c
    last = select(func.max(r.at_us)).where(r.source == source, r.width_s == seconds(HOUR_US))
    last_us: int | None = connection.execute(last).scalar()
    return -EVER_US if last_us is None else last_us + HOUR_US


def _split(time: TimeRange, widths: Sequence[int]) -> Iterator[Part]:
    if time.empty:
        return
    if not widths:
        yield Part(RAW, time)
        return
    width_us, *finer = widths
    begin_us, end_us = -(-time.from_us // width_us) * width_us, time.to_us // width_us * width_us
    if begin_us >= end_us:
        yield from _split(time, finer)
        return
    yield from _split(TimeRange(time.from_us, begin_us), finer)
    yield Part(width_us, TimeRange(begin_us, end_us))
    yield from _split(TimeRange(end_us, time.to_us), finer)
