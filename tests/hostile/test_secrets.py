"""Passwords and tokens are not disclosed."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from speeddash.errors import SpeedDashError
from speeddash.settings import Settings
from speeddash.store import open_store
from tests.mariadb import PASSWORD
from tests.running import ROOT, RunningServer, wait_for

TOKENS = {name: f"{name}-{secrets.token_hex(12)}" for name in ("all", "read", "car", "webhook")}


@pytest.fixture
def guarded(mariadb, run):
    return run(
        mariadb.create("secrets"),
        SPEEDDASH_ACCESS_LOG="1",
        SPEEDDASH_TOKEN=TOKENS["all"],
        SPEEDDASH_READ_TOKEN=TOKENS["read"],
        SPEEDDASH_SOURCE_TOKENS=f"car={TOKENS['car']}",
        SPEEDDASH_WEBHOOK_URL=f"http://user:{TOKENS['webhook']}@127.0.0.1:9/hook?key={TOKENS['webhook']}",
    )


def processes():
    """Every command line that a user of this machine can read."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(each.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue  # it has ended
    return "\n".join(found)


def test_secrets_are_in_no_log_page_answer_or_command_line(guarded, mariadb):
    """Passwords and tokens are searched for in logs, pages, answers, errors and the process list, with the database up and down"""
    seen = []

    def ask(path, method="GET", **options):
        answer = requests.request(method, guarded.url + path, headers=guarded.headers, timeout=40, **options)
        seen.append(f"{answer.headers}{answer.text}")
        return answer

    paths = [
        "/",
        "/_dash-layout",
        "/_dash-dependencies",
        "/readyz",
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/sign-in",
        "/nowhere",
    ]
    paths += [
        "/api/v1/sources",
        "/api/v1/readings",
        "/api/v1/connections",
        "/api/v1/nowhere",
        "/api/v1/series?source=car",
    ]
    for path in paths:
        ask(path)
    ask("/sign-in", "POST", data={"token": "wrong-0123456789"})
    ask("/sign-in", "POST", data={"token": TOKENS["all"]})
    ask("/api/v1/readings", "POST", json={"speed": "fast"})
    ask("/api/v1/sources/car", "PATCH", json={"limit_kmh": 10})
    ask("/api/v1/readings", "POST", json={"speed": 50, "source": "car"})  # an event, for a webhook that is not there
    ask("/api/v1/readings", "POST", json={"speed": 5, "source": "car"})
    with guarded.connect("/ws?source=car") as socket:
        socket.send("nope")
        seen.append(socket.recv(5))
    wait_for(lambda: "webhook" in guarded.output, 30)
    mariadb.stop()
    try:
        wait_for(lambda: not guarded.answers("/readyz"), 30)
        for path in ("/readyz", "/api/v1/sources", "/"):
            ask(path)
    finally:
        mariadb.start()
    wait_for(lambda: guarded.answers("/readyz"), 30)
    everything = "\n".join([*seen, guarded.output, processes()])
    shown = [
        name
        for name, secret in {**TOKENS, "database": PASSWORD, "database in a URL": "p%40ss%2Fword"}.items()
        if secret in everything
    ]
    assert shown == []


def test_password_of_the_command_line_leaves_it_before_anything_listens(mariadb):
    """A database password given on the command line is not in the process list of the server that runs"""
    url = mariadb.create("secrets")
    command = [sys.executable, "run.py", "--database-url", url, "--port", "{port}"]
    server = RunningServer("sqlite:///unused.db", command=command)
    try:
        assert "p%40ss" not in processes()
        line = Path(f"/proc/{server.process.pid}/cmdline").read_bytes().decode().replace("\0", " ")
        assert line.endswith(f"run.py --port {server.port} ")
        wait_for(lambda: "commits" in server.output)
        assert f"mysql://speed:***@127.0.0.1:{mariadb.port}/secrets" in server.output
    finally:
        server.stop()


def test_invalid_secret_ends_the_start_without_showing_it():
    """An invalid secret ends the start with one line that names its setting and does not show its value"""
    done = subprocess.run(
        [sys.executable, "run.py", "--port", "0"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": "/tmp", "SPEEDDASH_TOKEN": "hunter2 hunter2 hunter2"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "SPEEDDASH_TOKEN" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKEN", "hunter2"),
        ("READ_TOKEN", "hunter2-hunter2-hunter2"),
        ("SOURCE_TOKENS", "car=hunter2"),
        ("SOURCE_TOKENS", "hunter2-hunter2-hunter2"),
        ("SOURCE_TOKENS", "car=hunter2-hunter2-hunter2"),
        ("WEBHOOK_URL", "ftp://u:hunter2@h/"),
        ("WEBHOOK_URL", "http://u:hunter2@h:99999/"),
        ("WEBHOOK_URL", "http:///hunter2"),
        ("DATABASE_URL", "mysql://u:hunter2@"),
        ("DATABASE_URL", "oracle://u:hunter2@h/d"),
        ("DATABASE_URL", "mysql://u:hunter2@nosuch.invalid/d"),
        ("DATABASE_URL", "mysql://u:hunter2@h/d?nonsense=hunter2"),
    ],
)
def test_invalid_secret_is_named_and_not_shown(monkeypatch, name, value):
    """An invalid secret is an error that names its setting and does not show its value"""
    monkeypatch.setenv(f"SPEEDDASH_{name}", value)
    with pytest.raises(SpeedDashError) as problem:
        prepare_store()
    assert "hunter2" not in str(problem.value)
    assert name in str(problem.value) or name == "DATABASE_URL"


def prepare_store():
    """Do what a start does with its secrets."""
    store = open_store(Settings.load().database_url.get_secret_value())
    try:
        store.prepare()
    finally:
        store.close()
