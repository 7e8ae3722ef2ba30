"""Events above a source's limit: stored, replaced, delivered to a webhook, and notified."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, case, delete, func, or_, select, update

from speeddash.store.database import Database
from speeddash.store.tables import Micros, speed_data, speed_event, speed_rollup, speed_source
from speeddash.timerange import EVER_US, TimeRange


class Notice(IntEnum):
    """What is to be notified of an event."""

    #: Nothing.
    NONE = 0
    #: Its begin.
    BEGIN = 1
    #: Its end: its begin was notified.
    END = 2
    #: Nothing any more.
    DONE = 3


class Event(NamedTuple):
    """A time during which a source was above its limit.

    Attributes:
        source: Name of the source.
        start_us: First reading above the limit, microseconds since the epoch.
        end_us: Last reading above it so far.
        peak: Highest speed, km/h.
        limit_kmh: The limit at that time.
        ongoing: Neither a reading at or below the limit nor a gap has followed yet.
        tell: The event is still to be delivered to the webhook.
        tries: Number of deliveries tried.
        try_us: Moment of the next try.
        notice: What is to be notified.
        notice_tries: Number of tries for that.
        notice_us: Moment of the next try for that.
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
    notice: int = Notice.NONE
    notice_tries: int = 0
    notice_us: int = 0


