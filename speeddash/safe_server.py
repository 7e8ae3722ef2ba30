"""A WebSocket that is safe to share, bounded, and cheap: what simple-websocket 1.1 lacks for thousands of senders under gevent.

1. Compression is never agreed on: it costs about 300 KB a connection, and two senders on one socket corrupt its stream.
2. What is sent goes out whole and one message after the other, and nobody waits for a slow reader (`wire.Wire`).
3. What is received and not yet answered is bounded: beyond it reading stops, and TCP slows the sender.
4. Whatever ends the connection, `run` ends too.

5. Whatever a client sends is judged by RFC 6455 (`frames.FrameReader`); of wsproto only the handshake is used.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gevent
import simple_websocket
from gevent.event import Event
from simple_websocket import ConnectionClosed
from wsproto.frame_protocol import CloseReason

from speeddash.allowance import Allowances
from speeddash.frames import FINAL, PING, FrameReader, close_frame, text_frame
from speeddash.wire import Backlog, Wire

#: Received and not yet answered, or answered and not yet taken by the peer; beyond it nothing more is read.
MAX_OWED_BYTES = 1 << 15
#: After our close frame the peer may still be sending; closing on unread data would reset the connection under that frame.
LINGER_S = 1.0
#: A peer that is sent more than this without taking any is closed.
MAX_UNSENT_BYTES = 1 << 20
PING_FRAME = bytes((FINAL | PING, 0))
#: In the WSGI environment of a connection that was closed for it.
BROKE_A_RULE = "speeddash.broke_a_rule"

Frames = Sequence[str | bytes]


class SafeServer(simple_websocket.Server):  # type: ignore[misc]  # simple-websocket has no types
    """One accepted WebSocket of a gevent server. Any greenlet may send or close; the one that accepted it calls `run`.

    Attributes:
        heard_at: When the peer last showed that it is there (`time.monotonic`).
        owed_bytes: Bytes of frames that `run` has handed over and nobody has answered.
    """

    # The base class's own, which has no types.
    sock: Any
    connected: bool
    close_reason: int
    max_message_size: int
    _receive: Callable[[Frames, int], bool]

    def __init__(self, environ: dict[str, Any], idle: Allowances, backlog: Backlog, **options: Any) -> None:
        """Accept a connection.

        Args:
            environ: The WSGI environment of its request.
            idle: Seconds for which data without any use may occupy the server, for each client network.
            backlog: Unsent data of all connections.
            options: Options of the base class.
        """
        environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
        self.heard_at = time.monotonic()
        self.owed_bytes = 0
        self._pinged = False
        self._last: bytes | None = None
        self._ended = Event()
        self._idle = idle.of(environ.get("REMOTE_ADDR", ""))
        self._backlog = backlog
        super().__init__(environ, thread_class=_NoThread, event_class=_NoEvent, **options)
        self._reader = FrameReader(self.max_message_size)

    def handshake(self) -> None:
        """Called by the base class once it has the socket."""
        self.sock = Wire(self.sock, self._received, self._read_on, self._backlog)
        try:
            super().handshake()
        except BaseException:
            self.sock.close()
            raise

    def run(self, receive: Callable[[Frames, int], bool]) -> None:
        """Read until the connection ends.

        Args:
            receive: Called with the frames that arrived together, in order, and their size in bytes. It runs in the event loop
                and must not wait; the code that answers the frames then calls `answered`. It returns whether the frames were
                of any use; the time for those that were not is limited.
        """
        self._receive = receive
        self.sock.resume()
        try:
            self._ended.wait()
        finally:
            self.connected = False
            self.sock.close()
            self._let_go()

    def _let_go(self) -> None:
        """flask-sock makes a class for each connection: it stays until a search for garbage, with this and all that hangs on it."""
        self.environ: dict[str, Any] = {}
        self.ws = None
        self._reader = FrameReader(0)
        self._receive = _nothing

    def answered(self, size_bytes: int) -> None:
        """The frames of that size have their answers; read on."""
        self.owed_bytes -= size_bytes
        self._read_on()
        if self._last and not self.owed_bytes:
            self._end(self._last)

    def send_all(self, texts: Iterable[str]) -> None:
        """Send texts as one frame each, in one system call where the socket takes it. Never waits.

        Raises:
            ConnectionClosed: By either side.
        """
        self._check_sendable()
        self.sock.send(b"".join([text_frame(text.encode()) for text in texts]))

    def send(self, data: str) -> None:
        """Send one text frame; see `send_all`."""
        self.send_all([data])

    def send_bytes(self, text: bytes) -> None:
        """Send one text frame that is encoded already; see `send_all`."""
        self._check_sendable()
        self.sock.send(text_frame(text))

    def _check_sendable(self) -> None:
        if not self.connected:
            raise ConnectionClosed(self.close_reason, self.close_message)
        if self.sock.unsent_bytes > MAX_UNSENT_BYTES:
            self.close(CloseReason.POLICY_VIOLATION, "takes nothing of what it is sent")
            raise ConnectionClosed(CloseReason.POLICY_VIOLATION, "takes nothing of what it is sent")

    def close(self, reason: int | None = None, message: str | None = None) -> None:
        """Send a close frame, once, and let the peer finish for `LINGER_S`. Never raises or waits."""
        if self.connected:
            if reason == CloseReason.POLICY_VIOLATION:
                self.environ[BROKE_A_RULE] = True
            self._end(close_frame(reason or CloseReason.NORMAL_CLOSURE, message or ""))

    def drain(self, reason: int = CloseReason.SERVICE_RESTART, message: str = "the server stops") -> None:
        """Take no more frames, and close when those taken are answered."""
        self._end_when_answered(close_frame(reason, message))

    def check(self, now: float, interval_s: float) -> None:
        """Ping a peer that has been silent for an interval, close on one that stayed silent for another.

        A peer to whom we owe an answer is let be: nothing is read from it meanwhile.
        """
        if self.owed_bytes or now - max(self.heard_at, self.sock.taken_at) < interval_s:
            return
        if self._pinged or self.sock.unsent_bytes:
            self.close(CloseReason.POLICY_VIOLATION, "no answer to a ping")
        elif self.connected:
            self._pinged = True
            self.heard_at = now
            self.sock.send(PING_FRAME)

    def _received(self, data: bytes) -> None:
        if not data:
            self.connected = False
            self._ended.set()
            return
        self.heard_at = time.monotonic()
        self._pinged = False
        if not self.connected or self._last:
            return
        frames, size_bytes = self._reader.read(data)
        if self._reader.pongs:
            self.sock.send(self._reader.pongs)
        useful = False
        if frames:
            self.owed_bytes += size_bytes
            useful = self._receive(frames, size_bytes)
        if self._reader.close and self.connected:
            self.close_reason = self._reader.close_code
            if self._reader.broken:
                self.environ[BROKE_A_RULE] = True
            self._end_when_answered(self._reader.close)
        elif self.connected and self.owed_bytes + self.sock.unsent_bytes > MAX_OWED_BYTES:
            self.sock.pause()
        if not useful and not self.owed_bytes:  # only pings, fragments or errors
            self._idle.take(time.monotonic() - self.heard_at)
            if wait_s := self._idle.wait_s():
                self.sock.rest(wait_s)

    def _read_on(self) -> None:
        if self.owed_bytes + self.sock.unsent_bytes <= MAX_OWED_BYTES:
            self.sock.resume()

    def _end_when_answered(self, last: bytes) -> None:
        """Take no more frames; what was taken is answered before the close frame, if it does not take too long."""
        self._last = last
        if self.owed_bytes:
            gevent.spawn_later(LINGER_S, self._end, last)
        else:
            self._end(last)

    def _end(self, last: bytes) -> None:
        if self.connected:
            self.connected = False
            self.sock.send(last)
            self.sock.resume()
            self.sock.shut()
            gevent.spawn_later(LINGER_S, self.sock.hang_up)


def _nothing(_frames: Frames, _size_bytes: int) -> bool:
    """Replaces the receiver of a connection that has ended."""
    return False


class _NoThread:
    """In the place of the base class's reader thread: `run` reads, in the greenlet that accepted the connection."""

    name = ""

    def __init__(self, **_: Any) -> None:
        pass

    def start(self) -> None:
        pass


class _NoEvent:
    """In the place of the event on which the base class's `receive` waits."""

    def set(self) -> None:
        pass
