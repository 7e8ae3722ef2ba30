"""`replay`: sends a recording through the WebSocket, and counts the echoes."""

import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import click

from speeddash.cli.options import environment_token, format_option, unit_option
from speeddash.cli.transfer import print_bad_lines
from speeddash.errors import InvalidInput, RecordingError
from speeddash.formats import BadLine, Row, read_recording, source_of
from speeddash.reading import parse_source, parse_time, rfc3339
from speeddash.sending.delivery import Delivery, Outgoing

Progress = Callable[[int], object]


def _number(_context: click.Context, _parameter: click.Parameter, value: float) -> float:
    """Check that a number is one: click's own ranges let `nan` through."""
    if math.isnan(value):
        raise click.BadParameter("nan is not a number.")
    return value


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@unit_option
@format_option
@click.option(
    "--speed-up",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    callback=_number,
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
    callback=_number,
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
    """Send a recording through the WebSocket: a FILE of CSV, FIT, GPX, NDJSON, NMEA, TCX or VBO, as for `import`.

    The token of the environment (SPEEDDASH_TOKEN) is sent; the token of the source is enough.
    A reading without seq gets its row number, so sending a recording again under the same source adds nothing.
    """
    token = environment_token()
    try:
        name = parse_source(source if source is not None else source_of(file.name))
        start_us = parse_time(start) if start else time.time_ns() // 1000
        with file.open("rb") as opened:
            recorded = read_recording(
                opened,
                name=str(file),
                file_format=file_format,
                unit=unit,
                start_us=start_us,
                note=partial(click.echo, err=True),
            )
            lines = list(recorded)
    except InvalidInput as wrong:
        raise click.UsageError(wrong.message) from None
    except (RecordingError, OSError) as unreadable:
        raise click.UsageError(str(unreadable)) from None
    rows = [line for line in lines if isinstance(line, Row)]
    bad = [line for line in lines if isinstance(line, BadLine)]
    failure = None
    with click.progressbar(length=len(rows), label=f"{file.name} as {name}") as bar:
        recording = Recording(name, rows, speed_up=None if fast else speed_up, progress=bar.update)
        delivery = Delivery(
            f"{url}{'&' if '?' in url else '?'}{urlencode({'source': name})}",
            recording,
            patience_s=patience,
            token=token,
            must_begin=True,
        )
        try:
            delivery.run()
        except RecordingError as gone:
            failure = str(gone)
        except KeyboardInterrupt:
            failure = "interrupted"
    bad += [BadLine(row.line, why) for row, why in recording.refused]
    print_bad_lines(file, sorted(bad), len(bad))
    if failure:
        click.echo(f"speeddash: {failure}", err=True)
    click.echo(f"{len(lines)} readings: {delivery.sent} sent, {delivery.echoed} echoed, {len(bad)} bad")
    sys.exit(0 if lines and delivery.echoed == len(lines) else 1)


class Recording:
    """The rows of a recording, each due at its own time.

    Attributes:
        refused: Rows that the server rejected, and why.
    """

    def __init__(self, source: str, rows: Iterable[Row], *, speed_up: float | None, progress: Progress) -> None:
        """Begin the recording now.

        Args:
            source: Source of rows that name none.
            rows: In the order in which they are sent. The `seq` of one that has none is its number.
            speed_up: Seconds of the recording per second; None to send as fast as echoes arrive.
            progress: Called with the number of readings that were answered.
        """
        self._source = source
        self._rows = deque(rows)
        self._sent: dict[int, Row] = {}
        self._speed_up = speed_up
        self._progress = progress
        self._first_us = self._rows[0].at_us if self._rows else 0
        self._began = time.monotonic()
        self.refused: list[tuple[Row, str]] = []

    @property
    def ended(self) -> bool:
        """Whether every row was taken."""
        return not self._rows

    def take(self, limit: int) -> list[Outgoing]:
        """Return the next rows that are due."""
        due: list[Outgoing] = []
        while self._rows and len(due) < limit and not self.wait_s():
            row = self._rows.popleft()
            self._sent[row.number] = row
            due.append(Outgoing(row.number, _reading(row, self._source)))
        return due

    def wait_s(self) -> float | None:
        """Return the seconds until the next row is due; None after the last one."""
        if not self._rows:
            return None
        if self._speed_up is None:
            return 0.0
        recorded_s = (self._rows[0].at_us - self._first_us) / 1e6
        return max(0.0, self._began + recorded_s / self._speed_up - time.monotonic())

    def echoed(self, readings: Sequence[Outgoing]) -> None:
        """Rows are stored."""
        for each in readings:
            self._sent.pop(each.number)
        self._progress(len(readings))

    def rejected(self, reading: Outgoing, why: str) -> None:
        """The server does not take a row."""
        self.refused.append((self._sent.pop(reading.number), why))
        self._progress(1)


def _reading(row: Row, source: str) -> dict[str, str | int | float]:
    seq = row.number if row.seq is None else row.seq
    return {"source": row.source or source, "timestamp": rfc3339(row.at_us), "seq": seq, "speed": row.speed}