class Events:
    """The events of a store. Any thread or greenlet may call it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def select(self, source: str, time: TimeRange, limit: int, *, from_start_us: int = -EVER_US) -> list[Event]:
        """Return the events of a source that overlap a range, in the order of time.

        Args:
            source: Name of the source.
            time: The range.
            limit: Maximum number of events.
            from_start_us: Only events that begin at this moment or later.
        """
        return self._database.ask(_page, source, time, limit, from_start_us)

    def replace(self, source: str, time: TimeRange, found: Sequence[Event], **settings: Any) -> None:
        """Replace the events that begin in a range, and change settings of the source, in one transaction.

        An event that overlaps an earlier one takes over its delivery: what was delivered is not delivered again.

        Args:
            source: Name of the source.
            time: The range.
            found: The new events, in the order of time.
            settings: Fields of `SourceSettings` and their new values.
        """

        def step(connection: Connection) -> None:
            self._replace(connection, source, time, found)
            if settings:
                self._database.upsert(connection, speed_source, [{"source": source, **settings}])

        self._database.change(step)

    def sources_to_check(self, latest_us: int, silent_us: int) -> list[str]:
        """Return the sources whose readings must be checked against their limit, found with one statement.

        Args:
            latest_us: Readings after this moment are not checked yet.
            silent_us: An ongoing event must be ended when its last reading is not after this moment.
        """
        return self._database.ask(_sources_to_check, latest_us, silent_us)

    def check_again(self, latest_us: int, from_us: int) -> None:
        """Let the sources that were checked beyond a moment, because a clock was ahead, be checked again from another moment on."""
        self._database.change(_check_again, latest_us, from_us)

    def undelivered(self, now_us: int, limit: int) -> list[Event]:
        """Return ended events whose delivery is due."""
        return self._database.ask(_undelivered, now_us, limit)

    def claim_delivery(self, event: Event, until_us: int) -> bool:
        """Reserve the delivery of an event until a moment; False if another process has done so, or the event has changed."""
        return self._database.change(_claim_delivery, event, until_us)

    def set_delivery(self, event: Event) -> None:
        """Store the outcome of a delivery: `tell`, `tries` and `try_us` of the event."""
        self._database.change(_set_delivery, event)

    def unnotified(self, now_us: int, min_us: int, limit: int) -> list[Event]:
        """Return events whose notification is due.

        Args:
            now_us: The moment.
            min_us: The begin of an event is due once it has lasted for so long.
            limit: Maximum number of events.
        """
        return self._database.ask(_unnotified, now_us, min_us, limit)

    def claim_notice(self, event: Event, until_us: int) -> bool:
        """Reserve a notification until a moment; False if another process has done so, or the event has changed."""
        return self._database.change(_claim_notice, event, until_us)

    def set_notice(self, event: Event) -> None:
        """Store the outcome of a notification: `notice`, `notice_tries` and `notice_us` of the event."""
        self._database.change(_set_notice, event)

    def _replace(self, connection: Connection, source: str, time: TimeRange, found: Sequence[Event]) -> None:
        e = speed_event.c
        inside = (e.source == source, e.start_us >= time.from_us, e.start_us < time.to_us)
        known = _events(connection, select(speed_event).where(*inside).order_by(e.start_us))
        connection.execute(delete(speed_event).where(*inside))
        rows = []
        for each in found:
            while known and known[0].end_us < each.start_us:
                known.pop(0)
            if known and known[0].start_us <= each.end_us:
                before = known[0]
                each = each._replace(tell=before.tell, tries=before.tries, try_us=before.try_us)
                # An event whose begin was notified has an end to be notified; before that its length decides.
                if before.notice >= Notice.END or each.notice:
                    each = each._replace(
                        notice=max(before.notice, each.notice),
                        notice_tries=before.notice_tries,
                        notice_us=before.notice_us,
                    )
            rows.append(
                {name: int(value) if isinstance(value, bool) else value for name, value in each._asdict().items()}
            )
        self._database.upsert(connection, speed_event, rows)


def _page(connection: Connection, source: str, time: TimeRange, limit: int, from_start_us: int) -> list[Event]:
    e = speed_event.c
    inside = (e.source == source, e.end_us >= time.from_us, e.start_us < time.to_us, e.start_us >= from_start_us)
    return _events(connection, select(speed_event).where(*inside).order_by(e.start_us).limit(limit))


def _sources_to_check(connection: Connection, latest_us: int, silent_us: int) -> list[str]:
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
    unchecked = f.newest_us >= func.coalesce(f.checked_us, -EVER_US)
    query = (
        select(f.source)
        .outerjoin_from(found, speed_event, silent)
        .where(or_(unchecked, f.rolled_up.is_not(None), e.source.is_not(None)))
        .order_by(f.source)
    )
    return list(connection.execute(query).scalars())


def _undelivered(connection: Connection, now_us: int, limit: int) -> list[Event]:
    e = speed_event.c
    due = (e.tell == 1, e.ongoing == 0, e.try_us <= now_us)
    return _events(connection, select(speed_event).where(*due).order_by(e.try_us).limit(limit))


def _check_again(connection: Connection, latest_us: int, from_us: int) -> None:
    s = speed_source.c
    connection.execute(update(speed_source).where(s.checked_us > latest_us).values(checked_us=from_us))


def _claim_delivery(connection: Connection, event: Event, until_us: int) -> bool:
    e = speed_event.c
    same = (e.source == event.source, e.start_us == event.start_us, e.tries == event.tries, e.try_us == event.try_us)
    claimed = connection.execute(update(speed_event).where(*same, e.tell == 1).values(try_us=until_us))
    return claimed.rowcount == 1


def _set_delivery(connection: Connection, event: Event) -> None:
    e = speed_event.c
    # Late readings may have moved the ends of the event meanwhile.
    this = update(speed_event).where(e.source == event.source, e.start_us <= event.end_us, e.end_us >= event.start_us)
    connection.execute(this.values(tell=int(event.tell), tries=event.tries, try_us=event.try_us))


def _unnotified(connection: Connection, now_us: int, min_us: int, limit: int) -> list[Event]:
    e = speed_event.c
    begin = and_(e.notice == Notice.BEGIN, e.end_us - e.start_us >= min_us)
    due = and_(e.notice.in_([Notice.BEGIN, Notice.END]), e.notice_us <= now_us)
    query = select(speed_event).where(due, or_(begin, and_(e.notice == Notice.END, e.ongoing == 0)))
    return _events(connection, query.order_by(e.notice_us).limit(limit))


def _claim_notice(connection: Connection, event: Event, until_us: int) -> bool:
    e = speed_event.c
    same = (e.source == event.source, e.start_us == event.start_us, e.notice_us == event.notice_us)
    claimed = connection.execute(update(speed_event).where(*same, e.notice == event.notice).values(notice_us=until_us))
    return claimed.rowcount == 1


def _set_notice(connection: Connection, event: Event) -> None:
    e = speed_event.c
    this = update(speed_event).where(e.source == event.source, e.start_us <= event.end_us, e.end_us >= event.start_us)
    connection.execute(this.values(notice=event.notice, notice_tries=event.notice_tries, notice_us=event.notice_us))


def _events(connection: Connection, query: Any) -> list[Event]:
    found = [Event(*row) for row in connection.execute(query)]
    return [each._replace(ongoing=bool(each.ongoing), tell=bool(each.tell)) for each in found]
