"""Open connections: senders, by connection id, and watchers."""

import gc
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from speeddash.auth.access import Role
from speeddash.network.address import network_of
from speeddash.network.rate_limit import TokenBucket
from speeddash.network.websocket import ServerSocket

#: Closed connections after which the garbage collector runs.
COLLECT_EVERY = 500


@dataclass
class Connection:
    """One open socket of a sender.

    Attributes:
        id: Random name of the connection.
        source: Source named in the URL, else the id of the connection.
        opened_us: Time of the handshake, microseconds since the epoch.
        socket: The WebSocket.
        role: Role of the sender.
        address: Address of the client.
        rate_limits: Limits of its readings per second: its own and that of its network.
        readings: Readings stored.
    """

    id: str
    source: str
    opened_us: int
    socket: ServerSocket = field(repr=False)
    role: Role
    address: str = ""
    rate_limits: Sequence[TokenBucket] = ()
    readings: int = 0


class Connections:
    """All open WebSockets, from handshake to close.

    Attributes:
        watchers: Sockets of watchers, and the address of each.
        prefix: Beginning of every id; several servers have different ones.
    """

    def __init__(self) -> None:
        self.watchers: dict[ServerSocket, str] = {}
        self.prefix = ""
        self._by_id: dict[str, Connection] = {}
        self._by_network: Counter[str] = Counter()
        self._closed = 0
        self._left = threading.Event()
        self._stopping = threading.Event()

    def __len__(self) -> int:
        return len(self._by_id) + len(self.watchers)

    def get(self, connection_id: str) -> Connection | None:
        """Return the open sender connection of an id."""
        return self._by_id.get(connection_id)

    def of_address(self, address: str) -> int:
        """Return the number of connections from the network of an address."""
        return self._by_network[network_of(address)]

    def all(self) -> list[Connection]:
        """Return the senders, the oldest connection first."""
        return list(self._by_id.values())

    def add(self, connection: Connection) -> None:
        """Add a sender."""
        self._by_id[connection.id] = connection
        self._by_network[network_of(connection.address)] += 1
        if self._stopping.is_set():  # the handshake ended after `drain`
            connection.socket.drain()

    def remove(self, connection: Connection) -> None:
        """Remove a sender."""
        del self._by_id[connection.id]
        self._leave(connection.address)

    def add_watcher(self, socket: ServerSocket, address: str) -> None:
        """Add a watcher."""
        self.watchers[socket] = address
        self._by_network[network_of(address)] += 1
        if self._stopping.is_set():
            socket.drain()

    def remove_watcher(self, socket: ServerSocket) -> None:
        """Remove a watcher."""
        self._leave(self.watchers.pop(socket))

    def _leave(self, address: str) -> None:
        network = network_of(address)
        self._by_network[network] -= 1
        if not self._by_network[network]:
            del self._by_network[network]
        self._left.set()
        # flask-sock creates a class for each connection that ends, which only the garbage collector frees. It runs rarely
        # (`server.GC_THRESHOLDS`), and a flood of short connections would take 2 MB of memory per second. These classes are young:
        # to look through all objects would hold up every echo for a quarter of a second.
        self._closed += 1
        if self._closed % COLLECT_EVERY == 0:
            gc.collect(1)

    def drain(self) -> None:
        """Let every connection answer the frames that it has received, then close it."""
        self._stopping.set()
        for socket in self._sockets():
            socket.drain()

    def keep_alive(self, interval_s: float) -> None:
        """Begin to ping connections that were silent for `interval_s`, and to close those that stay silent for as long again."""
        threading.Thread(target=self._check, args=(interval_s,), name="pings", daemon=True).start()

    def _check(self, interval_s: float) -> None:
        while not self._stopping.wait(interval_s / 4):
            now = time.monotonic()
            for socket in self._sockets():
                socket.check(now, interval_s)

    def _sockets(self) -> list[ServerSocket]:
        return [*(connection.socket for connection in self._by_id.values()), *self.watchers]

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until all are closed; return False if some are not within the time."""
        deadline = time.monotonic() + timeout_s
        while len(self):
            if not self._left.wait(max(0.0, deadline - time.monotonic())):
                return False
            self._left.clear()
        return True
