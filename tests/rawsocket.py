"""A WebSocket client that sends any bytes: frames, valid or not, over a plain socket."""

import os
import socket
import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class RawSocket:
    def __init__(
        self, port: int, path: str = "/ws", headers: str = "", receive_buffer: int | None = None, timeout_s: float = 10
    ) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(timeout_s)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._received = b""
        try:
            self.head = self._shake_hands(port, path, headers)
        except BaseException:
            self.socket.close()
            raise

    def frame(self, payload: bytes, opcode: int = TEXT, first_byte: int | None = None) -> bytes:
        size = len(payload)
        length = (
            bytes([0x80 | size])
            if size < 126
            else struct.pack("!BH", 0xFE, size)
            if size < 65536
            else struct.pack("!BQ", 0xFF, size)
        )
        mask = os.urandom(4)
        pad = mask * (size // 4 + 1)
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(pad[:size], "big")).to_bytes(size, "big")
        return bytes([0x80 | opcode if first_byte is None else first_byte]) + length + mask + masked

    def send(self, payload: bytes, opcode: int = TEXT) -> None:
        self.socket.sendall(self.frame(payload, opcode))

    def receive(self) -> tuple[int, bytes]:
        """The next frame: its opcode and payload."""
        first, second = self._exactly(2)
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(self._exactly(2 if size == 126 else 8), "big")
        return first & 0x0F, self._exactly(size)

    def receive_text(self) -> bytes:
        while (frame := self.receive())[0] == PING:
            self.send(frame[1], PONG)
        assert frame[0] == TEXT, frame
        return frame[1]

    def receive_close(self) -> int:
        """Skip to the close frame; its code."""
        while (frame := self.receive())[0] != CLOSE:
            pass
        return int.from_bytes(frame[1][:2], "big")

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> "RawSocket":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _shake_hands(self, port: int, path: str, headers: str) -> str:
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n".encode()
        )
        return self._until(b"\r\n\r\n").decode()

    def _exactly(self, size: int) -> bytes:
        while len(self._received) < size:
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError
            self._received += data
        taken, self._received = self._received[:size], self._received[size:]
        return taken

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._received:
            data = self.socket.recv(4096)
            if not data:
                raise EOFError
            self._received += data
        return self._exactly(self._received.index(mark) + len(mark))
