"""A proxy before MySQL that understands its packets, and cuts a connection at a chosen moment of a transaction.

https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html: 3 bytes of length, 1 byte of sequence;
a command is the first packet of a sequence, and COM_QUERY is 3.
"""

import re
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import Enum

from tests.faults.relay import Relay, reset

COM_QUERY = 0x03
BUFFER_BYTES = 1 << 16


class Moment(Enum):
    BEFORE = "before it is sent on"
    SENT = "sent on, and not waited for"
    UNANSWERED = "done, and its answer withheld"


class Cut:
    """What is to be cut; `done` is set once it has been."""

    def __init__(self, statement: str, moment: Moment) -> None:
        self.statement = re.compile(statement.encode())
        self.moment = moment
        self.done = threading.Event()


class MySQLProxy(Relay):
    """Listens on a port of its own. `armed` is taken by the first connection that sends its statement."""

    def __init__(self, target_port: int) -> None:
        # Protects `armed`: two connections may send its statement at once.
        self._taking = threading.Lock()
        self.armed: Cut | None = None
        self.ending = threading.Event()
        super().__init__(target_port)

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        super().__exit__()

    def cut(self, statement: str, moment: Moment) -> Cut:
        self.armed = Cut(statement, moment)
        return self.armed

    def carry(self, client: socket.socket, server: socket.socket) -> None:
        _Session(self, client, server)

    def take(self, query: bytes) -> Cut | None:
        """The cut that is meant for this query, once."""
        with self._taking:
            cut = self.armed
            if cut and cut.statement.match(query):
                self.armed = None
                return cut
        return None


class _Session:
    """One connection in two threads; the one that forwards queries decides. The last one to end closes both sides."""

    def __init__(self, proxy: MySQLProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._cut: Cut | None = None
        self._withheld: Cut | None = None
        self._ended = threading.Event()
        self._ways = [threading.Thread(target=self._run, args=(each,)) for each in (self._queries, self._answers)]
        self._closing = threading.Lock()
        self._open = len(self._ways)
        for each in self._ways:
            each.start()

    def _run(self, way: Callable[[], Iterator[None]]) -> None:
        with suppress(OSError):
            for _ in way():
                pass
        self._ended.set()
        with self._closing:
            self._open -= 1
            if self._open:
                return
        reset(self._client)
        reset(self._server)
        if self._cut:
            self._cut.done.set()

    def _queries(self) -> Iterator[None]:
        received = b""
        for data in self._received(self._client):
            received += data
            while len(received) >= 4 and len(received) >= (size := 4 + int.from_bytes(received[:3], "little")):
                packet, received = received[:size], received[size:]
                is_query = packet[3] == 0 and packet[4:5] == bytes([COM_QUERY])
                cut = self._proxy.take(packet[5:]) if is_query else None
                if cut and cut.moment is Moment.UNANSWERED:
                    self._withheld = cut
                elif cut:
                    self._cut = cut
                if not self._cut or self._cut.moment is Moment.SENT:
                    self._server.sendall(packet)
                if self._cut:
                    return
            yield

    def _answers(self) -> Iterator[None]:
        for data in self._received(self._server):
            if self._withheld:
                self._cut = self._withheld
                return
            self._client.sendall(data)
            yield

    def _received(self, source: socket.socket) -> Iterator[bytes]:
        while not self._ended.is_set() and not self._proxy.ending.is_set():
            if select.select([source], [], [], 0.02)[0]:
                data = source.recv(BUFFER_BYTES)
                if not data:
                    return
                yield data
