"""This server among the others on one database."""

import logging
import math
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

from speeddash.cluster.bus import Bus
from speeddash.cluster.gaps import Gaps
from speeddash.errors import StoreError
from speeddash.live.feed import Feed
from speeddash.reading import Reading
from speeddash.store import Store
from speeddash.store.fences import BACKGROUND, Fence, fenced
from speeddash.store.nodes import LEASE_US, NodeRow
from speeddash.store.writer import SHARED_IDLE_S, SHARED_LOCK_S

log = logging.getLogger(__name__)

ROUND_S: Final = 1.0
#: The others know for so long that this server lives: less than its lease, by the longest time from there to a commit over a connection
#: that the writer has used before.
KNOWN_S: Final = LEASE_US / 1e6 - SHARED_IDLE_S - SHARED_LOCK_S - ROUND_S


class Node:
    """Says once a second that this server lives and how far it is, and finds out what its watchers miss of the others.

    Attributes:
        id: Random name, another one after each start.
        committed: Readings committed since the start.
        gaps: How often watchers were told to read again.
        bus: Brings readings of other servers at once; None: watchers read again once a second while others commit.
    """

    def __init__(
        self, store: Store, feed: Feed, url: str, bus_url: str | None, secret: str, prepared: Callable[[], bool]
    ) -> None:
        """Prepare, without connecting.

        Args:
            store: Holds the table of servers.
            feed: This server's watchers.
            url: Address at which the others reach this server.
            bus_url: Address of the bus; None without one.
            secret: What all servers have in common.
            prepared: Whether the tables exist.

        Raises:
            SettingsError: The bus cannot be used.
        """
        self._store = store
        self._feed = feed
        self._url = url
        self._prepared = prepared
        self._gaps = Gaps()
        self._gap = False
        self._term: int | None = None
        self._told_at = -math.inf
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="node", daemon=True)
        self.id = secrets.token_hex(8)
        store.source_lock.share(store.leases, self.id)
        store.writer.share(self.join)
        self.bus = Bus(bus_url, secret, self.id, self._arrived) if bus_url else None
        self.committed = 0
        self.gaps = 0

    def join(self, new_connection: bool) -> None:
        """Tell the others that this server lives, if they may not know: before its first commit, and after it stood still.

        A server that dies right after its commit then leaves no hole unnoticed. The clock of a machine that was suspended may have stood
        still too; that the database has closed the connection says more.

        Args:
            new_connection: The commit follows over a connection that was just opened.

        Raises:
            StoreError: The database cannot answer.
        """
        if new_connection or time.monotonic() - self._told_at > KNOWN_S:
            self._tell()

    def start(self) -> None:
        """Begin in the background."""
        self._thread.start()
        if self.bus:
            self.bus.start()

    def stop(self) -> None:
        """Send what the others do not have yet, and leave."""
        self._stopping.set()
        if self.bus:
            self.bus.stop()
        self._thread.join(ROUND_S / 2)

    def announce(self, readings: Sequence[Reading]) -> None:
        """Take note of readings that were committed here. It does not wait."""
        if self.bus:
            self.bus.publish(self.committed, readings)
        self.committed += len(readings)

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Say whether the background work of all servers is this one's now.

        What it changes within the block is refused when the work has passed to another server meanwhile.
        """
        term = self._term
        if term is None:
            yield False
            return
        with fenced(Fence(BACKGROUND, self.id, term)):
            yield True

    def _arrived(self, node: str, first: int, readings: list[Reading]) -> None:
        if self._gaps.message(node, first, len(readings)):
            self._gap = True
        self._feed.publish(readings)

    def _run(self) -> None:
        problem = ""
        while not self._stopping.is_set():
            try:
                if self._prepared():
                    self._round()
                problem = ""
            except StoreError as error:
                if str(error) != problem:
                    problem = str(error)
                    log.warning("the other servers are not known: %s", problem)
            except Exception:
                log.exception("the other servers are not known")
            self._stopping.wait(ROUND_S)
        for sign_off in (partial(self._store.leases.release, BACKGROUND), self._store.nodes.leave):
            try:
                sign_off(self.id)
            except StoreError as error:
                log.warning("this server could not sign off; the others notice within 15 s: %s", error)

    def _tell(self) -> None:
        began = time.monotonic()
        self._store.nodes.beat(NodeRow(self.id, self._url, self.committed))
        self._told_at = began

    def _round(self) -> None:
        self._tell()
        self._look()
        # Last: it may wait for a server that stands still.
        self._term = self._store.leases.take(BACKGROUND, self.id)

    def _look(self) -> None:
        """Find out what this server's watchers miss."""
        watched = self._feed.watchers > 0
        if self.bus:
            self.bus.listen(on=watched)
        if not watched:
            self._gaps.forget()
            self._gap = False
            return
        others = self._store.nodes.others(self.id)
        # With the first watcher every other server is new, and a gap: the watcher has read its sources before messages arrive here.
        if self._gaps.look(others, bus=self.bus is not None) or self._gap:
            self._gap = False
            self.gaps += 1
            self._feed.invalidate()
