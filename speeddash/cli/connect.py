"""`connect`: sends what devices report to a server, from the machine that they are connected to."""

import hashlib
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import click

from speeddash.cli.console import log_to_console
from speeddash.cli.options import environment_token
from speeddash.devices import open_device
from speeddash.devices.bridge import Bridge, Reporter
from speeddash.devices.device import Device
from speeddash.errors import InvalidInput, OutboxError, RecordingError, SettingsError
from speeddash.reading import parse_source, rfc3339
from speeddash.sending.delivery import Delivery
from speeddash.sending.outbox import Entry, Outbox, waiting_beside
from speeddash.units import KMH_IN

log = logging.getLogger(__name__)

REPORT_S: Final = 1.0


@click.command()
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option(
    "--source",
    "sources",
    multiple=True,
    help="Source of the readings: once for all devices, or once for each. [default: made of the URL]",
)
@click.option(
    "--unit", type=click.Choice(list(KMH_IN)), help="Unit of the speeds, where neither the device nor its URL says it."
)
@click.option("--server", default="ws://localhost:8765/ws", show_default=True, help="The socket of the server.")
@click.option(
    "--outbox",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that holds readings until they are stored. [default: in ~/.local/state/speeddash]",
)
@click.option("--arrival-time", is_flag=True, help="Use the time of the arrival, not that of the device.")
@click.option("--dry-run", is_flag=True, help="Print the readings, and send nothing.")
@click.option("--quiet", is_flag=True, help="Print nothing but problems.")
def connect(
    urls: Sequence[str],
    sources: Sequence[str],
    unit: str | None,
    server: str,
    outbox: Path | None,
    arrival_time: bool,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Send the speeds of devices to a server, live, until it is stopped.

    \b
    gpsd://HOST[:2947]                  a GPS receiver behind gpsd
    nmea+tcp://HOST:PORT                NMEA 0183 from a server
    nmea+udp://[ADDRESS]:PORT           NMEA 0183 that is sent to this machine
    serial:///dev/ttyUSB0?baud=4800     NMEA 0183 from a serial port
    signalk://HOST[:3000]               a Signal K server
    mqtt://[USER:PASSWORD@]HOST/TOPIC?unit=kmh[&json=MEMBER]
    obd:///dev/rfcomm0, obd+tcp://HOST:PORT      a car, by an ELM327 adapter

    The token of the environment (SPEEDDASH_TOKEN) is sent. Readings are on the disk before they are sent, and stay there until the server
    has stored them. While a device is away nothing is sent for it.
    """  # noqa: D301 - \b is click's
    try:
        devices = _devices(urls, sources, unit)
    except InvalidInput as wrong:
        raise click.UsageError(wrong.message) from None
    except SettingsError as wrong:
        raise click.UsageError(str(wrong)) from None
    token = environment_token()
    log_to_console()
    if dry_run:
        _print_readings(devices, own_time=not arrival_time)
        return
    try:
        box = Outbox(outbox or _default_outbox(server, [device.name for device, _ in devices]))
    except OutboxError as unusable:
        raise click.ClickException(str(unusable)) from None
    if outbox is None:
        for path, count in waiting_beside(box.path).items():
            log.warning(
                "%d readings of a run with another server or other devices wait; --outbox %s sends them", count, path
            )
    try:
        _run(devices, box, server, token, own_time=not arrival_time, quiet=quiet)
    finally:
        box.close()


def _run(
    devices: list[tuple[Device, str]], box: Outbox, server: str, token: str | None, *, own_time: bool, quiet: bool
) -> None:
    """Read and send until a signal comes."""
    delivery = Delivery(server, box, patience_s=None, token=token)

    def keep(entries: list[Entry]) -> None:
        box.add(entries)
        delivery.wake()

    bridge = Bridge(devices, keep, own_time=own_time)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    failure: list[str] = []

    def deliver() -> None:
        try:
            delivery.run()
        except RecordingError as wrong:
            failure.append(str(wrong))
        except Exception:
            log.exception("sending has failed")
            failure.append("an error of this program")
        stopped.set()

    sending = threading.Thread(target=deliver, name="delivery", daemon=True)
    sending.start()
    bridge.start()
    _report(Reporter(bridge, box, delivery), stopped, quiet=quiet)
    delivery.stop()
    sending.join(REPORT_S)
    if failure:
        click.echo(f"speeddash: {failure[0]}", err=True)
    if not quiet:
        count = sum(link.count for link in bridge.links)
        click.echo(f"{count:,} readings, {delivery.echoed:,} stored, {box.waiting:,} wait in {box.path}", err=True)
    sys.exit(1 if failure else 0)


def _devices(urls: Sequence[str], sources: Sequence[str], unit: str | None) -> list[tuple[Device, str]]:
    """Return each device with its source.

    Raises:
        InvalidInput: A URL, or the number of sources, is wrong.
    """
    if len(sources) not in {0, 1, len(urls)}:
        raise InvalidInput(
            "bad_source", f"--source: give one for all, or one for each of the {len(urls)} devices, got {len(sources)}"
        )
    devices = [open_device(url, unit) for url in urls]
    if not sources and len({device.source for device in devices}) < len(devices):
        same = ", ".join(device.source for device in devices)
        raise InvalidInput("bad_source", f"devices would have the same source ({same}): give each a --source")
    names = list(sources) * (len(urls) if len(sources) == 1 else 1) or [device.source for device in devices]
    return [(device, parse_source(name)) for device, name in zip(devices, names, strict=True)]


def _default_outbox(server: str, names: Sequence[str]) -> Path:
    """Return a file for these devices and this server: the same after a restart, another one for others."""
    folder = (
        os.environ.get("STATE_DIRECTORY")
        or Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "speeddash"
    )
    key = hashlib.sha256("\n".join([server, *sorted(names)]).encode()).hexdigest()[:12]
    return Path(folder) / f"outbox-{key}.db"


def _print_readings(devices: list[tuple[Device, str]], *, own_time: bool) -> None:
    ended = threading.Event()

    def keep(entries: list[Entry]) -> None:
        try:
            for entry in entries:
                source, at_us, seq, speed = entry.reading
                click.echo(json.dumps({"source": source, "timestamp": rfc3339(at_us), "seq": seq, "speed": speed}))
        except BrokenPipeError:  # `| head` has enough
            # The end of the program writes what is left in the buffer: not into the pipe.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ended.set()

    bridge = Bridge(devices, keep, own_time=own_time)
    bridge.start()
    with suppress(KeyboardInterrupt):
        ended.wait()


def _report(reporter: Reporter, stopped: threading.Event, *, quiet: bool) -> None:
    """Show the state until the end: a line that changes on a terminal, messages elsewhere."""
    live = sys.stderr.isatty() and not quiet
    while not stopped.wait(REPORT_S):
        for each in reporter.changes():
            if live:
                click.echo("\r\x1b[K", nl=False, err=True)
            log.warning(each)
        if live:
            width = os.get_terminal_size(sys.stderr.fileno()).columns
            click.echo(f"\r\x1b[K{reporter.line()[: width - 1]}", nl=False, err=True)
    if live:
        click.echo(err=True)
