"""The servers that use one database together."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, select

from speeddash.store.database import Database
from speeddash.store.fences import limit_locks
from speeddash.store.tables import speed_node

#: Time after its last sign of life that a server counts as gone.
LEASE_US: Final = 15_000_000


class NodeRow(NamedTuple):
    """A server.

    Attributes:
        node: Its random name, another one after each start.
        url: Address at which the others reach it.
        committed: Readings that it has committed since its start.
    """

    node: str
    url: str
    committed: int


class Nodes:
    """The servers of a store. Times are those of the database's clock. Any thread or greenlet may call it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self, row: NodeRow) -> None:
        """Store that a server lives, and how far it is."""
        expires_us = self._database.now_us + LEASE_US
        rows = [{**row._asdict(), "expires_us": expires_us}]
        self._database.change_once(_beat, self._database, rows)

    def others(self, node: str) -> list[NodeRow]:
        """Return the servers that live, except one."""
        return self._database.ask(_others, self._database.now_us, node)

    def leave(self, node: str) -> None:
        """Remove a server, and all that are gone."""
        self._database.change(_leave, self._database.now_us, node)


def _others(connection: Connection, now_us: ColumnElement[int], node: str) -> list[NodeRow]:
    n = speed_node.c
    query = select(n.node, n.url, n.committed).where(n.expires_us > now_us, n.node != node).order_by(n.node)
    return [NodeRow(*row) for row in connection.execute(query)]


def _beat(connection: Connection, database: Database, rows: Sequence[Mapping[str, Any]]) -> None:
    limit_locks(connection)
    database.upsert(connection, speed_node, rows)


def _leave(connection: Connection, now_us: ColumnElement[int], node: str) -> None:
    limit_locks(connection)
    n = speed_node.c
    gone = connection.execute(select(n.node).where(n.expires_us <= now_us)).scalars().all()
    connection.execute(delete(speed_node).where(n.node == node))
    for each in gone:  # one by one: a condition on the time would lock the rows of all servers
        connection.execute(delete(speed_node).where(n.node == each, n.expires_us <= now_us))
