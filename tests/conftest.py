"""Real things to test against. Where one is missing its tests are skipped by name; under CI that is a failure."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from speeddash.store import Store, open_store
from tests.mariadb import MariaDB
from tests.running import RunningServer

# The system's own browser; the switches keep it from asking for things on the network.
CHROMIUM_OPTIONS = {
    "executable_path": shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome"),
    "args": [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
    ],
}


def require(program: str | None, name: str) -> None:
    if not program:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            f"{name} is not installed; `bash tests/run.sh` installs it"
        )


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    require(shutil.which("mariadb-install-db"), "MariaDB")
    server = MariaDB(tmp_path_factory.mktemp("mariadb"))
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "mysql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, one of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/speed.db"
    return request.getfixturevalue("mariadb").create("speed")


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = open_store(database_url)
    store.prepare()
    yield store
    store.close()


@pytest.fixture
def run() -> Iterator[Callable[..., RunningServer]]:
    """Starts servers that end with the test."""
    running: list[RunningServer] = []

    def start(*args: object, **options: object) -> RunningServer:
        running.append(RunningServer(*args, **options))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that a module's tests share; each uses sources of its own."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('server')}/speed.db"
    else:
        url = request.getfixturevalue("mariadb").create("shared")
    running = RunningServer(url)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    require(CHROMIUM_OPTIONS["executable_path"], "Chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(**CHROMIUM_OPTIONS)
