"""Several processes on one port: each connection reaches one of them, a dead one is replaced, and all stop together."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from tests.cluster.watcher import Watcher, made
from tests.faults.fleet import Fleet
from tests.running import ROOT, wait_for

pytestmark = pytest.mark.cluster


def worker_pids(server):
    """The children of the supervisor."""
    pid = server.process.pid
    return sorted(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def node_urls(mariadb):
    with mariadb.connect(database="speed") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT url FROM speed_node ORDER BY url")
        return [url for (url,) in cursor.fetchall()]


@pytest.mark.parametrize("with_bus", [True, False], ids=["bus", "no bus"])
def test_workers_share_one_port_and_their_readings(run, mariadb, bus, with_bus):
    url = mariadb.create("speed")
    server = run(url, SPEEDDASH_WORKERS="2", SPEEDDASH_BUS_URL=bus.url if with_bus else "")
    wait_for(lambda: server.output.count("SpeedDash is running") == 1)
    assert len(worker_pids(server)) == 2
    urls = wait_for(lambda: found if len(found := node_urls(mariadb)) == 2 else None)
    for each in urls:  # the metrics of each worker
        assert "speeddash_readings_stored_total" in requests.get(f"{each}/metrics", timeout=5).text
    with Fleet(server.port, senders=16, pace_s=0.05) as fleet:
        fleet.under_way()
        busy = [
            each
            for each in urls
            if requests.get(f"{each}/api/v1/connections?local=true", timeout=5).json()["connections"]
        ]
        assert busy == urls  # the system spreads 16 connections over both
        assert len(requests.get(f"{server.url}/api/v1/connections", timeout=5).json()["connections"]) == 16
        watchers = [Watcher(server, [each.source for each in fleet.senders]) for _ in range(4)]
        fleet.under_way(20)
        fleet.rest()
        for each in watchers:
            wait_for(lambda: each.held >= made(fleet), 20)  # noqa: B023 - called before the next round
            each.end()


def test_worker_that_dies_is_replaced_and_nothing_is_lost(run, mariadb, bus, cycles, record_property):
    """A worker of two is killed with SIGKILL under load, again and again"""
    url = mariadb.create("speed")
    server = run(url, SPEEDDASH_WORKERS="2", SPEEDDASH_BUS_URL=bus.url)
    with Fleet(server.port, senders=8) as fleet:
        for _ in range(max(2, cycles)):
            fleet.under_way()
            before = worker_pids(server)
            os.kill(before[0], signal.SIGKILL)
            wait_for(lambda: len(now := worker_pids(server)) == 2 and now != before, 30)  # noqa: B023
            fleet.heal(30)
        fleet.settle(url, record_property, 30)
    assert "another one takes its place" in server.output


def test_all_workers_stop_with_sigterm_soon_and_what_was_echoed_is_stored(run, mariadb, record_property):
    url = mariadb.create("speed")
    server = run(url, SPEEDDASH_WORKERS="2")
    with Fleet(server.port, senders=8) as fleet:
        fleet.under_way()
        pids = worker_pids(server)
        began = time.monotonic()
        assert server.stop() == 0
        record_property("stopped_after_s", round(time.monotonic() - began, 1))
        assert not [each for each in pids if Path(f"/proc/{each}").exists()]
        assert fleet.verify(url).kept
        server.start()
        fleet.settle(url, record_property, 30)


def test_workers_end_when_their_supervisor_is_killed(run, mariadb):
    server = run(mariadb.create("speed"), SPEEDDASH_WORKERS="2")
    pids = worker_pids(server)
    server.process.kill()
    wait_for(lambda: not [each for each in pids if Path(f"/proc/{each}").exists()], 15)


def test_several_workers_on_sqlite_are_refused_in_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "run.py", "--workers", "2", "--port", "0", "--database-url", f"sqlite:///{tmp_path}/speed.db"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "speeddash: SPEEDDASH_WORKERS: several workers need MySQL or MariaDB; an SQLite file is for one process"
    ]


def test_workers_do_not_share_the_port_of_another_server(run, mariadb):
    server = run(mariadb.create("first"), SPEEDDASH_WORKERS="2")
    command = [sys.executable, "run.py", "--workers", "2", "--port", str(server.port)]
    done = subprocess.run(
        [*command, "--database-url", mariadb.create("second")],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "address already in use" in done.stderr


def test_connection_made_at_one_worker_is_sent_to_through_any(run, mariadb):
    server = run(mariadb.create("speed"), SPEEDDASH_WORKERS="3")
    wait_for(lambda: len(node_urls(mariadb)) == 3)
    with server.connect("/ws?source=car") as socket:
        (connection,) = wait_for(
            lambda: requests.get(f"{server.url}/api/v1/connections", timeout=5).json()["connections"]
        )
        for n in range(12):
            body = {"connection_id": connection["id"], "speed": 1.0 + n}
            assert requests.post(f"{server.url}/send", json=body, timeout=10).json()["stored"] == 1
            assert json.loads(socket.recv(timeout=10))["speed"] == 1.0 + n
