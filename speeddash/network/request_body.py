"""Reads requests from a connection of an untrusted client: deadlines, throttling, and a limit for unwanted bodies."""

import io
import time
from typing import Any

import gevent
from gevent import pywsgi

from speeddash.network.rate_limit import TokenBucket

#: Throttle clients that upload faster than we process: read for 1 ms, then pause everything from their network for 4 ms. Requests
#: without valid credentials use the same budget: a fifth of the server's time for each network.
RUN_S, PAUSE_S = 0.001, 0.004
#: Bytes of an unwanted body that are read at once.
DRAIN_BYTES = 1 << 16
#: Unread bytes of a body that are read and discarded, so that the connection can be used again; with more it is closed.
MAX_DISCARD_BYTES = 1 << 16
#: Trailers of a chunked body.
MAX_TRAILERS = 100


class Body(pywsgi.Input):  # type: ignore[misc, unused-ignore]
    """A request body with an end: gevent would parse unwanted bodies and trailers without a limit.

    Attributes:
        left_over: More of the body follows than `MAX_DISCARD_BYTES` after the request was answered.
    """

    left_over = False
    _trailers = 0

    def _discard(self) -> None:
        left_bytes = (self.content_length or 0) - self.position
        self.left_over = self.chunk_length != 0 if self.chunked_input else left_bytes > MAX_DISCARD_BYTES
        if not self.left_over:
            super()._discard()  # type: ignore[misc, unused-ignore]

    def _Input__read_chunk_trailer(self, rfile: Any) -> Any:  # noqa: N802 - gevent's private name
        self._trailers += 1
        if self._trailers > MAX_TRAILERS:
            self._chunked_input_error = True
            raise OSError(f"more than {MAX_TRAILERS} trailers")
        return super()._Input__read_chunk_trailer(rfile)  # type: ignore[misc, unused-ignore]


class ConnectionReader(io.RawIOBase):
    """The bytes of a connection, read before a deadline.

    Attributes:
        deadline: When the head of a request must be complete (`time.monotonic`); None to limit each pause instead.
    """

    def __init__(self, sock: Any, pause_s: float, runs: TokenBucket) -> None:
        """Read a connection.

        Args:
            sock: A gevent socket.
            pause_s: Longest pause between two reads.
            runs: Time budget of the client network, in runs of `RUN_S`.
        """
        self.deadline: float | None = None
        self._sock = sock  # simple-websocket looks for it under this name
        self._pause_s = pause_s
        self._runs = runs
        self._run_until = time.monotonic() + RUN_S

    def readable(self) -> bool:
        """Return True."""
        return True

    def drain(self, seconds: float) -> None:
        """Read and discard data for at most some seconds."""
        until = time.monotonic() + seconds
        self._sock.settimeout(seconds)
        while self._sock.recv(DRAIN_BYTES) and time.monotonic() < until:
            self._pause()

    def readinto(self, buffer: Any) -> int:
        """Read bytes, waiting for them if necessary.

        Raises:
            TimeoutError: None arrived before the deadline.
        """
        left_s = self._pause_s if self.deadline is None else self.deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        try:
            self._sock.settimeout(0)
            size = self._sock.recv_into(buffer)
        except BlockingIOError:
            self._sock.settimeout(left_s)
            size = self._sock.recv_into(buffer)
            self._run_until = time.monotonic() + RUN_S
        finally:
            self._sock.settimeout(None)
        if time.monotonic() > self._run_until:
            self._pause()
        return int(size)

    def _pause(self) -> None:
        self._runs.take(1)
        gevent.sleep(max(self._runs.wait_s(), PAUSE_S))  # without a time the loop would not look at its sockets
        self._run_until = time.monotonic() + RUN_S
