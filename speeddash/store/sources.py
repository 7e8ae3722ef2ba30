"""What a source has besides readings, and the stretches above its limit."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, TableClause, and_, case, delete, func, or_, select, update

from speeddash.store.tables import Micros, speed_data, speed_event, speed_rollup, speed_source
from speeddash.stretch import EVER_US

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


def upkeep(connection: Connection, source: str, *, lock: bool = False) -> Upkeep:
    """See `Store.upkeep`. With `lock` other transactions wait before they change the row (SQLite locks the whole file itself)."""
    s = speed_source.c
    query = select(*[s[name] for name in Upkeep._fields]).where(s.source == source)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return Upkeep(*row) if row else _NOTHING


def renames(connection: Connection) -> dict[str, str]:
    """See `Store.renames`."""
    s = speed_source.c
    rows = connection.execute(select(s.source, s.renamed_to).where(s.renamed_to.is_not(None)))
    return {row[0]: row[1] for row in rows}


def to_check(connection: Connection, latest_us: int, silent_us: int) -> list[str]:
    """See `Store.sources_to_check`."""
    s, d, r, e = speed_source.c, speed_data.c, speed_rollup.c, speed_event.c
    # One step down an index for each source and column; a condition between the tables would scan the source's readings.
    newest = select(Micros(d.timestamp)).where(d.source == s.source, d.timestamp <= latest_us)
    event = select(e.start_us).where(e.source == s.source).order_by(e.start_us.desc()).limit(1)
    rolled_up = select(r.source).where(r.source == s.source).limit(1)
    found = (
        select(
            s.source,
            s.checked_us,
            newest.order_by(d.timestamp.desc()).limit(1).scalar_subquery().label("newest_us"),
            event.scalar_subquery().label("event_us"),
            case((s.checked_us.is_(None), rolled_up.scalar_subquery())).label("rolled_up"),
        )
        .where(s.limit_kmh.is_not(None))
        .subquery()
    )
    f = found.c
    # Only the last event of a source can be ongoing.
    silent = and_(e.source == f.source, e.start_us == f.event_us, e.ongoing == 1, e.end_us <= silent_us)
    query = (
        select(f.source)
        .outerjoin_from(found, speed_event, silent)
        .where(
            or_(
                f.newest_us >= func.coalesce(f.checked_us, -EVER_US),
                f.rolled_up.is_not(None),
                e.source.is_not(None),
            )
        )
        .order_by(f.source)
    )
    return list(connection.execute(query).scalars())


def events(
    connection: Connection, source: str, from_us: int, to_us: int, limit: int, from_start_us: int
) -> list[Event]:
    """See `Store.events`."""
    e = speed_event.c
    inside = (e.source == source, e.end_us >= from_us, e.start_us < to_us, e.start_us >= from_start_us)
    return _events(connection, select(speed_event).where(*inside).order_by(e.start_us).limit(limit))


def undelivered(connection: Connection, now_us: int, limit: int) -> list[Event]:
    """See `Store.undelivered`."""
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


def claim_delivery(connection: Connection, event: Event, until_us: int) -> bool:
    """See `Store.claim_delivery`."""
    e = speed_event.c
    same = (e.source == event.source, e.start_us == event.start_us, e.tries == event.tries, e.try_us == event.try_us)
    claimed = connection.execute(update(speed_event).where(*same, e.tell == 1).values(try_us=until_us))
    return claimed.rowcount == 1


def set_delivery(connection: Connection, event: Event) -> None:
    """See `Store.set_delivery`."""
    e = speed_event.c
    # Late readings may have moved its ends meanwhile.
    this = update(speed_event).where(e.source == event.source, e.start_us <= event.end_us, e.end_us >= event.start_us)
    connection.execute(this.values(tell=int(event.tell), tries=event.tries, try_us=event.try_us))


def _events(connection: Connection, query: Any) -> list[Event]:
    found = [Event(*row) for row in connection.execute(query)]
    return [each._replace(ongoing=bool(each.ongoing), tell=bool(each.tell)) for each in found]
