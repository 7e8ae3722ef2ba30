"""`python run.py --workers N`: several processes on one port, so that SpeedDash uses several cores.

Each worker has two listening sockets, which it inherits: one of the common port, between which the system distributes connections
(SO_REUSEPORT), and one of its own, at which the other workers reach it. A worker that ends is replaced with the same sockets, so
connections that wait in them are served by its successor.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from speeddash.errors import SettingsError
from speeddash.settings import Settings

log = logging.getLogger(__name__)

#: A worker that ends sooner is replaced after that time.
SHORT_LIFE_S: Final = 5.0
FIRST_RETRY_S: Final = 0.2
MAX_RETRY_S: Final = 5.0
#: Longest time for the workers to end; each takes at most 2 s.
STOP_S: Final = 4.0
POLL_S: Final = 0.05
#: Exit code of a worker whose settings or database are wrong: another one would end in the same way.
WRONG: Final = 2
#: Workers look for their supervisor once a second, and need up to 2 s to end.
ORPHANS_S: Final = 5.0


class Worker:
    """One process, and the sockets that it listens on.

    Attributes:
        url: Address at which the others reach it.
        replaced: It is not the first process in its place.
    """

    def __init__(self, common: socket.socket, own: socket.socket, scheme_and_host: str, command: Sequence[str]) -> None:
        self._sockets = (common, own)
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._retry_s = FIRST_RETRY_S
        self._retry_at = 0.0
        self.replaced = False
        self.url = f"{scheme_and_host}:{own.getsockname()[1]}"

    def start(self, env: dict[str, str], shows: str) -> None:
        """Start the process. `shows` says what it prints: "quiet", "addresses", or "token" for the addresses with the token."""
        files = [each.fileno() for each in self._sockets]
        # Not asked for by the worker itself: this process may end before that has begun.
        words = ["--worker", ",".join(map(str, files)), "--parent", str(os.getpid()), "--shows", shows]
        env = env | {"SPEEDDASH_NODE_URL": self.url}
        self._process = subprocess.Popen([*self._command, *words], env=env, pass_fds=files)  # noqa: S603 - this program
        self._started = time.monotonic()

    def ended(self) -> int | None:
        """Return the exit code; None while it runs, or waits to be started again."""
        return self._process.poll() if self._process else None

    def replace(self, env: dict[str, str]) -> None:
        """Start another process in its place; later and later if it ends at once each time."""
        now = time.monotonic()
        if not self._retry_at:
            lived = now - self._started > SHORT_LIFE_S
            self._retry_s = FIRST_RETRY_S if lived else min(2 * self._retry_s, MAX_RETRY_S)
            self._retry_at = now + self._retry_s
            log.warning("a worker ended (exit code %s); another one takes its place", self.ended())
        if now >= self._retry_at:
            self._retry_at = 0.0
            self.replaced = True
            self.start(env, "quiet")

    def stop(self, number: int) -> None:
        """Send it a signal."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)


def supervise(settings: Settings, listener: socket.socket, shows: str) -> int:
    """Run the workers until SIGTERM or Ctrl-C; return the exit code.

    Args:
        settings: With `workers` above 1.
        listener: Bound to the common port with SO_REUSEPORT. It does not listen: it keeps the port.
        shows: What the first worker prints; see `Worker.start`.

    Raises:
        SettingsError: The address of a worker cannot be used.
    """
    parts = urlsplit(settings.node_url or "http://127.0.0.1")
    host = parts.hostname or "127.0.0.1"
    shown = f"{parts.scheme}://[{host}]" if ":" in host else f"{parts.scheme}://{host}"
    command = _command(sys.orig_argv)
    workers = []
    for number in range(settings.workers):
        own = _own(host, parts.port + number if parts.port else 0)
        workers.append(Worker(_like(listener), own, shown, command))
    secret = {"SPEEDDASH_TOKEN": settings.token.get_secret_value()} if settings.token else {}
    env = os.environ | secret | {"SPEEDDASH_WORKERS": "1", "SPEEDDASH_PORT": str(listener.getsockname()[1])}
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.append(1))
    for at, worker in enumerate(workers):
        worker.start(env, shows if at == 0 else "quiet")
    code = 0
    while not stopping and not code:
        time.sleep(POLL_S)
        for worker in workers:
            ended = worker.ended()
            if ended == WRONG and not worker.replaced:
                code = WRONG
            elif ended is not None and not stopping:
                worker.replace(env)
    _stop(workers)
    return code


def bound(host: str, port: int, *, reuse: bool = False) -> socket.socket:
    """Return a socket that is bound to an address.

    Raises:
        OSError: The address cannot be used.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(*found[:3])
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse:
        if port:
            _await_free(host, port)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(found[4])
    return listener


def _await_free(host: str, port: int) -> None:
    """Wait until nobody has a port: another server that shares its own would let this one share it too.

    Raises:
        OSError: Somebody has it for longer than workers take to end whose supervisor was killed.
    """
    deadline = time.monotonic() + ORPHANS_S
    while True:
        try:
            bound(host, port).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)
        else:
            return


def _own(host: str, port: int) -> socket.socket:
    """Return the socket at which the other workers reach one."""
    try:
        return bound(host, port)
    except OSError as wrong:
        why = (wrong.strerror or str(wrong)).lower()
        raise SettingsError("SPEEDDASH_NODE_URL", f"cannot listen on {host} port {port}: {why}") from None


def _like(listener: socket.socket) -> socket.socket:
    """Return another socket of the same port."""
    host, port, *_ = listener.getsockname()
    return bound(host, port, reuse=True)


def _command(words: Sequence[str]) -> list[str]:
    """Return the words of a command line without the number of workers."""
    kept: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word == "--workers":
            skip = True
        elif not word.startswith("--workers="):
            kept.append(word)
    return kept


def _stop(workers: Sequence[Worker]) -> None:
    deadline = time.monotonic() + STOP_S
    for each in workers:
        each.stop(signal.SIGTERM)
    while any(each.ended() is None for each in workers) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    for each in workers:
        each.stop(signal.SIGKILL)


def inherited(numbers: str) -> list[socket.socket]:
    """Return the sockets that a worker inherited: of the common port, and its own."""
    return [socket.socket(fileno=int(each)) for each in numbers.split(",")]
