"""A private Redis, without a file: what it knew is gone when it ends."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.conftest import require
from tests.mariadb import free_port
from tests.running import wait_for

PASSWORD = "bus-password"


@contextmanager
def private_redis() -> "Iterator[Redis]":
    """A server of one's own, for as long as the block."""
    require(shutil.which("redis-server"), "Redis")
    server = Redis()
    try:
        server.start()
        yield server
    finally:
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGCONT)
            server.stop(signal.SIGKILL)


class Redis:
    """One server with a password."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--requirepass", PASSWORD]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: self.command("PING") == "PONG", 30)

    def command(self, *words: str) -> str:
        """What `redis-cli` says."""
        done = subprocess.run(
            ["redis-cli", "-p", str(self.port), "-a", PASSWORD, "--no-auth-warning", *words],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout.strip()

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(30)
