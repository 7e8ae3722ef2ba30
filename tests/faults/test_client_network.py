"""The network between a client and the server is bad."""

import pytest

from tests.faults.fleet import Fleet
from tests.faults.footprint import assert_back, footprint
from tests.faults.network import Network, hang_up
from tests.running import wait_for

pytestmark = pytest.mark.any_database

PING_S = 0.5
ECHO_DEADLINE_S = 2.0
#: For a network that is slow and whole: what is late is not lost.
SLOW_PING_S, SLOW_ECHO_DEADLINE_S = 3.0, 15.0


@pytest.fixture
def network(run, database_url, request):
    """A server, and the network before it."""
    server = run(database_url, SPEEDDASH_PING_INTERVAL_S=str(getattr(request, "param", PING_S)))
    with Network(server.port) as network:
        network.server = server
        yield network
    hang_up()


def fleet_over(network, echo_deadline_s=ECHO_DEADLINE_S, **options):
    return Fleet(network.port, senders=4, echo_deadline_s=echo_deadline_s, **options)


def survive(network, database_url, record_property, fault, end=lambda: None, rounds=3):
    """A fault, its end, and nothing of it is left at the server either."""
    with fleet_over(network) as fleet:
        fleet.under_way(20)
        before = footprint(network.server)
        healed_s = []
        for _ in range(rounds):
            fault(fleet)
            end()
            healed_s.append(fleet.heal())
            fleet.under_way()
        assert_back(network.server, before)
        fleet.settle(database_url, record_property)
    record_property("longest_heal_s", round(max(healed_s), 2))


@pytest.mark.long
def test_connections_that_are_reset(network, database_url, record_property):
    """Clients' connections are reset (RST)"""
    survive(network, database_url, record_property, lambda _: network.reset())


@pytest.mark.long
def test_clients_that_vanish_silently(network, database_url, record_property):
    """Clients vanish silently (half-open connections): the server closes them after a ping, the clients reconnect"""
    survive(network, database_url, record_property, lambda _: network.lose_clients())


def test_server_that_vanishes_silently_for_its_clients(network, database_url, record_property):
    """The server's side vanishes silently: the clients notice the missing echo and reconnect"""
    survive(network, database_url, record_property, lambda _: network.lose_server(), rounds=1)


def test_black_hole(network, database_url, record_property):
    """Black hole: connections stay open, new ones are accepted, and no byte gets through"""

    def swallow(fleet):
        network.swallows = True
        wait_for(lambda: all(each.outbox for each in fleet.senders))
        # The server has closed them all after a ping, and the clients cannot reconnect.
        wait_for(lambda: footprint(network.server).sockets == 0, 15)

    survive(network, database_url, record_property, swallow, network.heal, rounds=1)


def slow(network, database_url, record_property, **options):
    with fleet_over(network, SLOW_ECHO_DEADLINE_S, **options) as fleet:
        fleet.under_way(10)
        record_property("longest_heal_s", round(fleet.heal(), 2))
        fleet.settle(database_url, record_property, 15)
        assert sum(each.connections for each in fleet.senders) == len(fleet.senders), "a slow network is no broken one"


slowly = pytest.mark.parametrize("network", [pytest.param(SLOW_PING_S, id="slow")], indirect=True)


@slowly
@pytest.mark.long
def test_one_byte_at_a_time(network, database_url, record_property):
    """The network delivers one byte at a time"""
    network.piece_bytes = 1
    slow(network, database_url, record_property, pace_s=0.1)


@slowly
@pytest.mark.long
def test_late_by_200_ms(network, database_url, record_property):
    """The network adds 200 ms in each direction"""
    network.delay_s = 0.2
    slow(network, database_url, record_property, pace_s=0.05)


@slowly
@pytest.mark.long
def test_10_kb_a_second(network, database_url, record_property):
    """The network carries 10 KB/s for each client"""
    network.bytes_per_s = 10_000
    slow(network, database_url, record_property, pace_s=0.05)
