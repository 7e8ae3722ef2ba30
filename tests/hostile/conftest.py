"""One server for each file of attacks; it must outlive them all."""

from collections.abc import Iterator

import pytest

from tests.running import RunningServer


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """SQLite is enough here: what a stranger sends does not reach the database."""
    url = f"sqlite:///{tmp_path_factory.mktemp('hostile')}/speed.db"
    # A file of cases breaks a rule some hundred times a second, and would be refused for it.
    running = RunningServer(url, **getattr(request.module, "SETTINGS", {"SPEEDDASH_MAX_ADDRESS_CONNECTIONS": "100000"}))
    yield running
    assert running.process.poll() is None, running.output
    assert "Traceback" not in running.output
    running.stop()
