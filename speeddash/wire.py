"""The sending half of a socket: whole, in order, and never waiting."""

import os
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import gevent


class Wire:
    """A gevent socket whose `send` returns at once, from whichever greenlet it is called.

    What the peer does not take now is kept, and a greenlet of its own hands it over as the peer takes it.

    Attributes:
        unsent_bytes: Kept, and not yet taken by the peer.
        taken_at: When the peer last took some of what was kept (`time.monotonic`).
    """

    def __init__(self, sock: socket.socket, taken: Callable[[], None]) -> None:
        """Wrap a socket; `taken` is called when the peer has taken some of what was kept."""
        sock.settimeout(None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.recv = sock.recv
        self.unsent_bytes = 0
        self.taken_at = 0.0
        self._sock = sock
        self._taken = taken
        self._unsent: deque[memoryview] = deque()
        self._shut = False

    def send(self, data: bytes) -> None:
        """Send all of it, now or later. A peer that is gone is noticed by `recv`."""
        sent = 0
        if not self._unsent:
            try:
                # Not the socket's send, which would wait: the descriptor under gevent does not block.
                sent = os.write(self._sock.fileno(), data)
            except BlockingIOError:
                pass
            except OSError:
                self.hang_up()
                return
            if sent == len(data):
                return
            gevent.spawn(self._hand_over)
        self._unsent.append(memoryview(data)[sent:])
        self.unsent_bytes += len(data) - sent

    def shut(self) -> None:
        """Say that nothing more comes from here, once all of it is taken."""
        self._shut = True
        if not self._unsent:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)

    def hang_up(self) -> None:
        """End both directions; `recv` answers with the end."""
        self._unsent.clear()
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the socket back."""
        self._unsent.clear()
        self._sock.close()

    def _hand_over(self) -> None:
        with suppress(OSError):
            while self._unsent:
                data = self._unsent[0]
                sent = self._sock.send(data)
                if not self._unsent:  # hung up meanwhile
                    break
                self._unsent[0] = data[sent:]
                if sent == len(data):
                    self._unsent.popleft()
                self.unsent_bytes -= sent
                self.taken_at = time.monotonic()
                self._taken()
        if self._shut:
            self.shut()
