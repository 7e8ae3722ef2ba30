"""`replay`: sends a recording through the WebSocket, and counts the echoes."""

import json
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlencode

import click
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.sync.client import ClientConnection, connect

from speeddash.cli.options import format_option, unit_option
from speeddash.cli.transfer import print_bad_lines
from speeddash.errors import InvalidInput, RecordingError, SettingsError
from speeddash.formats import BadLine, Row, read_recording, source_of
from speeddash.reading import parse_source, parse_time, rfc3339
from speeddash.settings import Settings

FRAME_READINGS = 100
#: Together about 60 KB, which a socket buffers while the peer does not read.
FRAMES_IN_FLIGHT = 8
ECHO_TIMEOUT_S = 30.0
LAST_RETRY_S = 10.0

Progress = Callable[[int], object]


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@unit_option
@format_option
@click.option(
    "--speed-up",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Seconds of the recording per second.",
)
@click.option("--fast", is_flag=True, help="As fast as echoes arrive.")
@click.option("--source", help="Source of readings that name none. [default: the name of the file]")
@click.option("--start", help="Moment of second 0, for files that count seconds: RFC 3339. [default: now]")
@click.option("--url", default="ws://localhost:8765/ws", show_default=True, help="The socket of the server.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds to retry when the server is away.",
)
def replay(
    file: Path,
    unit: str | None,
    file_format: str | None,
    speed_up: float,
    fast: bool,
    source: str | None,
    start: str | None,
    url: str,
    patience: float,
) -> None:
    """Send a recording through the WebSocket: a FILE of CSV, GPX, NDJSON or NMEA, as for `import`.

    The token of the environment (SPEEDDASH_TOKEN) is sent; the token of the source is enough.
    A reading without seq gets its row number, so sending a recording again under the same source adds nothing.
    """
    try:
        token = Settings.load().token
        name = parse_source(source if source is not None else source_of(file.name))
        start_us = parse_time(start) if start else time.time_ns() // 1000
        with file.open("rb") as opened:
            lines = list(read_recording(opened, name=str(file), file_format=file_format, unit=unit, start_us=start_us))
    except InvalidInput as wrong:
        raise click.UsageError(wrong.message) from None
    except (RecordingError, SettingsError, OSError) as unreadable:
        raise click.UsageError(str(unreadable)) from None
    rows = [line for line in lines if isinstance(line, Row)]
    bad = [line for line in lines if isinstance(line, BadLine)]
    sender = Replay(
        url,
        name,
        rows,
        speed_up=None if fast else speed_up,
        patience_s=patience,
        token=token.get_secret_value() if token else None,
    )
    failure = None
    try:
        with click.progressbar(length=len(rows), label=f"{file.name} as {name}") as bar:
            sender.run(bar.update)
    except RecordingError as gone:
        failure = str(gone)
    except KeyboardInterrupt:
        failure = "interrupted"
    bad += [BadLine(row.line, why) for row, why in sender.rejected]
    print_bad_lines(file, sorted(bad), len(bad))
    if failure:
        click.echo(f"speeddash: {failure}", err=True)
    click.echo(f"{len(lines)} readings: {sender.sent} sent, {sender.echoed} echoed, {len(bad)} bad")
    sys.exit(0 if lines and sender.echoed == len(lines) else 1)


class Replay:
    """Sends one recording to one server; for one thread.

    A frame is held until its echo arrives. After a broken connection, frames without an echo are sent again. The `seq` of a reading is
    that of its row, else the number of the row, so that it is stored once however often it is sent.

    Attributes:
        sent: Readings sent at least once.
        echoed: Readings that were echoed.
        rejected: Rows that the server rejected, and why.
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
            url: Socket of the server, such as `ws://localhost:8765/ws`.
            source: Source of rows that name none.
            rows: In the order in which they are sent.
            speed_up: Seconds of the recording per second; None to send as fast as echoes arrive.
            patience_s: How long to retry when the server is away.
            token: Bearer token; None for none.
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
        self.rejected: list[tuple[Row, str]] = []

    def run(self, progress: Progress) -> None:
        """Send everything. `progress` is called with the number of readings that were answered.

        Raises:
            RecordingError: The server cannot be reached, or was away for longer than `patience_s`.
        """
        retry_s, away_since = 0.25, None
        while self._waiting or self._in_flight:
            before = self.echoed
            try:
                with connect(self._url, compression=None, max_size=None, additional_headers=self._headers) as socket:
                    self._exchange(socket, progress)
            except InvalidURI as wrong:
                raise RecordingError(f"{self._url}: {wrong}") from wrong
            except (OSError, ConnectionClosed, InvalidHandshake) as gone:
                if isinstance(gone, InvalidStatus) and gone.response.status_code < 500:
                    raise RecordingError(f"{self._url}: {gone}") from gone
                self._take_back()
                if self.echoed > before:
                    retry_s, away_since = 0.25, None
                away_since = away_since or time.monotonic()
                if not self.sent or time.monotonic() - away_since > self._patience_s:
                    raise RecordingError(f"{self._url} cannot be reached: {gone}; is SpeedDash running?") from gone
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
                    raise  # a TimeoutError is an OSError, after which `run` opens another connection
                continue
            progress(self._receive(str(answer)))

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

    def _receive(self, answer: str) -> int:
        """Process the answer to the oldest frame; return the number of readings that it answers."""
        text, rows = self._in_flight[0] if self._in_flight else ("", [])
        if answer == text:
            self._in_flight.popleft()
            self.echoed += len(rows)
            return len(rows)
        error = json.loads(answer).get("error") if answer.startswith('{"error"') else None
        if error is None:
            return 0  # a reading that POST /send pushes to this connection is no answer
        self._in_flight.popleft()
        at = error.get("index", 0 if len(rows) == 1 else None)
        if at is None:
            # The error names no reading: from now on they are sent one by one.
            self._frame_readings = 1
            self._waiting.extendleft(reversed(rows))
            return 0
        bad = rows.pop(at)
        self.rejected.append((bad, error["message"]))
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
