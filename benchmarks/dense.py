"""One source of 1,000 readings a second and 10,000 other sources: what they cost, and how long a sender beside them waits."""

import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import requests
from websockets.sync.client import connect

from benchmarks import servers
from benchmarks.history import START, START_S
from benchmarks.report import Report
from speeddash.store import Store, open_store
from speeddash.timerange import HOUR_US, SECOND_US
from tests.mariadb import MariaDB

READINGS = 5_000_000
SOURCES = 10_000
CHUNK = 1_000_000
TIMEOUT_S = 1_200.0
SPEED = "ROUND(60 + 45 * SIN({n} / 613000.0) + 14 * SIN({n} / 7300.0), 2)"
#: 5,000 s of readings: what is asked, and the range of it in seconds.
RANGES = {"a minute": (1_200, 1_260), "half an hour": (1_200, 3_000), "all": (0, 5_000)}


def run(report: Report, readings: int = READINGS) -> None:
    """Fill both databases, start a server on each, and ask while a sender goes on.

    Args:
        report: Takes the figures.
        readings: Fewer make a quick try.
    """
    with servers.mariadb() as database:
        url = database.create("dense")
        _measure(report, "MariaDB", url, lambda: _fill_mariadb(database, readings))
    with tempfile.TemporaryDirectory(prefix="speeddash-bench-") as folder:
        path = Path(folder) / "speed.db"
        _measure(report, "SQLite", f"sqlite:///{path}", lambda: _fill_sqlite(path, readings))


def _measure(report: Report, name: str, url: str, fill: Callable[[], None]) -> None:
    store = open_store(url, timeout_s=TIMEOUT_S)
    store.prepare()
    fill()
    # As the writer marks the hours of what it stores.
    store.rollup_maintenance.mark("dense", [START_S * SECOND_US, START_S * SECOND_US + HOUR_US])
    with servers.speeddash(url) as (port, pid):
        base = f"http://127.0.0.1:{port}/api/v1"
        report.add(f"{name}: memory at the start, MB", _memory_mb(pid))
        requests.patch(f"{base}/sources/dense", json={"limit_kmh": 100}, timeout=TIMEOUT_S).raise_for_status()
        for state in ("not rolled up", "rolled up"):
            if state == "rolled up":
                with _beside(report, f"{name}: while it is rolled up", port):
                    began = time.perf_counter()
                    _await_rollups(store)
                    report.add(f"{name}: until rolled up, s", time.perf_counter() - began)
            for what, (first, last) in RANGES.items():
                window = {"source": "dense", "from": START_S + first, "to": START_S + last}
                for path, more in (("series", {"points": 1_000}), ("trips", {}), ("summary", {}), ("events", {})):
                    with _beside(report, f"{name}: {state}, {path} of {what}", port):
                        began = time.perf_counter()
                        answer = requests.get(f"{base}/{path}", window | more, timeout=TIMEOUT_S)
                        report.add(f"{name}: {state}, {path} of {what}, ms", 1000 * (time.perf_counter() - began))
                    if not answer.ok:  # the database's own time limit, for one statement over all readings
                        report.add(f"{name}: {state}, {path} of {what}: status", answer.status_code)
        for query in ({}, {"limit": 10_000}):
            with _beside(report, f"{name}: sources, {query or 'first page'}", port):
                began = time.perf_counter()
                count = len(requests.get(f"{base}/sources", query, timeout=TIMEOUT_S).json()["sources"])
                report.add(f"{name}: {count} of 10,000 sources, ms", 1000 * (time.perf_counter() - began))
        with _beside(report, f"{name}: a minute of background rounds", port):
            time.sleep(60)  # some rounds of the background work
        report.add(f"{name}: memory at the end, MB", _memory_mb(pid))
    store.close()


@contextmanager
def _beside(report: Report, what: str, port: int) -> Iterator[None]:
    """Measure a sender's wait for its echo, one reading each 20 ms, as long as the block lasts."""
    waits_ms: list[float] = []
    begun, done = threading.Event(), threading.Event()

    def send() -> None:
        with connect(f"ws://127.0.0.1:{port}/ws?source=beside") as socket:
            while not done.is_set():
                began = time.perf_counter()
                socket.send('{"speed": 1}')
                socket.recv(timeout=60)
                waits_ms.append(1000 * (time.perf_counter() - began))
                begun.set()
                time.sleep(0.02)  # the rate of the sender

    thread = threading.Thread(target=send)
    thread.start()
    begun.wait(60)  # an answer may come sooner than the first echo
    try:
        yield
    finally:
        done.set()
        thread.join()
        report.add(f"{what}: echo median, ms", statistics.median(waits_ms))
        report.add(f"{what}: echo longest, ms", max(waits_ms))


def _await_rollups(store: Store) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while any(source == "dense" for source, _ in store.rollup_maintenance.dirty_hours(grace_s=0, limit=SOURCES)):
        if time.monotonic() > deadline:
            raise AssertionError("the hours were not rolled up in time")
        time.sleep(0.5)  # a poll with a deadline


def _memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM")


def _fill_mariadb(database: MariaDB, readings: int) -> None:
    with database.connect(database="dense") as connection, connection.cursor() as cursor:
        for first in range(0, readings, CHUNK):
            last = min(first + CHUNK, readings) - 1
            cursor.execute(
                f"INSERT INTO speed_data SELECT 'dense', '{START}' + INTERVAL seq * 1000 MICROSECOND, seq,"
                f" {SPEED.format(n='seq')} FROM seq_{first}_to_{last}"
            )
        cursor.execute(
            f"INSERT INTO speed_data SELECT CONCAT('source-', seq), '{START}' + INTERVAL seq SECOND, 1, 50 FROM seq_1_to_{SOURCES}"
        )


def _fill_sqlite(path: Path, readings: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for first in range(0, readings, CHUNK):
            last = min(first + CHUNK, readings) - 1
            connection.execute(
                f"WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM s WHERE n < {last}) INSERT INTO speed_data"
                f" SELECT 'dense', {START_S} * 1000000 + n * 1000, n, {SPEED.format(n='n')} FROM s"
            )
            connection.commit()
        connection.execute(
            f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {SOURCES}) INSERT INTO speed_data"
            f" SELECT 'source-' || n, ({START_S} + n) * 1000000, 1, 50 FROM s"
        )
        connection.commit()
