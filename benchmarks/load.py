"""The load: WebSocket senders in one process, cheap enough not to be what is measured.

Every frame is made before the clock starts. A sender's frames are one string of bytes, and so are the echoes that must come
back; what is received is compared with that string as it comes, so that every echo is checked for content and order.
"""

import bisect
import os
import select
import socket
import statistics
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from benchmarks.progress import Progress

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
STALLED_S = 30.0


class Frames:
    """The frames that every sender of a run sends, one after the other, and the echoes of them."""

    def __init__(self, count: int, readings_a_frame: int) -> None:
        self.readings_a_frame = readings_a_frame
        texts = [self._text(at, readings_a_frame) for at in range(count)]
        sent = [encoded(text, os.urandom(4)) for text in texts]
        echoed = [encoded(text, None) for text in texts]
        self.sent, self.sent_ends = b"".join(sent), _ends(sent)
        self.echoed, self.echoed_ends = b"".join(echoed), _ends(echoed)

    def _text(self, at: int, count: int) -> bytes:
        readings = [self._reading(at * count + n) for n in range(count)]
        return (readings[0] if count == 1 else f"[{','.join(readings)}]").encode()

    def _reading(self, seq: int) -> str:
        # As the page of SpeedDash and most devices write it: milliseconds, one decimal.
        moment = (START + timedelta(milliseconds=seq)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        return f'{{"speed":{seq % 1800 / 10},"timestamp":"{moment}Z","seq":{seq}}}'


@dataclass
class Sender:
    """One connection: how many frames it has sent, and how many bytes of echo have come."""

    socket: socket.socket
    sent: int = 0
    received: int = 0
    echoed: int = 0


@dataclass(frozen=True)
class Throughput:
    """Echoes of readings in the seconds between warm-up and end."""

    readings: int
    seconds: float
    total: int

    @property
    def rate(self) -> float:
        """Readings echoed a second."""
        return self.readings / self.seconds


def connect(port: int, path: str) -> socket.socket:
    """One WebSocket to this machine, after its handshake."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(
        f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = connection.recv(1)
        if not data:
            raise ConnectionError("closed before the handshake")
        head += data
    if b" 101 " not in head:
        raise ConnectionError(head.decode(errors="replace").splitlines()[0])
    return connection


def throughput(
    ports: Sequence[int],
    path: Callable[[int], str],
    *,
    clients: int,
    in_flight: int,
    frames: Frames,
    warm_up_s: float,
    seconds: float,
    progress: Progress,
    until_empty: bool = False,
) -> Throughput:
    """Let `clients` senders keep `in_flight` frames each on their way, and count what comes back.

    Args:
        ports: Of the servers on this machine, among which the senders are dealt out.
        path: The path on which a sender connects, by its number.
        clients: How many senders.
        in_flight: Frames that each has on their way.
        frames: What they send.
        warm_up_s: Not counted.
        seconds: Counted.
        progress: Told the seconds that have passed.
        until_empty: Do not mind if the frames run out before the time: for what is faster than anything that stores.

    Raises:
        AssertionError: An echo was not what was sent, or not in its order.
        ConnectionError: A connection was closed or stalled.
    """
    connections = [connect(ports[at % len(ports)], path(at)) for at in range(clients)]
    senders = {each.fileno(): Sender(each) for each in connections}
    poll = select.epoll()
    for number, sender in senders.items():
        sender.socket.setblocking(False)
        poll.register(number, select.EPOLLIN)
    began = time.perf_counter()
    outstanding = sum(_send(sender, frames, in_flight) for sender in senders.values())
    marks: list[tuple[float, int]] = []  # when, and how many were done: at the end of the warm-up and of the time
    done = 0
    while outstanding:
        now = time.perf_counter()
        if len(marks) < 2 and now >= began + warm_up_s + len(marks) * seconds:
            marks.append((now, done))
        events = poll.poll(STALLED_S)
        if not events:
            raise ConnectionError(f"no echo for {STALLED_S:g} s")
        for number, _ in events:
            sender = senders[number]
            new = _receive(sender, frames)
            done += new
            outstanding -= new
            if len(marks) < 2:
                outstanding += _send(sender, frames, new)
        progress.at(now - began)
    for sender in senders.values():
        sender.socket.close()
    poll.close()
    if len(marks) < 2:
        if not until_empty:
            raise AssertionError("the frames ran out before the time")
        marks.append((time.perf_counter(), done))
    (first, first_done), (last, last_done) = marks
    each = frames.readings_a_frame
    return Throughput((last_done - first_done) * each, last - first, done * each)


def _send(sender: Sender, frames: Frames, count: int) -> int:
    first = frames.sent_ends[sender.sent]
    sender.sent = min(sender.sent + count, len(frames.sent_ends) - 1)
    data = frames.sent[first : frames.sent_ends[sender.sent]]
    count = sender.sent - bisect.bisect_left(frames.sent_ends, first)
    sent = sender.socket.send(data) if data else 0
    while sent < len(data):  # the socket is full: wait for this one
        select.select([], [sender.socket], [], STALLED_S)
        sent += sender.socket.send(data[sent:])
    return count


def _receive(sender: Sender, frames: Frames) -> int:
    data = sender.socket.recv(1 << 18)
    if not data:
        raise ConnectionError("closed by the server")
    at = sender.received
    sender.received += len(data)
    if frames.echoed[at : sender.received] != data:
        raise AssertionError(f"not the echo of what was sent: {data[:200]!r}")
    echoed = bisect.bisect_right(frames.echoed_ends, sender.received) - 1
    new, sender.echoed = echoed - sender.echoed, echoed
    return new


def latency(port: int, path: str, *, count: int, frames: Frames) -> list[float]:
    """Seconds from sending a frame to having its echo, one after the other, by one sender."""
    times = []
    with connect(port, path) as connection:
        for at in range(count):
            sent = frames.sent[frames.sent_ends[at] : frames.sent_ends[at + 1]]
            echo = frames.echoed[frames.echoed_ends[at] : frames.echoed_ends[at + 1]]
            began = time.perf_counter()
            connection.sendall(sent)
            received = connection.recv(4096)
            times.append(time.perf_counter() - began)
            if received != echo:
                raise AssertionError(f"not the echo of what was sent: {received[:200]!r}")
    return times


def percentile(values: list[float], percent: float) -> float:
    """The value below which `percent` of them lie."""
    return statistics.quantiles(values, n=1000, method="inclusive")[round(percent * 10) - 1]


def encoded(text: bytes, mask: bytes | None) -> bytes:
    """A text message in one frame: of a client with a mask, of a server without."""
    size, bit = len(text), 0x80 if mask else 0
    if size < 126:
        head = struct.pack("!BB", 0x81, bit | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x81, bit | 126, size)
    else:
        head = struct.pack("!BBQ", 0x81, bit | 127, size)
    if not mask:
        return head + text
    pad = (mask * (size // 4 + 1))[:size]
    return head + mask + (int.from_bytes(text, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")


def _ends(parts: list[bytes]) -> list[int]:
    ends = [0]
    for part in parts:
        ends.append(ends[-1] + len(part))
    return ends
