"""The server side of a WebSocket: flask-sock's socket, with the bounds that thousands of untrusted clients need.

What it changes in simple-websocket 1.1:

1. No compression: it takes about 300 KB per connection, and two greenlets that send on one socket corrupt its stream.
2. Messages are sent whole and in order, and sending never waits (`NonBlockingSocket`).
3. Data that is received and not answered is bounded: above the bound reading pauses, and TCP slows the sender.
4. `run` returns whatever ends the connection.
5. Frames are read by RFC 6455 (`FrameReader`); wsproto does the handshake only.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import gevent
import simple_websocket
from gevent.event import Event
from simple_websocket import ConnectionClosed
from wsproto.frame_protocol import CloseReason

from speeddash.network.frames import FINAL, PING, FrameReader, close_frame, text_frame
from speeddash.network.nonblocking import Backlog, NonBlockingSocket
from speeddash.network.rate_limit import TokenBuckets
from speeddash.network.turn_gate import TurnGate

#: Bytes that are received and not answered, or answered and not sent. Above it reading pauses.
MAX_OWED_BYTES = 1 << 15
#: How long to read on after the close frame: closing on unread data would reset the connection before the peer reads that frame.
LINGER_S = 1.0
#: Unsent data above which the connection is closed.
MAX_UNSENT_BYTES = 1 << 20
PING_FRAME = bytes((FINAL | PING, 0))
#: In the WSGI environment of a connection that was closed for a protocol violation.
PROTOCOL_VIOLATION = "speeddash.protocol_violation"

Frames = Sequence[str | bytes]


class ServerSocket(simple_websocket.Server):  # type: ignore[misc]  # simple-websocket has no types
    """One accepted WebSocket of a gevent server. Any greenlet may send or close; the one that accepted it calls `run`.

    Attributes:
        heard_at: When data of the peer last arrived (`time.monotonic`).
        owed_bytes: Bytes of frames that `run` has passed on and that are not answered.
        on_drained: Called whenever the socket has taken all data that was held back.
    """

    # Attributes of the base class, which has no types.
    sock: Any
    connected: bool
    close_reason: int
    max_message_size: int
    _receive: Callable[[Frames, int], bool]

    def __init__(
        self, environ: dict[str, Any], idle: TokenBuckets, backlog: Backlog, departures: TurnGate, **options: Any
    ) -> None:
        """Accept a connection.

        Args:
            environ: The WSGI environment of its request.
            idle: Seconds of processing for data that is not useful, for each client network.
            backlog: Unsent data of all connections.
            departures: Where connections that have ended wait to be forgotten: thousands may end at once.
            options: Options of the base class.
        """
        environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
        self.heard_at = time.monotonic()
        self.owed_bytes = 0
        self.on_drained: Callable[[], object] = _nothing
        self._pinged = False
        self._close_frame: bytes | None = None
        self._ended = Event()
        self._peer = environ.get("REMOTE_ADDR", "")
        self._idle = idle.of(self._peer)
        self._backlog = backlog
        self._departures = departures
        super().__init__(environ, thread_class=_NoThread, event_class=_NoEvent, **options)
        self._reader = FrameReader(self.max_message_size)

    def handshake(self) -> None:
        """Called by the base class once it has the socket."""
        self.sock = NonBlockingSocket(self.sock, self._received, self._sent, self._backlog)
        try:
            super().handshake()
        except BaseException:
            self.sock.close()
            raise

    def run(self, receive: Callable[[Frames, int], bool]) -> None:
        """Read until the connection ends.

        Args:
            receive: Called with the frames that arrived together, in order, and their size in bytes. It runs in the event loop and must
                not wait. Whoever answers the frames calls `answered` then. It returns whether the frames were useful; the processing time
                of others is limited.
        """
        self._receive = receive
        self.ws = None  # wsproto's half of the handshake: 4 KB
        self.sock.resume()
        try:
            self._ended.wait()
            self._departures.wait(self._peer)
        finally:
            self.connected = False
            self.sock.close()
            self._free()

    def _free(self) -> None:
        """Drop references: flask-sock creates a class for each connection, which refers to this object until the garbage collector runs."""
        self.environ: dict[str, Any] = {}
        self._reader = FrameReader(0)
        self._receive = _ignore
        self.on_drained = _nothing

    def answered(self, size_bytes: int) -> None:
        """Count frames of this size as answered, and resume reading."""
        self.owed_bytes -= size_bytes
        if not self.sock.is_reading:
            self._resume()
        if self._close_frame and not self.owed_bytes:
            self._end(self._close_frame)

    def send_all(self, texts: Sequence[str]) -> None:
        """Send texts as one frame each, in one system call if the socket accepts it. Never waits.

        Raises:
            ConnectionClosed: By either side.
        """
        if len(texts) == 1:
            self.send_bytes(texts[0].encode())
        else:
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
            self.close(CloseReason.POLICY_VIOLATION, "the client does not read what it is sent")
            raise ConnectionClosed(CloseReason.POLICY_VIOLATION, "the client does not read what it is sent")

    def close(self, reason: int | None = None, message: str | None = None) -> None:
        """Send a close frame, once, and give the peer `LINGER_S` to close. Never raises or waits."""
        if self.connected:
            if reason == CloseReason.POLICY_VIOLATION:
                self.environ[PROTOCOL_VIOLATION] = True
            self._end(close_frame(reason or CloseReason.NORMAL_CLOSURE, message or ""))

    def drain(self, reason: int = CloseReason.SERVICE_RESTART, message: str = "the server stops") -> None:
        """Accept no more frames, and close when those accepted are answered."""
        self._end_when_answered(close_frame(reason, message))

    def check(self, now: float, interval_s: float) -> None:
        """Ping a peer that was silent for an interval; close the connection if it stays silent for another.

        A peer that waits for an answer is skipped, because nothing is read from it meanwhile.
        """
        if self.owed_bytes or now - max(self.heard_at, self.sock.sent_at) < interval_s:
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
        if not self.connected or self._close_frame:
            return
        reader = self._reader
        frames, size_bytes = reader.read(data)
        if reader.pongs:
            self.sock.send(reader.pongs)
        useful = False
        if frames:
            self.owed_bytes += size_bytes
            useful = self._receive(frames, size_bytes)
        if reader.close and self.connected:
            self.close_reason = reader.close_code
            if reader.broken:
                self.environ[PROTOCOL_VIOLATION] = True
            self._end_when_answered(reader.close)
        elif self.connected and self.owed_bytes + self.sock.unsent_bytes > MAX_OWED_BYTES:
            self.sock.pause()
        if not useful and not self.owed_bytes:  # only pings, fragments or errors
            self._idle.take(time.monotonic() - self.heard_at)
            if wait_s := self._idle.wait_s():
                self.sock.pause_for(wait_s)

    def _sent(self) -> None:
        self._resume()
        if not self.sock.unsent_bytes:
            self.on_drained()

    def _resume(self) -> None:
        if self.owed_bytes + self.sock.unsent_bytes <= MAX_OWED_BYTES:
            self.sock.resume()

    def _end_when_answered(self, close_frame: bytes) -> None:
        """Accept no more frames. Accepted frames are answered before the close frame, within `LINGER_S`."""
        self._close_frame = close_frame
        if self.owed_bytes:
            gevent.spawn_later(LINGER_S, self._end, close_frame)
        else:
            self._end(close_frame)

    def _end(self, close_frame: bytes) -> None:
        if self.connected:
            self.connected = False
            self.sock.send(close_frame)
            self.sock.resume()
            self.sock.shut()
            gevent.spawn_later(LINGER_S, self.sock.hang_up)


def _nothing() -> None:
    """Replaces a callback that is not set."""


def _ignore(_frames: Frames, _size_bytes: int) -> bool:
    """Replaces the receiver of a connection that has ended."""
    return False


class _NoThread:
    """Replaces the reader thread of the base class."""

    name = ""

    def __init__(self, **_: Any) -> None:
        pass

    def start(self) -> None:
        pass


class _NoEvent:
    """Replaces the event on which `receive` of the base class waits."""

    def set(self) -> None:
        pass
