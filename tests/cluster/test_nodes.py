"""Several servers on one database: a watcher of one gets what arrives at another, or is told to read again, whatever happens to the bus."""

import itertools
import json
import signal
import statistics
import threading
import time

import pytest
import requests

from tests.cluster.watcher import NODE_URL, TOKEN, Watcher, echoed, fleet_at, longest_until_complete, made, pushes
from tests.page.visit import Visit
from tests.running import wait_for

pytestmark = pytest.mark.cluster


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
            assert pushes(watcher, fleet, 60, 5)
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


def test_killed_server_leaves_no_hole_for_watchers_of_another(nodes, bus, cycles, record_property):
    """A server is killed with SIGKILL under load, again and again; a watcher of another one has everything that it had committed"""
    first, second = nodes(bus)
    with fleet_at(first, senders=4) as fleet:
        watcher = Watcher(second, [each.source for each in fleet.senders])
        slowest_s = 0.0
        for _ in range(max(1, cycles // 2)):
            fleet.under_way(20)
            first.stop(signal.SIGKILL)
            committed = echoed(fleet)
            began = time.monotonic()
            wait_for(lambda: watcher.held >= committed, 30)  # noqa: B023 - called before the next round
            slowest_s = max(slowest_s, time.monotonic() - began)
            first.start()
        record_property("complete_after_s", round(slowest_s, 1))
        fleet.settle(first.database_url, record_property, 30)
        wait_for(lambda: watcher.held >= made(fleet), 30)
        watcher.end()


def test_readings_pass_from_server_to_server_soon(nodes, bus, record_property):
    """A source with 1,000 readings/s at one server, a watcher at another: the time from the send to the watcher"""
    first, second = nodes(bus)
    watcher = Watcher(second, ["fast"])
    offset = time.time() - 1000  # a speed is at most 2,000: the clock of today as a speed
    with first.connect("/ws?source=fast") as socket:
        seq = 0
        began = time.monotonic()
        while seq < 10_000:
            now = time.time()
            socket.send(json.dumps([{"speed": now - offset, "seq": seq + n, "timestamp": now} for n in range(10)]))
            socket.recv(timeout=30)
            seq += 10
            time.sleep(max(0.0, began + seq / 1000 - time.monotonic()))  # the rate is what is tested
    wait_for(lambda: len(watcher.held) == 10_000, 30)
    watcher.end()
    delays = [each - offset for each in watcher.delays_s[2000:]]
    record_property("p50_ms", round(statistics.median(delays) * 1000, 1))
    record_property("p99_ms", round(statistics.quantiles(delays, n=100)[98] * 1000, 1))


def post(server, path, body):
    return requests.post(server.url + path, json=body, headers=server.headers, timeout=30)


def listed(server, path, **query):
    return requests.get(server.url + path, query, headers=server.headers, timeout=10).json()


def test_connection_of_one_server_is_listed_and_sent_to_from_another(nodes):
    first, second = nodes()
    with first.connect("/ws?source=car") as socket, second.connect("/ws?source=boat"):
        connections = wait_for(lambda: two(listed(second, "/api/v1/connections")["connections"]), 10)
        assert [each["source"] for each in connections] == ["car", "boat"]
        assert listed(second, "/api/v1/connections")["missing"] == []
        assert [each["source"] for each in listed(second, "/api/v1/connections", local="true")["connections"]] == [
            "boat"
        ]
        body = {"connection_id": connections[0]["id"], "speed": 42.0, "timestamp": 1_800_000_000, "seq": 7}
        answer = post(second, "/send", body)
        assert (answer.status_code, answer.json()["stored"]) == (200, 1)
        assert json.loads(socket.recv(timeout=10))["seq"] == 7
        assert post(second, "/send", body | {"speed": -1}).status_code == 422  # its error is passed on
        sources = listed(second, "/api/v1/sources")["sources"]
        assert {each["source"]: each["connections"] for each in sources} == {"car": 1}
        # Without a token nothing passes, also not from server to server.
        assert requests.post(f"{second.url}/send", json=body, timeout=10).status_code == 401
    gone = post(second, "/send", body)
    assert gone.status_code == 404


def test_owner_of_a_connection_that_dies_is_never_reported_as_success(nodes):
    """The server that holds a connection is stopped, then killed, during `POST /send` from another one: 503, then 404, never 200"""
    first, second = nodes()
    with first.connect("/ws?source=car"):
        (connection,) = wait_for(lambda: listed(second, "/api/v1/connections")["connections"], 10)
        first.process.send_signal(signal.SIGSTOP)
        assert listed(second, "/api/v1/connections")["missing"] != []
        body = {"connection_id": connection["id"], "speed": 42.0, "timestamp": 1_800_000_000, "seq": 7}
        threading.Timer(1.0, first.process.send_signal, [signal.SIGKILL]).start()
        answer = post(second, "/send", body)
        assert answer.status_code == 503
        assert "may be stored" in answer.json()["detail"]
        wait_for(lambda: post(second, "/send", body).status_code == 404, 30)  # once its lease has run out


def two(found):
    return found if len(found) == 2 else None


def test_events_are_delivered_once_also_when_their_server_is_stopped_and_goes_on(mariadb, run, hook):
    """The server that delivers events is stopped (SIGSTOP) until another one has taken over, and goes on: each event is delivered once"""
    url = mariadb.create("speed")
    settings = {"SPEEDDASH_TOKEN": TOKEN, "SPEEDDASH_WEBHOOK_URL": hook.url}
    servers = [run(url, SPEEDDASH_NODE_URL=NODE_URL, **settings) for _ in range(2)]
    requests.patch(
        f"{servers[0].url}/api/v1/sources/car", json={"limit_kmh": 100}, headers=servers[0].headers, timeout=10
    ).raise_for_status()

    def holder():
        with mariadb.connect(database="speed") as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT url FROM speed_lease JOIN speed_node USING (node) WHERE name = 'background' "
                "AND speed_lease.expires_us > TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))"
            )
            found = cursor.fetchone()
        return found and next(each for each in servers if str(each.port) in found[0])

    moments = itertools.count(time.time() - 3, 6)  # events from before the limit are not delivered

    def violate(server):
        first_s = next(moments)
        readings = [
            {"source": "car", "timestamp": first_s + n, "seq": 0, "speed": speed}
            for n, speed in enumerate((50, 120, 130, 50))
        ]
        # A server that was stopped has lost its connections to the database, and answers 503 at first.
        wait_for(lambda: post(server, "/api/v1/readings", readings).ok, 30)

    first = wait_for(holder, 20)
    (second,) = [each for each in servers if each is not first]
    violate(second)
    wait_for(lambda: len(hook.got) == 1, 20)
    first.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: holder() is second, 90)
    violate(second)
    wait_for(lambda: len(hook.got) == 2, 20)
    first.process.send_signal(signal.SIGCONT)
    violate(first)
    wait_for(lambda: len(hook.got) == 3, 30)
    time.sleep(3)  # rounds of both servers: time for what must not happen
    assert len({each["start"] for each in hook.got}) == len(set(hook.keys)) == len(hook.got) == 3
    assert holder() is second
