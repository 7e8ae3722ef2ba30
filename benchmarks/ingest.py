"""Durable echoes a second, SpeedDash beside its peers."""

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks import bulk, servers
from benchmarks.load import Frames, throughput
from benchmarks.progress import Progress
from benchmarks.report import Report, Target
from tests.mariadb import MariaDB

WARM_UP_S = 1.0
GROUP = "Node ws + group commit by hand"


@dataclass(frozen=True)
class Load:
    """Senders, and their frames in flight."""

    name: str
    clients: int
    in_flight: int
    readings: int
    frames: int


ONE_EACH = Load("100 clients", 100, 1, 1, 9_000)
PIPELINED = Load("50 clients x 20 in flight", 50, 20, 1, 50_000)
ARRAYS = Load("20 clients, frames of 100", 20, 1, 100, 2_500)
MANY = Load("1,000 clients", 1_000, 1, 1, 1_500)


def run(report: Report, runs: int, seconds: float) -> None:
    """Run everything `runs` times, one after the other, so that the runs of a round stand side by side.

    Raises:
        AssertionError: An echo was wrong, or rows in the database are not the readings echoed.
    """
    node = servers.node()
    frames = {load: Frames(load.frames, load.readings) for load in (ONE_EACH, PIPELINED, ARRAYS, MANY)}
    with servers.mariadb() as database:
        for _ in range(runs):
            for load in (ONE_EACH, PIPELINED, ARRAYS, MANY):
                meter = _Meter(report, load, frames[load], seconds)
                if load in (ONE_EACH, PIPELINED):
                    with servers.bare_echo(frames[load]) as port:
                        meter.measure("the load itself, against a bare echo", port, None, until_empty=True)
                _speeddash(meter, database)
                if load is ONE_EACH:
                    _speeddash_sqlite(meter)
                    _peer(meter, database, "the original design", "original.py")
                if node and load in (ONE_EACH, PIPELINED):
                    _peer(meter, database, "Node ws + mysql2 pool", "pool.js")
                if node and load is not MANY:
                    _peer(meter, database, GROUP, "group.js")
                if load is ARRAYS:
                    bulk.run(report, database, load.name, seconds, meter.progress)
    _targets(report, node=bool(node))


class _Meter:
    """Measures one load on one server after the other."""

    def __init__(self, report: Report, load: Load, frames: Frames, seconds: float) -> None:
        self._report = report
        self._load = load
        self._frames = frames
        self._seconds = seconds

    def progress(self, what: str) -> Progress:
        return Progress(f"{self._load.name}: {what}", self._seconds + WARM_UP_S)

    def measure(
        self, what: str, port: int, rows: Callable[[], int] | None, pid: int | None = None, *, until_empty: bool = False
    ) -> None:
        load, progress = self._load, self.progress(what)
        before_s = servers.cpu_s(pid) if pid else 0.0
        found = throughput(
            [port],
            lambda at: f"/ws?source=car-{at}",
            clients=load.clients,
            in_flight=load.in_flight,
            frames=self._frames,
            warm_up_s=0.0 if until_empty else WARM_UP_S,
            seconds=self._seconds,
            until_empty=until_empty,
            progress=progress,
        )
        progress.done()
        if rows and (stored := rows()) != found.total:
            raise AssertionError(f"{load.name}, {what}: {stored} rows for {found.total} readings echoed")
        self._report.add(f"{load.name}: {what}", found.rate)
        if pid:
            cpu_us = 1e6 * (servers.cpu_s(pid) - before_s) / found.total
            self._report.add(f"{load.name}: {what}, CPU µs a reading", cpu_us)


def _speeddash(meter: _Meter, database: MariaDB) -> None:
    with servers.speeddash(database.create("speeddash")) as (port, pid):
        meter.measure("SpeedDash on MariaDB", port, lambda: servers.rows(database, "speeddash"), pid)


def _speeddash_sqlite(meter: _Meter) -> None:
    with tempfile.TemporaryDirectory(prefix="speeddash-bench-") as folder:
        path = Path(folder) / "speed.db"

        def rows() -> int:
            with closing(sqlite3.connect(path)) as connection:
                return int(connection.execute("SELECT COUNT(*) FROM speed_data").fetchone()[0])

        with servers.speeddash(f"sqlite:///{path}") as (port, pid):
            meter.measure("SpeedDash on SQLite", port, rows, pid)


def _peer(meter: _Meter, database: MariaDB, what: str, program: str) -> None:
    with servers.peer(program, database) as (port, pid):
        meter.measure(what, port, lambda: servers.rows(database, "peer"), pid)


def _targets(report: Report, *, node: bool) -> None:
    def ratio(name: str, load: Load, other: str, at_least: float, other_load: Load | None = None) -> None:
        runs = report.ratios(f"{load.name}: SpeedDash on MariaDB", f"{(other_load or load).name}: {other}")
        report.targets.append(Target(f"{load.name}, {name}", at_least=at_least, runs=runs))

    ratio("against the original design", ONE_EACH, "the original design", 10)
    if node:
        ratio("against Node ws + pool", ONE_EACH, "Node ws + mysql2 pool", 1.0)
        ratio("against Node ws + pool", PIPELINED, "Node ws + mysql2 pool", 2.5)
        for load in (ONE_EACH, PIPELINED, ARRAYS):
            ratio("against Node's group commit", load, GROUP, 1.0)
    ratio("against the bulk limit by built statement", ARRAYS, "bulk limit, built statement", 0.7)
    sqlite = report.ratios(f"{ONE_EACH.name}: SpeedDash on SQLite", f"{ONE_EACH.name}: SpeedDash on MariaDB")
    report.targets.append(Target("100 clients, SQLite against MariaDB", at_least=1.0, runs=sqlite))
    ratio("against 100 clients", MANY, "SpeedDash on MariaDB", 0.8, ONE_EACH)
