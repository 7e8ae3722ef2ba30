"""The first steps as a newcomer types them: every block of docs/first-steps.md, in its order."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.mariadb import free_port
from tests.running import ROOT, wait_for

PAGE = ROOT / "docs/first-steps.md"
#: From the command to the answer of the page.
START_S = 60.0


def blocks():
    return [
        re.sub("^    ", "", block, flags=re.MULTILINE).strip()
        for block in re.findall(r"(?:^    .+\n)+", PAGE.read_text(), re.MULTILINE)
    ]


class Shell:
    """One terminal."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self._port = folder, port
        hidden = ("SPEEDDASH_", "COVERAGE_")
        self._env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        self._env["SPEEDDASH_PORT"] = str(port)
        self.server: subprocess.Popen[bytes] | None = None
        self.log = folder / "log"

    def type(self, block: str) -> str:
        """Run a block; what it prints. Its last line may start the server, which goes on."""
        block = block.replace("localhost:8765", f"localhost:{self._port}")
        *_, last = block.splitlines()
        if last == "speeddash/bin/speeddash":
            with self.log.open("ab") as log:
                self.server = subprocess.Popen(
                    ["bash", "-ec", block.removesuffix(last) + "exec " + last],
                    cwd=self._folder, env=self._env, stdout=log, stderr=log,
                )  # fmt: skip
            wait_for(lambda: self.server.poll() is not None or self.answers(), START_S)
            assert self.server.poll() is None, self.log.read_text()
            return ""
        done = subprocess.run(
            ["bash", "-ec", block], cwd=self._folder, env=self._env, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def answers(self) -> bool:
        try:
            return requests.get(f"http://localhost:{self._port}/healthz", timeout=2).ok
        except requests.RequestException:
            return False

    def press_control_c(self) -> int:
        self.server.send_signal(signal.SIGINT)
        return self.server.wait(20)


@pytest.fixture
def shell(tmp_path):
    shell = Shell(tmp_path, free_port())
    yield shell
    if shell.server and shell.server.poll() is None:
        shell.server.kill()
        shell.server.wait(20)


def test_every_block_works_in_its_order(shell, tmp_path):
    install, send, read, record, limit, token, backup = blocks()
    venv, pip, start = install.splitlines()
    # The environment of the tests, with this checkout in it, in the place of one that downloads everything.
    assert (venv, pip) == ("python3 -m venv speeddash", "speeddash/bin/pip install speeddash")
    (tmp_path / "speeddash").symlink_to(Path(sys.prefix))
    shell.type(start)
    assert '"stored":1' in shell.type(send).replace(" ", "")
    assert '"speed":21.5' in shell.type(read).replace(" ", "")
    assert "3 read, 3 stored, 0 bad" in shell.type(record)
    shell.type(limit)
    ask = limit.splitlines()[-1]
    wait_for(lambda: '"peak":52' in shell.type(ask).replace(" ", ""), 60)
    assert shell.press_control_c() == 0
    shell.type(token)
    shell.type(backup)
    assert (tmp_path / "copy.db").stat().st_size > 0
    assert "/?token=" in shell.log.read_text()
