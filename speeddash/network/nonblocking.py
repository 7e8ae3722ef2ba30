"""A socket whose calls never wait, driven by the event loop."""

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
#: Minimum and maximum of bytes read at once.
MIN_RECEIVE_BYTES, MAX_RECEIVE_BYTES = 1 << 10, 1 << 15
KERNEL_BUFFER_BYTES = 1 << 17
#: Longest time that one event-loop turn reads sockets. The answer of the database waits for the end of the turn.
MAX_TURN_S = 0.003
#: Longest time that a readable socket waits for its turn; the loop may call a busy socket first every time.
MAX_WAIT_S = 0.03
#: Time to process what one socket reads at once; with more it reads less the next time.
READ_S = 0.0005


class Backlog:
    """Unsent data of all sockets. Over the limit, the socket with the most of it is closed.

    Used in the event loop only.

    Attributes:
        size_bytes: Unsent data of all sockets.
    """

    def __init__(self, max_bytes: int) -> None:
        self.size_bytes = 0
        self._max_bytes = max_bytes
        self._sockets: set[NonBlockingSocket] = set()

    def add(self, socket: "NonBlockingSocket", size_bytes: int) -> None:
        """Count data that a socket holds."""
        self.size_bytes += size_bytes
        self._sockets.add(socket)
        while self.size_bytes > self._max_bytes:
            max(self._sockets, key=lambda each: each.unsent_bytes).cut_off()

    def remove(self, socket: "NonBlockingSocket", size_bytes: int) -> None:
        """Count data that a socket has sent or discarded."""
        self.size_bytes -= size_bytes
        if not socket.unsent_bytes:
            self._sockets.discard(socket)


class NonBlockingSocket:
    """A gevent socket that is read and written by the event loop itself, without a greenlet switch for each message.

    `send` returns at once, from any greenlet. Data that the peer does not accept now is held and sent when it does, in order.

    Attributes:
        unsent_bytes: Data that is held.
        is_reading: What arrives is read, if not now then when a pause is over.
        sent_at: When held data was last sent (`time.monotonic`).
    """

    def __init__(
        self,
        sock: socket.socket,
        received: Callable[[bytes], object],
        sent: Callable[[], object],
        backlog: Backlog,
    ) -> None:
        """Wrap a socket.

        Args:
            sock: A gevent socket, whose descriptor does not block.
            received: Called with received data, after `resume`, and with no data at the end. It runs in the event loop and must not wait.
            sent: Called when held data was sent; likewise.
            backlog: Unsent data of all sockets.
        """
        if sock.family in (socket.AF_INET, socket.AF_INET6):  # a proxy may use a Unix socket
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The kernel would let them grow to several MB for a peer that never reads, or that sends faster than readings are stored.
        for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, buffer, KERNEL_BUFFER_BYTES)
        self.unsent_bytes = 0
        self.sent_at = 0.0
        self._sock = sock
        self._fd = sock.fileno()
        self._received = received
        self._sent = sent
        self._backlog = backlog
        self._unsent: deque[memoryview] | None = None  # an empty deque takes 760 bytes
        self._shut = False
        loop: Any = gevent.get_hub().loop
        self._loop = loop
        self._turn = loop_turn()
        self._waiting_since: float | None = None
        self._receive_bytes = MAX_RECEIVE_BYTES
        self._readable = loop.io(self._fd, READ)
        self._writable = loop.io(self._fd, WRITE)
        self._pause_timer: Any = None
        self.is_reading = False

    def resume(self) -> None:
        """Read from now on."""
        if not self.is_reading and self._fd >= 0:
            self.is_reading = True
            if not self._pause_timer:
                self._readable.start(self._read)

    def pause(self) -> None:
        """Stop reading: data stays in the socket, and TCP slows the peer down."""
        self.is_reading = False
        self._readable.stop()

    def pause_for(self, seconds: float) -> None:
        """Stop reading for some time."""
        if self._fd >= 0 and self._pause_timer is None:
            self._readable.stop()
            self._pause_timer = self._loop.timer(seconds)
            self._pause_timer.start(self._end_pause)

    def _end_pause(self) -> None:
        self._stop_timer()
        if self.is_reading:
            self._readable.start(self._read)

    def _stop_timer(self) -> None:
        if self._pause_timer:
            self._pause_timer.stop()
            self._pause_timer.close()
            self._pause_timer = None

    def send(self, data: bytes) -> None:
        """Send data, now or later. That the peer is gone is reported by the reading side."""
        if self._fd < 0:
            return
        sent = 0
        if not self._unsent:
            sent = self._write(data)
            if sent == len(data):
                return
            self._writable.start(self._send_held)
            self._unsent = deque()
        self._unsent.append(memoryview(data[sent:]))  # a copy: a view would keep what was sent in memory
        self.unsent_bytes += len(data) - sent
        self._backlog.add(self, len(data) - sent)

    def shut(self) -> None:
        """Close the sending direction once all data is sent."""
        self._shut = True
        if not self._unsent:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)

    def hang_up(self) -> None:
        """Close both directions; the reading side reports the end."""
        if self._fd >= 0:
            self.resume()
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)

    def cut_off(self) -> None:
        """Discard unsent data, and close both directions."""
        self._discard()
        self.hang_up()

    def _discard(self) -> None:
        size_bytes, self.unsent_bytes = self.unsent_bytes, 0
        self._unsent = None
        self._writable.stop()
        self._backlog.remove(self, size_bytes)

    def close(self) -> None:
        """Close the socket."""
        if self._fd >= 0:
            self._discard()
            self._fd = -1
            self._stop_timer()
            for watcher in (self._readable, self._writable):
                watcher.stop()
                watcher.close()
            self._sock.close()
            del self._received, self._sent  # so that whoever owns this socket is freed without the garbage collector

    def _read(self) -> None:
        now = time.monotonic()
        if now - self._turn.began_at > MAX_TURN_S and now - (self._waiting_since or now) < MAX_WAIT_S:
            self._waiting_since = self._waiting_since or now
            return  # it stays readable, and is read in the next turn
        self._waiting_since = None
        try:
            data = os.read(self._fd, self._receive_bytes)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.pause()
        self._received(data)
        if len(data) > MIN_RECEIVE_BYTES:
            self._adapt(time.monotonic() - now)

    def _adapt(self, took_s: float) -> None:
        """Read less at once if processing takes long, for example because the data holds a thousand frames."""
        if took_s > READ_S:
            self._receive_bytes = max(MIN_RECEIVE_BYTES, self._receive_bytes // 2)
        elif self._receive_bytes < MAX_RECEIVE_BYTES and took_s < READ_S / 4:
            self._receive_bytes *= 2

    def _write(self, data: bytes | memoryview) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)  # the peer is gone, and the reading side reports it

    def _send_held(self) -> None:
        unsent = self._unsent
        if not unsent:
            return
        data = unsent[0]
        sent = self._write(data)
        self.unsent_bytes -= sent
        self._backlog.remove(self, sent)
        self.sent_at = time.monotonic()
        if sent < len(data):
            unsent[0] = data[sent:]
        else:
            unsent.popleft()
        if not unsent:
            self._unsent = None
            self._writable.stop()
            if self._shut:
                self.shut()
        self._sent()


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
