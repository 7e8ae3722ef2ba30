"""Whatever happens to the bus, echoes go on, watchers are complete by reading again, and readings are pushed again afterwards."""

import json
import signal
import time

import pytest
import requests

from tests.cluster.watcher import Watcher, echoed, fleet_at, longest_until_complete, made, pushes
from tests.faults.network import Network
from tests.running import wait_for

pytestmark = pytest.mark.cluster


def connected(server):
    """Whether a server has its bus."""
    return "speeddash_bus_connected 1.0" in metrics(server)


def metrics(server):
    return requests.get(f"{server.url}/metrics", headers=server.headers, timeout=30).text


def pushed_again(watcher, fleet, *servers):
    """The end of a test: servers have their bus again, and all that comes now is pushed."""
    wait_for(lambda: all(map(connected, servers)), 30)
    # More than one try: on a busy machine a message may take longer than a look at the table.
    wait_for(lambda: pushes(watcher, fleet, 40, 30), 60)
    watcher.end()
    assert watcher.held == made(fleet)


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_bus_that_is_away_delays_watchers_and_no_echo(nodes, bus, fault, record_property):
    """The bus is killed and restarted empty, or stopped (SIGSTOP) and continued, under load"""
    first, second = nodes(bus)
    with fleet_at(first, senders=2) as fleet:
        watcher = Watcher(second, [each.source for each in fleet.senders])
        fleet.under_way(20)
        wait_for(lambda: watcher.held >= made(fleet), 15)
        bus.stop(fault) if fault == signal.SIGKILL else bus.process.send_signal(fault)
        slowest = 0.0
        for _ in range(10):
            began = time.monotonic()
            fleet.under_way(2)
            slowest = max(slowest, time.monotonic() - began)
        record_property("complete_without_the_bus_s", longest_until_complete(watcher, fleet))
        record_property("two_readings_took_at_most_s", round(slowest, 2))
        bus.start() if fault == signal.SIGKILL else bus.process.send_signal(signal.SIGCONT)
        pushed_again(watcher, fleet, first, second)


@pytest.mark.parametrize("who", ["sender", "watcher"])
def test_server_that_is_cut_off_from_the_bus(bus, nodes, who, record_property):
    """The bus is cut off from one server (black hole), under load: the one that commits, or the one that is watched"""
    with Network(bus.port) as network:
        cut = bus.url.replace(str(bus.port), str(network.port))
        first, second = nodes(bus, urls=[cut, bus.url] if who == "sender" else [bus.url, cut])
        with fleet_at(first, senders=2) as fleet:
            watcher = Watcher(second, [each.source for each in fleet.senders])
            fleet.under_way(20)
            wait_for(lambda: watcher.held >= made(fleet), 15)
            network.swallows = True
            record_property("complete_within_s", longest_until_complete(watcher, fleet))
            network.heal()
            network.lose_server()  # and the server is not told: it must find out
            pushed_again(watcher, fleet, first, second)


def test_connections_of_the_bus_are_killed_again_and_again(bus, nodes, cycles, record_property):
    """`CLIENT KILL` ends every connection of the bus, again and again, under load"""
    first, second = nodes(bus)
    with fleet_at(first, senders=2) as fleet:
        watcher = Watcher(second, [each.source for each in fleet.senders])
        slowest_s = 0.0
        for _ in range(max(3, cycles)):
            fleet.under_way(5)
            for kind in ("pubsub", "normal"):
                bus.command("CLIENT", "KILL", "TYPE", kind)
            so_far, began = echoed(fleet), time.monotonic()
            wait_for(lambda: watcher.held >= so_far, 10)  # noqa: B023 - called before the next round
            slowest_s = max(slowest_s, time.monotonic() - began)
        record_property("complete_within_s", round(slowest_s, 1))
        pushed_again(watcher, fleet, first, second)


def test_slow_subscriber_is_dropped_by_the_bus_and_reads_again(bus, nodes, record_property):
    """A server does not read from the bus (SIGSTOP) until the bus drops it: its watchers read again"""
    first, second = nodes(bus)
    bus.command("CONFIG", "SET", "client-output-buffer-limit", "pubsub 32kb 16kb 1")
    with fleet_at(first, senders=8) as fleet:
        watcher = Watcher(second, [each.source for each in fleet.senders])
        fleet.under_way(5)
        second.process.send_signal(signal.SIGSTOP)
        # The system holds some 3 MB for a connection before the bus has to.
        with first.connect("/ws?source=much") as socket:
            frame = "[" + ",".join(['{"speed": 1}'] * 1000) + "]"
            wait_for(lambda: socket.send(frame) or (socket.recv(30) and not subscribers_of(bus) > 1), 60)
        second.process.send_signal(signal.SIGCONT)
        so_far, began = echoed(fleet), time.monotonic()
        wait_for(lambda: watcher.held >= so_far, 15)
        record_property("complete_after_s", round(time.monotonic() - began, 1))
        pushed_again(watcher, fleet, first, second)


def subscribers_of(bus):
    return sum("sub=1" in each for each in bus.command("CLIENT", "LIST").splitlines())


def test_server_killed_between_its_commit_and_the_bus(bus, nodes, record_property):
    """A server is killed with SIGKILL after it committed and echoed, and before anything of that reached the bus: watchers elsewhere have it"""
    with Network(bus.port) as network:
        first, second = nodes(bus, urls=[bus.url.replace(str(bus.port), str(network.port)), bus.url])
        with fleet_at(first, senders=2) as fleet:
            watcher = Watcher(second, [each.source for each in fleet.senders])
            fleet.under_way(20)
            wait_for(lambda: watcher.held >= made(fleet), 15)
            network.swallows = True
            fleet.under_way(2)  # committed, and not on the bus
            first.stop(signal.SIGKILL)
            committed, began = echoed(fleet), time.monotonic()
            wait_for(lambda: watcher.held >= committed, 60)
            record_property("complete_after_s", round(time.monotonic() - began, 1))
            network.heal()
            first.start()
            fleet.settle(first.database_url, record_property, 30)
            wait_for(lambda: watcher.held >= made(fleet), 30)
            watcher.end()


def test_what_another_program_publishes_is_not_shown(nodes, bus):
    """Who can write to the bus, but does not know the token, cannot show readings that are not stored"""
    first, second = nodes(bus)
    with fleet_at(first, senders=1) as fleet:
        watcher = Watcher(second, [each.source for each in fleet.senders])
        fleet.under_way(20)
        wait_for(lambda: watcher.held >= made(fleet), 15)
        (channel,) = bus.command("PUBSUB", "CHANNELS").split()
        forged = {
            "node": "x",
            "first": 0,
            "source": [fleet.senders[0].source],
            "at_us": [1],
            "seq": [999_999],
            "speed": [999.0],
        }
        bus.command("PUBLISH", channel, json.dumps(forged))
        wait_for(lambda: "speeddash_bus_rejected_total 1.0" in metrics(second), 15)
        pushed_again(watcher, fleet, first, second)
    assert "the bus brought something else than readings of our servers: the signature is wrong" in second.output
