"""What several processes cost: CPU time for each echoed reading, and the way from a sender at one process to a watcher at another."""

import json
import multiprocessing
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path

import requests
from websockets.sync.client import connect

from benchmarks import servers
from benchmarks.load import Frames, throughput
from benchmarks.progress import Progress
from benchmarks.report import Report, Target
from tests.cluster.bus import Redis, private_redis
from tests.mariadb import MariaDB, free_port
from tests.running import wait_for

CONTEXT = multiprocessing.get_context("spawn")
CLIENTS = 100
WARM_UP_S = 1.0
COUNTS = 2, 4
ALONE = "one process"
NODE = "one process that knows of others"
BUS = "the same, with the bus and a watcher at another"
PACE = 1_000
#: The clock of today as a speed, which is at most 2,000.
OFFSET_S = time.time() - 1_000


def run(report: Report, runs: int, seconds: float) -> None:
    """Run everything `runs` times, one after the other.

    Raises:
        AssertionError: An echo was wrong, or rows in the database are not the readings echoed.
    """
    frames = Frames(9_000, 1)
    with servers.mariadb() as database, private_redis() as bus:
        for _ in range(runs):
            _servers(report, database, frames, seconds, ALONE, 1)
            _servers(report, database, frames, seconds, NODE, 1, SPEEDDASH_NODE_URL=_url(free_port()))
            _beside_a_watcher(report, database, frames, seconds, bus)
            for count in COUNTS:
                # As many on the same cores that share nothing but the database's process: what the machine makes of so many.
                _servers(report, database, frames, seconds, f"{count} servers apart", count)
                _workers(report, database, frames, seconds, count, bus.url)
            _way(report, database, bus, seconds)
    targets = report.targets
    for name, other, at_least in ((NODE, ALONE, 0.97), (BUS, ALONE, 0.9)):
        targets.append(Target(f"{name} against {other}", at_least=at_least, runs=report.ratios(name, other)))
    for count in COUNTS:
        workers, apart = (f"{count} {kind}, CPU µs a reading, SpeedDash" for kind in ("workers", "servers apart"))
        ratios = report.ratios(workers, apart)
        targets.append(Target(f"CPU time a reading, {count} workers against {count} servers", at_most=1.1, runs=ratios))


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _servers(
    report: Report, database: MariaDB, frames: Frames, seconds: float, name: str, count: int, **settings: str
) -> None:
    """Measure servers that do not know of each other, each with a database of its own."""
    with ExitStack() as stack:
        names = [f"speeddash_{at}" for at in range(count)]
        found = [stack.enter_context(servers.speeddash(database.create(each), **settings)) for each in names]
        ports, pids = zip(*found, strict=True)
        _load(report, database, frames, seconds, name, ports, pids, names)


def _workers(report: Report, database: MariaDB, frames: Frames, seconds: float, count: int, bus_url: str) -> None:
    url = database.create("speeddash")
    with servers.speeddash(url, SPEEDDASH_WORKERS=str(count), SPEEDDASH_BUS_URL=bus_url) as (port, pid):
        wait_for(lambda: requests.get(f"{_url(port)}/readyz", timeout=5).ok, servers.START_DEADLINE_S)
        wait_for(lambda: _joined(database) == count, servers.START_DEADLINE_S)
        pids = [pid, *_children(pid)]
        _load(report, database, frames, seconds, f"{count} workers", [port] * count, pids, ["speeddash"])


def _load(
    report: Report,
    database: MariaDB,
    frames: Frames,
    seconds: float,
    name: str,
    ports: Sequence[int],
    pids: Sequence[int],
    databases: Sequence[str],
) -> None:
    """Measure the rate with `CLIENTS` for each port, and the CPU time of SpeedDash and of the database for each reading."""
    before = [sum(map(servers.cpu_s, each)) for each in (pids, (database.process.pid,))]
    progress = Progress(name, seconds + WARM_UP_S)
    found = throughput(
        ports,
        lambda at: f"/ws?source=car-{at}",
        clients=CLIENTS * len(ports),
        in_flight=1,
        frames=frames,
        warm_up_s=WARM_UP_S,
        seconds=seconds,
        progress=progress,
    )
    progress.done()
    after = [sum(map(servers.cpu_s, each)) for each in (pids, (database.process.pid,))]
    if (stored := sum(servers.rows(database, each) for each in databases)) != found.total:
        raise AssertionError(f"{name}: {stored} rows for {found.total} readings echoed")
    report.add(name, found.rate)
    for what, begun, ended in zip(("SpeedDash", "MariaDB"), before, after, strict=True):
        report.add(f"{name}, CPU µs a reading, {what}", 1e6 * (ended - begun) / found.total)


