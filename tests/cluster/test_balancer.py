"""Two servers behind HAProxy or nginx, as docs/cluster.md configures them, restarted one after the other under load."""

import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import requests

from tests.cluster.watcher import NODE_URL, TOKEN, Watcher, made
from tests.conftest import require
from tests.faults.fleet import Fleet
from tests.mariadb import free_port
from tests.running import ROOT, RunningServer, wait_for

pytestmark = pytest.mark.cluster
#: From the restart of a server to the next answer of each watcher.
RECONNECTED_S = 10.0
HAPROXY = """
global
    maxconn 5000
defaults
    mode http
    timeout connect 1s
    timeout client 1h
    timeout server 30s
frontend front
    bind 127.0.0.1:{port}
    default_backend speeddash
{example}
"""
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 5000; }}
http {{
    access_log off;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
{example}
}}
"""
#: The frame around each example, the word before it in the document, and the command.
BALANCERS = {
    "haproxy": (HAPROXY, "HAProxy:", ["haproxy", "-db", "-f"]),
    "nginx": (NGINX, "nginx:", ["nginx", "-c"]),
}


class Balancer:
    """A balancer as the documentation configures it, before servers on this machine."""

    connect, readings = RunningServer.connect, RunningServer.readings

    def __init__(self, kind, folder, servers):
        frame, word, command = BALANCERS[kind]
        text = (ROOT / "docs/cluster.md").read_text()
        example = re.search(rf"{word}\n\n((?: {{4}}.*\n)+)", text)[1]
        for at, server in enumerate(servers, 1):
            example = example.replace(f"10.0.0.{at}:8765", f"127.0.0.1:{server.port}")
        self.port = free_port()
        example = example.replace("listen 80;", f"listen 127.0.0.1:{self.port};")
        assert "10.0.0" not in example
        self.url, self.headers = f"http://localhost:{self.port}", servers[0].headers
        path = folder / f"{kind}.conf"
        dedented = example.replace("\n    ", "\n").removeprefix("    ")
        path.write_text(frame.format(port=self.port, folder=folder, example=dedented))
        self._log = (folder / "log").open("w+b")  # nginx says much while a server is away: a pipe would be full
        self.process = subprocess.Popen([*command, str(path)], stdout=self._log, stderr=self._log)
        wait_for(self._answers, 20)

    def _answers(self):
        assert self.process.poll() is None, Path(self._log.name).read_text()
        try:
            return requests.get(f"{self.url}/readyz", headers=self.headers, timeout=5).ok
        except requests.RequestException:
            return False

    def stop(self):
        self.process.terminate()  # killed, nginx would leave its workers
        self.process.wait(10)
        self._log.close()


@pytest.mark.parametrize("kind", BALANCERS)
def test_servers_are_restarted_one_after_the_other_and_nothing_is_lost(
    kind, run, mariadb, bus, tmp_path, cycles, record_property
):
    """Rolling restart of all servers behind a load balancer, then of the bus, under load with watchers"""
    require(shutil.which(kind), kind)
    url = mariadb.create("speed")
    settings = {"SPEEDDASH_TOKEN": TOKEN, "SPEEDDASH_BUS_URL": bus.url, "SPEEDDASH_PROXIES": "1"}
    servers = [run(url, SPEEDDASH_NODE_URL=NODE_URL, **settings) for _ in range(2)]
    balancer = Balancer(kind, tmp_path, servers)
    watchers = []
    try:
        with Fleet(balancer.port, senders=8, pace_s=0.05, token=TOKEN, name="rolling") as fleet:
            sources = [each.source for each in fleet.senders]
            watchers = [Watcher(balancer, sources) for _ in range(100 if cycles >= 20 else 10)]
            fleet.under_way(20)
            slowest_s = 0.0
            for restart in (*[server_restart(each) for each in servers], lambda: (bus.stop(), bus.start())):
                restart()
                began = time.monotonic()
                counts = [len(each.held) for each in watchers]
                wait_for(lambda: all(len(each.held) > count for each, count in zip(watchers, counts, strict=True)), 60)  # noqa: B023
                slowest_s = max(slowest_s, time.monotonic() - began)
                fleet.heal(60)
            record_property("watchers_again_after_s", round(slowest_s, 1))
            assert cycles < 20 or slowest_s < RECONNECTED_S
            fleet.settle(url, record_property, 60)
            for each in watchers:
                wait_for(lambda: each.held >= made(fleet), 30)  # noqa: B023
    finally:
        for each in watchers:
            each.ending = True
        balancer.stop()
        for each in watchers:
            each.end()


def server_restart(server):
    def restart():
        assert server.stop(signal.SIGTERM) == 0
        server.start()

    return restart
