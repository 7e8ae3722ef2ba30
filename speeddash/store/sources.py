"""Sources: their names, their first and last readings, and their settings."""

from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, FromClause, Select, case, literal, or_, select, union

from speeddash.store.session import Session
from speeddash.store.tables import Micros, Span, speed_data, speed_rollup, speed_source
from speeddash.timerange import HOUR_US

HOUR_S: Final = HOUR_US // 1_000_000
#: Most names of sources that one statement finds.
NAMES_PER_STATEMENT: Final = 500


class SourceSettings(NamedTuple):
    """What is stored of a source besides its readings.

    Attributes:
        limit_kmh: A speed above it begins an event; None for no limit.
        limited_us: When the limit was set, microseconds since the epoch.
        checked_us: Readings before this moment were checked against the limit; None where none was.
        raw_from_us: Readings before this moment were removed, and their rollups stay; None where none was removed.
        renamed_to: The new name, while a rename is under way.
        display_name: The name that people see; None for the source's own.
    """

    limit_kmh: float | None = None
    limited_us: int | None = None
    checked_us: int | None = None
    raw_from_us: int | None = None
    renamed_to: str | None = None
    display_name: str | None = None


class Sources:
    """The sources of a store. Any thread or greenlet may call it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def select(self, *, after: str | None = None, limit: int) -> list[Span]:
        """Return the sources that have readings, or rollups of removed ones, by name.

        Args:
            after: Only names after this one.
            limit: Maximum number of sources.
        """
        return self._session.ask(_page, after, limit)

    def span(self, source: str) -> Span | None:
        """Return the times of a source's first and last reading; None where it has none."""
        return self._session.ask(span, source)

    def settings(self, source: str) -> SourceSettings:
        """Return what is stored of a source besides its readings."""
        return self._session.ask(settings, source)

    def all_settings(self) -> dict[str, SourceSettings]:
        """Return the settings of every source that has some."""
        return self._session.ask(_all_settings)

    def renames(self) -> dict[str, str]:
        """Return the new names of sources whose rename has begun and not ended."""
        return self._session.ask(_renames)


def span(connection: Connection, source: str) -> Span | None:
    """See `Sources.span`."""
    moments = connection.execute(select(*[each.scalar_subquery() for each in _ends(literal(source))])).one()
    return _span(source, *moments)


def settings(connection: Connection, source: str, *, lock: bool = False) -> SourceSettings:
    """See `Sources.settings`. With `lock`, other transactions wait before they change the row (SQLite locks the whole file)."""
    s = speed_source.c
    query = select(*[s[name] for name in SourceSettings._fields]).where(s.source == source)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return SourceSettings(*row) if row else SourceSettings()


def _all_settings(connection: Connection) -> dict[str, SourceSettings]:
    s = speed_source.c
    rows = connection.execute(select(s.source, *[s[name] for name in SourceSettings._fields]))
    return {row[0]: SourceSettings(*row[1:]) for row in rows}


def _renames(connection: Connection) -> dict[str, str]:
    s = speed_source.c
    rows = connection.execute(select(s.source, s.renamed_to).where(s.renamed_to.is_not(None)))
    return {row[0]: row[1] for row in rows}


def _page(connection: Connection, after: str | None, limit: int) -> list[Span]:
    names = _names_mysql if connection.dialect.name == "mysql" else _names_sqlite
    spans: list[Span] = []
    while len(spans) < limit:
        size = min(limit - len(spans), NAMES_PER_STATEMENT)
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
    """Return the next names; MySQL and MariaDB go from name to name in the index (EXPLAIN: Using index for group-by)."""
    parts = []
    for table in (speed_data, speed_rollup):
        part = select(table.c.source).distinct().order_by(table.c.source).limit(size)
        parts.append(select((part if after is None else part.where(table.c.source > after)).subquery()))
    return union(*parts).subquery()


def _names_sqlite(after: str | None, size: int) -> FromClause:
    """Return the next names; SQLite would read every row for DISTINCT, so a recursive statement steps down the index."""
    first = select(_name_after(after).label("source"), literal(1).label("place")).cte("name", recursive=True)
    following = select(_name_after(first.c.source), first.c.place + 1)
    return first.union_all(following.where(first.c.source.is_not(None), first.c.place < size))


def _name_after(name: ColumnElement[str] | str | None) -> ColumnElement[Any]:
    """Return the first source after a name that has readings or rollups, NULL after the last one; after None, the first of all."""
    in_data, in_rollups = (
        select(table.c.source)
        .where(*[] if name is None else [table.c.source > name])
        .order_by(table.c.source)
        .limit(1)
        .scalar_subquery()
        for table in (speed_data, speed_rollup)
    )
    return case((or_(in_rollups.is_(None), in_data <= in_rollups), in_data), else_=in_rollups)


def _ends(source: ColumnElement[str]) -> list[Select[int]]:
    """Return queries of the times of a source's first reading, of the first one that rollups know, and of the last ones."""
    c, r = speed_data.c, speed_rollup.c
    at = select(Micros(c.timestamp)).where(c.source == source).limit(1)
    # Rollups of removed readings stay.
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
