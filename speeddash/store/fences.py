"""Conditions that every change of a piece of work must meet: it still has the lease that protects it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, NamedTuple

from sqlalchemy import Connection, select, update

from speeddash.errors import LeaseLost
from speeddash.store.tables import speed_lease

#: Held by the server that rolls up, checks limits and delivers events.
BACKGROUND: Final = "background"
#: Held while a source is renamed, merged, deleted or limited.
SOURCES: Final = "sources"


#: A server that stands still within a transaction holds its locks for so long; the database rolls it back then.
IDLE_S: Final = 20
#: Longest wait for such a lock; the change begins again then (`Database.change`).
LOCK_WAIT_S: Final = 1


def session_limits(idle_s: int, lock_s: int) -> str:
    """Return MySQL's statement that ends an idle session, and a wait for a lock, after so many seconds."""
    return f"SET SESSION wait_timeout = {idle_s}, SESSION innodb_lock_wait_timeout = {lock_s}"


def limit_locks(connection: Connection) -> None:
    """Let the database end the transactions of a connection when its server stands still: a stopped process keeps its connection open."""
    if connection.dialect.name == "mysql" and connection.info.get("idle_s") != IDLE_S:
        connection.exec_driver_sql(session_limits(IDLE_S, LOCK_WAIT_S))
        connection.info["idle_s"] = IDLE_S


class Fence(NamedTuple):
    """A lease as it was when the work began.

    Attributes:
        name: `BACKGROUND` or `SOURCES`.
        node: The server that held it.
        term: Its term.
    """

    name: str
    node: str
    term: int

    def check(self, connection: Connection) -> None:
        """Keep the lease from being taken until the transaction ends.

        A change of a source also raises the term of the background work, so that what that has read before is not written after.

        Raises:
            LeaseLost: Another server has it, or has changed a source meanwhile.
        """
        limit_locks(connection)
        lease = speed_lease.c
        mine = (lease.name == self.name, lease.node == self.node, lease.term == self.term)
        if connection.execute(select(lease.term).where(*mine).with_for_update(read=True)).scalar() is None:
            raise LeaseLost(self.name)
        if self.name == SOURCES:
            connection.execute(update(speed_lease).where(lease.name == BACKGROUND).values(term=lease.term + 1))


_fence: ContextVar[Fence | None] = ContextVar("fence", default=None)


@contextmanager
def fenced(fence: Fence | None) -> Iterator[None]:
    """Let every change of this thread or greenlet meet a condition within the block, and no other one; None for no condition."""
    token = _fence.set(fence)
    try:
        yield
    finally:
        _fence.reset(token)


def check_fence(connection: Connection) -> None:
    """Check the condition of the current thread or greenlet; without one no statement is executed.

    Raises:
        LeaseLost: Nothing may be written.
    """
    fence = _fence.get()
    if fence is not None:
        fence.check(connection)
