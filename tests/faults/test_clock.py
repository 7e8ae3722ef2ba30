"""The wall clock is set while the server runs."""

import statistics
import time
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import requests

from tests.conftest import require
from tests.faults.clock import LIBRARIES, Clock
from tests.faults.fleet import Fleet
from tests.faults.footprint import assert_back, footprint
from tests.running import wait_for

pytestmark = pytest.mark.any_database

HOUR_S = 3600
PING_S = 1.0
STEPS, STEPS_OF_A_SHORT_RUN = 9, 3
#: The library looks at its file once a second: without a cache each look at the clock opens it, and the server does little else.
WATCHED_S = 2.5
#: An echo takes a few ms. A loop that trusts the wall clock stops for up to 0.5 s after a step (libev looks at its
#: clocks twice a second), half of that in the middle; a machine that is busy may hold up a step or two.
MEDIAN_GAP_S, LONGEST_GAP_S = 0.12, 3.0


@pytest.fixture
def clock(tmp_path):
    require(LIBRARIES[0] if LIBRARIES else None, "libfaketime")
    return Clock(tmp_path / "clock")


@pytest.fixture(params=["sqlite", "mysql"])
def url(request):
    """An SQLite file lies in memory where that is possible: a disk that others keep busy holds up echoes as a clock would."""
    if request.param == "mysql":
        yield request.getfixturevalue("mariadb").create("speed")
        return
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None, prefix="speeddash-") as folder:
        yield f"sqlite:///{folder}/speed.db"


def clock_of(server):
    """What the server takes for now: the time of a reading that came without one."""
    source = f"now-{time.monotonic_ns()}"
    requests.post(f"{server.url}/api/v1/readings?source={source}", json={"speed": 1}, timeout=5).raise_for_status()
    return datetime.fromisoformat(server.readings(source)[0]["timestamp"]).timestamp()


@pytest.mark.alone
@pytest.mark.parametrize(
    "offset_s", [pytest.param(HOUR_S, id="forward"), pytest.param(-HOUR_S, id="back", marks=pytest.mark.long)]
)
def test_clock_that_steps_an_hour_delays_and_closes_nothing(run, url, clock, offset_s, cycles, record_property):
    """The wall clock steps by an hour, forward and back, again and again: echoes go on at their rate, no ping and no timeout is early or late"""
    server = run(url, command=clock.command, SPEEDDASH_PING_INTERVAL_S=str(PING_S))
    gaps_s = []
    steps = STEPS if cycles >= 20 else STEPS_OF_A_SHORT_RUN
    with Fleet(server.port) as fleet, server.connect("/ws?source=silent") as silent:
        fleet.under_way(20)
        before = footprint(server)
        usual_s = statistics.median([longest_gap_s(fleet, WATCHED_S) for _ in range(3)])
        for step in range(1, steps + 1):
            clock.set(step * offset_s)
            gaps_s.append(longest_gap_s(fleet, WATCHED_S))
            wait_for(lambda: abs(clock_of(server) - time.time() - step * offset_s) < 10)  # noqa: B023 - called at once
        assert_back(server, before)
        assert [each.connections for each in fleet.senders] == [1] * len(fleet.senders)
        silent.send('{"speed": 1}')
        assert silent.recv(5) == '{"speed": 1}'
        fleet.settle(url, record_property)
    record_property("steps", steps)
    record_property("median_gap_between_echoes_s", round(statistics.median(gaps_s), 3))
    assert statistics.median(gaps_s) < max(MEDIAN_GAP_S, 2 * usual_s), (usual_s, gaps_s)
    assert max(gaps_s) < LONGEST_GAP_S, gaps_s


def longest_gap_s(fleet, seconds):
    """The longest time without an echo."""
    longest_s, began = 0.0, time.monotonic()
    while time.monotonic() - began < seconds:
        longest_s = max(longest_s, fleet.silent_s)
        time.sleep(0.005)  # the rate at which it is looked at
    return longest_s
