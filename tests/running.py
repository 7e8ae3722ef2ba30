"""A SpeedDash in a process of its own, as a person runs it."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

import requests
from websockets.sync.client import ClientConnection, connect

from tests.mariadb import free_port
from tests.preloaded import Copy

ROOT = Path(__file__).parent.parent
RUN = [sys.executable, "run.py"]
T = TypeVar("T")
#: A deadline: on a quiet machine it takes 1.3 s.
START_S = 60


def wait_for(what: Callable[[], T], deadline_s: float = 10.0) -> T:
    """Ask until the answer is true; the last answer stands in the error."""
    deadline = time.monotonic() + deadline_s
    while not (answer := what()):
        if time.monotonic() > deadline:
            raise AssertionError(f"still {answer!r} after {deadline_s} s")
        time.sleep(0.02)
    return answer


@cache
def _logs() -> tempfile.TemporaryDirectory[str]:
    """The directory of the servers' output, which is removed with the tests' process."""
    return tempfile.TemporaryDirectory(prefix="speeddash-logs-")


class RunningServer:
    """`python run.py` on a free port: as a copy of a process that has imported it, or with a command in a new one."""

    def __init__(
        self,
        database_url: str,
        *,
        wait_ready: bool = True,
        command: list[str] | None = None,
        traced: bool = False,
        **settings: str,
    ) -> None:
        self.database_url = database_url
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        token = settings.get("SPEEDDASH_TOKEN")
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        # Workers are started with the command line of the process, and coverage begins at the start of one.
        traced = traced and any(name.startswith("COVERAGE_") for name in os.environ)
        if command is None and (traced or "SPEEDDASH_WORKERS" in settings):
            command = RUN
        self._command = command
        self._log = Path(_logs().name) / f"{self.port}.log"
        # Under coverage a server takes twice as long to start.
        hidden = ("SPEEDDASH_",) if traced else ("SPEEDDASH_", "COVERAGE_")
        self._env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(hidden)},
            "SPEEDDASH_DATABASE_URL": database_url,
            "SPEEDDASH_PORT": str(self.port),
            **{name: value.replace("{port}", str(self.port)) for name, value in settings.items()},
        }
        self.start(wait_ready=wait_ready)

    def start(self, *, wait_ready: bool = True) -> None:
        self._log.write_text("")
        if self._command is None:
            self.process: Copy | subprocess.Popen[bytes] = Copy(self._env, self._log)
        else:
            command = [word.format(port=self.port) for word in self._command]
            with self._log.open("ab") as log:
                self.process = subprocess.Popen(command, cwd=ROOT, env=self._env, stdout=log, stderr=log)
        try:
            wait_for(lambda: self.answers("/readyz" if wait_ready else "/healthz"), START_S)
        except AssertionError:
            self.stop(signal.SIGKILL)
            raise AssertionError(f"the server did not start within {START_S} s; its output:\n{self.output}") from None

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def answers(self, path: str) -> bool:
        assert self.process.poll() is None, self.output
        try:
            return requests.get(self.url + path, headers=self.headers, timeout=5).ok
        except (requests.ConnectionError, requests.Timeout):
            return False

    def connect(self, path: str = "/ws", **options: object) -> ClientConnection:
        options = {"additional_headers": self.headers, **options}
        return connect(f"ws://localhost:{self.port}{path}", compression=None, max_size=None, **options)

    def readings(self, source: str) -> list[dict]:
        answer = requests.get(
            f"{self.url}/api/v1/readings", {"source": source, "limit": 10_000}, headers=self.headers, timeout=10
        )
        answer.raise_for_status()
        return answer.json()["readings"]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it and wait; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(20)
