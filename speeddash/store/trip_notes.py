"""Names, notes and tags that people gave to trips."""

from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select

from speeddash.store.database import Database
from speeddash.store.tables import during, speed_trip
from speeddash.timerange import TimeRange


class TripNote(NamedTuple):
    """What a person wrote about a trip.

    Attributes:
        start_us: A moment of the trip, microseconds since the epoch: the trip's start when it was written. Late readings can move the
            start of a trip, so the note belongs to the trip that the moment is in.
        name: Up to 100 characters; empty for none.
        note: Up to 1,000 characters; empty for none.
        tag: Up to 40 characters; empty for none.
    """

    start_us: int
    name: str = ""
    note: str = ""
    tag: str = ""


class TripNotes:
    """The trip notes of a store. Any thread or greenlet may call it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def select(self, source: str, time: TimeRange) -> list[TripNote]:
        """Return the notes of a source in a range, in the order of time."""
        return self._database.ask(_select, source, time)

    def replace(self, source: str, time: TimeRange, note: TripNote) -> None:
        """Put a note in the place of those in a range; an empty one only removes them."""
        self._database.change(_replace, source, time, note)


def _select(connection: Connection, source: str, time: TimeRange) -> list[TripNote]:
    t = speed_trip.c
    columns = [t[name] for name in TripNote._fields]
    rows = connection.execute(
        select(*columns).where(t.source == source, *during(t.start_us, time)).order_by(t.start_us)
    )
    return [TripNote(*row) for row in rows]


def _replace(connection: Connection, source: str, time: TimeRange, note: TripNote) -> None:
    t = speed_trip.c
    connection.execute(delete(speed_trip).where(t.source == source, *during(t.start_us, time)))
    if any(note[1:]):
        connection.execute(insert(speed_trip), {"source": source, **note._asdict()})
