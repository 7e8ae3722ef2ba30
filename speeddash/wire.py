"""A socket that never makes anyone wait."""

import os
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import gevent

READ, WRITE = 1, 2
RECEIVE_BYTES = 1 << 15
KERNEL_BUFFER_BYTES = 1 << 17
#: A turn of the event loop reads no longer than this: the database's answer waits behind it, and the database with it.
TURN_S = 0.003


class Wire:
    """Both directions of a gevent socket, driven by the event loop itself: no greenlet is switched to for a message.

    `send` returns at once, whole and in order, from whichever greenlet it is called. What the peer does not take now is kept
    and handed over as the peer takes it.

    Attributes:
        unsent_bytes: Kept, and not yet taken by the peer.
        taken_at: When the peer last took some of what was kept (`time.monotonic`).
    """

    # The turn of the event loop in which a socket was last read, and when the first one was (`time.monotonic`).
    _turn = 0.0
    _turn_began = 0.0

    def __init__(self, sock: socket.socket, received: Callable[[bytes], object], taken: Callable[[], object]) -> None:
        """Wrap a socket.

        Args:
            sock: Under gevent its descriptor does not block.
            received: Called with what came, after `resume`, and with nothing at the end. It runs in the event loop: it must
                not wait.
            taken: Called when the peer has taken some of what was kept; likewise.
        """
        if sock.family in (socket.AF_INET, socket.AF_INET6):  # not behind a proxy on a Unix socket
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The kernel would let them grow to several MB for a peer that never reads, or sends more than can be stored.
        for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, buffer, KERNEL_BUFFER_BYTES)
        self.unsent_bytes = 0
        self.taken_at = 0.0
        self._sock = sock
        self._fd = sock.fileno()
        self._received = received
        self._taken = taken
        self._unsent: deque[memoryview] = deque()
        self._shut = False
        self._loop = gevent.get_hub().loop
        self._readable = self._loop.io(self._fd, READ)
        self._writable = self._loop.io(self._fd, WRITE)
        self._reading = False

    def resume(self) -> None:
        """Read, from now on."""
        if not self._reading and self._fd >= 0:
            self._reading = True
            self._readable.start(self._read)

    def pause(self) -> None:
        """Read no more: the peer's bytes stay in the socket, and TCP slows it down."""
        self._reading = False
        self._readable.stop()

    def send(self, data: bytes) -> None:
        """Send all of it, now or later. A peer that is gone shows itself at the reading side."""
        if self._fd < 0:
            return
        sent = 0
        if not self._unsent:
            sent = self._write(data)
            if sent == len(data):
                return
            self._writable.start(self._hand_over)
        self._unsent.append(memoryview(data)[sent:])
        self.unsent_bytes += len(data) - sent

    def shut(self) -> None:
        """Say that nothing more comes from here, once all of it is taken."""
        self._shut = True
        if not self._unsent:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)

    def hang_up(self) -> None:
        """End both directions; the reading side is told."""
        if self._fd >= 0:
            self.resume()
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the socket back."""
        if self._fd >= 0:
            self._fd = -1
            self._unsent.clear()
            for watcher in (self._readable, self._writable):
                watcher.stop()
                watcher.close()
            self._sock.close()

    def _read(self) -> None:
        now = time.monotonic()
        turn = self._loop.now()  # the same all through a turn; the wall clock, so that nothing else may be made of it
        if turn != Wire._turn:
            Wire._turn, Wire._turn_began = turn, now
        if now - Wire._turn_began > TURN_S:
            return  # still readable: its turn comes with the next one
        try:
            data = os.read(self._fd, RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.pause()
        self._received(data)

    def _write(self, data: bytes | memoryview) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)  # the peer is gone, and `recv` says so

    def _hand_over(self) -> None:
        data = self._unsent[0]
        sent = self._write(data)
        self.unsent_bytes -= sent
        self.taken_at = time.monotonic()
        if sent < len(data):
            self._unsent[0] = data[sent:]
        else:
            self._unsent.popleft()
        if not self._unsent:
            self._writable.stop()
            if self._shut:
                self.shut()
        self._taken()
