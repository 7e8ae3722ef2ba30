"""Sends a recorded drive through the WebSocket, and counts its receipts."""

import json
import random
import time
from collections import deque
from collections.abc import Callable, Iterable
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.sync.client import ClientConnection, connect

from speeddash.drive import Row
from speeddash.errors import DriveError
from speeddash.reading import rfc3339

FRAME_READINGS = 100
#: Together about 60 KB: what a socket takes without the other side reading.
FRAMES_IN_FLIGHT = 8
ECHO_TIMEOUT_S = 30.0
LAST_RETRY_S = 10.0

Progress = Callable[[int], object]


class Replay:
    """One drive on its way to one server; for one thread.

    A frame stays here until its echo has come. When the connection breaks, what has no echo is sent again; the `seq` of a
    reading is the row's, else its number, so that it is stored once however often it is sent.

    Attributes:
        sent: Readings sent at least once.
        echoed: Readings whose receipt has come.
        refused: Readings that the server would not take, with its reason.
    """

    def __init__(
        self,
        url: str,
        source: str,
        rows: Iterable[Row],
        *,
        speed_up: float | None,
        patience_s: float,
        token: str | None = None,
    ) -> None:
        """Prepare to send.

        Args:
            url: The server's socket, `ws://localhost:8765/ws`.
            source: The name under which rows that name none are stored.
            rows: In the order in which they are sent.
            speed_up: How many seconds of the drive pass in one second; None sends as fast as receipts come.
            token: What the server asks for; None sends none.
            patience_s: For how long to try again when the server is away.
        """
        self._url = f"{url}{'&' if '?' in url else '?'}{urlencode({'source': source})}"
        self._headers = {"Authorization": f"Bearer {token}"} if token else None
        self._waiting = deque(rows)
        self._in_flight: deque[tuple[str, list[Row]]] = deque()
        self._speed_up = speed_up
        self._patience_s = patience_s
        self._began_us = self._waiting[0].at_us if self._waiting else 0
        self._began = time.monotonic()
        self._last_sent = 0
        self._frame_readings = FRAME_READINGS
        self.sent = 0
        self.echoed = 0
        self.refused: list[tuple[Row, str]] = []

    def run(self, progress: Progress) -> None:
        """Send everything; `progress` is told how many more readings are done.

        Raises:
            DriveError: The server cannot be reached, or was away for longer than the patience.
        """
        retry_s, away_since = 0.25, None
        while self._waiting or self._in_flight:
            before = self.echoed
            try:
                with connect(self._url, compression=None, max_size=None, additional_headers=self._headers) as socket:
                    self._exchange(socket, progress)
            except InvalidURI as wrong:
                raise DriveError(f"{self._url}: {wrong}") from wrong
            except (OSError, ConnectionClosed, InvalidHandshake) as gone:
                if isinstance(gone, InvalidStatus) and gone.response.status_code < 500:
                    raise DriveError(f"{self._url}: {gone}") from gone
                self._take_back()
                if self.echoed > before:
                    retry_s, away_since = 0.25, None
                away_since = away_since or time.monotonic()
                if not self.sent or time.monotonic() - away_since > self._patience_s:
                    raise DriveError(f"{self._url} cannot be reached: {gone}; is SpeedDash running?") from gone
                time.sleep(retry_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
                retry_s = min(2 * retry_s, LAST_RETRY_S)

    def _exchange(self, socket: ClientConnection, progress: Progress) -> None:
        while self._waiting or self._in_flight:
            while len(self._in_flight) < FRAMES_IN_FLIGHT and (rows := self._due()):
                self._send(socket, rows)
            full = len(self._in_flight) == FRAMES_IN_FLIGHT or not self._waiting
            try:
                answer = socket.recv(ECHO_TIMEOUT_S if full else self._until_due_s())
            except TimeoutError:
                if full:
                    raise  # a TimeoutError is an OSError: the connection is given up
                continue
            progress(self._settle(str(answer)))

    def _due(self) -> list[Row]:
        rows: list[Row] = []
        while self._waiting and len(rows) < self._frame_readings and self._until_due_s() <= 0:
            rows.append(self._waiting.popleft())
        return rows

    def _until_due_s(self) -> float:
        if self._speed_up is None:
            return 0.0
        driven_s = (self._waiting[0].at_us - self._began_us) / 1e6
        return max(0.0, self._began + driven_s / self._speed_up - time.monotonic())

    def _send(self, socket: ClientConnection, rows: list[Row]) -> None:
        text = json.dumps([_reading(row) for row in rows])
        self._in_flight.append((text, rows))
        socket.send(text)
        self.sent += sum(row.number > self._last_sent for row in rows)
        self._last_sent = max(self._last_sent, rows[-1].number)

    def _settle(self, answer: str) -> int:
        """Take the answer to the oldest frame; how many readings are done with it."""
        text, rows = self._in_flight[0] if self._in_flight else ("", [])
        if answer == text:
            self._in_flight.popleft()
            self.echoed += len(rows)
            return len(rows)
        error = json.loads(answer).get("error") if answer.startswith('{"error"') else None
        if error is None:
            return 0  # what POST /send pushes to this connection is no answer
        self._in_flight.popleft()
        at = error.get("index", 0 if len(rows) == 1 else None)
        if at is None:
            # Nobody is named: from now on one by one, until it is clear who is to blame.
            self._frame_readings = 1
            self._waiting.extendleft(reversed(rows))
            return 0
        bad = rows.pop(at)
        self.refused.append((bad, error["message"]))
        self._waiting.extendleft(reversed(rows))
        return 1

    def _take_back(self) -> None:
        for _, rows in reversed(self._in_flight):
            self._waiting.extendleft(reversed(rows))
        self._in_flight.clear()


def _reading(row: Row) -> dict[str, str | int | float]:
    reading: dict[str, str | int | float] = {"source": row.source} if row.source else {}
    seq = row.number if row.seq is None else row.seq
    return {**reading, "timestamp": rfc3339(row.at_us), "seq": seq, "speed": row.speed}
