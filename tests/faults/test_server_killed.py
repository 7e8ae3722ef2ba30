"""The server is killed or restarted while readings arrive."""

import signal
import time

import pytest

from tests.faults.fleet import Fleet


def test_killed_server_loses_nothing_it_has_echoed(run, database_url, cycles, chance, record_property):
    """The server is killed with SIGKILL at random moments under load, and started again"""
    end_again_and_again(run, database_url, signal.SIGKILL, cycles, chance, record_property)


@pytest.mark.long
def test_restarted_server_loses_nothing_it_has_echoed(run, database_url, cycles, chance, record_property):
    """The server is restarted with SIGTERM at random moments under load"""
    end_again_and_again(run, database_url, signal.SIGTERM, max(1, cycles // 4), chance, record_property)


def end_again_and_again(run, database_url, number, cycles, chance, record_property):
    server = run(database_url)
    healed_s = []
    with Fleet(server.port) as fleet:
        for _ in range(cycles):
            fleet.under_way()
            time.sleep(chance.uniform(0, 0.3))  # the random moment
            server.stop(number)
            server.start()
            healed_s.append(fleet.heal())
        account = fleet.settle(database_url, record_property)
    assert account.stored == account.sent
    record_property("cycles", cycles)
    record_property("longest_heal_s", round(max(healed_s), 2))
