"""A server, and programs of devices that end with the test and show what they said when it fails."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.devices.programs import Connect
from tests.running import RunningServer


@pytest.fixture
def server(run, tmp_path) -> RunningServer:
    return run(f"sqlite:///{tmp_path}/speed.db")


@pytest.fixture
def programs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., object]]:
    """Starts programs of `tests.devices.programs`."""
    started: list = []
    failed = request.session.testsfailed

    def start(kind, *arguments):
        started.append(kind(*arguments))
        return started[-1]

    yield start
    for each in reversed(started):
        each.close()
    if request.session.testsfailed > failed:
        for each in started:
            print(f"-- {type(each).__name__}\n{getattr(each, 'output', '')[-5000:]}")


@pytest.fixture
def connect(request: pytest.FixtureRequest, tmp_path: Path, server: RunningServer) -> Iterator[Callable[..., Connect]]:
    """Starts `speeddash connect` to the server."""
    started: list[Connect] = []
    failed = request.session.testsfailed

    def start(*words: str, **options: str) -> Connect:
        started.append(Connect(tmp_path, f"ws://localhost:{server.port}/ws", *words, **options))
        return started[-1]

    yield start
    for each in started:
        each.stop(signal.SIGTERM)
    if request.session.testsfailed > failed:
        for each in started:
            print(f"-- connect\n{each.output[-5000:]}")
