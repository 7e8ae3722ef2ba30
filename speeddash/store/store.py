"""The store: one database, and the objects that read and write it, by noun."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy import Connection

from speeddash.store.database import Durability
from speeddash.store.events import Events
from speeddash.store.leases import Leases, SourceLock
from speeddash.store.maintenance import SourceMaintenance
from speeddash.store.nodes import Nodes
from speeddash.store.readings import Readings
from speeddash.store.rollup_maintenance import RollupMaintenance
from speeddash.store.rollups import Rollups
from speeddash.store.session import Session
from speeddash.store.sources import Sources
from speeddash.store.trip_notes import TripNotes
from speeddash.store.writer import ReadingWriter, WritableDatabase

P = ParamSpec("P")
T = TypeVar("T")


class Queries:
    """What can be read in a session.

    Attributes:
        readings: Stored readings.
        rollups: Buckets and segments of a source's history.
        sources: Names, first and last readings, settings.
    """

    def __init__(self, session: Session) -> None:
        self.readings = Readings(session)
        self.rollups = Rollups(session)
        self.sources = Sources(session)


class Store(Queries):
    """Readings and all that is derived from them. Any thread or greenlet may call it, except `writer`.

    Its methods and those of its parts may raise `StoreError`, and never an error of a driver; a rename also `SourceTaken` and
    `RenameUnderWay`.

    Attributes:
        writer: Stores readings; for one thread or greenlet at a time.
        events: Events above limits, and their deliveries.
        nodes: The servers that use the database together.
        leases: What one of them at a time may do.
        source_lock: Protects a source that is being changed as a whole.
        trip_notes: Names, notes and tags of trips.
        rollup_maintenance: Marks and computes rollups.
        source_maintenance: Removes and renames.
    """

    def __init__(self, database: WritableDatabase, source_lock: SourceLock | None = None) -> None:
        """Wrap a database, without connecting.

        Args:
            database: Its connections.
            source_lock: Protects a source that is being changed as a whole; None creates one.
        """
        super().__init__(database)
        self.database = database
        self.source_lock = source_lock or SourceLock()
        self.writer = ReadingWriter(database)
        self.events = Events(database)
        self.nodes = Nodes(database)
        self.leases = Leases(database)
        self.trip_notes = TripNotes(database)
        self.rollup_maintenance = RollupMaintenance(database, self.source_lock)
        self.source_maintenance = SourceMaintenance(database, self.source_lock)

    @property
    def shown_url(self) -> str:
        """The URL with `***` in the place of the password."""
        return self.database.shown_url

    def with_own_connections(self) -> Self:
        """Return the same store with a connection pool of its own, which requests cannot use up."""
        return type(self)(self.database.with_own_connections(), self.source_lock)

    @contextmanager
    def snapshot(self) -> Iterator[Queries]:
        """Answer several queries from one state of the database.

        Raises:
            StoreError: The database cannot answer.
        """
        snapshot = Snapshot(self.database)
        try:
            yield Queries(snapshot)
        finally:
            snapshot.close()

    def prepare(self) -> Durability:
        """Connect and bring the schema to the current version; see `Database.prepare`."""
        return self.database.prepare()

    def check_writable(self) -> Durability:
        """Check that readings can be stored now; see `Database.check_writable`."""
        return self.database.check_writable()

    def close(self) -> None:
        """Close every connection."""
        self.writer.close()
        self.database.close()


class Snapshot:
    """A session whose queries all see the state of the database at the first one. For one thread or greenlet at a time."""

    def __init__(self, database: WritableDatabase) -> None:
        self._database = database
        self._connection: Connection | None = None

    def ask(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query; see `Session.ask`."""

        def asked() -> T:
            with self._database.errors_translated():
                if self._connection is None:
                    self._connection = self._database.engine.connect()
                    self._database.begin_snapshot(self._connection)
                return query(self._connection, *args, **kwargs)

        return self._database.call(asked)

    def close(self) -> None:
        """End the snapshot."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._database.call(connection.close)
