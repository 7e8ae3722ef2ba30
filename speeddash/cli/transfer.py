"""`import`, `export` and `rollup`: work on the database itself, whether a server runs or not."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

import click
from sqlalchemy.engine import make_url

from speeddash.cli.options import database_option, format_option, unit_option
from speeddash.errors import InvalidInput, SettingsError, StoreError
from speeddash.formats import MIME_TYPES, BadLine, read_recording, source_of, write_readings
from speeddash.formats.importer import Importer
from speeddash.history.worker import rebuild
from speeddash.reading import Reading, parse_source, parse_time
from speeddash.settings import Settings
from speeddash.store import Store, open_store
from speeddash.timerange import TimeRange
from speeddash.units import KMH_IN

#: Bad lines that are printed; the others are only counted.
SHOWN_LINES = 20


def _moment_us(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    try:
        return None if text is None else parse_time(text)
    except InvalidInput as wrong:
        raise click.BadParameter(wrong.message) from None


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--source", help="Source of readings that name none. [default: the name of the file]")
@format_option
@unit_option
@click.option("--start", callback=_moment_us, help="Moment of second 0, for files that count seconds. [default: now]")
@database_option
def import_recordings(
    files: Sequence[str],
    source: str | None,
    file_format: str | None,
    unit: str | None,
    start: int | None,
    database_url: str | None,
) -> None:
    """Store recordings in the database: FILES of CSV, FIT, GPX, NDJSON, NMEA, TCX or VBO; - is the standard input.

    CSV needs a column of times (such as timestamp, time, seconds) and one of speeds (such as speed, speed_mph). Times without
    a zone are UTC. Bad lines are printed with their numbers, and the others are stored; the exit code is 0 if every line was valid.
    Importing a recording again under the same source adds nothing.
    """
    start_us = time.time_ns() // 1000 if start is None else start
    complete = True
    with _open_database(database_url, create=True) as (settings, store):
        for file in files:
            name = "stdin" if file == "-" else file
            importer = Importer(
                partial(_insert, store),
                source=_source(source_of(name) if source is None else source),
                max_speed_kmh=settings.max_speed_kmh,
            )
            failure = _run(importer, file, name, file_format, unit, start_us)
            for each in importer.notes:
                click.echo(f"{name}: {each}", err=True)
            print_bad_lines(name, importer.bad_lines, importer.bad)
            if failure:
                click.echo(f"speeddash: {failure}", err=True)
            click.echo(f"{name}: {importer.read} read, {importer.stored} stored, {importer.bad} bad")
            complete = complete and importer.complete and failure is None
            if failure and failure != importer.failure:
                break  # the database is away, or the person has interrupted
    sys.exit(0 if complete else 1)


@click.command("export")
@click.option("--source", help="Only this source. [default: all]")
@click.option("--from", "from_us", callback=_moment_us, help="First moment, inclusive.")
@click.option("--to", "to_us", callback=_moment_us, help="Last moment, exclusive.")
@click.option(
    "--format", "file_format", type=click.Choice(list(MIME_TYPES)), help="[default: by the name of the file, else csv]"
)
@click.option("--unit", type=click.Choice(list(KMH_IN)), help="Unit of the speeds in CSV. [default: kmh]")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, allow_dash=True), default="-", help="[default: standard output]"
)
@database_option
def export_readings(
    source: str | None,
    from_us: int | None,
    to_us: int | None,
    file_format: str | None,
    unit: str | None,
    output: str,
    database_url: str | None,
) -> None:
    """Write stored readings to a file that `import` reads back, to the bit where the speeds are in km/h. Parquet is for data tools."""
    if from_us is not None and to_us is not None and from_us >= to_us:
        raise click.UsageError("--from must be before --to")
    ending = Path(output).suffix.lower().removeprefix(".")
    file_format = file_format or (ending if ending in MIME_TYPES else "csv")
    with _open_database(database_url) as (_, store):
        readings = store.readings.stream(
            source=None if source is None else _source(source), time=TimeRange.between(from_us, to_us)
        )
        try:
            pieces = write_readings(file_format, readings, unit=unit)
        except InvalidInput as wrong:
            raise click.UsageError(wrong.message) from None
        try:
            with click.open_file(output, "wb") as file:
                for piece in pieces:
                    file.write(piece.encode() if isinstance(piece, str) else piece)
        except (StoreError, OSError) as broken:
            raise click.ClickException(f"{broken}; what was written is not complete") from None


@click.command("rollup")
@click.option("--source", "sources", multiple=True, help="Only this source; can be repeated. [default: all]")
@database_option
def rebuild_rollups(sources: Sequence[str], database_url: str | None) -> None:
    """Compute all rollups from the readings, for example after another program has changed old rows.

    A server may run meanwhile. Hours whose readings were removed (SPEEDDASH_KEEP_RAW_DAYS) stay as they are.
    """
    with _open_database(database_url) as (_, store):
        hours = 0
        try:
            for source, steps in rebuild(store, [_source(each) for each in sources]):
                label = source or "(unnamed)"
                with click.progressbar(steps, label=label, file=sys.stderr, show_pos=True) as bar:
                    hours += sum(1 for _ in bar)
        except StoreError as broken:
            raise click.ClickException(f"{broken}; run it again; what was rolled up stays") from None
    click.echo(f"{hours} hours rolled up")


def print_bad_lines(name: object, lines: Sequence[BadLine], count: int) -> None:
    """Print bad lines on the standard error: the first ones, and the number of others."""
    for line in lines[:SHOWN_LINES]:
        click.echo(f"{name}:{line.line}: {line.why}", err=True)
    if count > SHOWN_LINES:
        click.echo(f"{name}: {count - SHOWN_LINES} more bad lines", err=True)


def _run(
    importer: Importer, file: str, name: str, file_format: str | None, unit: str | None, start_us: int
) -> str | None:
    """Import a file; return why it failed, or None."""
    try:
        with click.open_file(file, "rb") as opened, _progress(opened, name) as counted:
            note = importer.notes.append
            importer.run(
                read_recording(counted, name=name, file_format=file_format, unit=unit, start_us=start_us, note=note)
            )
    except (StoreError, OSError) as broken:
        return f"{broken}; import it again: nothing is stored twice"
    except KeyboardInterrupt:
        return "interrupted"
    return importer.failure


class _Counted:
    """A file that updates a progress bar with the bytes read."""

    def __init__(self, file: IO[bytes], bar: Any) -> None:
        self._file = file
        self._bar = bar

    def read(self, size: int, /) -> bytes:
        block = self._file.read(size)
        self._bar.update(len(block))
        return block


@contextmanager
def _progress(file: IO[bytes], name: str) -> Iterator[Any]:
    if name == "stdin" or not sys.stderr.isatty():
        yield file
        return
    with click.progressbar(length=Path(name).stat().st_size, label=name, file=sys.stderr) as bar:
        yield _Counted(file, bar)


@contextmanager
def _open_database(url: str | None, *, create: bool = False) -> Iterator[tuple[Settings, Store]]:
    try:
        settings = Settings.load(database_url=url)
        store = open_store(settings.database_url.get_secret_value(), timeout_s=settings.database_timeout_s)
        where = make_url(settings.database_url.get_secret_value())
        if not create and where.get_backend_name() == "sqlite" and not Path(where.database or "").exists():
            raise click.ClickException(f"{where.database}: there is no such database")
        store.prepare()
    except SettingsError as wrong:
        raise click.UsageError(str(wrong)) from None
    except StoreError as away:
        raise click.ClickException(str(away)) from None
    try:
        yield settings, store
    finally:
        store.close()


def _insert(store: Store, readings: list[Reading]) -> None:
    store.writer.insert(readings)


def _source(name: str) -> str:
    try:
        return parse_source(name)
    except InvalidInput as wrong:
        raise click.UsageError(wrong.message) from None