def _beside_a_watcher(report: Report, database: MariaDB, frames: Frames, seconds: float, bus: Redis) -> None:
    url = database.create("speeddash")
    with ExitStack() as stack:
        (port, pid), (other, _) = (
            stack.enter_context(servers.speeddash(url, SPEEDDASH_NODE_URL=_url(free_port()), SPEEDDASH_BUS_URL=bus.url))
            for _ in range(2)
        )
        watcher = Watcher(other, [f"car-{at}" for at in range(CLIENTS)])
        _wait_for_subscription(bus)
        _load(report, database, frames, seconds, BUS, [port], [pid], ["speeddash"])
        watcher.end()


def _way(report: Report, database: MariaDB, bus: Redis, seconds: float) -> None:
    """From the echo of a source with `PACE` readings a second at one process to a watcher at another."""
    url = database.create("speeddash")
    with ExitStack() as stack:
        (first, _), (second, _) = (
            stack.enter_context(servers.speeddash(url, SPEEDDASH_NODE_URL=_url(free_port()), SPEEDDASH_BUS_URL=bus.url))
            for _ in range(2)
        )
        watcher = Watcher(second, ["fast"])
        _wait_for_subscription(bus)
        with connect(f"ws://127.0.0.1:{first}/ws?source=fast", compression=None) as socket:
            began = time.monotonic()
            for at in range(int(seconds * PACE / 10)):
                frame = [{"speed": time.time() - OFFSET_S, "seq": 10 * at + n} for n in range(10)]
                socket.send(json.dumps(frame))
                socket.recv(timeout=30)
                time.sleep(max(0.0, began + (at + 1) * 10 / PACE - time.monotonic()))
        watcher.end()
        report.add(
            f"{PACE:,} readings/s, send to watcher elsewhere, p50 ms", statistics.median(watcher.delays_s) * 1000
        )
        p99 = statistics.quantiles(watcher.delays_s, n=100)[98] * 1000
        report.add(f"{PACE:,} readings/s, send to watcher elsewhere, p99 ms", p99)


class Watcher:
    """Pulls all that comes, until its end. A process of its own: as a thread it would take turns with the senders.

    Attributes:
        delays_s: From sending to arrival, of each reading; after the end.
    """

    def __init__(self, port: int, sources: Sequence[str]) -> None:
        self.delays_s: list[float] = []
        self._ours, theirs = CONTEXT.Pipe()
        query = "&".join(f"source={each}" for each in sources)
        self._process = CONTEXT.Process(
            target=_watch, args=(f"ws://127.0.0.1:{port}/ws/live?{query}", OFFSET_S, theirs), daemon=True
        )
        self._process.start()
        theirs.close()  # so that a watcher that ends is noticed
        self._ours.recv()  # it is connected

    def end(self) -> None:
        """Stop, and wait until it has."""
        self._ours.send(None)
        self.delays_s = self._ours.recv()
        self._process.join(10)


def _watch(url: str, offset_s: float, parent: Connection) -> None:
    """Ask again after each answer, until the parent says something; send it the delays."""
    delays_s: list[float] = []
    with connect(url, compression=None, max_size=None) as socket:
        parent.send(None)
        while not parent.poll():
            socket.send('{"pull": 1, "answers": 1, "interval_ms": 0}')
            try:
                answer = json.loads(socket.recv(timeout=2))
            except TimeoutError:
                continue
            arrived = time.time() - offset_s
            delays_s += [arrived - speed for speed in answer["speed"]]
    parent.send(delays_s)


def _joined(database: MariaDB) -> int:
    """How many processes have joined."""
    with database.connect(database="speeddash") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM speed_node")
        return int(cursor.fetchone()[0])


def _wait_for_subscription(bus: Redis) -> None:
    """Wait until the watcher's server hears the other one."""
    wait_for(lambda: bus.command("PUBSUB", "CHANNELS"), servers.START_DEADLINE_S)


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
