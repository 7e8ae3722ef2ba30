"""A socket that never makes anyone wait."""

import os
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

import gevent

READ, WRITE = 1, 2
#: Of one turn: the least and the most.
RECEIVE_BYTES = (1 << 10, 1 << 15)
KERNEL_BUFFER_BYTES = 1 << 17
#: A turn of the event loop reads no longer than this: the database's answer waits behind it, and the database with it.
TURN_S = 0.003
#: Who had no turn for so long gets one; the loop may call a busy peer first every time.
PATIENCE_S = 0.03
#: One peer's share of a turn.
READ_S = 0.0005


class Backlog:
    """Data of all sockets that their peers have not taken yet. Over the limit the socket with the most of it is cut off.

    Everything here runs in the event loop.
    """

    def __init__(self, max_bytes: int) -> None:
        self.size_bytes = 0
        self._max_bytes = max_bytes
        self._sockets: set[Wire] = set()

    def add(self, socket: "Wire", size_bytes: int) -> None:
        """Count data that a socket keeps."""
        self.size_bytes += size_bytes
        self._sockets.add(socket)
        while self.size_bytes > self._max_bytes:
            max(self._sockets, key=lambda each: each.unsent_bytes).cut_off()

    def remove(self, socket: "Wire", size_bytes: int) -> None:
        """Count data that a socket has handed over or discarded."""
        self.size_bytes -= size_bytes
        if not socket.unsent_bytes:
            self._sockets.discard(socket)


class Wire:
    """Both directions of a gevent socket, driven by the event loop itself: no greenlet is switched to for a message.

    `send` returns at once, whole and in order, from whichever greenlet it is called. What the peer does not take now is kept
    and handed over as the peer takes it.

    Attributes:
        unsent_bytes: Kept, and not yet taken by the peer.
        taken_at: When the peer last took some of what was kept (`time.monotonic`).
    """

    def __init__(
        self,
        sock: socket.socket,
        received: Callable[[bytes], object],
        taken: Callable[[], object],
        backlog: Backlog,
    ) -> None:
        """Wrap a socket.

        Args:
            sock: Under gevent its descriptor does not block.
            received: Called with what came, after `resume`, and with nothing at the end. It runs in the event loop: it must
                not wait.
            taken: Called when the peer has taken some of what was kept; likewise.
            backlog: Unsent data of all sockets.
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
        self._backlog = backlog
        self._unsent: deque[memoryview] = deque()
        self._shut = False
        loop: Any = gevent.get_hub().loop
        self._loop = loop
        self._turn = loop_turn()
        self._passed_at: float | None = None
        self._receive_bytes = RECEIVE_BYTES[1]
        self._readable = loop.io(self._fd, READ)
        self._writable = loop.io(self._fd, WRITE)
        self._resting: Any = None
        self._reading = False

    def resume(self) -> None:
        """Read, from now on."""
        if not self._reading and self._fd >= 0:
            self._reading = True
            if not self._resting:
                self._readable.start(self._read)

    def pause(self) -> None:
        """Read no more: the peer's bytes stay in the socket, and TCP slows it down."""
        self._reading = False
        self._readable.stop()

    def rest(self, seconds: float) -> None:
        """Read nothing for so long."""
        if self._fd >= 0 and self._resting is None:
            self._readable.stop()
            self._resting = self._loop.timer(seconds)
            self._resting.start(self._rested)

    def _rested(self) -> None:
        self._end_rest()
        if self._reading:
            self._readable.start(self._read)

    def _end_rest(self) -> None:
        if self._resting:
            self._resting.stop()
            self._resting.close()
            self._resting = None

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
        self._backlog.add(self, len(data) - sent)

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

    def cut_off(self) -> None:
        """Discard what was not sent, and end both directions."""
        self._discard()
        self.hang_up()

    def _discard(self) -> None:
        size_bytes, self.unsent_bytes = self.unsent_bytes, 0
        self._unsent.clear()
        self._writable.stop()
        self._backlog.remove(self, size_bytes)

    def close(self) -> None:
        """Give the socket back."""
        if self._fd >= 0:
            self._discard()
            self._fd = -1
            self._end_rest()
            for watcher in (self._readable, self._writable):
                watcher.stop()
                watcher.close()
            self._sock.close()

    def _read(self) -> None:
        now = time.monotonic()
        if now - self._turn.began_at > TURN_S and now - (self._passed_at or now) < PATIENCE_S:
            self._passed_at = self._passed_at or now
            return  # still readable: its turn comes with the next one
        self._passed_at = None
        try:
            data = os.read(self._fd, self._receive_bytes)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.pause()
        self._received(data)
        self._measure(time.monotonic() - now)

    def _measure(self, took_s: float) -> None:
        """Read less at once where it takes long, for instance because there are a thousand frames in it."""
        least, most = RECEIVE_BYTES
        if took_s > READ_S:
            self._receive_bytes = max(least, self._receive_bytes // 2)
        elif self._receive_bytes < most and took_s < READ_S / 4:
            self._receive_bytes *= 2

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
        self._backlog.remove(self, sent)
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


class LoopTurn:
    """The clock of one event loop.

    Attributes:
        began_at: When the current turn of the loop began (`time.monotonic`).
    """

    def __init__(self, loop: Any) -> None:
        self._watcher = loop.check(ref=False)
        self._watcher.start(self._begin)
        self.began_at = 0.0
        self._begin()

    def _begin(self) -> None:
        self.began_at = time.monotonic()


@cache
def _loop_turn(loop: Any) -> LoopTurn:
    return LoopTurn(loop)


def loop_turn() -> LoopTurn:
    """Return the clock of the current event loop."""
    loop: Any = gevent.get_hub().loop
    turn: LoopTurn = _loop_turn(loop)
    return turn
