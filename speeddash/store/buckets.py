"""The readings of a source in buckets of one width, from valid rollups where there are any."""

from typing import Any

from sqlalchemy import Connection, case, func, select

from speeddash.store.tables import Bucket, Micros, begin_of, during, speed_data, speed_rollup
from speeddash.store.validity import RAW, Part, parts, seconds, without_rollup, without_seconds
from speeddash.timerange import HOUR_US, MINUTE_US, SECOND_US, TimeRange


def buckets(connection: Connection, source: str, time: TimeRange, width_us: int) -> list[Bucket]:
    """See `Rollups.buckets`."""
    rollup_us = next((each for each in (HOUR_US, MINUTE_US, SECOND_US) if width_us % each == 0), RAW)
    raw: list[TimeRange] = []
    if rollup_us:
        raw = (without_seconds if rollup_us == SECOND_US else without_rollup)(connection, source, time)
    found: list[Bucket] = []
    for part in parts(time, rollup_us, raw):
        query = _from_rollups if part.width_us else _from_readings
        for row in connection.execute(query(source, part, width_us)):
            bucket = Bucket(int(row[0]), int(row[1]), int(row[2]), int(row[3]), int(row[4]), *row[5:])
            if found and found[-1].at_us == bucket.at_us:
                found[-1] = _joined(found[-1], bucket)
            else:
                found.append(bucket)
    return found


def _from_readings(source: str, part: Part, width_us: int) -> Any:
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
        .where(c.source == source, *during(c.timestamp, part.time))
        .group_by(at_us)
        .subquery()
    )
    at = speed_data.alias()
    speed = select(at.c.speed).where(at.c.source == source).limit(1)
    first = speed.where(at.c.timestamp == g.c.first_at).order_by(at.c.seq).scalar_subquery()
    last = speed.where(at.c.timestamp == g.c.last_at).order_by(at.c.seq.desc()).scalar_subquery()
    return select(g, first, last).order_by(g.c.at_us)


def _from_rollups(source: str, part: Part, width_us: int) -> Any:
    r = speed_rollup.c
    inside = (
        r.source == source,
        r.width_s == seconds(part.width_us),
        r.at_us >= part.time.from_us,
        r.at_us < part.time.to_us,
    )
    columns = (r.at_us, r.first_us, r.last_us, r.n, r.moving, r.total, r.minimum, r.maximum, r.first, r.last)
    if width_us == part.width_us:
        return select(*columns).where(*inside).order_by(r.at_us)
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
    of_source = (at.c.source == source, at.c.width_s == seconds(part.width_us))
    first = select(at.c.first).where(*of_source, at.c.at_us == g.c.begin_us).scalar_subquery()
    last = select(at.c.last).where(*of_source, at.c.at_us == g.c.end_us).scalar_subquery()
    return select(*list(g.c)[:-2], first, last).order_by(g.c.bucket_us)


def _joined(a: Bucket, b: Bucket) -> Bucket:
    return Bucket(
        a.at_us, a.first_us, b.last_us, a.n + b.n, a.moving + b.moving, a.total + b.total,
        min(a.minimum, b.minimum), max(a.maximum, b.maximum), a.first, b.last,
    )  # fmt: skip
