"""`python run.py`: listens, prints its addresses, and stops without losing a reading."""

import gc
import logging
import os
import resource
import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click
import gevent
from flask import Flask
from gevent.event import Event
from pydantic import SecretStr

from speeddash.app import SpeedDash, create_app
from speeddash.cli.console import log_to_console
from speeddash.command_line import hide_password
from speeddash.errors import SettingsError, StoreMisconfigured
from speeddash.network.address import ip_of
from speeddash.network.http import Server
from speeddash.settings import Settings
from speeddash.supervisor import bound, inherited, supervise

#: How long the start waits for the database before it serves without it.
FIRST_TRY_S = 1.5
BACKLOG = 4096
PARENT_CHECK_S = 1.0
#: Connections accepted above the limits of sockets, so that clients get an HTTP error and other requests are served.
EXTRA_CONNECTIONS = 100
#: A WebSocket duplicates the file descriptor of its request.
FILES_PER_SOCKET = 2
OTHER_FILES = 400
#: Thresholds of the garbage collector (defaults of Python: 700, 10, 10).
GC_THRESHOLDS = (20_000, 20, 20)
#: Wildcard addresses, and what a browser on this machine opens instead.
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104

log = logging.getLogger(__name__)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", help="Address to listen on. [SPEEDDASH_HOST; default 127.0.0.1]")
@click.option("--port", help="Port to listen on. [SPEEDDASH_PORT; default 8765]")
@click.option(
    "--database-url",
    help="sqlite:///FILE or mysql://USER:PASSWORD@HOST:3306/DATABASE, also with several hosts, HOST,HOST:3307. "
    "[SPEEDDASH_DATABASE_URL; default sqlite:///speeddash.db]",
)
@click.option(
    "--workers", help="Processes that serve the port together, with MySQL or MariaDB. [SPEEDDASH_WORKERS; default 1]"
)
@click.option("--worker", hidden=True)  # the sockets of one of several workers
@click.option("--parent", hidden=True, type=int)
@click.option("--shows", hidden=True, default="addresses")
def main(
    host: str | None,
    port: str | None,
    database_url: str | None,
    workers: str | None,
    worker: str | None,
    parent: int | None,
    shows: str,
) -> None:
    """Serve SpeedDash: the page, the WebSocket and the REST interface, on one port."""
    log_to_console()
    try:
        hide_password(database_url)
        settings = Settings.load(host=host, port=None if worker else port, database_url=database_url, workers=workers)
        log_to_console(settings.log_format)
        made = None
        if settings.token is None and not _is_loopback(settings.host):
            # A server that other machines can reach needs a token.
            made = secrets.token_urlsafe(24)
            settings = settings.model_copy(update={"token": SecretStr(made)})
        if settings.workers > 1:
            listener = _bind(settings.host, settings.port, reuse=True)
            _exit(supervise(settings, listener, "token" if made else shows))
        app = create_app(settings)
    except SettingsError as wrong:
        _fail(str(wrong))
    listeners = inherited(worker) if worker else [_bind(settings.host, settings.port)]
    for each in listeners:
        each.listen(BACKLOG)
    if shows == "token" and settings.token:
        made = settings.token.get_secret_value()
    serve(app, listeners, made, quiet=shows == "quiet", parent=parent)


def wsgi() -> Flask:
    """The application for another WSGI server, started; for example `gunicorn -k gevent run:server`.

    For one process only, because a connection is known only to the process that holds it.
    """
    app = create_app(Settings.load())
    _raise_file_limit(app.settings)
    app.start()
    _stop_with_gunicorn(app)
    _configure_gc()
    return app.server


