"""Frames, right and wrong, and what comes back: from a `FrameReader` in this process (`hear`), or from a server (`say`)."""

import itertools
import os
import socket
from dataclasses import dataclass, field

import orjson
from websockets.speedups import apply_mask

from speeddash.errors import InvalidInput
from speeddash.network.frames import FrameReader
from speeddash.reading import parse_frame
from tests.rawsocket import CLOSE, PONG, TEXT, RawSocket

CONTINUATION = 0
LAST = b'{"speed": 99, "last": true}'
WHOLE, BYTEWISE = None, 1
MAX_MESSAGE_BYTES = 1 << 20


def frame(payload=b"", opcode=TEXT, *, final=True, reserved=0, masked=True, width=None, size=None) -> bytes:
    """A frame, right or wrong: `width` bytes for its size (0, 2 or 8), `size` where it is not the payload's."""
    size = len(payload) if size is None else size
    width = (0 if size < 126 else 2 if size < 1 << 16 else 8) if width is None else width
    second = size if not width else 126 if width == 2 else 127
    head = bytes([final << 7 | reserved << 4 | opcode, masked << 7 | second]) + (
        size.to_bytes(width, "big") if width else b""
    )
    mask = os.urandom(4)
    return head + (mask + apply_mask(payload, mask) if masked else payload)


def fragments(payload: bytes, size: int, opcode=TEXT) -> bytes:
    parts = [payload[at : at + size] for at in range(0, len(payload), size)]
    return b"".join(
        frame(part, CONTINUATION if at else opcode, final=at == len(parts) - 1) for at, part in enumerate(parts)
    )


def reading(size: int) -> bytes:
    """A reading of that many bytes."""
    bare = b'{"speed": 1, "pad": ""}'
    return b'{"speed": 1, "pad": "' + b"x" * (size - len(bare)) + b'"}' if size >= len(bare) else b'{"speed": 1}'


def closing(code: int | None = None, reason: bytes = b"") -> bytes:
    return frame(b"" if code is None else code.to_bytes(2, "big") + reason, CLOSE)


@dataclass
class Heard:
    """Everything that came back: texts (an error by its code), pongs, and the code of the close frame (0 without one)."""

    texts: list = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)
    close: int | None = None


def hear(said: bytes, chop: int | None = None) -> Heard:
    """Let a `FrameReader` read frames, whole or in pieces, and answer its messages as a server does."""
    heard = Heard()
    reader = FrameReader(MAX_MESSAGE_BYTES)
    for at in range(0, len(said), chop or len(said)):
        messages, _ = reader.read(said[at : at + (chop or len(said))])
        heard.texts += [_answer(each) for each in messages]
        heard.pongs += [payload for _, payload in _frames(reader.pongs)]
        if reader.close:
            ((_, payload),) = _frames(reader.close)
            heard.close = int.from_bytes(payload[:2], "big")
            break
    return heard


def say(port: int, said: bytes, chop: int | None = None, path: str = "/ws") -> Heard:
    """Send frames to a server, whole or in pieces, until it closes or answers a last reading that is sent after them."""
    heard = Heard()
    with RawSocket(port, path) as raw:
        raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for at in range(0, len(said), chop or len(said)):
                raw.socket.sendall(said[at : at + (chop or len(said))])
            raw.socket.sendall(frame(LAST))
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has closed already: its last frame tells the reason
        while heard.close is None:
            opcode, payload = raw.receive()
            if opcode == CLOSE:
                heard.close = int.from_bytes(payload[:2], "big")
            elif opcode == PONG:
                heard.pongs.append(payload)
            elif payload == LAST:
                return heard
            else:
                heard.texts.append(_error_code(payload) or payload)
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.socket.recv(1) == b""
    return heard


def _answer(message: str | bytes) -> bytes | str:
    """The echo of a message, or the code of its error."""
    try:
        parse_frame(message, "", 0, itertools.count(), max_speed_kmh=2000)
    except InvalidInput as error:
        return error.code
    assert isinstance(message, str)
    return message.encode()


def _frames(data: bytes) -> list[tuple[int, bytes]]:
    """Opcode and payload of control frames of a server."""
    found = []
    while data:
        size = data[1]
        found.append((data[0] & 0x0F, data[2 : 2 + size]))
        data = data[2 + size :]
    return found


def _error_code(payload: bytes) -> str:
    try:
        return orjson.loads(payload).get("error", {}).get("code", "")
    except orjson.JSONDecodeError:
        return ""
