"""Thousands of sockets on one process, each at one reading a second."""

import resource
import select
import statistics
import time

from benchmarks import servers
from benchmarks.load import STALLED_S, Frames, Sender, connect, percentile
from benchmarks.progress import Progress
from benchmarks.report import Report, Target

SECONDS = 20


def run(report: Report, runs: int, count: int) -> None:
    """Open `count` sockets, send on each once a second, and time every echo.

    Raises:
        AssertionError: An echo was wrong.
        ConnectionError: A socket was closed, or its echo took over a second.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    frames = Frames(SECONDS, 1)
    with servers.mariadb() as database:
        for _ in range(runs):
            with servers.speeddash(database.create("speeddash")) as (port, pid):
                before = servers.memory_bytes(pid)
                senders = [Sender(connect(port, f"/ws?source=car-{at}")) for at in range(count)]
                times_ms = _drive(senders, frames)
                memory = (servers.memory_bytes(pid) - before) / count / 1024
                for sender in senders:
                    sender.socket.close()
            report.add("dropped", count * SECONDS - servers.rows(database, "speeddash"))
            report.add("median ms", statistics.median(times_ms))
            report.add("99 % ms", percentile(times_ms, 99))
            report.add("KiB a socket", memory)
    for name, most, unit in (
        ("dropped", 0, ""),
        ("median ms", 20, "ms"),
        ("99 % ms", 250, "ms"),
        ("KiB a socket", 64, "KiB"),
    ):
        report.targets.append(Target(f"{count:,} sockets: {name}", at_most=most, runs=report.figures[name], unit=unit))


def _drive(senders: list[Sender], frames: Frames) -> list[float]:
    """Send evenly over each second; milliseconds from each sending to its echo."""
    poll = select.epoll()
    by_number = {sender.socket.fileno(): sender for sender in senders}
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    sent_at: dict[int, float] = {}
    times_ms: list[float] = []
    total, sent = len(senders) * SECONDS, 0
    progress = Progress(f"{len(senders):,} sockets", SECONDS)
    began = heard = time.perf_counter()
    while len(times_ms) < total:
        now = time.perf_counter()
        while sent < total and now >= began + sent / len(senders):
            _send(senders[sent % len(senders)], frames, sent_at)
            sent, now = sent + 1, time.perf_counter()
        for number, _ in poll.poll(max(0.0, min(0.01, began + sent / len(senders) - now))):
            sender = by_number[number]
            data = sender.socket.recv(1 << 16)
            at = sender.received
            sender.received += len(data)
            if not data or frames.echoed[at : sender.received] != data:
                raise AssertionError(f"not the echo of what was sent: {data[:200]!r}")
            heard = time.perf_counter()
            if sender.received == frames.echoed_ends[sender.sent]:
                times_ms.append(1000 * (heard - sent_at[number]))
        if now - heard > STALLED_S:
            raise ConnectionError(f"no echo for {STALLED_S:g} s")
        progress.at(now - began)
    progress.done()
    return times_ms


def _send(sender: Sender, frames: Frames, sent_at: dict[int, float]) -> None:
    if sender.received != frames.echoed_ends[sender.sent]:
        raise ConnectionError("an echo took over a second")
    first, end = frames.sent_ends[sender.sent], frames.sent_ends[sender.sent + 1]
    sent_at[sender.socket.fileno()] = time.perf_counter()
    sender.socket.sendall(frames.sent[first:end])
    sender.sent += 1
