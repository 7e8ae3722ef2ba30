"""Readings on their way to many watchers, beside a bare broadcast of Node that stores nothing."""

import os
import resource
import select
import statistics
import time
from dataclasses import dataclass, field

import orjson

from benchmarks import servers
from benchmarks.load import connect, encoded, percentile
from benchmarks.progress import Progress
from benchmarks.report import Report, Target

SECONDS = 10
#: Not counted: the first readings of a run.
WARM_UP_S = 2
#: After the last reading, until everything must have arrived.
GRACE_S = 10
#: As the page asks: ten answers a second at most, 5 s of them without a new pull.
PULL = b'{"pull":1,"answers":50,"interval_ms":100}'
RENEW_AFTER = 25
#: As before: one pull for each answer.
SINGLE_PULL = b'{"pull":1}'


@dataclass(frozen=True)
class Scenario:
    """Who sends how often, and who watches what."""

    name: str
    sources: int
    per_s: int
    watchers: int
    #: Sources of each watcher.
    watched: int = 1


SCENARIOS = (
    Scenario("1 source at 10/s, 1,000 watchers", 1, 10, 1_000),
    Scenario("1 source at 10/s, 3,000 watchers", 1, 10, 3_000),
    Scenario("100 sources at 1/s, 1,000 watchers of all", 100, 1, 1_000, watched=100),
    Scenario("500 sources at 10/s, 1,000 watchers", 500, 10, 1_000),
    Scenario("1,000 senders at 1/s, 1,000 watchers", 1_000, 1, 1_000),
)
ALONE = Scenario("1,000 senders at 1/s, nobody watches", 1_000, 1, 0)


