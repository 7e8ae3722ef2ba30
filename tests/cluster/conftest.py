"""A group of three MySQL servers, whole again before each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.cluster.group import ROOT, ReplicationGroup
from tests.faults.conftest import chance, cycles  # noqa: F401 - fixtures


@pytest.fixture(scope="session")
def running_group() -> Iterator[ReplicationGroup]:
    if not (ROOT / "usr/sbin/mysqld").exists():
        pytest.skip("there is no MySQL in a folder; `bash tests/cluster/run.sh` makes it")
    folder = Path(mkdtemp(prefix="group-", dir=ROOT))
    try:
        group = ReplicationGroup(folder)
        yield group
        group.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def group(running_group: ReplicationGroup, request: pytest.FixtureRequest) -> Iterator[ReplicationGroup]:
    running_group.restore()
    running_group.primary().execute("DROP DATABASE speed", "CREATE DATABASE speed")
    failed = request.session.testsfailed
    yield running_group
    if request.session.testsfailed > failed:
        print(running_group.logs())
