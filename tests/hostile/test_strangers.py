"""Requests without a token, beside an honest sender."""

import time
from collections.abc import Iterator

import pytest

from tests.auth.test_access import TOKEN
from tests.hostile.attacker import STRANGERS
from tests.hostile.test_floods import READING, attack
from tests.rawsocket import RawSocket
from tests.running import RunningServer

SETTINGS = {"SPEEDDASH_TOKEN": TOKEN}
#: A normal p99 below it says nothing: it is what this machine's scheduler does to anyone.
FLOOR_MS = 4.0
ROUNDS = 10
#: One of each way to be refused: by the head, by the form, by the token, by the page, and before a request is read.
SHORT = {
    "Content-Type",
    "Cookie with 2,600 names",
    "sign-in form in parts",
    "wrong tokens",
    "pipelined page",
    "invalid request line",
}


@pytest.fixture(scope="module")
def sender(server: RunningServer) -> Iterator[RawSocket]:
    with RawSocket(server.port, "/ws?source=honest", headers=f"Authorization: Bearer {TOKEN}\r\n") as sender:
        waits_ms(sender, 200)
        yield sender


def waits_ms(sender: RawSocket, count: int) -> tuple[float, float]:
    """Median and 99th percentile of the time to an echo, one reading after the other."""
    waits = []
    for _ in range(count):
        began = time.perf_counter()
        sender.send(READING)
        assert sender.receive_text() == READING
        waits.append((time.perf_counter() - began) * 1000)
    waits.sort()
    return waits[count // 2], waits[count * 99 // 100]


@pytest.mark.alone
@pytest.mark.parametrize(
    "kind", [each if each in SHORT else pytest.param(each, marks=pytest.mark.long) for each in STRANGERS]
)
def test_requests_without_a_token_delay_no_sender(server, sender, kind, request, record_property):
    """Beside each kind of request an honest sender's p99 is at most five times its p99 without them (from 4 ms up)."""
    count = max(200, 25 * request.config.getoption("--cycles"))
    rounds = []
    for _ in range(ROUNDS):
        normal = min(waits_ms(sender, count)[1] for _ in range(2))  # the first may still feel the attack before
        with attack(server, kind) as attacker:
            median, under = waits_ms(sender, count)
            assert attacker.poll() is None, "the attack ended before it was measured"
        rounds.append((under / max(normal, FLOOR_MS), normal, median, under))
        if rounds[-1][0] <= 5:
            break
    factor, normal, median, under = min(rounds)
    record_property("normal_p99_ms", round(normal, 2))
    record_property("under_attack_ms", round(median, 2))
    record_property("under_attack_p99_ms", round(under, 2))
    assert factor <= 5
