"""`publish`: gives the speeds of sources to Home Assistant and other programs, by MQTT."""

import logging
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from typing import Final

import click
from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

from speeddash.cli.console import log_to_console
from speeddash.cli.options import environment_token
from speeddash.devices.address import Address
from speeddash.devices.broker import Broker
from speeddash.errors import DeviceAway, InvalidInput, RecordingError, SettingsError
from speeddash.outgoing.home_assistant import HomeAssistant
from speeddash.outgoing.watcher import Watcher
from speeddash.reading import parse_source

log = logging.getLogger(__name__)

REPORT_S: Final = 1.0
RETRY_S: Final = 5.0


def _topic(_context: click.Context, _option: click.Parameter, text: str) -> str:
    """Check the first part of topics: a broker takes no wildcards to publish to."""
    if not text or set(text) & set("#+\0"):
        raise click.BadParameter("a topic is not empty, and has no #, + or NUL")
    return text


def _socket(_context: click.Context, _option: click.Parameter, url: str) -> str:
    """Check the address of a WebSocket."""
    try:
        parse_uri(url)
    except (InvalidURI, ValueError) as wrong:  # a port that is none
        raise click.BadParameter(str(wrong)) from None
    return url


@click.command()
@click.argument("url", metavar="URL")
@click.option("--source", "sources", multiple=True, help="Only this source; may be given several times. [default: all]")
@click.option(
    "--server", default="ws://localhost:8765/ws", show_default=True, callback=_socket, help="The socket of the server."
)
@click.option("--prefix", default="speeddash", show_default=True, callback=_topic, help="First part of the topics.")
@click.option(
    "--discovery",
    default="homeassistant",
    show_default=True,
    callback=_topic,
    help="First part of the topics that Home Assistant discovers.",
)
def publish(url: str, sources: Sequence[str], server: str, prefix: str, discovery: str) -> None:
    """Publish the speeds of sources to an MQTT broker, as sensors that Home Assistant discovers.

    URL is mqtt://[USER:PASSWORD@]HOST[:1883], or mqtts://. Every second at most one speed of a source is published, in km/h, to
    speeddash/SOURCE/speed. The token of the environment (SPEEDDASH_TOKEN) is sent to the server; its token for reading is enough.
    """
    try:
        address = Address(url)
        if address.scheme not in {"mqtt", "mqtts"}:
            raise address.wrong("the scheme must be mqtt or mqtts")
        broker = Broker(address)
        address.check_all_used()
        names = [parse_source(each) for each in sources]
    except InvalidInput as wrong:
        raise click.UsageError(wrong.message) from None
    except SettingsError as wrong:
        raise click.UsageError(str(wrong)) from None
    token = environment_token()
    log_to_console()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    home = HomeAssistant(broker, f"speeddash-publish-{socket.gethostname()}", prefix=prefix, discovery=discovery)
    while not stopped.is_set():
        try:
            home.start()
            break
        except DeviceAway as away:
            log.warning("%s: %s; trying again", address, away)
            stopped.wait(RETRY_S)
    watcher = Watcher(server, names, home.speed, token=token)
    failed = threading.Event()
    thread = threading.Thread(target=_watch, args=(watcher, stopped, failed), name="watcher", daemon=True)
    thread.start()
    trouble = None
    while not stopped.wait(REPORT_S):
        home.check_silent()
        if watcher.trouble != trouble:
            trouble = watcher.trouble
            log.warning(trouble or "the server sends speeds")
    watcher.stop()
    home.stop()
    sys.exit(1 if failed.is_set() else 0)


def _watch(watcher: Watcher, stopped: threading.Event, failed: threading.Event) -> None:
    try:
        watcher.run()
    except RecordingError as wrong:
        log.error("%s", wrong)  # noqa: TRY400 - the message says it all
        failed.set()
    except Exception:  # a service manager should see that nothing is published any more
        log.exception("publishing has failed")
        failed.set()
    finally:
        stopped.set()
