"""What the faults need: a database that may be killed, a seed that is printed, a server whose descriptors and memory are looked at."""

import random
import shutil
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import require
from tests.mariadb import MariaDB, private_mariadb


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """Not the one of the other tests: this one is killed, stopped and misconfigured."""
    require(shutil.which("mariadb-install-db"), "MariaDB")
    with private_mariadb() as server:
        yield server


@pytest.fixture
def mysql_url(mariadb: MariaDB) -> str:
    return mariadb.create("speed")


@pytest.fixture
def cycles(request: pytest.FixtureRequest) -> int:
    return request.config.getoption("--cycles")


@pytest.fixture
def pause_s(cycles: int) -> float:
    """How long a database does not answer: 10 s in a long run."""
    return 10.0 if cycles >= 20 else 4.0


@pytest.fixture
def chance(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> random.Random:
    """Random moments that `--seed` brings back."""
    seed = request.config.getoption("--seed")
    seed = random.randrange(1 << 32) if seed is None else seed
    print(f"--seed {seed}")
    record_property("seed", seed)
    return random.Random(seed)
