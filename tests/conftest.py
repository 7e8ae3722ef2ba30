"""Real things to test against. Where one is missing its tests are skipped by name; under CI that is a failure."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, expect, sync_playwright

from speeddash.store import Store, open_store
from tests.hook import Hook
from tests.mariadb import MariaDB, private_mariadb
from tests.mysql import MySQL, private_mysql
from tests.running import RunningServer

# The system's own browser: the shell without a user interface takes half as much of a core. The switches keep it off the network.
CHROMIUM_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM_OPTIONS = {
    "executable_path": next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None),
    "args": [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        # Less work for two cores: one process for all tabs, one thread that paints, plain text.
        "--process-per-site",
        "--num-raster-threads=1",
        "--disable-lcd-text",
    ],
}
# For tests that measure nothing of it: no threads beside the one that runs scripts, an eighth of a page's CPU time.
SINGLE_THREADED = {**CHROMIUM_OPTIONS, "args": [*CHROMIUM_OPTIONS["args"], "--js-flags=--single-threaded"]}

#: Folders and files whose tests take the longest for what a change usually breaks; `bash tests/run.sh --all` and `.ci/run` run them too.
THOROUGH = (
    "api/test_openapi.py", "cli/test_replay.py", "devices", "faults", "history/test_rollups.py", "hostile", "outgoing",
    "page/test_access.py", "page/test_bluetooth.py", "page/test_connect.py", "page/test_days.py", "page/test_gps.py",
    "page/test_limit.py", "page/test_load.py", "page/test_sign_in.py", "page/test_use.py", "store/test_leases.py",
    "store/test_migrations.py", "store/test_primary.py", "test_first_steps.py", "test_model.py", "test_wheel.py",
)  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cycles", type=int, default=2, help="how often the faults kill the server; the database a quarter of it"
    )
    parser.addoption(
        "--real-mysql", action="store_true", help="MySQL in the place of MariaDB; see tests/cluster/run.sh"
    )
    parser.addoption("--seed", type=int, help="the random moments of an earlier run of the faults")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where the database does not matter, one is enough in the short form."""
    thorough = tuple(Path(__file__).parent / each for each in THOROUGH)
    for item in items:
        if any(item.path.is_relative_to(each) for each in thorough):
            item.add_marker(pytest.mark.thorough)
        parameters = (
            item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
        )
        if item.get_closest_marker("any_database") and "mysql" in parameters:
            item.add_marker(pytest.mark.long)


def require(program: str | None, name: str) -> None:
    if not program:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            f"{name} is not installed; `bash tests/run.sh --all` installs it"
        )


@pytest.fixture(scope="session")
def mariadb(request: pytest.FixtureRequest) -> Iterator[MariaDB | MySQL]:
    if request.config.getoption("--real-mysql"):
        with private_mysql() as server:
            yield server
        return
    require(shutil.which("mariadb-install-db"), "MariaDB")
    with private_mariadb() as server:
        yield server


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
    running = RunningServer(url, traced=True)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def page_server(mariadb: MariaDB) -> Iterator[RunningServer]:
    """One database is enough for the page: it does not know which it is."""
    running = RunningServer(mariadb.create("page"))
    yield running
    running.stop()


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


CONTEXT_OPTIONS = {
    "viewport": {"width": 1440, "height": 900},
    "accept_downloads": True,
    "timezone_id": "America/Chicago",
}


@pytest.fixture(scope="session")
def shared_context(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    # With a profile of its own, because a private one forgets its compiled scripts with every page (2.5 s instead of 0.9).
    profile = tmp_path_factory.mktemp("profile")
    context = playwright.chromium.launch_persistent_context(profile, **SINGLE_THREADED, **CONTEXT_OPTIONS)
    yield context
    context.close()


@pytest.fixture
def context(shared_context: BrowserContext) -> Iterator[BrowserContext]:
    """A browser that remembers nothing but its scripts: compiling plotly.js takes longer than most tests."""
    first, *_ = shared_context.pages  # the empty one that came with the browser
    yield shared_context
    shared_context.set_offline(False)
    for page in shared_context.pages:
        if page is not first:
            page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
            page.close()


@pytest.fixture
def own_context(browser: Browser) -> Iterator[BrowserContext]:
    """For tests that change the browser itself: its clock, its scripts."""
    context = browser.new_context(**CONTEXT_OPTIONS)
    yield context
    context.close()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    require(CHROMIUM_OPTIONS["executable_path"], "Chromium")
    expect.set_options(timeout=20_000)  # a deadline, not a promise: two browsers share the machine with two databases
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(**SINGLE_THREADED)
    yield browser
    browser.close()
