"""Floods, stalls and bombs without a token, beside an honest sender."""

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import requests

from tests.network.test_websocket import memory_mb
from tests.rawsocket import RawSocket
from tests.running import ROOT, RunningServer

#: Of the server: its own.
SETTINGS: dict[str, str] = {}
READING = b'{"speed": 1}'
#: Below it a factor says nothing: it is what this machine's scheduler does to anyone.
FLOOR_MS = 1.0
GROWTH_MB = 48
#: The best of so many counts: others work on this machine too.
ROUNDS = 10
#: These come back with a connection for each that is closed: measured once the burst that every address may make is over.
RETURNING = {"tiny frames", "pings", "empty fragments", "giant frames", "giant body", "bombs"}
BURST_S = 2
LONG = ["silent", "slow bodies", "pings", "empty fragments", "giant frames", "giant body", "endless body", "bombs"]
#: Beyond it an attack does nothing new; it is opened in pieces on a slow machine.
LASTS_S = 20


@pytest.fixture(scope="module")
def sender(server: RunningServer) -> Iterator[RawSocket]:
    """An honest sender."""
    with RawSocket(server.port, "/ws?source=innocent") as sender:
        latency_ms(sender, 200)
        yield sender


def latency_ms(sender: RawSocket, count: int) -> float:
    """The median time to a receipt, one reading after the other."""
    waits = []
    for _ in range(count):
        began = time.perf_counter()
        sender.send(READING)
        assert sender.receive_text() == READING
        waits.append(time.perf_counter() - began)
    return statistics.median(waits) * 1000


def healthz_s(server: RunningServer) -> float:
    began = time.monotonic()
    assert requests.get(f"{server.url}/healthz", timeout=1).ok
    return time.monotonic() - began


@contextlib.contextmanager
def client(*arguments: str) -> Iterator[subprocess.Popen]:
    """A Python process that has printed that it is ready."""
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def attack(
    server: RunningServer, kind: str, lasts_s: float = LASTS_S
) -> contextlib.AbstractContextManager[subprocess.Popen]:
    return client("-m", "tests.hostile.attacker", kind, str(server.port), str(lasts_s))


def beside(server: RunningServer, sender: RawSocket, kind: str, count: int) -> tuple[float, float]:
    """Latency and the slowest answer of /healthz while an attack is under way."""
    with attack(server, kind) as attacker:
        slowest = healthz_s(server)
        if kind in RETURNING:
            time.sleep(BURST_S)  # see RETURNING
        latency = latency_ms(sender, count)
        assert attacker.poll() is None, "the attack ended before it was measured"
        return latency, max(slowest, healthz_s(server), healthz_s(server))


@pytest.mark.alone
@pytest.mark.long
def test_thousands_of_connects_a_second_are_survived(server, sender, record_property):
    """Twenty thousand connections a second from one address: HTTP answers within a second, memory does not grow."""
    before_mb = memory_mb(server)
    with attack(server, "connects", 2) as attacker:
        waits = []
        while attacker.poll() is None:
            waits.append(healthz_s(server))
        rate = float(attacker.stdout.readline())
    record_property("connects_per_s", round(rate))
    record_property("healthz_ms", round(max(waits) * 1000, 1))
    record_property("memory_grown_mb", round(memory_mb(server) - before_mb, 1))
    assert rate > 10_000
    assert max(waits) < 1
    assert memory_mb(server) - before_mb < GROWTH_MB


@pytest.mark.alone
@pytest.mark.parametrize(
    "kind",
    ["connects", "slow heads", "tiny frames", *[pytest.param(each, marks=pytest.mark.long) for each in LONG]],
)
def test_flood_leaves_http_memory_and_others_alone(server, sender, kind, request, record_property):
    """During each flood HTTP answers within a second, memory does not grow, and others wait at most twice as long (from 1 ms up) after the first burst."""
    count = max(100, 25 * request.config.getoption("--cycles"))
    before_mb = memory_mb(server)
    rounds = []
    grown = 0.0
    for _ in range(ROUNDS):
        normal = latency_ms(sender, count)
        load, _ = beside(server, sender, "busy", count)
        under, slowest_s = beside(server, sender, kind, count)
        # After the first round: memory that later rounds add is fragmentation (it levels off after some 20).
        grown = grown or memory_mb(server) - before_mb
        rounds.append((under / max(normal, FLOOR_MS), normal, load, under, slowest_s))
        if rounds[-1][0] <= 2:
            break
    factor, normal, load, under, slowest_s = min(rounds)
    record_property("normal_ms", round(normal, 2))
    record_property("beside_a_busy_loop_ms", round(load, 2))
    record_property("under_attack_ms", round(under, 2))
    record_property("memory_grown_mb", round(grown, 1))
    record_property("healthz_ms", round(slowest_s * 1000, 1))
    assert slowest_s < 1
    assert grown < GROWTH_MB
    assert factor <= 2
