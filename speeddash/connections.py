"""Who is connected: the senders, by connection id, and the watchers."""

import gc
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from speeddash.access import Role
from speeddash.address import site
from speeddash.allowance import Allowance
from speeddash.safe_server import SafeServer

#: Connections that may leave before what they left behind is searched for.
SEARCH_AFTER = 500


@dataclass
class Connection:
    """One open socket of a sender.

    Attributes:
        source: Named on the URL, else the connection's id.
        opened_us: Microseconds since the epoch.
        role: What it may send.
        address: The client's address.
        allowances: What limits its readings a second: its own, and that of its address.
        readings: How many of its readings were stored.
    """

    id: str
    source: str
    opened_us: int
    socket: SafeServer = field(repr=False)
    role: Role
    address: str = ""
    allowances: Sequence[Allowance] = ()
    readings: int = 0


class Connections:
    """The senders that are connected, by connection id, and the watchers; each is here from handshake to close."""

    def __init__(self) -> None:
        self.watchers: dict[SafeServer, str] = {}  # and where each comes from
        self._by_id: dict[str, Connection] = {}
        self._by_site: Counter[str] = Counter()
        self._gone = 0
        self._left = threading.Event()
        self._stopping = threading.Event()

    def __len__(self) -> int:
        return len(self._by_id) + len(self.watchers)

    def get(self, connection_id: str) -> Connection | None:
        """The open connection of that id."""
        return self._by_id.get(connection_id)

    def of_address(self, address: str) -> int:
        """How many come from there, senders and watchers."""
        return self._by_site[site(address)]

    def all(self) -> list[Connection]:
        """Those open now, the oldest first."""
        return list(self._by_id.values())

    def add(self, connection: Connection) -> None:
        """Show it from now on."""
        self._by_id[connection.id] = connection
        self._by_site[site(connection.address)] += 1
        if self._stopping.is_set():  # its handshake ended after `drain`
            connection.socket.drain()

    def remove(self, connection: Connection) -> None:
        """Show it no longer."""
        del self._by_id[connection.id]
        self._leave(connection.address)

    def add_watcher(self, socket: SafeServer, address: str) -> None:
        """Count it from now on."""
        self.watchers[socket] = address
        self._by_site[site(address)] += 1
        if self._stopping.is_set():
            socket.drain()

    def remove_watcher(self, socket: SafeServer) -> None:
        """Count it no longer."""
        self._leave(self.watchers.pop(socket))

    def _leave(self, address: str) -> None:
        place = site(address)
        self._by_site[place] -= 1
        if not self._by_site[place]:
            del self._by_site[place]
        self._left.set()
        # flask-sock makes a class for each connection, which stays with all that hangs on it until a full search for garbage; those
        # are rare (`server.COLLECT_AFTER`), and a flood of short connections would grow the memory by 2 MB a second.
        self._gone += 1
        if self._gone % SEARCH_AFTER == 0:
            gc.collect()

    def drain(self) -> None:
        """Let every connection answer what it has received, then close it."""
        self._stopping.set()
        for socket in self._sockets():
            socket.drain()

    def keep_alive(self, interval_s: float) -> None:
        """Begin to ping connections that are silent for `interval_s`, and to close those that stay silent for another."""
        threading.Thread(target=self._check, args=(interval_s,), name="pings", daemon=True).start()

    def _check(self, interval_s: float) -> None:
        while not self._stopping.wait(interval_s / 4):
            now = time.monotonic()
            for socket in self._sockets():
                socket.check(now, interval_s)

    def _sockets(self) -> list[SafeServer]:
        return [*(connection.socket for connection in self._by_id.values()), *self.watchers]

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until all are closed; False if some are not by then."""
        deadline = time.monotonic() + timeout_s
        while len(self):
            if not self._left.wait(max(0.0, deadline - time.monotonic())):
                return False
            self._left.clear()
        return True
