"""Bytes from and to a device: TCP, UDP or a serial port."""

import os
import socket
import time
from collections.abc import Iterator
from typing import Any, Final, Protocol

from speeddash.errors import DeviceAway, SettingsError

CONNECT_TIMEOUT_S: Final = 10.0
#: A connection that brings nothing for so long is made anew: it may have been lost without a word.
MAX_SILENCE_S: Final = 30.0
READ_BYTES: Final = 1 << 16
#: No sentence and no JSON object of a device is longer.
MAX_LINE_BYTES: Final = 1 << 16


class Stream(Protocol):
    """An open connection."""

    def read(self, timeout_s: float) -> bytes:
        """Return what has come, or nothing after a timeout.

        Raises:
            OSError: The connection broke.
            EOFError: It has ended.
        """
        ...

    def write(self, data: bytes) -> None:
        """Send."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class TcpStream:
    """A TCP connection."""

    def __init__(self, host: str, port: int) -> None:
        """Connect.

        Raises:
            OSError: The host cannot be reached.
        """
        self._socket = socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S)

    def read(self, timeout_s: float) -> bytes:
        """Return what has come, or nothing after a timeout."""
        self._socket.settimeout(timeout_s)
        try:
            data = self._socket.recv(READ_BYTES)
        except TimeoutError:
            return b""
        if not data:
            raise EOFError("the connection was closed")
        return data

    def write(self, data: bytes) -> None:
        """Send."""
        self._socket.settimeout(CONNECT_TIMEOUT_S)
        self._socket.sendall(data)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


class UdpStream:
    """Datagrams that are sent to a port of this machine."""

    def __init__(self, address: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: The port is taken, or the address is not of this machine.
        """
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.bind((address, port))
        except OSError:
            self._socket.close()
            raise

    def read(self, timeout_s: float) -> bytes:
        """Return one datagram, ended as a line, or nothing after a timeout."""
        self._socket.settimeout(timeout_s)
        try:
            data = self._socket.recv(READ_BYTES)
        except TimeoutError:
            return b""
        return data if data.endswith(b"\n") else data + b"\n"

    def write(self, data: bytes) -> None:
        """Send nothing: there is nobody to send to."""

    def close(self) -> None:
        """Stop to listen."""
        self._socket.close()


class SerialStream:
    """A serial port."""

    def __init__(self, path: str, baud: int) -> None:
        """Open the port for this program alone.

        Raises:
            OSError: There is no such port, or another program has it.
        """
        self._port: Any = serial_package().Serial(path, baud, timeout=0, exclusive=True)

    def read(self, timeout_s: float) -> bytes:
        """Return what has come, or nothing after a timeout."""
        self._port.timeout = timeout_s
        first: bytes = self._port.read(1)
        return first + self._port.read(self._port.in_waiting) if first else b""

    def write(self, data: bytes) -> None:
        """Send."""
        self._port.write(data)

    def close(self) -> None:
        """Close the port."""
        self._port.close()


def serial_package() -> Any:
    """Return the package of serial ports.

    Raises:
        SettingsError: It is not installed.
    """
    try:
        import serial
    except ImportError:
        raise SettingsError("serial ports", "need the package pyserial: pip install 'speeddash[serial]'") from None
    return serial


def reason(problem: OSError | EOFError) -> str:
    """Return the reason of an error for a person."""
    if isinstance(problem, socket.gaierror):  # its number is none of the system's
        return str(problem.strerror).lower()
    if isinstance(problem, OSError) and problem.errno:
        return os.strerror(problem.errno).lower()
    return str(problem)


def lines(stream: Stream, *, has_peer: bool = True) -> Iterator[bytes]:
    """Yield lines without their ends, for as long as the connection lives; empty ones as signs of life are left out.

    Args:
        stream: Where they come from.
        has_peer: Whether it is a connection, which may have been lost without a word. To close one that only listens would lose what comes
            meanwhile.

    Raises:
        DeviceAway: The connection has ended, or nothing came for `MAX_SILENCE_S`.
    """
    rest = b""
    heard_at = time.monotonic()
    while True:
        try:
            data = stream.read(MAX_SILENCE_S)
        except (OSError, EOFError) as gone:
            raise DeviceAway(reason(gone)) from gone
        if data:
            heard_at = time.monotonic()
            *whole, rest = (rest + data).replace(b"\r", b"\n").split(b"\n")
            yield from (each for each in whole if each)
            if len(rest) > MAX_LINE_BYTES:
                rest = b""  # not the text of a device
        elif has_peer and time.monotonic() - heard_at >= MAX_SILENCE_S:
            raise DeviceAway(f"it is connected, and nothing comes for {MAX_SILENCE_S:g} s")
