"""Removing and renaming what is stored, in steps that hold the database for a moment each. A step that was cut off is taken again."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, delete, insert, literal, select, update

from speeddash.errors import RenameUnderWay, SourceTaken
from speeddash.store.readings import first_ones, span, up_to
from speeddash.store.sources import Upsert, upkeep
from speeddash.store.tables import Key, speed_data, speed_dirty, speed_event, speed_rollup, speed_source
from speeddash.stretch import HOUR_US

STEP_READINGS: Final = 5_000
STEP_US: Final = 30 * 24 * HOUR_US
#: In the order in which a rename moves what belongs to a source besides its readings.
KEPT: Final = (speed_event, speed_source)


def remove(connection: Connection, source: str, from_us: int, to_us: int) -> list[Key]:
    """Remove the oldest readings of a range; their keys, none when nothing is left."""
    keys = first_ones(connection, source, from_us, to_us, STEP_READINGS)
    if keys:
        connection.execute(delete(speed_data).where(speed_data.c.timestamp >= from_us, up_to(keys[-1])))
    return keys


def forget(connection: Connection, source: str) -> None:
    """Remove what is kept of a source besides its readings."""
    for each in (speed_rollup, speed_dirty, *KEPT):
        connection.execute(delete(each).where(each.c.source == source))


def begin_rename(connection: Connection, source: str, name: str, upsert: Upsert) -> None:
    """Store the new name of a source; see `Store.rename`."""
    under_way = upkeep(connection, source, lock=True).renamed_to
    if under_way is not None and under_way != name:
        raise RenameUnderWay(source, under_way)  # some of its readings have that name already
    if under_way is None:
        if span(connection, name) or upkeep(connection, name).limit_kmh is not None:
            raise SourceTaken(name)
        upsert(connection, speed_source, [{"source": source, "renamed_to": name}])


def move_rollups(connection: Connection, source: str, name: str) -> bool:
    """Give some rollups the new name; False when none is left."""
    r = speed_rollup.c
    first = select(r.width_s, r.at_us).where(r.source == source).order_by(r.width_s, r.at_us).limit(1)
    row = connection.execute(first).first()
    if row is None:
        return False
    inside = (r.source == source, r.width_s == row[0], r.at_us < row[1] + STEP_US)
    connection.execute(update(speed_rollup).where(*inside).values(source=name))
    return True


def move_readings(connection: Connection, source: str, name: str, before_us: int, ignore_duplicates: str) -> bool:
    """Give some readings the new name; False when none is left."""
    keys = first_ones(connection, source, None, before_us, STEP_READINGS)
    if not keys:
        return False
    c = speed_data.c
    # The rows come from the same table: nothing but a double can be refused.
    rows: Any = select(literal(name), c.timestamp, c.seq, c.speed).where(up_to(keys[-1]))
    columns = [each.name for each in speed_data.columns]
    connection.execute(insert(speed_data).from_select(columns, rows).prefix_with(ignore_duplicates))
    connection.execute(delete(speed_data).where(up_to(keys[-1])))
    return True


def end_rename(connection: Connection, source: str, name: str, upsert: Upsert, now_us: ColumnElement[int]) -> None:
    """Mark hours dirty under the new name that got readings under the old one meanwhile, and move settings and events."""
    if upkeep(connection, source, lock=True).renamed_to != name:
        return  # another process has completed it, and what stands under the new name is not to be removed
    d = speed_dirty.c
    hours = connection.execute(select(d.hour_us).where(d.source == source)).scalars().all()
    # From now: somebody may be sending under the new name already, and count on a mark of their own.
    upsert(connection, speed_dirty, [{"source": name, "hour_us": each, "marked_us": now_us} for each in hours])
    connection.execute(update(speed_source).where(speed_source.c.source == source).values(renamed_to=None))
    for each in KEPT:
        connection.execute(delete(each).where(each.c.source == name))  # made meanwhile by what works beside
        connection.execute(update(each).where(each.c.source == source).values(source=name))
