"""Two servers work on the same source at once, also with clocks that differ: the outcome is as if one had worked after the other."""

import threading
import time
from datetime import UTC, datetime
from itertools import pairwise

import pytest
import requests

from tests.cluster.watcher import NODE_URL, TOKEN
from tests.conftest import require
from tests.faults.clock import LIBRARIES, Clock
from tests.running import wait_for

pytestmark = pytest.mark.cluster
HOURS = 5
SPEEDS = (0, 60, 99, 101, 140, 101, 80, 0)


def get(server, path, **query):
    answer = requests.get(f"{server.url}/api/v1/{path}", query, headers=server.headers, timeout=30)
    answer.raise_for_status()
    return answer.json()


def limit(server, kmh, source="car"):
    return requests.patch(
        f"{server.url}/api/v1/sources/{source}", json={"limit_kmh": kmh}, headers=server.headers, timeout=60
    )


def import_csv(server, text, source="car"):
    query = {"source": source, "name": "drive.csv", "unit": "kmh"}
    return requests.post(f"{server.url}/api/v1/import", text, params=query, headers=server.headers, timeout=60)


def readings_of_hours(now):
    """A reading every 20 s, for some hours until now, above 100 km/h again and again."""
    first = now - HOURS * 3600
    return [(first + n * 20, float(SPEEDS[n % len(SPEEDS)])) for n in range(HOURS * 180)]


def csv(readings):
    return "timestamp,speed\n" + "".join(f"{at},{speed}\n" for at, speed in readings)


def answers(server):
    """Everything that is computed from the readings of the source."""
    return {
        "events": get(server, "events", source="car", limit=1000)["events"],
        "summary": get(server, "summary", source="car"),
        "trips": get(server, "trips", source="car")["trips"],
        "series": get(server, "series", source="car", points=500),
    }


def nearly(value):
    """The same with floats to nine digits: sums of rollups are added up in another order."""
    if isinstance(value, dict):
        return {name: nearly(each) for name, each in value.items()}
    if isinstance(value, list):
        return [nearly(each) for each in value]
    return pytest.approx(value, rel=1e-9) if isinstance(value, float) else value


def recomputed(run, tmp_path, readings, kmh):
    """What one server makes of the same readings and limit, in a new database."""
    alone = run(f"sqlite:///{tmp_path}/again.db")
    assert limit(alone, kmh).ok
    assert import_csv(alone, csv(readings)).ok
    wait_for(lambda: get(alone, "events", source="car")["events"], 30)
    return alone


def events_of(readings, kmh):
    """Starts of the events, counted by hand."""
    return [at for (_, before), (at, speed) in pairwise(readings) if speed > kmh >= before]


def test_servers_whose_clocks_differ_compute_the_same(run, mariadb, tmp_path, cycles):
    """The clocks of two servers are 30 s apart: rollups and events equal a recomputation"""
    require(LIBRARIES[0] if LIBRARIES else None, "libfaketime")
    url = mariadb.create("speed")
    servers = []
    for name, offset_s in (("ahead", 15), ("after", -15)):
        clock = Clock(tmp_path / name)
        clock.set(offset_s)
        servers.append(run(url, command=clock.command, SPEEDDASH_NODE_URL=NODE_URL, SPEEDDASH_TOKEN=TOKEN))
    assert limit(servers[0], 100).ok
    readings = readings_of_hours(int(time.time()))
    for at in range(0, len(readings), 50):  # by turns through the one and the other
        part = [{"source": "car", "timestamp": each, "speed": speed} for each, speed in readings[at : at + 50]]
        server = servers[at // 50 % 2]
        requests.post(f"{server.url}/api/v1/readings", json=part, headers=server.headers, timeout=30).raise_for_status()
    expected = events_of(readings, 100)
    wait_for(lambda: len(get(servers[0], "events", source="car", limit=1000)["events"]) == len(expected), 60)
    if cycles >= 20:  # an hour is rolled up two minutes after its last reading
        wait_until_rolled_up(mariadb)
    alone = recomputed(run, tmp_path, readings, 100)
    wait_for(lambda: answers(alone)["events"] == answers(servers[0])["events"], 30)
    for each in servers:
        assert answers(each) == nearly(answers(alone))
    starts = [datetime.fromisoformat(each["start"]).timestamp() for each in answers(servers[1])["events"]]
    assert sorted(starts) == expected


def test_limit_and_import_of_one_source_at_two_servers_at_once(run, mariadb, tmp_path, cycles):
    """Two servers get the same file and another limit of the same source at once: each reading is stored once, one limit holds, and events are those of this limit"""
    url = mariadb.create("speed")
    servers = [run(url, SPEEDDASH_NODE_URL=NODE_URL, SPEEDDASH_TOKEN=TOKEN) for _ in range(2)]
    readings = readings_of_hours(int(time.time()))
    codes = []

    def work(server, kmh):
        codes.append(import_csv(server, csv(readings)).status_code)
        codes.append(limit(server, kmh).status_code)

    for _ in range(max(2, cycles // 10)):
        threads = [threading.Thread(target=work, args=each) for each in zip(servers, (100, 120), strict=True)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(120)
    assert set(codes) == {200}
    assert get(servers[0], "summary", source="car")["count"] == len(readings)
    kmh = get(servers[0], "sources/car")["limit_kmh"]
    assert kmh in (100, 120)
    expected = events_of(readings, kmh)
    for each in servers:
        wait_for(lambda: starts_of(each) == expected, 60)  # noqa: B023 - called before the next round
        assert get(each, "sources/car")["limit_kmh"] == kmh


def starts_of(server):
    events = get(server, "events", source="car", limit=1000)["events"]
    return sorted(datetime.fromisoformat(each["start"]).astimezone(UTC).timestamp() for each in events)


def wait_until_rolled_up(mariadb):
    """Wait until every hour is rolled up but those that may still get readings."""

    def waiting():
        with mariadb.connect(database="speed") as connection, connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM speed_dirty")
            return cursor.fetchone()[0]

    wait_for(lambda: waiting() <= 2, 300)
