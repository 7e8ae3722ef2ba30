"""Removes and renames what is stored, in steps that hold the database for a moment each. An interrupted step is repeated."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, delete, insert, literal, select, update

from speeddash.errors import MergeRefused, RenameUnderWay, SourceTaken
from speeddash.store.database import Database
from speeddash.store.leases import SourceLock
from speeddash.store.readings import oldest_keys, up_to
from speeddash.store.sources import settings, span
from speeddash.store.tables import (
    Key,
    during,
    speed_data,
    speed_dirty,
    speed_event,
    speed_rollup,
    speed_source,
    speed_trip,
)
from speeddash.store.validity import raw_from
from speeddash.timerange import EVER_US, HOUR_US, SECOND_US, TimeRange

STEP_READINGS: Final = 5_000
#: Rollups of one width that follow each other: 30 days of minutes, or 12 hours of seconds.
STEP_ROLLUPS: Final = 43_200
#: In the order in which a rename moves what belongs to a source besides its readings and rollups.
SETTINGS_TABLES: Final = (speed_event, speed_trip, speed_source)


class SourceMaintenance:
    """Removes readings, deletes and renames sources. Any thread or greenlet may call it."""

    def __init__(self, database: Database, source_lock: SourceLock) -> None:
        self._database = database
        self._source_lock = source_lock

    def remove(self, source: str, time: TimeRange) -> int:
        """Remove some of the readings in a range, the oldest first.

        Returns:
            How many; 0 when none is left.
        """

        def step(connection: Connection) -> int:
            keys = remove_oldest(connection, source, time)
            hours = sorted({each.at_us - each.at_us % HOUR_US for each in keys})
            self._database.mark_dirty(connection, source, hours)
            if hours:
                _remove_outdated_rollups(connection, source, hours)
            return len(keys)

        return self._database.change(step)

    def delete(self, source: str) -> None:
        """Remove a source with everything that is stored of it."""
        with self._source_lock.here, self._source_lock.everywhere():
            while self.remove(source, TimeRange()):
                pass
            while self._database.change(_remove_rollups, source):
                pass
            self._database.change(_forget, source)

    def rename(self, source: str, name: str) -> None:
        """Give everything that is stored of a source another name. Call it again to complete an interrupted rename.

        To its own name nothing changes.

        Raises:
            SourceTaken: The name has readings or a limit of its own.
            RenameUnderWay: A rename of the source to another name has begun and not ended.
        """
        if name == source:
            return  # the end of a rename removes what the name had before
        change = self._database.change
        with self._source_lock.here, self._source_lock.everywhere():
            change(_begin_rename, self._database, source, name)
            while change(_move_rollups, source, name):
                pass
            # A client that still sends under the old name does not prolong this.
            here = self._database.ask(span, source)
            moved = TimeRange(to_us=here.last_us + 1 if here else -EVER_US)
            while change(_move_readings, self._database, source, name, moved):
                pass
            change(end_rename, self._database, source, name)

    def merge(self, source: str, into: str) -> None:
        """Move the readings and trip notes of a source to another one, and remove the source.

        Call it again to complete an interrupted merge.

        A reading whose timestamp and `seq` the other source has already is dropped. Limit and display name of the other source stay.
        Into itself nothing changes.

        Raises:
            MergeRefused: Readings of one of them were removed for their age.
            RenameUnderWay: One of them is being renamed.
        """
        if into == source:
            return  # the end of a merge removes the source
        change = self._database.change
        with self._source_lock.here, self._source_lock.everywhere():
            change(_check_merge, source, into)
            while change(_move_and_mark, self._database, source, into):
                pass
            while change(_remove_rollups, source):
                pass
            change(_end_merge, source, into, self._database.ignore_duplicates)

    def set_display_name(self, source: str, display_name: str | None) -> None:
        """Set the name that people see; None for the source's own."""
        rows = [{"source": source, "display_name": display_name}]
        self._database.change(self._database.upsert, speed_source, rows)


def remove_oldest(connection: Connection, source: str, time: TimeRange) -> list[Key]:
    """Remove the oldest readings of a range, and return their keys."""
    keys = oldest_keys(connection, source, time, STEP_READINGS)
    if keys:
        connection.execute(delete(speed_data).where(*during(speed_data.c.timestamp, time), up_to(keys[-1])))
    return keys


def _remove_outdated_rollups(connection: Connection, source: str, hours: Sequence[int]) -> None:
    """Remove rollups of hours that have just lost readings: until they are computed again the source would seem to have these."""
    r = speed_rollup.c
    first_us = max(hours[0], raw_from(connection, source))  # before it rollups are all that is left
    inside = (r.at_us >= first_us, r.at_us < hours[-1] + HOUR_US)
    connection.execute(delete(speed_rollup).where(r.source == source, *inside))


