"""What is asked of the readings themselves."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, case, literal, or_, select, tuple_, union

from speeddash.reading import MAX_SEQ, Reading
from speeddash.store.tables import Key, Micros, Span, speed_data, speed_rollup
from speeddash.stretch import HOUR_US

HOUR_S: Final = HOUR_US // 1_000_000
#: Names of sources that one statement finds.
NAMES_A_STATEMENT: Final = 500


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
    if more_than(connection, source, from_us, to_us, most):
        return None
    return page(connection, source, from_us, to_us, None, most)


def more_than(connection: Connection, source: str, from_us: int, to_us: int, count: int) -> bool:
    """Whether a source has more than so many readings in a range; the index tells, without reading the others."""
    c = speed_data.c
    inside = (c.source == source, c.timestamp >= from_us, c.timestamp < to_us)
    after = select(c.seq).where(*inside).order_by(c.source, c.timestamp, c.seq).offset(count).limit(1)
    return connection.execute(after).first() is not None


def sources(connection: Connection, after: str | None, limit: int) -> list[Span]:
    """See `Store.sources`."""
    names = _names_mysql if connection.dialect.name == "mysql" else _names_sqlite
    spans: list[Span] = []
    while len(spans) < limit:
        size = min(limit - len(spans), NAMES_A_STATEMENT)
        name = names(after, size)
        ends = [each.scalar_subquery() for each in _ends(name.c.source)]
        query = select(name.c.source, *ends).where(name.c.source.is_not(None)).order_by(name.c.source).limit(size)
        rows = connection.execute(query).all()
        spans += [found for row in rows if (found := _span(*row))]
        if len(rows) < size:
            break
        after = rows[-1][0]
    return spans


def _names_mysql(after: str | None, size: int) -> FromClause:
    """The next names of sources; MySQL and MariaDB go from name to name in the index (EXPLAIN: Using index for group-by)."""
    parts = []
    for table in (speed_data, speed_rollup):
        part = select(table.c.source).distinct().order_by(table.c.source).limit(size)
        parts.append(select((part if after is None else part.where(table.c.source > after)).subquery()))
    return union(*parts).subquery()


def _names_sqlite(after: str | None, size: int) -> FromClause:
    """The next names of sources; SQLite would read every row for DISTINCT, so a recursive statement steps down the index."""
    first = select(_name_after(after).label("source"), literal(1).label("place")).cte("name", recursive=True)
    following = select(_name_after(first.c.source), first.c.place + 1)
    return first.union_all(following.where(first.c.source.is_not(None), first.c.place < size))


def span(connection: Connection, source: str) -> Span | None:
    """See `Store.span`."""
    moments = connection.execute(select(*[each.scalar_subquery() for each in _ends(literal(source))])).one()
    return _span(source, *moments)


def _ends(source: ColumnElement[str]) -> list[Select[int]]:
    """The times of a source's first reading, the first one that rollups know, and the last ones."""
    c, r = speed_data.c, speed_rollup.c
    at = select(Micros(c.timestamp)).where(c.source == source).limit(1)
    # Where old readings were removed, the rollups still tell.
    hour = (r.source == source, r.width_s == HOUR_S)
    return [
        at.order_by(c.timestamp, c.seq),
        select(r.first_us).where(*hour).order_by(r.at_us).limit(1),
        at.order_by(c.timestamp.desc(), c.seq.desc()),
        select(r.last_us).where(*hour).order_by(r.at_us.desc()).limit(1),
    ]


def _span(source: str | None, *moments: int | None) -> Span | None:
    firsts, lasts = ([each for each in some if each is not None] for some in (moments[:2], moments[2:]))
    return None if source is None or not firsts else Span(source, min(firsts), max(lasts))


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


def _name_after(name: ColumnElement[str] | str | None) -> ColumnElement[Any]:
    """The first source after a name that has readings or rollups, NULL after the last one; the first of all after None."""
    in_data, in_rollups = (
        select(table.c.source)
        .where(*[] if name is None else [table.c.source > name])
        .order_by(table.c.source)
        .limit(1)
        .scalar_subquery()
        for table in (speed_data, speed_rollup)
    )
    return case((or_(in_rollups.is_(None), in_data <= in_rollups), in_data), else_=in_rollups)
