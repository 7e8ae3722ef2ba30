import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import requests

from tests.mariadb import free_port
from tests.running import ROOT, wait_for


def test_wheel_carries_assets_and_schema_and_no_tests(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)],
        check=True,
    )
    (wheel,) = tmp_path.glob("speeddash-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"speeddash/{path.relative_to(ROOT)}" for path in (ROOT / "assets").rglob("*") if path.is_file()} <= names
    assert {"speeddash/schema.sql", "speeddash/py.typed", "speeddash/store/mysql.py"} <= names
    assert not [name for name in names if name.startswith("tests/")]


@pytest.mark.parametrize("words", [[], ["serve"]], ids=["alone", "serve"])
def test_command_starts_the_server_elsewhere(tmp_path, words):
    """`speeddash` and `speeddash serve`, in an empty folder"""
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith("SPEEDDASH_")}
    env |= {"SPEEDDASH_PORT": str(port)} if not words else {}
    options = [*words, "--port", str(port)] if words else []
    command = [str(Path(sys.executable).parent / "speeddash"), *options]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=log, stderr=log)
    try:
        wait_for(lambda: process.poll() is not None or ready(port), 60)
        assert process.poll() is None, (tmp_path / "log").read_text()
        assert (tmp_path / "speeddash.db").exists()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait(20)


def ready(port):
    try:
        return requests.get(f"http://localhost:{port}/readyz", timeout=2).ok
    except requests.RequestException:
        return False


def test_help_of_serve_lists_its_options():
    done = subprocess.run(
        [sys.executable, "-m", "speeddash", "serve", "--help"], capture_output=True, text=True, check=True
    )
    assert "--workers" in done.stdout
    assert done.stdout.startswith("Usage: speeddash serve")
