"""`python -m speeddash`: what SpeedDash does from the command line."""

import sys
import time
from pathlib import Path

import click

from speeddash.drive import FORMS, BadLine, Row, read_drive, source_of
from speeddash.errors import DriveError, FrameError, SettingsError
from speeddash.exchange import export_readings, import_drives, rebuild_rollups, tell_bad_lines
from speeddash.reading import parse_source, parse_time
from speeddash.replay import Replay
from speeddash.settings import Settings
from speeddash.units import KMH_IN


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="speeddash")
def main() -> None:
    """SpeedDash: a live speed dashboard. `python run.py` starts the server."""


main.add_command(import_drives)
main.add_command(export_readings)
main.add_command(rebuild_rollups)


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--unit",
    type=click.Choice(list(KMH_IN)),
    help="Unit of the speeds. [default: what the file says, else the format's own]",
)
@click.option("--format", "form", type=click.Choice(FORMS), help="[default: by the file's name, else by its content]")
@click.option(
    "--speed-up",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Seconds of the drive in one second.",
)
@click.option("--fast", is_flag=True, help="As fast as receipts come.")
@click.option("--source", help="Name under which it is stored. [default: the file's name]")
@click.option("--start", help="Moment of second 0, for files that count seconds: RFC 3339. [default: now]")
@click.option("--url", default="ws://localhost:8765/ws", show_default=True, help="The server's socket.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds to try again when the server is away.",
)
def replay(
    file: Path,
    unit: str | None,
    form: str | None,
    speed_up: float,
    fast: bool,
    source: str | None,
    start: str | None,
    url: str,
    patience: float,
) -> None:
    """Send a recorded drive through the WebSocket: a FILE of CSV, GPX, NDJSON or NMEA, as `import` takes it.

    Where the server asks for a token, SPEEDDASH_TOKEN of the environment is sent; that of the source is enough.
    A reading's seq is its row number where the file says none: a drive that is sent again under the same source adds nothing.
    """
    try:
        token = Settings.load().token
        name = parse_source(source if source is not None else source_of(file.name))
        start_us = parse_time(start) if start else time.time_ns() // 1000
        with file.open("rb") as opened:
            lines = list(read_drive(opened, name=str(file), form=form, unit=unit, start_us=start_us))
    except FrameError as wrong:
        raise click.UsageError(wrong.message) from None
    except (DriveError, SettingsError, OSError) as unreadable:
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
    except DriveError as gone:
        failure = str(gone)
    except KeyboardInterrupt:
        failure = "interrupted"
    bad += [BadLine(row.line, why) for row, why in sender.refused]
    tell_bad_lines(file, sorted(bad), len(bad))
    if failure:
        click.echo(f"speeddash: {failure}", err=True)
    click.echo(f"{len(lines)} readings: {sender.sent} sent, {sender.echoed} echoed, {len(bad)} bad")
    sys.exit(0 if lines and sender.echoed == len(lines) else 1)


if __name__ == "__main__":
    main(prog_name="python -m speeddash")
