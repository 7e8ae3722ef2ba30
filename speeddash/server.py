"""`python run.py`: listens, says where, and stops without losing a reading."""

import gc
import logging
import os
import resource
import secrets
import signal
import socket
import sys
from typing import Any, NoReturn

import click
import gevent
from flask import Flask
from gevent.event import Event
from pydantic import SecretStr

from speeddash.address import ip_of, parts_of
from speeddash.app import SpeedDash, create_app
from speeddash.console import log_to_console
from speeddash.errors import SettingsError, StoreMisconfigured
from speeddash.http import Server
from speeddash.settings import Settings

#: How long the start waits for the database before it serves without it.
FIRST_TRY_S = 1.5
BACKLOG = 4096
#: Connections beyond the limits of sockets: they are told so, and plain HTTP goes on.
SLACK = 100
#: flask-sock keeps the socket that came with the request beside its own.
FILES_A_SOCKET = 2
OTHER_FILES = 400
#: Allocations before the youngest generation is searched, and how often the older ones are (Python's own: 700, 10, 10).
COLLECT_AFTER = (20_000, 20, 20)
#: Listened to, these are all addresses; opened in a browser, none.
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
DATABASE_SETTING = "SPEEDDASH_DATABASE_URL"

log = logging.getLogger(__name__)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", help="Address to listen on. [SPEEDDASH_HOST; default 127.0.0.1]")
@click.option("--port", help="Port to listen on. [SPEEDDASH_PORT; default 8765]")
@click.option(
    "--database-url",
    help="sqlite:///FILE or mysql://USER:PASSWORD@HOST:3306/DATABASE. [SPEEDDASH_DATABASE_URL; default sqlite:///speeddash.db]",
)
def main(host: str | None, port: str | None, database_url: str | None) -> None:
    """Serve SpeedDash: the page, the WebSocket and the REST interface, on one port."""
    log_to_console()
    try:
        _hide_password(database_url)
        settings = Settings.load(host=host, port=port, database_url=database_url)
        made = None
        if settings.token is None and not _is_loopback(settings.host):
            # Whoever can be reached by other machines asks for a token.
            made = secrets.token_urlsafe(24)
            settings = settings.model_copy(update={"token": SecretStr(made)})
        app = create_app(settings)
    except SettingsError as wrong:
        _refuse(str(wrong))
    serve(app, _listen(settings.host, settings.port), made)


def wsgi() -> Flask:
    """The application for another WSGI server, started; for example `gunicorn -k gevent run:server`.

    One process only: a connection is known to the process that holds it.
    """
    app = create_app(Settings.load())
    _raise_file_limit(app.settings)
    app.start()
    _stop_with_gunicorn(app)
    _calm_the_collector()
    return app.server


def serve(app: SpeedDash, listener: socket.socket, made_token: str | None) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        app: Not started.
        listener: Bound and listening.
        made_token: Made for this run: the console shows the address that carries it.
    """
    most = _raise_file_limit(app.settings) + SLACK
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stopping.set)
    most_of_one = None if app.settings.proxies else app.settings.max_address_connections + SLACK
    http = Server(
        listener,
        app.server,
        log,
        timeout_s=app.settings.request_timeout_s,
        most=most,
        most_of_one=most_of_one,
    )
    http.start()
    app.start()
    app.ingest.tried.wait(FIRST_TRY_S)
    if isinstance(app.ingest.problem, StoreMisconfigured):
        _refuse(f"the database cannot be used: {app.ingest.problem}")
    _say_where(app, listener.getsockname()[1], f"?token={made_token}" if made_token else "")
    _calm_the_collector()
    stopping.wait()
    http.close()
    app.stop()
    if app.ingest.stuck:
        # A close would wait for the database as the writer does; what it holds has no echo, and its sender keeps it.
        _exit(0)
    app.close()


def _hide_password(database_url: str | None) -> None:
    """Everybody on the machine can read a command line: begin again with the password in the environment."""
    parts = parts_of(database_url or "")
    if database_url and parts and parts.password:
        os.environ[DATABASE_SETTING] = database_url
        at = next(at for at, word in enumerate(sys.orig_argv) if word.startswith("--database-url"))
        rest = at + (1 if "=" in sys.orig_argv[at] else 2)
        os.execv(sys.executable, [*sys.orig_argv[:at], *sys.orig_argv[rest:]])  # noqa: S606 - what was started, once more


def _is_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return False  # `_listen` says what is wrong with it
    addresses = [ip_of(str(address[0])) for *_, address in found]
    return all(address is not None and address.is_loopback for address in addresses)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as wrong:
        _refuse(f"cannot listen on {host} port {port}: {(wrong.strerror or str(wrong)).lower()}")
    return listener


def _say_where(app: SpeedDash, port: int, query: str) -> None:
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
    """Allow as many files as the sockets may need; how many sockets the system lets us have."""
    wanted = FILES_A_SOCKET * settings.max_connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = soft
    if soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    possible = max(1, (allowed - OTHER_FILES) // FILES_A_SOCKET)
    if allowed < wanted and "max_connections" in settings.model_fields_set:
        log.warning("the system's limit of %d open files (ulimit -Hn) is enough for %d sockets", allowed, possible)
    return min(possible, settings.max_connections)


def _calm_the_collector() -> None:
    # What a reading leaves behind is freed by its reference count; with thousands of sockets the search for cycles costs a tenth
    # of the throughput. What the start has made stays for good, and is not searched again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _refuse(message: str) -> NoReturn:
    click.echo(f"speeddash: {message}", err=True)
    _exit(2)


def _exit(code: int) -> NoReturn:
    # Not sys.exit: there are greenlets and threads that nobody needs to wait for.
    sys.stdout.flush()
    os._exit(code)


def _stop_with_gunicorn(app: SpeedDash) -> None:
    """Close the sockets when gunicorn tells its worker to go; it would wait for them instead."""
    previous: Any = signal.getsignal(signal.SIGTERM)

    def stop(number: int, frame: Any) -> None:
        gevent.spawn(app.stop)
        if callable(previous):
            previous(number, frame)

    signal.signal(signal.SIGTERM, stop)
