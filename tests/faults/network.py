"""A network between a client and the server that can be as bad as it likes."""

import select
import socket
import threading
import time
from collections import deque
from contextlib import suppress

from tests.faults.relay import Relay, reset

READ_BYTES = 4096


class Network(Relay):
    """A TCP proxy. What it does to connections can be changed at any moment.

    Attributes:
        swallows: Nothing gets through, and no side is notified.
        delay_s: Everything comes so much later.
        piece_bytes: So many at a time, each in a packet of its own; None is as they come.
        bytes_per_s: No more than that, each way of each connection; None is as fast as it goes.
    """

    def __init__(self, target_port: int) -> None:
        self.swallows = False
        self.delay_s = 0.0
        self.piece_bytes: int | None = None
        self.bytes_per_s: float | None = None
        self._lines: list[_Line] = []
        super().__init__(target_port)

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        for each in self._lines:
            each.end()

    def carry(self, client: socket.socket, server: socket.socket) -> None:
        self._lines.append(_Line(self, client, server))

    def heal(self) -> None:
        """Be a good network again, for what is left of the connections and for new ones."""
        self.swallows, self.delay_s, self.piece_bytes, self.bytes_per_s = False, 0.0, None, None

    def reset(self) -> None:
        """Both sides of every connection get a RST."""
        for each in self._take():
            each.end(client_notified=True, server_notified=True)

    def lose_clients(self) -> None:
        """The clients are gone, and the server is not notified: its side of every connection stays open and silent."""
        for each in self._take():
            each.end(client_notified=True, server_notified=False)

    def lose_server(self) -> None:
        """The server has lost its connections, and the clients are not notified."""
        for each in self._take():
            each.end(client_notified=False, server_notified=True)

    def _take(self) -> list["_Line"]:
        taken, self._lines = self._lines, []
        return taken


class _Line:
    """One connection, each way in a thread."""

    def __init__(self, network: Network, client: socket.socket, server: socket.socket) -> None:
        self._network, self._client, self._server = network, client, server
        for each in (client, server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ended = threading.Event()
        self._ways = [
            threading.Thread(target=self._carry, args=way, daemon=True) for way in ((client, server), (server, client))
        ]
        for each in self._ways:
            each.start()

    def end(self, *, client_notified: bool = True, server_notified: bool = True) -> None:
        """Carry nothing any more. A side that is not notified keeps an open connection without answers until the process ends."""
        self._ended.set()
        for each in self._ways:
            each.join(5)
        for sock, notified in ((self._client, client_notified), (self._server, server_notified)):
            if notified:
                reset(sock)
            else:
                _kept_open.append(sock)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        on_the_way: deque[tuple[float, bytes]] = deque()
        ends = False
        with suppress(OSError):
            while not self._ended.is_set() and not (ends and not on_the_way):
                if not ends and select.select([source], [], [], 0.0 if on_the_way else 0.02)[0]:
                    data = source.recv(READ_BYTES)
                    ends = not data
                    if data and not self._network.swallows:
                        on_the_way.append((time.monotonic() + self._network.delay_s, data))
                if on_the_way and (on_the_way[0][0] <= time.monotonic() or not self._network.delay_s):
                    self._deliver(on_the_way.popleft()[1], target)
                elif on_the_way:
                    time.sleep(0.002)  # so that the kernel joins no two pieces
            if ends:
                target.shutdown(socket.SHUT_WR)

    def _deliver(self, data: bytes, target: socket.socket) -> None:
        network = self._network
        at = 0
        while at < len(data) and not self._ended.is_set():
            piece_bytes = network.piece_bytes or (256 if network.bytes_per_s else len(data))
            piece = data[at : at + piece_bytes]
            target.sendall(piece)
            at += len(piece)
            if network.bytes_per_s:
                time.sleep(len(piece) / network.bytes_per_s)  # the rate


#: Sockets whose peer is to believe that they live.
_kept_open: list[socket.socket] = []


def hang_up() -> None:
    """Give back what was kept open for a test."""
    while _kept_open:
        _kept_open.pop().close()
