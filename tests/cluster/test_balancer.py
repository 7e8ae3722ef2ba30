"""Two servers behind HAProxy or nginx, as docs/cluster.md configures them, restarted one after the other under load."""

import os
import re
import shutil
import signal
import ssl
import subprocess
import time
from pathlib import Path

import pytest
import requests
from websockets.sync.client import connect

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
    # deploy/haproxy.cfg, as the containers use it.
    "haproxy file": ("{example}", None, ["haproxy", "-db", "-f"]),
}


class Balancer:
    """A balancer as the documentation configures it, before servers on this machine."""

    connect, readings = RunningServer.connect, RunningServer.readings

    def __init__(self, kind, folder, servers):
        frame, word, command = BALANCERS[kind]
        if word:
            example = re.search(rf"{word}\n\n((?: {{4}}.*\n)+)", (ROOT / "docs/cluster.md").read_text())[1]
        else:
            example = (ROOT / "deploy/haproxy.cfg").read_text()
        for at, server in enumerate(servers, 1):
            for name in (f"10.0.0.{at}:8765", f"node{at}:8765"):
                example = example.replace(name, f"127.0.0.1:{server.port}")
        self.port = free_port()
        example = example.replace("listen 80;", f"listen 127.0.0.1:{self.port};")
        example = example.replace("bind :8765", f"bind 127.0.0.1:{self.port}")
        assert ":8765" not in example
        self.url, self.headers = f"http://localhost:{self.port}", servers[0].headers
        path = folder / "balancer.conf"
        dedented = example.replace("\n    ", "\n").removeprefix("    ") if word else example
        path.write_text(frame.format(port=self.port, folder=folder, example=dedented))
        self._log = (folder / "log").open("w+b")  # nginx says much while a server is away: a pipe would be full
        self.process = subprocess.Popen([*command, str(path)], stdout=self._log, stderr=self._log)
        try:
            wait_for(self._answers, 20)
        except BaseException:
            self.stop()
            raise

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
    program = kind.split()[0]
    require(shutil.which(program), program)
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


def test_caddy_gives_tls_to_page_and_sockets(run, tmp_path):
    """deploy/Caddyfile, with an authority that Caddy makes for the name `localhost`"""
    require(shutil.which("caddy"), "Caddy")
    port = free_port()
    origin = f"https://localhost:{port}"
    server = run(
        f"sqlite:///{tmp_path}/speed.db", SPEEDDASH_TOKEN=TOKEN, SPEEDDASH_PROXIES="1", SPEEDDASH_ALLOWED_ORIGINS=origin
    )
    config = tmp_path / "Caddyfile"
    # Nothing of this machine is changed: neither its list of authorities nor the port of Caddy's administration.
    config.write_text(
        "{\n\tskip_install_trust\n\tadmin off\n\tauto_https disable_redirects\n}\n"
        + (ROOT / "deploy/Caddyfile").read_text()
    )
    env = os.environ | {
        "SITE": origin, "UPSTREAM": f"127.0.0.1:{server.port}", "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path),
    }  # fmt: skip
    authority = tmp_path / "caddy/pki/authorities/local/root.crt"
    with (tmp_path / "log").open("wb") as log:
        caddy = subprocess.Popen(
            ["caddy", "run", "--adapter", "caddyfile", "--config", config], env=env, stdout=log, stderr=log
        )
    try:

        def answer(path):
            assert caddy.poll() is None, (tmp_path / "log").read_text()
            try:
                return requests.get(f"{origin}{path}", headers=server.headers, verify=str(authority), timeout=5)
            except (requests.RequestException, OSError):
                return None

        wait_for(lambda: answer("/readyz"), 60)
        signed_in = requests.get(
            f"{origin}/", {"token": TOKEN}, verify=str(authority), timeout=5, allow_redirects=False
        )
        assert "Secure" in signed_in.headers["Set-Cookie"]
        context = ssl.create_default_context(cafile=str(authority))
        with connect(
            f"wss://localhost:{port}/ws?source=car", ssl=context, origin=origin, additional_headers=server.headers
        ) as socket:
            socket.send('{"speed": 52.5}')
            assert socket.recv(10) == '{"speed": 52.5}'
        assert [each["speed"] for each in answer("/api/v1/readings").json()["readings"]] == [52.5]
    finally:
        caddy.terminate()
        caddy.wait(20)
