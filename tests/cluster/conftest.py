"""A group of three MySQL servers, whole again before each test; a bus; several SpeedDash servers on one database."""

from collections.abc import Iterator

import pytest

from tests.cluster.bus import private_redis
from tests.cluster.group import ReplicationGroup
from tests.cluster.watcher import NODE_URL, TOKEN
from tests.faults.conftest import chance, cycles  # noqa: F401 - fixtures
from tests.mysql import ROOT, folder_in_root


@pytest.fixture(scope="session")
def running_group() -> Iterator[ReplicationGroup]:
    if not (ROOT / "usr/sbin/mysqld").exists():
        pytest.skip("there is no MySQL in a folder; `bash tests/cluster/run.sh` makes it")
    with folder_in_root() as folder:
        group = ReplicationGroup(folder)
        yield group
        group.stop()


@pytest.fixture
def group(running_group: ReplicationGroup, request: pytest.FixtureRequest) -> Iterator[ReplicationGroup]:
    running_group.restore()
    running_group.primary().execute("DROP DATABASE speed", "CREATE DATABASE speed")
    failed = request.session.testsfailed
    yield running_group
    if request.session.testsfailed > failed:
        print(running_group.logs())


@pytest.fixture(scope="module")
def bus():
    with private_redis() as redis:
        yield redis


@pytest.fixture
def nodes(mariadb, run):
    """Starts two servers on one database, with or without a bus, each with a URL of its own where they are given."""

    def start(bus=None, urls=None):
        url = mariadb.create("speed")
        return [
            run(url, SPEEDDASH_TOKEN=TOKEN, SPEEDDASH_NODE_URL=NODE_URL, SPEEDDASH_BUS_URL=each)
            for each in urls or [bus.url if bus else ""] * 2
        ]

    return start
