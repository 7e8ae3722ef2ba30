"""A WebSocket that is safe to share, bounded, and cheap: what simple-websocket 1.1 lacks for thousands of senders under gevent.

1. Compression is never agreed on: it costs about 300 KB a connection, and two senders on one socket corrupt its stream.
2. What is sent goes out whole and one message after the other, and nobody waits for a slow reader (`wire.Wire`).
3. What is received and not yet answered is bounded: beyond it reading stops, and TCP slows the sender.
4. Whatever ends the connection, `run` ends too.

A whole text frame, which is nearly every frame, is taken apart here; anything else goes through wsproto, frame by frame.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from struct import pack
from typing import Any

import gevent
import simple_websocket
from gevent.event import Event
from simple_websocket import ConnectionClosed
from websockets.speedups import apply_mask
from wsproto.events import Ping
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError

from speeddash.wire import Wire

#: Received and not yet answered, or answered and not yet taken by the peer; beyond it nothing more is read.
MAX_OWED_BYTES = 1 << 15
#: After our close frame the peer may still be sending; closing on unread data would reset the connection under that frame.
LINGER_S = 1.0
#: A peer that is sent more than this without taking any is closed.
MAX_UNSENT_BYTES = 1 << 20
WHOLE_TEXT, FINAL, RESERVED, CONTROL, MASKED = 0x81, 0x80, 0x70, 0x08, 0x80

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
    input_buffer: list[str | bytes]
    max_message_size: int
    _receive: Callable[[Frames, int], object]

    def __init__(self, environ: dict[str, Any], **options: Any) -> None:
        environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
        self.heard_at = time.monotonic()
        self.owed_bytes = 0
        self._pinged = False
        self._draining: tuple[int, str] | None = None
        self._partial = bytearray()
        self._fragmented = False
        self._ended = Event()
        super().__init__(environ, thread_class=_NoThread, event_class=_NoEvent, **options)

    def handshake(self) -> None:
        """Called by the base class once it has the socket."""
        self.sock = Wire(self.sock, self._received, self._read_on)
        try:
            super().handshake()
        except BaseException:
            self.sock.close()
            raise

    def run(self, receive: Callable[[Frames, int], object]) -> None:
        """Read until the connection ends.

        Args:
            receive: Called with the frames that came together, in order, and their size in bytes. It runs in the event loop
                and must not wait; whoever answers the frames says so with `answered`.
        """
        self._receive = receive
        self.sock.resume()
        try:
            self._ended.wait()
        finally:
            self.connected = False
            self.sock.close()

    def answered(self, size_bytes: int) -> None:
        """The frames of that size have their answers; read on."""
        self.owed_bytes -= size_bytes
        self._read_on()
        if self._draining and not self.owed_bytes:
            self.close(*self._draining)

    def send_all(self, texts: Iterable[str]) -> None:
        """Send texts as one frame each, in one system call where the socket takes it. Never waits.

        Raises:
            ConnectionClosed: By either side.
        """
        if not self.connected:
            raise ConnectionClosed(self.close_reason, self.close_message)
        if self.sock.unsent_bytes > MAX_UNSENT_BYTES:
            self.close(CloseReason.POLICY_VIOLATION, "takes nothing of what it is sent")
            raise ConnectionClosed(CloseReason.POLICY_VIOLATION, "takes nothing of what it is sent")
        self.sock.send(b"".join([_text_frame(text.encode()) for text in texts]))

    def send(self, data: str) -> None:
        """Send one text frame; see `send_all`."""
        self.send_all([data])

    def close(self, reason: int | None = None, message: str | None = None) -> None:
        """Send a close frame, once, and let the peer finish for `LINGER_S`. Never raises or waits."""
        if self.connected:
            with suppress(OSError, LocalProtocolError):
                super().close(reason, message)
            self._finish()

    def drain(self, reason: int = CloseReason.SERVICE_RESTART, message: str = "the server stops") -> None:
        """Take no more frames, and close when those taken are answered."""
        self._draining = self._draining or (reason, message)
        if not self.owed_bytes:
            self.close(*self._draining)

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
            self.sock.send(self.ws.send(Ping()))

    def _received(self, data: bytes) -> None:
        if not data:
            self.connected = False
            self._ended.set()
            return
        self.heard_at = time.monotonic()
        self._pinged = False
        if not self.connected or self._draining:
            return
        frames, size_bytes = self._frames(data)
        if frames:
            self.owed_bytes += size_bytes
            self._receive(frames, size_bytes)
        if self.connected and self.owed_bytes + self.sock.unsent_bytes > MAX_OWED_BYTES:
            self.sock.pause()

    def _read_on(self) -> None:
        if self.owed_bytes + self.sock.unsent_bytes <= MAX_OWED_BYTES:
            self.sock.resume()

    def _frames(self, data: bytes | bytearray) -> tuple[list[str | bytes], int]:
        """The frames that are whole now, and the bytes they came in; the rest stays for the next call."""
        if self._partial:
            self._partial += data
            data = self._partial
        frames: list[str | bytes] = []
        at, end = 0, len(data)
        while self.connected and end - at > 1 and (extent := self._extent(data, at)):
            start, stop = extent
            text = None
            if data[at] == WHOLE_TEXT and not self._fragmented:
                with suppress(UnicodeDecodeError):
                    text = apply_mask(data[start:stop], data[start - 4 : start]).decode()
            if text is None:
                self._other(bytes(data[at:stop]))
                frames += self.input_buffer
                self.input_buffer.clear()
            else:
                frames.append(text)
            at = stop
        if data is self._partial:
            del data[:at]
        elif at < end:
            self._partial += data[at:]
        return frames, at

    def _extent(self, data: bytes | bytearray, at: int) -> tuple[int, int] | None:
        """Where the next frame's payload starts and stops; None if it is not whole yet, or cannot become right."""
        if data[at] & RESERVED or not data[at + 1] & MASKED:
            self._other(bytes(data[at:]))
            return None
        size, start = _header(data, at)
        if size > self.max_message_size:
            self.close(CloseReason.MESSAGE_TOO_BIG, f"a frame may have {self.max_message_size} bytes")
            return None
        return (start, start + size) if start + size <= len(data) else None

    def _other(self, frame: bytes) -> None:
        """A part of a message, binary, ping, pong, close, or wrong: wsproto knows, and the base class acts on it."""
        if not frame[0] & CONTROL:
            self._fragmented = not frame[0] & FINAL
        self.ws.receive_data(frame)
        if not self._handle_events():
            self._finish()

    def _finish(self) -> None:
        self.connected = False
        self.sock.resume()
        self.sock.shut()
        gevent.spawn_later(LINGER_S, self.sock.hang_up)


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


def _header(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """Size of a frame's payload and where it starts; a size that is cut off counts as not yet there (RFC 6455, 5.2)."""
    second = data[at + 1]
    size = second & 0x7F
    start = at + 2
    if size == 126:
        size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
    elif size == 127:
        size, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
    return (0 if start > len(data) else size), start + 4  # behind the mask, which every client's frame has


def _text_frame(text: bytes) -> bytes:
    size = len(text)
    if size < 126:
        return bytes((WHOLE_TEXT, size)) + text
    if size < 1 << 16:
        return pack("!BBH", WHOLE_TEXT, 126, size) + text
    return pack("!BBQ", WHOLE_TEXT, 127, size) + text
