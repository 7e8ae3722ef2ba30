"""What a source has besides readings, and the stretches above its limit."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, TableClause, delete, select, update

from speeddash.store.tables import speed_event, speed_source

Upsert = Callable[[Connection, TableClause, Sequence[Mapping[str, Any]]], None]


class Upkeep(NamedTuple):
    """What a source has besides readings.

    Attributes:
        limit_kmh: Above it is an event; None is no limit.
        limited_us: When that was said.
        checked_us: Up to here its readings were held against the limit; None is from the beginning.
        raw_from_us: Readings before it were removed; None where none was.
        renamed_to: Its new name, while a rename is under way.
    """

    limit_kmh: float | None = None
    limited_us: int | None = None
    checked_us: int | None = None
    raw_from_us: int | None = None
    renamed_to: str | None = None


class Event(NamedTuple):
    """A stretch above a source's limit.

    Attributes:
        source: Whose.
        start_us: The first reading above the limit, microseconds since the epoch.
        end_us: The last one above it, until now.
        peak: The highest speed, km/h.
        limit_kmh: The limit then.
        ongoing: No reading at or below the limit has come yet, nor a gap.
        tell: Somebody is still to be told.
        tries: How often that was tried.
        try_us: Not before this moment again.
    """

    source: str
    start_us: int
    end_us: int
    peak: float
    limit_kmh: float
    ongoing: bool
    tell: bool = False
    tries: int = 0
    try_us: int = 0


_NOTHING: Final = Upkeep()


def upkeep(connection: Connection, source: str) -> Upkeep:
    """See `Store.upkeep`."""
    s = speed_source.c
    query = select(*[s[name] for name in Upkeep._fields]).where(s.source == source)
    row = connection.execute(query).first()
    return Upkeep(*row) if row else _NOTHING


def renames(connection: Connection) -> dict[str, str]:
    """See `Store.renames`."""
    s = speed_source.c
    rows = connection.execute(select(s.source, s.renamed_to).where(s.renamed_to.is_not(None)))
    return {row[0]: row[1] for row in rows}


def limited(connection: Connection) -> list[str]:
    """See `Store.limited`."""
    s = speed_source.c
    return list(connection.execute(select(s.source).where(s.limit_kmh.is_not(None)).order_by(s.source)).scalars())


def events(
    connection: Connection, source: str, from_us: int, to_us: int, limit: int, from_start_us: int
) -> list[Event]:
    """See `Store.events`."""
    e = speed_event.c
    inside = (e.source == source, e.end_us >= from_us, e.start_us < to_us, e.start_us >= from_start_us)
    return _events(connection, select(speed_event).where(*inside).order_by(e.start_us).limit(limit))


def untold(connection: Connection, now_us: int, limit: int) -> list[Event]:
    """See `Store.untold`."""
    e = speed_event.c
    due = (e.tell == 1, e.ongoing == 0, e.try_us <= now_us)
    return _events(connection, select(speed_event).where(*due).order_by(e.try_us).limit(limit))


def replace_events(
    connection: Connection, source: str, from_us: int, to_us: int, found: Sequence[Event], upsert: Upsert
) -> None:
    """Put events in the place of those that begin in a range; who was told of one stays told, also where it begins elsewhere now."""
    e = speed_event.c
    inside = (e.source == source, e.start_us >= from_us, e.start_us < to_us)
    known = _events(connection, select(speed_event).where(*inside).order_by(e.start_us))
    connection.execute(delete(speed_event).where(*inside))
    rows = []
    for each in found:
        while known and known[0].end_us < each.start_us:
            known.pop(0)
        if known and known[0].start_us <= each.end_us:
            before = known[0]
            each = each._replace(tell=before.tell, tries=before.tries, try_us=before.try_us)
        rows.append({name: int(value) if isinstance(value, bool) else value for name, value in each._asdict().items()})
    upsert(connection, speed_event, rows)


def told(connection: Connection, event: Event) -> None:
    """See `Store.told`."""
    e = speed_event.c
    # Late readings may have moved its ends meanwhile.
    this = update(speed_event).where(e.source == event.source, e.start_us <= event.end_us, e.end_us >= event.start_us)
    connection.execute(this.values(tell=int(event.tell), tries=event.tries, try_us=event.try_us))


def _events(connection: Connection, query: Any) -> list[Event]:
    found = [Event(*row) for row in connection.execute(query)]
    return [each._replace(ongoing=bool(each.ongoing), tell=bool(each.tell)) for each in found]