def serve(
    app: SpeedDash, listeners: Sequence[socket.socket], made_token: str | None, *, quiet: bool, parent: int | None
) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        app: Not started yet.
        listeners: Bound and listening; the address of the first one is printed.
        made_token: Token created for this run, which the printed address contains; None if one is set.
        quiet: Print no addresses.
        parent: Process without which this one ends too; None without one.
    """
    max_connections = _raise_file_limit(app.settings) + EXTRA_CONNECTIONS
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stopping.set)
    if parent:
        gevent.spawn(_stop_with, parent, stopping)
    max_per_network = None if app.settings.proxies else app.settings.max_address_connections + EXTRA_CONNECTIONS
    servers = [
        Server(
            listener,
            app.server,
            log,
            timeout_s=app.settings.request_timeout_s,
            max_connections=max_connections,
            max_per_network=max_per_network,
        )
        for listener in listeners
    ]
    for each in servers:
        each.start()
    app.start()
    app.ingest.tried.wait(FIRST_TRY_S)
    if isinstance(app.ingest.problem, StoreMisconfigured):
        _fail(f"the database cannot be used: {app.ingest.problem}")
    if not quiet:
        _print_addresses(app, listeners[0].getsockname()[1], f"?token={made_token}" if made_token else "")
    _configure_gc()
    stopping.wait()
    for each in servers:
        each.close()
    app.stop()
    if app.ingest.stuck:
        # Closing would wait for the database. Readings that the writer holds have no echo, so their senders send them again.
        _exit(0)
    app.close()


def _stop_with(parent: int, stopping: Event) -> None:
    """Stop when the process that started this one is gone."""
    while os.getppid() == parent:
        gevent.sleep(PARENT_CHECK_S)
    stopping.set()


def _is_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return False  # `_bind` reports the error
    addresses = [ip_of(str(address[0])) for *_, address in found]
    return all(address is not None and address.is_loopback for address in addresses)


def _bind(host: str, port: int, *, reuse: bool = False) -> socket.socket:
    try:
        return bound(host, port, reuse=reuse)
    except OSError as wrong:
        _fail(f"cannot listen on {host} port {port}: {(wrong.strerror or str(wrong)).lower()}")


def _print_addresses(app: SpeedDash, port: int, query: str) -> None:
    host, elsewhere = app.settings.host, ""
    durability = app.ingest.durability
    if durability is None:
        commits = f"waiting for the database ({app.ingest.problem or 'no answer yet'}); the page is served meanwhile"
    elif durability.durable:
        commits = f"durable ({durability.detail})"
    else:
        commits = f"NOT DURABLE: an echo is no receipt with these settings ({durability.detail})"
    if host in ANY_ADDRESS:
        elsewhere = f"  elsewhere http://{socket.gethostname()}:{port}/{query}\n"
        host = ANY_ADDRESS[host]
    host = f"[{host}]" if ":" in host else host
    click.echo(
        f"SpeedDash is running; Ctrl-C stops it.\n"
        f"  page      http://{host}:{port}/{query}\n"
        f"{elsewhere}"
        f"  socket    ws://{host}:{port}/ws\n"
        f"  database  {app.store.shown_url}\n"
        f"  commits   {commits}"
    )


def _raise_file_limit(settings: Settings) -> int:
    """Raise the limit of open files as far as sockets need it and the system allows; return the number of sockets possible."""
    wanted = FILES_PER_SOCKET * settings.max_connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = soft
    if soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    possible = max(1, (allowed - OTHER_FILES) // FILES_PER_SOCKET)
    if allowed < wanted and "max_connections" in settings.model_fields_set:
        log.warning("the system's limit of %d open files (ulimit -Hn) is enough for %d sockets", allowed, possible)
    return min(possible, settings.max_connections)


def _configure_gc() -> None:
    # Reference counting frees readings. With thousands of sockets the default thresholds would cost a tenth of the throughput.
    # Objects of the start are never freed, and are excluded from collections.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()


def _fail(message: str) -> NoReturn:
    click.echo(f"speeddash: {message}", err=True)
    _exit(2)


def _exit(code: int) -> NoReturn:
    # Not sys.exit, which would wait for threads.
    sys.stdout.flush()
    os._exit(code)


def _stop_with_gunicorn(app: SpeedDash) -> None:
    """Close the sockets when gunicorn stops its worker, which would wait for them otherwise."""
    previous: Any = signal.getsignal(signal.SIGTERM)

    def stop(number: int, frame: Any) -> None:
        gevent.spawn(app.stop)
        if callable(previous):
            previous(number, frame)

    signal.signal(signal.SIGTERM, stop)
