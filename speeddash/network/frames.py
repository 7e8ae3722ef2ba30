"""RFC 6455 frames: reads the messages of a client from its bytes, and builds frames of the server."""

import codecs
from struct import pack

from wsproto.frame_protocol import CloseReason

try:
    from websockets.speedups import apply_mask
except ImportError:  # platforms without the compiled module
    from websockets.utils import apply_mask

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FINAL, OPCODE, CONTROL, MASKED = 0x80, 0x0F, 0x08, 0x80
WHOLE_TEXT = FINAL | TEXT
#: Valid first bytes of a frame: no reserved bit, a known opcode, no fragmented control frame.
FIRST_BYTES = {CONTINUATION, TEXT, BINARY, *(FINAL | code for code in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))}
MAX_CONTROL_BYTES = 125
#: Fragments of one message.
MAX_FRAGMENTS = 1 << 15
#: Valid close codes below 3000 (RFC 6455, 7.4.1, and those registered by IANA since).
CLOSE_CODES = {1000, 1001, 1002, 1003, *range(1007, 1015)}


class FrameReader:
    """The receiving side of one connection, without its socket.

    Attributes:
        pongs: Frames that answer the pings of the last `read`.
        close: The close frame to send, once the client has closed the connection or violated the protocol; nothing is read after that.
        close_code: Code of that frame.
        broken: The client has violated the protocol.
    """

    def __init__(self, max_message_bytes: int) -> None:
        self.pongs = b""
        self.close: bytes | None = None
        self.broken = False
        self.close_code: int = CloseReason.NO_STATUS_RCVD
        self._max_message_bytes = max_message_bytes
        self._partial = bytearray()
        # The current message: number of its fragments, their size and content.
        self._fragments = 0
        self._message_bytes = 0
        self._is_text = False
        self._content = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def read(self, data: bytes | bytearray) -> tuple[list[str | bytes], int]:
        """Return the complete messages, and the bytes of the complete frames. The rest is kept for the next call."""
        if self._partial:
            self._partial += data
            data = self._partial
        self.pongs = b""
        messages: list[str | bytes] = []
        at, end = 0, len(data)
        try:
            while end - at >= 2 and not self.close:
                first, size, start = data[at], data[at + 1] - MASKED, at + 6
                if first != WHOLE_TEXT or not 0 <= size <= MAX_CONTROL_BYTES or self._fragments:
                    size, start = self._checked(data, at)
                if start + size > end:
                    break
                at = start + size
                payload = apply_mask(data[start:at], data[start - 4 : start])
                if first == WHOLE_TEXT:
                    messages.append(payload.decode())
                else:
                    self._other(first, payload, messages)
        except _Violation as broken:
            self._end(broken.code, str(broken))
        except UnicodeDecodeError:
            self._end(CloseReason.INVALID_FRAME_PAYLOAD_DATA, "text must be UTF-8")
        if data is self._partial:
            del data[:at]
        elif at < end:
            self._partial += data[at:]
        return messages, at

    def _checked(self, data: bytes | bytearray, at: int) -> tuple[int, int]:
        """Return the size of a frame's payload and where it starts, after checking what has arrived of its head.

        A size that has not arrived counts as 0: it precedes the payload, so the frame is incomplete anyway.
        """
        first, second = data[at], data[at + 1]
        if first not in FIRST_BYTES or not second & MASKED:
            raise _Violation("a reserved bit or opcode, a control frame in parts, or no mask")
        size, start = second - MASKED, at + 6
        if first & CONTROL:
            if size > MAX_CONTROL_BYTES:
                raise _Violation(f"a control frame may have {MAX_CONTROL_BYTES} bytes")
            return size, start
        if bool(first & OPCODE) is bool(self._fragments):
            raise _Violation("a message begins in another" if self._fragments else "a continuation of nothing")
        if size > MAX_CONTROL_BYTES:
            width = 2 if size == 126 else 8
            start += width
            if len(data) < at + 2 + width:
                return 0, start
            size = int.from_bytes(data[at + 2 : at + 2 + width], "big")
            if size < (126 if width == 2 else 1 << 16) or size >> 63:
                raise _Violation("a size must be written in as few bytes as hold it")
        if self._message_bytes + size > self._max_message_bytes:
            raise _Violation(f"a frame may have {self._max_message_bytes} bytes", CloseReason.MESSAGE_TOO_BIG)
        return size, start

    def _other(self, first: int, payload: bytes, messages: list[str | bytes]) -> None:
        """Take a frame that is no whole text."""
        if first & CONTROL:
            self._control(first & OPCODE, payload)
        else:
            self._fragment(first, payload, messages)

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self.pongs += bytes((FINAL | PONG, len(payload))) + payload
        elif opcode == CLOSE:
            code = int.from_bytes(payload[:2], "big")
            if payload and code not in CLOSE_CODES and not 3000 <= code < 5000:
                raise _Violation("no such close code")
            payload[2:].decode()
            self.close = bytes((FINAL | CLOSE, len(payload))) + payload
            self.close_code = code or CloseReason.NO_STATUS_RCVD

    def _fragment(self, first: int, payload: bytes, messages: list[str | bytes]) -> None:
        """Add a frame that is binary or a fragment. Text is checked as it arrives."""
        if first & OPCODE:
            self._is_text = first & OPCODE == TEXT
        self._fragments += 1
        if self._fragments > MAX_FRAGMENTS:
            raise _Violation(f"a message may have {MAX_FRAGMENTS} fragments", CloseReason.POLICY_VIOLATION)
        if payload:
            self._message_bytes += len(payload)
            self._content += payload
        if self._is_text and (payload or first & FINAL):
            self._decoder.decode(payload, bool(first & FINAL))
        if first & FINAL:
            messages.append(self._content.decode() if self._is_text else bytes(self._content))
            self._content = bytearray()
            self._fragments = self._message_bytes = 0

    def _end(self, code: int, why: str) -> None:
        self.close, self.close_code, self.broken = close_frame(code, why), code, True


class _Violation(Exception):
    """A violation of the protocol, and the code to close with."""

    def __init__(self, why: str, code: int = CloseReason.PROTOCOL_ERROR) -> None:
        super().__init__(why)
        self.code = code


def text_frame(text: bytes) -> bytes:
    """Return a text message in one frame."""
    size = len(text)
    if size < 126:
        return bytes((WHOLE_TEXT, size)) + text
    if size < 1 << 16:
        return pack("!BBH", WHOLE_TEXT, 126, size) + text
    return pack("!BBQ", WHOLE_TEXT, 127, size) + text


def close_frame(code: int, why: str) -> bytes:
    """Return a close frame. A reason that is too long is cut between characters."""
    reason = why.encode()[: MAX_CONTROL_BYTES - 2].decode(errors="ignore").encode()
    return pack("!BBH", FINAL | CLOSE, 2 + len(reason), code) + reason
