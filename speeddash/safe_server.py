"""A WebSocket that is safe to share, and bounded: the four cures for simple-websocket 1.1.

1. Compression is never agreed on: it costs about 300 KB a connection, and two senders on one socket corrupt its stream.
2. What is sent goes out whole and one message after the other: `socket.send` may send a part, and pongs come from another greenlet.
3. What is received and not yet taken is bounded: then reading stops, and TCP slows the sender.
4. Whatever ends the connection, the reader of the application wakes up.
"""

import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import simple_websocket
from simple_websocket import ConnectionClosed
from wsproto.events import Ping, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError

#: Received and not yet taken by the application; beyond it nothing more is read from the socket.
MAX_UNREAD_BYTES = 1 << 16
#: After our close frame the peer may still be sending; closing on unread data would reset the connection under that frame.
LINGER_S = 1.0
LINGER_BYTES = 16 << 20


class Wire:
    """A socket on which `send` is whole and exclusive. Its timeout is for progress, not for the message."""

    def __init__(self, sock: socket.socket, timeout_s: float | None) -> None:
        sock.settimeout(timeout_s)
        self._sock = sock
        self._sending = threading.Lock()  # protects the order of bytes on the socket
        self.recv = sock.recv
        self.close = sock.close

    def send(self, data: bytes) -> None:
        """Send all of it, or raise OSError."""
        with self._sending:
            sent = self._sock.send(data)
            if sent < len(data):
                rest = memoryview(data)
                while sent < len(data):
                    sent += self._sock.send(rest[sent:])

    def linger(self) -> None:
        """Say that nothing more comes from here, and let the peer finish."""
        self._sock.shutdown(socket.SHUT_WR)
        self._sock.settimeout(LINGER_S)
        left = LINGER_BYTES
        while left > 0 and (data := self.recv(1 << 16)):
            left -= len(data)


class SafeServer(simple_websocket.Server):  # type: ignore[misc]  # simple-websocket has no types
    """One accepted WebSocket. Any greenlet may send; one takes what is received."""

    # The base class's own, which has no types.
    sock: Any
    connected: bool
    close_reason: int
    input_buffer: list[str | bytes]

    def __init__(self, environ: dict[str, Any], **options: Any) -> None:
        environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
        self._room = threading.Event()
        self._unread_bytes = 0
        self._draining = False
        super().__init__(environ, **options)

    def handshake(self) -> None:
        """Called by the base class between taking the socket and starting the reader."""
        self.sock = Wire(self.sock, self.ping_interval)
        super().handshake()

    def receive_waiting(self) -> list[str | bytes]:
        """Everything that is waiting, in order; blocks while nothing is. Empty means `drain` was called and nothing is left.

        Raises:
            ConnectionClosed: By either side.
        """
        while not self.input_buffer:
            if not self.connected:
                raise ConnectionClosed(self.close_reason, self.close_message)
            if self._draining:
                return []
            self.event.wait()
            self.event.clear()
        frames = self.input_buffer[:]
        del self.input_buffer[: len(frames)]
        self._unread_bytes = 0
        self._room.set()
        return frames

    def send_all(self, texts: Iterable[str]) -> None:
        """Send texts as one frame each, in one system call where the socket takes it.

        Raises:
            ConnectionClosed: By either side, or the peer took nothing for a ping interval.
        """
        if not self.connected:
            raise ConnectionClosed(self.close_reason, self.close_message)
        try:
            self.sock.send(b"".join([self.ws.send(TextMessage(text)) for text in texts]))
        except (OSError, LocalProtocolError) as gone:
            self.connected = False
            self._room.set()
            raise ConnectionClosed(CloseReason.ABNORMAL_CLOSURE, str(gone)) from gone

    def send(self, data: str) -> None:
        """Send one text frame; see `send_all`."""
        self.send_all([data])

    def close(self, reason: int | None = None, message: str | None = None) -> None:
        """Send a close frame, once, if the peer is still there. Never raises."""
        with suppress(OSError, LocalProtocolError, ConnectionClosed):
            super().close(reason, message)
        self.connected = False
        self._room.set()

    def drain(self) -> None:
        """Take what has been received as the last: `receive_waiting` answers empty after it."""
        self._draining = True
        self.event.set()

    def _thread(self) -> None:
        """The reader, run by the base class in a greenlet of its own."""
        try:
            while self.connected:
                try:
                    data = self.sock.recv(self.receive_bytes)
                except TimeoutError:
                    self._ping()
                    continue
                if not data:
                    break
                self.pong_received = True  # whatever comes, the peer is alive
                self.ws.receive_data(data)
                self._unread_bytes += len(data)
                self.connected = self._handle_events()
                self._wait_for_room()
            self.connected = False
            self.event.set()  # before lingering: the application need not wait for the peer
            self.sock.linger()
        except (OSError, LocalProtocolError):
            self.close_reason = CloseReason.ABNORMAL_CLOSURE  # the peer is gone without a word
        finally:
            self.connected = False
            self.event.set()
            self.sock.close()

    def _ping(self) -> None:
        if not self.pong_received:
            self.close(CloseReason.POLICY_VIOLATION, "no answer to a ping")
        elif self.connected:
            self.pong_received = False
            self.sock.send(self.ws.send(Ping()))

    def _wait_for_room(self) -> None:
        while self.connected and self._unread_bytes > MAX_UNREAD_BYTES and self.input_buffer:
            self._room.clear()
            if self._unread_bytes > MAX_UNREAD_BYTES and self.input_buffer:
                self._room.wait()
