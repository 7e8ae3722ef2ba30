"""Starts what is measured, one at a time, each in a process of its own."""

import bisect
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks.load import Frames, Sender
from tests.mariadb import PASSWORD, USER, MariaDB, free_port, private_mariadb

ROOT = Path(__file__).parent.parent
PEERS = ROOT / "benchmarks" / "peers"
START_DEADLINE_S = 30.0
#: The original design's table, as its INSERT expects it.
PEER_TABLE = """
CREATE OR REPLACE TABLE speed_data (id BIGINT AUTO_INCREMENT PRIMARY KEY, speed DOUBLE NOT NULL, timestamp DATETIME(6) NOT NULL)
"""


def mariadb() -> AbstractContextManager[MariaDB]:
    """A private MariaDB with an fsync at every commit, for as long as the block."""
    return private_mariadb("--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M")


@contextmanager
def speeddash(database_url: str, *, script: str = "run.py", **settings: str) -> Iterator[tuple[int, int]]:
    """SpeedDash itself, as `python run.py` starts it, or another script of the project; its port and process id."""
    port = free_port()
    # All the load comes from one address.
    usual = {"SPEEDDASH_PORT": str(port), "SPEEDDASH_MAX_ADDRESS_CONNECTIONS": "20000"}
    env = os.environ | {"SPEEDDASH_DATABASE_URL": database_url} | usual | settings
    with _process([sys.executable, str(ROOT / script)], port, env) as process:
        yield port, process.pid


@contextmanager
def peer(name: str, database: MariaDB) -> Iterator[tuple[int, int]]:
    """One of `benchmarks/peers`, on an empty table of its own; its port and process id."""
    database.create("peer")
    with database.connect(database="peer") as connection, connection.cursor() as cursor:
        cursor.execute(PEER_TABLE)
    port = free_port()
    program = [node()] if name.endswith(".js") else [sys.executable]
    arguments = [str(port), "127.0.0.1", str(database.port), USER, PASSWORD, "peer"]
    with _process([*program, str(PEERS / name), *arguments], port, dict(os.environ)) as process:
        yield port, process.pid


@contextmanager
def broadcast() -> Iterator[tuple[int, int]]:
    """Node, which sends what comes to all who watch its source; its port and process id."""
    port = free_port()
    with _process([node(), str(PEERS / "broadcast.js"), str(port)], port, dict(os.environ)) as process:
        yield port, process.pid


@contextmanager
def bare_echo(frames: Frames) -> Iterator[int]:
    """Answers what is sent with the echo that must come, made beforehand: what the load itself can do at the most."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        process = os.fork()
        if process == 0:
            _answer(listener, frames)
        try:
            yield listener.getsockname()[1]
        finally:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def node() -> str:
    """Node with the packages of its peer installed; empty where there is no Node."""
    program = shutil.which("node")
    if program and not (PEERS / "node_modules").exists():
        subprocess.run(
            ["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"], cwd=PEERS, check=True
        )
    return program or ""


def cpu_s(pid: int) -> float:
    """Seconds that a process has used of the processors, in its own code and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_bytes(pid: int) -> int:
    """Memory of a process that is in use and not on disk."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]) * resource.getpagesize()


def rows(database: MariaDB, name: str) -> int:
    """How many readings are stored."""
    with database.connect(database=name) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM speed_data")
        return int(cursor.fetchone()[0])


@contextmanager
def _process(command: list[str], port: int, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=env)
        try:
            deadline = time.monotonic() + START_DEADLINE_S
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        log.seek(0)
                        raise RuntimeError(f"{command} did not start: {log.read().decode()}") from None
                    time.sleep(0.05)
            yield process
        finally:
            process.terminate()
            process.wait(30)


def _answer(listener: socket.socket, frames: Frames) -> None:
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    clients: dict[int, Sender] = {}
    while True:
        for number, _ in poll.poll():
            if number == listener.fileno():
                client = Sender(listener.accept()[0])
                client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.socket.recv(4096)
                client.socket.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
                clients[client.socket.fileno()] = client
                poll.register(client.socket, select.EPOLLIN)
                continue
            client = clients[number]
            data = client.socket.recv(1 << 18)
            if not data:
                poll.unregister(number)
                clients.pop(number).socket.close()
                continue
            client.received += len(data)
            whole = bisect.bisect_right(frames.sent_ends, client.received) - 1
            client.socket.sendall(frames.echoed[frames.echoed_ends[client.echoed] : frames.echoed_ends[whole]])
            client.echoed = whole