def end_rename(connection: Connection, database: Database, source: str, name: str) -> None:
    """Mark hours of the old name that are dirty also under the new name, and move settings and events."""
    if settings(connection, source, lock=True).renamed_to != name:
        return  # another process has completed it; what has the new name now must stay
    d = speed_dirty.c
    hours = connection.execute(select(d.hour_us).where(d.source == source)).scalars().all()
    # Marked now: a client may be sending under the new name already, and its writer relies on a mark of its own.
    database.mark_dirty(connection, name, hours)
    connection.execute(update(speed_source).where(speed_source.c.source == source).values(renamed_to=None))
    for each in SETTINGS_TABLES:
        connection.execute(delete(each).where(each.c.source == name))  # created by background work meanwhile
        connection.execute(update(each).where(each.c.source == source).values(source=name))


def _forget(connection: Connection, source: str) -> None:
    for each in (speed_rollup, speed_dirty, *SETTINGS_TABLES):
        connection.execute(delete(each).where(each.c.source == source))


def _check_merge(connection: Connection, source: str, into: str) -> None:
    for each in (source, into):
        found = settings(connection, each, lock=True)
        if found.raw_from_us is not None:
            raise MergeRefused(each)
        if found.renamed_to is not None:
            raise RenameUnderWay(each, found.renamed_to)


def _move_and_mark(connection: Connection, database: Database, source: str, into: str) -> bool:
    """Move some readings, and mark their hours under both names; False when none is left."""
    keys = oldest_keys(connection, source, TimeRange(), STEP_READINGS)
    hours = {each.at_us - each.at_us % HOUR_US for each in keys}
    for name in (source, into):
        database.mark_dirty(connection, name, hours)
    return _move_readings(connection, database, source, into, TimeRange())


def _end_merge(connection: Connection, source: str, into: str, ignore_duplicates: str) -> None:
    t = speed_trip.c
    rows: Any = select(literal(into), t.start_us, t.name, t.note, t.tag).where(t.source == source)
    columns = [each.name for each in speed_trip.columns]
    connection.execute(insert(speed_trip).from_select(columns, rows).prefix_with(ignore_duplicates))
    _forget(connection, source)


def _begin_rename(connection: Connection, database: Database, source: str, name: str) -> None:
    under_way = settings(connection, source, lock=True).renamed_to
    if under_way is not None and under_way != name:
        raise RenameUnderWay(source, under_way)  # some of its readings have that name already
    if under_way is None:
        if span(connection, name) or settings(connection, name).limit_kmh is not None:
            raise SourceTaken(name)
        database.upsert(connection, speed_source, [{"source": source, "renamed_to": name}])


def _move_rollups(connection: Connection, source: str, name: str) -> bool:
    """Give some rollups the new name; False when none is left."""
    some = _some_rollups(connection, source)
    if some:
        connection.execute(update(speed_rollup).where(*some).values(source=name))
    return bool(some)


def _remove_rollups(connection: Connection, source: str) -> bool:
    """Remove some rollups; False when none is left."""
    some = _some_rollups(connection, source)
    if some:
        connection.execute(delete(speed_rollup).where(*some))
    return bool(some)


def _some_rollups(connection: Connection, source: str) -> list[ColumnElement[bool]]:
    """Return the conditions of at most `STEP_ROLLUPS` of a source; none when none is left."""
    r = speed_rollup.c
    first = select(r.width_s, r.at_us).where(r.source == source).order_by(r.width_s, r.at_us).limit(1)
    row = connection.execute(first).first()
    if row is None:
        return []
    width_s, at_us = row
    return [r.source == source, r.width_s == width_s, r.at_us < at_us + STEP_ROLLUPS * width_s * SECOND_US]


def _move_readings(connection: Connection, database: Database, source: str, name: str, time: TimeRange) -> bool:
    """Give some readings the new name; False when none is left."""
    keys = oldest_keys(connection, source, time, STEP_READINGS)
    if not keys:
        return False
    c = speed_data.c
    # The rows come from the same table: only a duplicate key can be rejected.
    rows: Any = select(literal(name), c.timestamp, c.seq, c.speed).where(up_to(keys[-1]))
    columns = [each.name for each in speed_data.columns]
    connection.execute(insert(speed_data).from_select(columns, rows).prefix_with(database.ignore_duplicates))
    connection.execute(delete(speed_data).where(up_to(keys[-1])))
    return True
