"""Random operations on both databases beside the model of `tests/model.py`, for as long as is asked for."""

import random
import tempfile
import time
from collections.abc import Callable

from speeddash.store import Store, open_store
from tests.mariadb import MariaDB, private_mariadb
from tests.model import run

STEPS = 150


def run_for(minutes: float, seed: int | None, say: Callable[[str], object]) -> bool:
    """Run sequences of operations, each on an empty database, and report each one.

    Args:
        minutes: When to begin no more sequences.
        seed: The first seed, the next ones follow; None takes a random one.
        say: Gets a line for each sequence.

    Returns:
        Whether every answer was that of the model.
    """
    first = random.SystemRandom().randrange(10**9) if seed is None else seed
    until = time.monotonic() + 60 * minutes
    operations = comparisons = differences = done = 0
    with private_mariadb() as mariadb:
        while time.monotonic() < until:
            number = first + done // 2
            store = _empty_store(mariadb, mysql=done % 2 == 1)
            try:
                found = run(store, number, STEPS)
            except AssertionError as difference:
                differences += 1
                say(f"seed {number} on {store.shown_url}: {difference}")
            else:
                operations += found.operations
                comparisons += found.comparisons
            finally:
                store.close()
            done += 1
    say(f"{done} runs from seed {first}: {operations} operations, {comparisons} comparisons, {differences} differences")
    return not differences


def _empty_store(mariadb: MariaDB, *, mysql: bool) -> Store:
    url = mariadb.create("model") if mysql else f"sqlite:///{tempfile.mkdtemp()}/model.db"
    store = open_store(url)
    store.prepare()
    return store
