"""Several servers on one database: a watcher of one gets what arrives at another, or is told to read again, whatever happens to the bus."""

import json
import signal
import statistics
import threading
import time

import pytest
import requests
from websockets.exceptions import ConnectionClosed

from tests.cluster.bus import private_redis
from tests.faults.fleet import Fleet
from tests.mariadb import free_port
from tests.page.visit import Visit
from tests.running import RunningServer, wait_for

pytestmark = pytest.mark.cluster
TOKEN = "a-token-for-all-servers"


@pytest.fixture(scope="module")
def bus():
    with private_redis() as redis:
        yield redis


@pytest.fixture
def nodes(mariadb, run):
    """Starts two servers on one database, with or without a bus."""

    def start(bus=None, count=2):
        url = mariadb.create("speed")
        settings = {"SPEEDDASH_TOKEN": TOKEN, "SPEEDDASH_BUS_URL": bus.url if bus else ""}
        return [run(url, SPEEDDASH_NODE_URL=f"http://127.0.0.1:{free_port()}", **settings) for _ in range(count)]

    return start


class Watcher(threading.Thread):
    """Pulls from one server. Told that it missed readings, it reads its sources again, as the page does."""

    def __init__(self, server: RunningServer, sources: list[str]) -> None:
        super().__init__(daemon=True)
        self._server, self._sources = server, sources
        self.held: set[tuple[str, int]] = set()
        self.delays_s: list[float] = []
        self.again = 0
        self.ending = False
        self.start()

    def run(self) -> None:
        while not self.ending:
            try:
                self._watch()
            except (OSError, ConnectionClosed):
                time.sleep(0.2)  # a client's back-off

    def _watch(self) -> None:
        query = "&".join(f"source={each}" for each in self._sources)
        with self._server.connect(f"/ws/live?{query}") as socket:
            self._read_again()
            socket.send(json.dumps({"pull": 1, "answers": 1000}))
            while not self.ending:
                try:
                    answer = json.loads(socket.recv(timeout=0.5))
                except TimeoutError:
                    continue
                now = time.time()
                for source, seq, speed in zip(answer["source"], answer["seq"], answer["speed"], strict=True):
                    self.held.add((source, seq))
                    self.delays_s.append(now - speed)  # `send_marked` sends its own clock as the speed
                if answer["dropped"]:
                    self.again += 1
                    self._read_again()
                socket.send(json.dumps({"pull": 1, "answers": 1000}))

    def _read_again(self) -> None:
        for source in self._sources:
            self.held |= {(source, each["seq"]) for each in self._server.readings(source)}

    def end(self) -> None:
        self.ending = True
        self.join(10)


def made(fleet):
    return {(source, seq) for each in fleet.senders for source, _, seq, _ in each.made}


def echoed(fleet):
    return {(source, seq) for each in fleet.senders for source, _, seq, _ in each.echoed}


def longest_until_complete(watcher, fleet):
    """The longest time, of ten tries, until a watcher has all that was echoed; on a busy machine up to 10 s."""
    longest_s = 0.0
    for _ in range(10):
        so_far = echoed(fleet)
        began = time.monotonic()
        wait_for(lambda: watcher.held >= so_far, 10)  # noqa: B023 - called before the next round
        longest_s = max(longest_s, time.monotonic() - began)
        fleet.under_way(2)
    return round(longest_s, 1)


def fleet_at(server, **options):
    return Fleet(server.port, pace_s=0.05, token=TOKEN, **options)


@pytest.mark.parametrize("with_bus", [False, True], ids=["no bus", "bus"])
def test_watcher_of_one_server_gets_what_arrives_at_another(nodes, bus, with_bus, record_property):
    """Senders at one server, a watcher at another, without and with a bus"""
    first, second = nodes(bus if with_bus else None)
    with fleet_at(first, senders=2) as fleet:
        watcher = Watcher(second, [each.source for each in fleet.senders])
        fleet.under_way(20)
        record_property("complete_within_s", longest_until_complete(watcher, fleet))
        fleet.rest()
        wait_for(lambda: watcher.held >= made(fleet), 15)
        if with_bus:  # from now on nothing is read again
            time.sleep(3)  # until both servers know each other
            again = watcher.again
            fleet.resume()
            fleet.under_way(60)
            fleet.rest()
            wait_for(lambda: watcher.held >= made(fleet), 5)
            assert watcher.again == again
        watcher.end()
    assert watcher.held == made(fleet)
    record_property("read_again", watcher.again)


def test_page_of_one_server_draws_what_arrives_at_another(nodes, bus, own_context):
    first, second = nodes(bus)
    own_context.set_extra_http_headers(second.headers)
    with fleet_at(first, senders=1) as fleet:
        fleet.under_way()
        visit = Visit(own_context, second, f"?mode=watch&source={fleet.senders[0].source}", status=None)
        drawn = len(visit.wait_until_drawn(5))
        visit.wait_until_drawn(drawn + 20)


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
        wait_for(
            lambda: (
                "speeddash_bus_connected 1.0" in metrics(first) and "speeddash_bus_connected 1.0" in metrics(second)
            ),
            30,
        )
        time.sleep(4)  # until what the bus missed is known
        again = watcher.again
        fleet.under_way(40)
        fleet.rest()
        wait_for(lambda: watcher.held >= made(fleet), 10)
        assert watcher.again == again  # pushed again
        watcher.end()
    assert watcher.held == made(fleet)


def test_killed_server_leaves_no_hole_for_watchers_of_another(nodes, bus, record_property):
    """A server is killed with SIGKILL under load; a watcher of another one has everything that it had committed"""
    first, second = nodes(bus)
    with fleet_at(first, senders=4) as fleet:
        watcher = Watcher(second, [each.source for each in fleet.senders])
        fleet.under_way(20)
        first.stop(signal.SIGKILL)
        committed = echoed(fleet)
        began = time.monotonic()
        wait_for(lambda: watcher.held >= committed, 30)
        record_property("complete_after_s", round(time.monotonic() - began, 1))
        first.start()
        fleet.rest(30)
        wait_for(lambda: watcher.held >= made(fleet), 30)
        watcher.end()


def test_readings_pass_from_server_to_server_soon(nodes, bus, record_property):
    """A source with 1,000 readings/s at one server, a watcher at another: the time from the send to the watcher"""
    first, second = nodes(bus)
    watcher = Watcher(second, ["fast"])
    with first.connect("/ws?source=fast") as socket:
        seq = 0
        began = time.monotonic()
        while seq < 10_000:
            now = time.time()
            socket.send(json.dumps([{"speed": now - OFFSET, "seq": seq + n, "timestamp": now} for n in range(10)]))
            socket.recv(timeout=30)
            seq += 10
            time.sleep(max(0.0, began + seq / 1000 - time.monotonic()))  # the rate is what is tested
    wait_for(lambda: len(watcher.held) == 10_000, 30)
    watcher.end()
    delays = [each - OFFSET for each in watcher.delays_s[2000:]]
    record_property("p50_ms", round(statistics.median(delays) * 1000, 1))
    record_property("p99_ms", round(statistics.quantiles(delays, n=100)[98] * 1000, 1))


def metrics(server):
    return requests.get(f"{server.url}/metrics", headers=server.headers, timeout=5).text


#: A speed is at most 2,000: the clock of today as a speed.
OFFSET = time.time() - 1000