def run(report: Report, runs: int, only: str | None) -> None:
    """Run every scenario `runs` times on each server, one after the other."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    node = servers.node()
    chosen = [each for each in (*SCENARIOS, ALONE) if only is None or only in each.name]
    with servers.mariadb() as database:
        for _ in range(runs):
            for scenario in chosen:
                with servers.speeddash(database.create("speeddash")) as (port, pid):
                    _measure(report, scenario, "SpeedDash", port, pid, PULL)
                if scenario.watchers:
                    with servers.speeddash(database.create("speeddash")) as (port, pid):
                        _measure(report, scenario, "SpeedDash, a pull for each answer", port, pid, SINGLE_PULL)
                if node and scenario.watchers:
                    with servers.broadcast() as (port, pid):
                        _measure(report, scenario, "Node broadcast", port, pid, None)
    _targets(report, chosen, node=bool(node))


@dataclass
class _Watcher:
    """One watcher: what it has received of each source."""

    socket: object
    pull: bytes | None
    next: dict[str, int] = field(default_factory=dict)
    partial: bytes = b""
    answers: int = 0


class _Load:
    """All senders and watchers of one scenario, in one event loop."""

    def __init__(self, scenario: Scenario, port: int, pull: bytes | None) -> None:
        self.scenario = scenario
        self.names = [f"car-{at}" for at in range(scenario.sources)]
        self.pull = encoded(pull, os.urandom(4)) if pull else None
        self.renew_after = 1 if pull == SINGLE_PULL else RENEW_AFTER
        self.poll = select.epoll()
        self.sent_at: list[list[float]] = [[] for _ in self.names]
        self.delivered = 0
        self.wrong = 0
        self.waits_ms: list[float] = []
        self.echoes_ms: list[float] = []
        self.counted_from = float("inf")
        self.index = {name: at for at, name in enumerate(self.names)}
        self.senders = [connect(port, f"/ws?source={name}") for name in self.names]
        self.echo_of = {each.fileno(): at for at, each in enumerate(self.senders)}
        self.echoes = [0] * len(self.senders)
        self.watchers: dict[int, _Watcher] = {}
        for each in self.senders:
            each.setblocking(False)
            self.poll.register(each, select.EPOLLIN)
        for at in range(scenario.watchers):
            mine = [self.names[(at * scenario.watched + n) % scenario.sources] for n in range(scenario.watched)]
            socket = connect(port, "/ws/live?" + "&".join(f"source={name}" for name in mine))
            socket.setblocking(False)
            self.watchers[socket.fileno()] = _Watcher(socket, self.pull, dict.fromkeys(mine, 0))
            self.poll.register(socket, select.EPOLLIN)
            if self.pull:
                socket.sendall(self.pull)

    def drive(self) -> None:
        """Send evenly for the time of the scenario, and wait until everything has arrived."""
        sources, per_s = self.scenario.sources, self.scenario.per_s
        a_second = sources * per_s
        total = a_second * (SECONDS + WARM_UP_S)
        progress = Progress(self.scenario.name, SECONDS + WARM_UP_S)
        began = time.perf_counter()
        self.counted_from = began + WARM_UP_S
        sent = 0
        expected = self.scenario.watchers * self.scenario.watched * per_s * (SECONDS + WARM_UP_S)
        ends = began + SECONDS + WARM_UP_S + GRACE_S
        while (self.delivered < expected or sum(self.echoes) < total) and (now := time.perf_counter()) < ends:
            while sent < total and now >= began + sent / a_second:
                self._send(sent % sources, sent // sources)
                sent, now = sent + 1, time.perf_counter()
            due = began + sent / a_second - now if sent < total else 0.05
            for number, _ in self.poll.poll(max(0.0, min(0.05, due))):
                self._read(number)
            progress.at(now - began)
        progress.done()
        self.missing = expected - self.delivered

    def close(self) -> None:
        """Close all sockets."""
        for each in [*self.senders, *(watcher.socket for watcher in self.watchers.values())]:
            each.close()  # type: ignore[attr-defined]
        self.poll.close()

    def _send(self, source: int, seq: int) -> None:
        text = b'{"speed":%d,"seq":%d,"source":"%b"}' % (seq % 180, seq, self.names[source].encode())
        self.sent_at[source].append(time.perf_counter())
        self.senders[source].sendall(encoded(text, bytes(4)))

    def _read(self, number: int) -> None:
        now = time.perf_counter()
        if number in self.echo_of:
            at = self.echo_of[number]
            data = self.senders[at].recv(1 << 16)
            for _ in _messages(data)[0]:  # an echo is small: it never comes in parts
                began = self.sent_at[at][self.echoes[at]]
                self.echoes[at] += 1
                if began >= self.counted_from:
                    self.echoes_ms.append(1000 * (now - began))
            return
        watcher = self.watchers[number]
        data = watcher.socket.recv(1 << 18)  # type: ignore[attr-defined]
        if not data:
            raise ConnectionError("a watcher was closed")
        messages, watcher.partial = _messages(watcher.partial + data)
        for message in messages:
            answer = orjson.loads(message)
            pairs = (
                ((answer["source"], answer["seq"]),)
                if watcher.pull is None
                else zip(answer["source"], answer["seq"], strict=True)
            )
            for source, seq in pairs:
                self.wrong += watcher.next[source] != seq
                watcher.next[source] = seq + 1
                self.delivered += 1
                began = self.sent_at[self.index[source]][seq]
                if began >= self.counted_from:
                    self.waits_ms.append(1000 * (now - began))
            watcher.answers += 1
            if watcher.pull and watcher.answers % self.renew_after == 0:
                watcher.socket.sendall(watcher.pull)  # type: ignore[attr-defined]


def _messages(data: bytes) -> tuple[list[bytes], bytes]:
    """The whole text messages of a server, and the rest."""
    found, at, end = [], 0, len(data)
    while at + 2 <= end:
        size, start = data[at + 1], at + 2
        if size >= 126:
            start += 2 if size == 126 else 8
            size = int.from_bytes(data[at + 2 : start], "big")
        if start + size > end:
            break
        if data[at] & 15 == 1:
            found.append(data[start : start + size])
        at = start + size
    return found, data[at:]


def _measure(report: Report, scenario: Scenario, server: str, port: int, pid: int, pull: bytes | None) -> None:
    before_bytes = servers.memory_bytes(pid)
    load = _Load(scenario, port, pull)
    grown_bytes = servers.memory_bytes(pid) - before_bytes
    before_s = servers.cpu_s(pid)
    try:
        load.drive()
    finally:
        cpu_s = servers.cpu_s(pid) - before_s
        load.close()
    name = f"{scenario.name}: {server}"
    if scenario.watchers:
        report.add(f"{name}, KiB a socket", grown_bytes / 1024 / (scenario.watchers + scenario.sources))
        report.add(f"{name}, not delivered", load.missing + load.wrong)
        report.add(f"{name}, p50 ms", statistics.median(load.waits_ms))
        report.add(f"{name}, p99 ms", percentile(load.waits_ms, 99))
        report.add(f"{name}, CPU µs for each delivered reading", 1e6 * cpu_s / max(1, load.delivered))
    report.add(f"{name}, echo p99 ms", percentile(load.echoes_ms, 99))


def _targets(report: Report, scenarios: list[Scenario], *, node: bool) -> None:
    figures = report.figures
    for scenario, p50, p99, factor in (
        (SCENARIOS[0], 40.0, 150.0, 4.0),
        (SCENARIOS[1], None, None, 4.0),
        (SCENARIOS[3], None, 250.0, None),
    ):
        if scenario not in scenarios:
            continue
        name = f"{scenario.name}: SpeedDash"
        report.targets.append(
            Target(f"{scenario.name}: not delivered", at_most=0, runs=figures[f"{name}, not delivered"], unit="")
        )
        for what, most in (("p50", p50), ("p99", p99)):
            if most:
                report.targets.append(
                    Target(f"{scenario.name}: {what}", at_most=most, runs=figures[f"{name}, {what} ms"], unit="ms")
                )
        if factor and node:
            runs = report.ratios(f"{name}, p99 ms", f"{scenario.name}: Node broadcast, p99 ms")
            report.targets.append(Target(f"{scenario.name}: p99 beside the broadcast", at_most=factor, runs=runs))
    if SCENARIOS[4] in scenarios and ALONE in scenarios:
        runs = report.ratios(f"{SCENARIOS[4].name}: SpeedDash, echo p99 ms", f"{ALONE.name}: SpeedDash, echo p99 ms")
        report.targets.append(Target("senders' p99 beside 1,000 watchers", at_most=2, runs=runs))
