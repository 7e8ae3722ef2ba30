"""What is asked of the readings themselves."""

from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, or_, select, tuple_

from speeddash.reading import MAX_SEQ, Reading
from speeddash.store.tables import Key, Micros, Span, speed_data, speed_rollup
from speeddash.stretch import HOUR_US

HOUR_S: Final = HOUR_US // 1_000_000


def page(
    connection: Connection, source: str | None, from_us: int | None, to_us: int | None, after: Key | None, limit: int
) -> list[Reading]:
    """See `Store.select`."""
    c = speed_data.c
    query = select(c.source, c.timestamp, c.seq, c.speed).order_by(c.source, c.timestamp, c.seq).limit(limit)
    if source is not None:
        query = query.where(c.source == source)
    if from_us is not None:
        query = query.where(c.timestamp >= from_us)
    if to_us is not None:
        query = query.where(c.timestamp < to_us)
    if after is not None:
        query = query.where(_behind(connection, after))
    return [Reading(*row) for row in connection.execute(query)]


def if_few(connection: Connection, source: str, from_us: int, to_us: int, most: int) -> list[Reading] | None:
    """See `Store.select_if_few`."""
    c = speed_data.c
    # Whether there is one behind the last that counts is seen in the index, without taking the others out.
    inside = (c.source == source, c.timestamp >= from_us, c.timestamp < to_us)
    behind = select(c.seq).where(*inside).order_by(c.source, c.timestamp, c.seq).offset(most).limit(1)
    if connection.execute(behind).first():
        return None
    return page(connection, source, from_us, to_us, None, most)


def sources(connection: Connection, after: str | None, limit: int) -> list[Span]:
    """See `Store.sources`."""
    # A step down each index: GROUP BY reads every row (measured: 286 ms for 884,000 on MariaDB).
    spans: list[Span] = []
    while len(spans) < limit and (after := _next(connection, after)) is not None:
        found = span(connection, after)
        spans += [found] if found else []  # its readings may have been deleted between the two looks
    return spans


def span(connection: Connection, source: str) -> Span | None:
    """See `Store.span`."""
    c, r = speed_data.c, speed_rollup.c
    at = select(Micros(c.timestamp)).where(c.source == source).limit(1)
    # Where old readings were removed, the rollups still tell.
    hour = (r.source == source, r.width_s == HOUR_S)
    ends = (
        at.order_by(c.timestamp, c.seq),
        select(r.first_us).where(*hour).order_by(r.at_us).limit(1),
        at.order_by(c.timestamp.desc(), c.seq.desc()),
        select(r.last_us).where(*hour).order_by(r.at_us.desc()).limit(1),
    )
    moments = connection.execute(select(*[each.scalar_subquery() for each in ends])).one()
    firsts, lasts = ([each for each in some if each is not None] for some in (moments[:2], moments[2:]))
    return Span(source, min(firsts), max(lasts)) if firsts else None


def _behind(connection: Connection, key: Key) -> ColumnElement[bool]:
    """Rows that follow a key, said in the way that the database's index is searched by."""
    c = speed_data.c
    if connection.dialect.name != "mysql":
        # As MySQL wants it, every page reads its source from the beginning (measured: 25 ms against 5 ms behind 190,000 rows).
        return tuple_(c.source, c.timestamp, c.seq) > tuple_(key.source, key.at_us, min(key.seq, MAX_SEQ))
    later = or_(c.timestamp > key.at_us, and_(c.timestamp == key.at_us, c.seq > key.seq))
    return and_(c.source >= key.source, or_(c.source > key.source, and_(c.source == key.source, later)))


def first_ones(connection: Connection, source: str, from_us: int | None, to_us: int, limit: int) -> list[Key]:
    """The keys of the oldest readings of a source in a range."""
    c = speed_data.c
    query = select(c.source, c.timestamp, c.seq).where(c.source == source, c.timestamp < to_us)
    if from_us is not None:
        query = query.where(c.timestamp >= from_us)
    return [Key(*row) for row in connection.execute(query.order_by(c.timestamp, c.seq).limit(limit))]


def up_to(last: Key) -> ColumnElement[bool]:
    """A condition: the readings of a source up to and with this one."""
    c = speed_data.c
    same = and_(c.timestamp == last.at_us, c.seq <= last.seq)
    return and_(c.source == last.source, c.timestamp <= last.at_us, or_(c.timestamp < last.at_us, same))


def _next(connection: Connection, after: str | None) -> str | None:
    steps = []
    for table in (speed_data, speed_rollup):
        step = select(table.c.source).order_by(table.c.source).limit(1)
        steps.append((step if after is None else step.where(table.c.source > after)).scalar_subquery())
    return min((each for each in connection.execute(select(*steps)).one() if each is not None), default=None)
