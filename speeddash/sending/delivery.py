"""Sends readings through the WebSocket of a server, and holds each until its echo arrives."""

import json
import random
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple, Protocol

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import CloseCode
from websockets.sync.client import ClientConnection, connect

from speeddash.errors import OutboxError, RecordingError

FRAME_READINGS: Final = 100
#: Together about 60 KB, which a socket buffers while the peer does not read.
FRAMES_IN_FLIGHT: Final = 8
ECHO_TIMEOUT_S: Final = 30.0
FIRST_RETRY_S: Final = 0.25
MAX_RETRY_S: Final = 10.0


class Outgoing(NamedTuple):
    """One reading to send.

    Attributes:
        number: Its number among those of its sender, ascending.
        reading: The members of the reading, as the server takes them.
    """

    number: int
    reading: dict[str, str | int | float]


class Supply(Protocol):
    """Where the readings come from, in the order in which they are sent. Called from the thread of `Delivery.run` alone.

    A method may raise `OutboxError`: it has changed nothing, and is tried again.
    """

    @property
    def ended(self) -> bool:
        """Whether no further readings come."""
        ...

    def take(self, limit: int) -> list[Outgoing]:
        """Return the next readings that are due."""
        ...

    def wait_s(self) -> float | None:
        """Return the seconds until the next reading is due; None if only `Delivery.wake` can tell."""
        ...

    def echoed(self, readings: Sequence[Outgoing]) -> None:
        """Readings are stored."""
        ...

    def rejected(self, reading: Outgoing, why: str) -> None:
        """The server does not take a reading."""
        ...


