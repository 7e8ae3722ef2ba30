"""Servers of the tests as copies of one process that has imported everything: imports take 1.9 s of CPU, a copy almost nothing.

`python -m tests.preloaded` reads a request a line and answers with a process id; a keeper process waits for the end of each server and
leaves its exit code in a file. Tests of the start itself run `python run.py`.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


class Copy:
    """One server; the part of `subprocess.Popen` that the tests use."""

    _preloaded: subprocess.Popen[str] | None = None

    def __init__(self, env: dict[str, str], log: Path) -> None:
        """Start `run.py` with an environment and its output in a file."""
        if Copy._preloaded is None or Copy._preloaded.poll() is not None:
            Copy._preloaded = subprocess.Popen(
                [sys.executable, "-m", "tests.preloaded"],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        self._code = log.with_suffix(".code")
        self._code.unlink(missing_ok=True)
        print(json.dumps({"env": env, "log": str(log)}), file=Copy._preloaded.stdin, flush=True)
        self.pid = int(Copy._preloaded.stdout.readline())

    def poll(self) -> int | None:
        try:
            return int(self._code.read_text())
        except FileNotFoundError:
            return None

    def wait(self, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("run.py", timeout)
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def main() -> None:
    """Answer requests until the tests' process ends."""
    from speeddash.serve import patched_server

    server = patched_server()
    import gevent
    from gevent import monkey

    fork, waitpid = monkey.get_original("os", ["fork", "waitpid"])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # of the keepers
    while line := sys.stdin.readline():
        request = json.loads(line)
        if fork():
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if pid := fork():
            print(pid, flush=True)
            code = os.waitstatus_to_exitcode(waitpid(pid, 0)[1])
            written = Path(request["log"]).with_suffix(".ended")
            written.write_text(str(code))
            written.rename(written.with_suffix(".code"))
            os._exit(0)
        gevent.reinit()
        run(server, request)


def run(server: Any, request: dict[str, Any]) -> None:
    """Be `run.py`."""
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for file, at in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(file, at)
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = ["run.py"]
    server.main(prog_name="run.py", args=[])


if __name__ == "__main__":
    main()
