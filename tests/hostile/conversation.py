"""What a raw client says, byte for byte, and what it hears back."""

import json
import os
import socket
from dataclasses import dataclass, field

from websockets.speedups import apply_mask

from tests.rawsocket import CLOSE, PONG, TEXT, RawSocket

CONTINUATION = 0
LAST_WORD = b'{"speed": 99, "last": true}'
WHOLE, BYTEWISE = None, 1


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
    """A reading of so many bytes."""
    bare = b'{"speed": 1, "pad": ""}'
    return b'{"speed": 1, "pad": "' + b"x" * (size - len(bare)) + b'"}' if size >= len(bare) else b'{"speed": 1}'


def closing(code: int | None = None, reason: bytes = b"") -> bytes:
    return frame(b"" if code is None else code.to_bytes(2, "big") + reason, CLOSE)


@dataclass
class Heard:
    """All that came back: texts (an error by its code), pongs, and the code of the close frame (0 without one)."""

    texts: list = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)
    close: int | None = None


def say(port: int, said: bytes, chop: int | None = None, path: str = "/ws") -> Heard:
    """Say it, whole or in pieces, and listen until the server closes, or answers a last reading that is sent behind it."""
    heard = Heard()
    with RawSocket(port, path) as raw:
        raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for at in range(0, len(said), chop or len(said)):
                raw.socket.sendall(said[at : at + (chop or len(said))])
            raw.socket.sendall(frame(LAST_WORD))
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has closed already: its last frame says why
        while heard.close is None:
            opcode, payload = raw.receive()
            if opcode == CLOSE:
                heard.close = int.from_bytes(payload[:2], "big")
            elif opcode == PONG:
                heard.pongs.append(payload)
            elif payload == LAST_WORD:
                return heard
            else:
                heard.texts.append(_text(payload))
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.socket.recv(1) == b""
    return heard


def _text(payload: bytes) -> object:
    try:
        error = json.loads(payload).get("error")
    except ValueError:
        return payload
    return error["code"] if error else payload
