"""Leases: what one server of several may do at a time. With one server they are neither taken nor checked."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from sqlalchemy import ColumnElement, Connection, case, insert, or_, select, update

from speeddash.errors import RowsLocked, StoreUnavailable
from speeddash.store.database import Database
from speeddash.store.fences import SOURCES, Fence, fenced, limit_locks
from speeddash.store.tables import speed_lease

#: Time after which a lease that was not renewed can be taken by another server.
LEASE_US: Final = 15_000_000
#: Longest wait for a change of a source at another server.
WAIT_S: Final = 30.0
ASK_AGAIN_S: Final = 0.1
#: Interval of renewals during a change of a source.
RENEW_S: Final = 3.0


class Leases:
    """The leases of a store. Times are those of the database's clock. Any thread or greenlet may call it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, name: str, node: str) -> int | None:
        """Take or renew a lease; return its term, or None if another server has it.

        The term is raised when the lease passes to another server: what the last one still writes is refused then (`store.fences`).
        """
        return self._database.change_once(_take, self._database, name, node)

    def release(self, name: str, node: str) -> None:
        """Let another server take a lease at once."""
        self._database.change_once(_release, name, node)


def _take(connection: Connection, database: Database, name: str, node: str) -> int | None:
    limit_locks(connection)
    lease, now_us = speed_lease.c, database.now_us
    free_or_mine = or_(lease.node == node, lease.expires_us <= now_us)
    # MySQL assigns in this order, and the term depends on the node before.
    values: list[tuple[ColumnElement[object], object]] = [
        (lease.term, case((lease.node == node, lease.term), else_=lease.term + 1)),
        (lease.node, node),
        (lease.expires_us, now_us + LEASE_US),
    ]
    take = update(speed_lease).where(lease.name == name, free_or_mine).ordered_values(*values)
    held = select(lease.node, lease.term).where(lease.name == name)
    connection.execute(take)
    row = connection.execute(held).one_or_none()
    if row is None:  # nobody has ever had it
        new = {"name": name, "node": "", "term": 0, "expires_us": 0}
        connection.execute(insert(speed_lease).prefix_with(database.ignore_duplicates), new)
        connection.execute(take)
        row = connection.execute(held).one()
    return row.term if row.node == node else None


def _release(connection: Connection, name: str, node: str) -> None:
    limit_locks(connection)
    lease = speed_lease.c
    connection.execute(update(speed_lease).where(lease.name == name, lease.node == node).values(expires_us=0))


class SourceLock:
    """Protects a source that is being changed as a whole. Of several servers on one database one changes a source at a time.

    Attributes:
        here: Held while a source is renamed or deleted, and while an hour is rolled up, so that neither sees half of the other's work.
    """

    def __init__(self) -> None:
        self.here = threading.Lock()
        self._leases: Leases | None = None
        self._node = ""

    def share(self, leases: Leases, node: str) -> None:
        """Take other servers into account from now on."""
        self._leases, self._node = leases, node

    @contextmanager
    def everywhere(self) -> Iterator[None]:
        """Keep the other servers from changing a source; nothing to do without them.

        Raises:
            StoreUnavailable: Another server has changed one for `WAIT_S`.
        """
        leases = self._leases
        if leases is None:
            yield
            return
        deadline = time.monotonic() + WAIT_S
        while (term := self._take(leases)) is None:
            if time.monotonic() > deadline:
                raise StoreUnavailable("another server is changing a source; try again")
            time.sleep(ASK_AGAIN_S)
        ended = threading.Event()
        threading.Thread(target=self._renew, args=(leases, ended), name="source-lease", daemon=True).start()
        try:
            with fenced(Fence(SOURCES, self._node, term)):
                yield
        finally:
            ended.set()
            # Whatever else this thread holds: the change is made. If it cannot be released, the lease expires by itself.
            with fenced(None), suppress(StoreUnavailable):
                leases.release(SOURCES, self._node)

    def _take(self, leases: Leases) -> int | None:
        try:
            return leases.take(SOURCES, self._node)
        except RowsLocked:  # by a change of the server that has the lease
            return None

    def _renew(self, leases: Leases, ended: threading.Event) -> None:
        while not ended.wait(RENEW_S):
            try:
                leases.take(SOURCES, self._node)
            except StoreUnavailable:
                continue  # the change fails, or the next renewal succeeds
