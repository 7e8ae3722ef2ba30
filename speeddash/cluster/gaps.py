"""Finds out whether readings that other servers have committed did not arrive here. Pure: it knows nothing of databases and buses."""

from collections.abc import Iterable

from speeddash.store.nodes import NodeRow


class Gaps:
    """How far each other server is, and how far its readings have arrived.

    Design: a server counts the readings that it has committed. Each message of the bus says at which count it begins, so a message that
    is missing shows with the next one. The table of servers holds the same count, so it shows too when no message follows, when there is
    no bus, or when a server dies between its commit and its message. A server that is new, or gone, is a gap once: what it
    committed before the first look, or after the last one, is not known.
    """

    def __init__(self) -> None:
        self._arrived: dict[str, int] = {}
        self._looked: dict[str, int] = {}

    def message(self, node: str, first: int, count: int) -> bool:
        """Take note of readings that arrived; return whether some before them did not.

        Args:
            node: The server that has committed them.
            first: Readings that it had committed before them.
            count: Their number.
        """
        arrived = self._arrived.get(node, 0)
        self._arrived[node] = max(arrived, first + count)
        return first > arrived

    def look(self, rows: Iterable[NodeRow], *, bus: bool) -> bool:
        """Compare with the table of servers; return whether something did not arrive.

        Args:
            rows: The other servers that live.
            bus: Readings arrive by a bus: what was committed since the last look may still be on its way.
        """
        committed = {each.node: each.committed for each in rows}
        gap = committed.keys() != self._looked.keys()
        for node, count in committed.items():
            due = self._looked.get(node, count) if bus else count
            if due > self._arrived.get(node, 0):
                gap = True
                self._arrived[node] = due
        for node in self._looked.keys() - committed.keys():
            self._arrived.pop(node, None)
        self._looked = committed
        return gap

    def forget(self) -> None:
        """Begin again: every server is new with the next look."""
        self._arrived.clear()
        self._looked.clear()