class Delivery:
    """Sends the readings of one supply to one server; `run` belongs to one thread.

    A frame is held until its echo arrives. After a broken connection, frames without an echo are sent again, which is safe as long as
    every reading has a timestamp and a seq.

    Attributes:
        sent: Readings sent at least once.
        echoed: Readings that were echoed.
        trouble: Why the server does not take readings now; None while a connection is open.
    """

    def __init__(
        self, url: str, supply: Supply, *, patience_s: float | None, token: str | None = None, must_begin: bool = False
    ) -> None:
        """Prepare to send.

        Args:
            url: Socket of the server, such as `ws://localhost:8765/ws`.
            supply: The readings.
            patience_s: How long to retry when the server is away, or does not let in; None for ever.
            token: Bearer token; None for none.
            must_begin: Give up at once when the first connection fails.
        """
        self._url = url
        self._supply = supply
        self._headers = {"Authorization": f"Bearer {token}"} if token else None
        self._patience_s = patience_s
        self._must_begin = must_begin
        self._again: deque[Outgoing] = deque()
        self._in_flight: deque[tuple[str, list[Outgoing]]] = deque()
        self._frame_readings = FRAME_READINGS
        self._events: SimpleQueue[tuple[ClientConnection | None, str | bytes | None]] = SimpleQueue()
        self._stopping = threading.Event()
        self._last_sent = 0
        self.sent = 0
        self.echoed = 0
        self.trouble: str | None = "not yet connected"

    def wake(self) -> None:
        """New readings are there. May be called from any thread."""
        self._events.put((None, None))

    def stop(self) -> None:
        """Let `run` return soon. May be called from any thread."""
        self._stopping.set()
        self.wake()

    def run(self) -> None:
        """Send until the supply has ended and everything is answered, or until `stop`.

        Raises:
            RecordingError: The URL is none, or the server does not take readings for longer than `patience_s`.
        """
        retry_s, away_since = FIRST_RETRY_S, None
        while self._open and not self._stopping.is_set():
            before = self.echoed
            try:
                with connect(self._url, compression=None, max_size=None, additional_headers=self._headers) as socket:
                    self.trouble = None
                    self._exchange(socket)
            except (InvalidURI, ValueError) as wrong:  # a port that is none
                raise RecordingError(f"{self._url}: {wrong}") from wrong
            except (OSError, ConnectionClosed, InvalidHandshake, OutboxError) as gone:
                self._take_back()
                if isinstance(gone, ConnectionClosed) and gone.rcvd and gone.rcvd.code == CloseCode.MESSAGE_TOO_BIG:
                    self._frame_readings = max(1, self._frame_readings // 2)
                if self.echoed > before:
                    retry_s, away_since = FIRST_RETRY_S, None
                away_since = away_since or time.monotonic()
                refused = isinstance(gone, InvalidStatus) and gone.response.status_code < 500
                if isinstance(gone, OutboxError):
                    self.trouble = str(gone)
                else:
                    self.trouble = f"{self._url}{'' if refused else ' cannot be reached'}: {_words(gone)}"
                if self._patience_s is not None and (
                    refused or (self._must_begin and not self.sent) or time.monotonic() - away_since > self._patience_s
                ):
                    raise RecordingError(
                        self.trouble if refused else f"{self.trouble}; is SpeedDash running?"
                    ) from gone
                self._stopping.wait(retry_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
                retry_s = min(2 * retry_s, MAX_RETRY_S)

    @property
    def _open(self) -> bool:
        return bool(self._in_flight or self._again or not self._supply.ended)

    def _exchange(self, socket: ClientConnection) -> None:
        """Send and receive until everything is answered or the connection ends.

        Raises:
            OSError: No echo within `ECHO_TIMEOUT_S`, or the connection broke.
            ConnectionClosed: The server has closed it.
        """
        threading.Thread(target=self._read, args=(socket,), name="echoes", daemon=True).start()
        answered_at = time.monotonic()
        while self._open and not self._stopping.is_set():
            while len(self._in_flight) < FRAMES_IN_FLIGHT and (readings := self._take()):
                if not self._in_flight:
                    answered_at = time.monotonic()
                self._send(socket, readings)
            try:
                sender, answer = self._events.get(timeout=self._until_next_s(answered_at))
            except Empty:
                if self._in_flight and time.monotonic() - answered_at > ECHO_TIMEOUT_S:
                    raise TimeoutError(f"no echo for {ECHO_TIMEOUT_S:g} s") from None
                continue
            if sender is socket:
                if answer is None:
                    socket.recv(0)  # raises what ended the connection
                answered_at = time.monotonic()
                self._receive(str(answer))

    def _read(self, socket: ClientConnection) -> None:
        with suppress(OSError, ConnectionClosed):
            for message in socket:
                self._events.put((socket, message))
        self._events.put((socket, None))

    def _until_next_s(self, answered_at: float) -> float | None:
        waits = []
        if self._in_flight:
            waits.append(answered_at + ECHO_TIMEOUT_S - time.monotonic())
        if len(self._in_flight) < FRAMES_IN_FLIGHT and (due_s := self._supply.wait_s()) is not None:
            waits.append(due_s)
        return max(0.0, min(waits)) if waits else None

    def _take(self) -> list[Outgoing]:
        if self._again:
            return [self._again.popleft() for _ in range(min(self._frame_readings, len(self._again)))]
        return self._supply.take(self._frame_readings)

    def _send(self, socket: ClientConnection, readings: list[Outgoing]) -> None:
        text = json.dumps([each.reading for each in readings])
        self._in_flight.append((text, readings))
        socket.send(text)
        self.sent += sum(each.number > self._last_sent for each in readings)
        self._last_sent = max(self._last_sent, readings[-1].number)

    def _receive(self, answer: str) -> None:
        """Process the answer to the oldest frame."""
        text, readings = self._in_flight[0] if self._in_flight else ("", [])
        if answer == text:
            self._supply.echoed(readings)  # first: where it fails they are sent again
            self._in_flight.popleft()
            self.echoed += len(readings)
            return
        error: dict[str, Any] | None = json.loads(answer).get("error") if answer.startswith('{"error"') else None
        if error is None:
            return  # a reading that POST /send pushes to this connection is no answer
        at = error.get("index", 0 if len(readings) == 1 else None)
        if at is None:
            # The error names no reading: from now on they are sent one by one.
            self._frame_readings = 1
        else:
            self._supply.rejected(readings[at], error["message"])
            del readings[at]
        self._in_flight.popleft()
        self._again.extendleft(reversed(readings))

    def _take_back(self) -> None:
        for _, readings in reversed(self._in_flight):
            self._again.extendleft(reversed(readings))
        self._in_flight.clear()


def _words(gone: Exception) -> str:
    if isinstance(gone, InvalidStatus) and gone.response.status_code == 401:
        return "the token is missing or wrong (401); set SPEEDDASH_TOKEN"
    if isinstance(gone, InvalidStatus) and (detail := _detail(gone.response.body)):
        return f"{detail} ({gone.response.status_code})"
    return str(gone) or type(gone).__name__


def _detail(body: bytes | bytearray | None) -> str | None:
    """Return the reason that the server's answer gives, or None."""
    try:
        answer = json.loads(body or b"")
    except ValueError:
        return None
    return str(answer["detail"]) if isinstance(answer, dict) and "detail" in answer else None
