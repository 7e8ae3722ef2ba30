"""One server for each file of attacks; it must outlive them all."""

from collections.abc import Iterator

import pytest

from tests.running import RunningServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """SQLite is enough here: what a stranger sends does not reach the database."""
    running = RunningServer(f"sqlite:///{tmp_path_factory.mktemp('hostile')}/speed.db")
    yield running
    assert running.process.poll() is None, running.output
    assert "Traceback" not in running.output
    running.stop()
