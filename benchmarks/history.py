"""A year at one reading a second: the time of any window, and the cost of rollups for senders."""

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import click
import requests

from benchmarks import servers
from benchmarks.ingest import ONE_EACH
from benchmarks.load import Frames, throughput
from benchmarks.progress import Progress
from benchmarks.report import Report, Target
from speeddash.history.worker import rebuild
from speeddash.store import open_store
from speeddash.timerange import HOUR_US, SECOND_US
from tests.mariadb import MariaDB

YEAR_S, MONTH_S, DAY_S, HOUR_S = 31_536_000, 2_592_000, 86_400, 3_600
START_S = 1_735_689_600  # 2025-01-01T00:00:00Z
START = "2025-01-01"
WINDOWS = {"an hour": HOUR_S, "a day": DAY_S, "a month": MONTH_S, "a year": YEAR_S}
POINTS = 1_000
ASKED = 15
AT_MOST_MS = {"MariaDB": 100.0, "SQLite": 200.0}
CHUNK_S = 2_000_000
#: A car in traffic: never the same minute twice.
SPEED = "ROUND(60 + 45 * SIN({n} / 613.0) + 14 * SIN({n} / 7.3), 2)"
#: The query without rollups.
PLAIN = (
    "SELECT {bucket} AS b, COUNT(*), AVG(speed), MIN(speed), MAX(speed) FROM speed_data WHERE source = 'car' GROUP BY b"
)
#: Behind the first round of the background work, which then has a month of hours to roll up.
INTO_ROUND_S = 15.5


def run(report: Report, runs: int, seconds: float, *, days: int = 365) -> None:
    """Fill a year into each database once, then ask, and measure ingest with and without rollups.

    Args:
        report: Takes the figures.
        runs: How often ingest is measured each way.
        seconds: How long each of those is.
        days: Fewer than a year make a quick try.
    """
    with servers.mariadb() as database:
        url = database.create("year")
        _year(report, "MariaDB", url, lambda: _fill_mariadb(database, days), lambda: _plain_mariadb(database), days)
        _ingest(report, database, runs, seconds)
    with tempfile.TemporaryDirectory(prefix="speeddash-bench-") as folder:
        path = Path(folder) / "speed.db"
        _year(
            report, "SQLite", f"sqlite:///{path}", lambda: _fill_sqlite(path, days), lambda: _plain_sqlite(path), days
        )


def _year(report: Report, name: str, url: str, fill: Callable[[], None], plain: Callable[[], None], days: int) -> None:
    store = open_store(url, timeout_s=3600)
    store.prepare()
    _timed(report, f"{name}: fill {days} days, s", fill)
    _timed(report, f"{name}: roll all of it up, s", lambda: _roll_up(name, url))
    with servers.speeddash(url) as (port, _):
        for what, length_s in WINDOWS.items():
            if length_s > days * DAY_S:
                continue
            times_ms = _ask(port, length_s, days * DAY_S)
            for each in times_ms:
                report.add(f"{name}: {what} in {POINTS:,} points, ms", each)
            report.targets.append(Target(f"{name}, {what}", at_most=AT_MOST_MS[name], runs=times_ms, unit="ms"))
        for what in ("summary", "trips"):
            began = time.perf_counter()
            requests.get(f"http://127.0.0.1:{port}/api/v1/{what}", {"source": "car"}, timeout=600).raise_for_status()
            report.add(f"{name}: {what} of it all, ms", 1000 * (time.perf_counter() - began))
    longest = next(what for what, length_s in reversed(WINDOWS.items()) if length_s <= days * DAY_S)
    _timed(report, f"{name}: plain GROUP BY over all readings, s", plain)
    plain_ms = 1000 * report.figures[f"{name}: plain GROUP BY over all readings, s"][0]
    asked_ms = statistics.median(report.figures[f"{name}: {longest} in {POINTS:,} points, ms"])
    report.targets.append(
        Target(f"{name}, {longest}, times as fast as GROUP BY", at_least=50, runs=[plain_ms / asked_ms])
    )
    store.close()


def _ask(port: int, length_s: int, all_s: int) -> list[float]:
    """The wait for a window, at places all over the year, ms."""
    times_ms = []
    for number in range(ASKED):
        from_s = START_S + (all_s - length_s) * number // ASKED
        query = {"source": "car", "from": from_s, "to": from_s + length_s, "points": POINTS}
        began = time.perf_counter()
        answer = requests.get(f"http://127.0.0.1:{port}/api/v1/series", query, timeout=600)
        times_ms.append(1000 * (time.perf_counter() - began))
        columns = answer.json()
        if not POINTS / 2 <= len(columns["t"]) <= POINTS or max(columns["max"]) > 120:
            raise AssertionError(f"{query}: {len(columns['t'])} buckets")
        # The first bucket is whole, and may begin before the window.
        if not 0 <= sum(columns["n"]) - length_s <= columns["bucket_s"]:
            raise AssertionError(f"{query}: {sum(columns['n'])} readings")
    return times_ms


def _ingest(report: Report, database: MariaDB, runs: int, seconds: float) -> None:
    """Rates with and without rollups, side by side; with them a month of hours is being rolled up meanwhile."""
    frames = Frames(ONE_EACH.frames, ONE_EACH.readings)
    url = database.create("busy")
    open_store(url).prepare()
    with database.connect(database="busy") as connection, connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO speed_data SELECT 'month', '{START}' + INTERVAL seq SECOND, seq, {SPEED.format(n='seq')}"
            f" FROM seq_0_to_{MONTH_S - 1}"
        )
        for _ in range(runs):
            for what, script in (("with rollups", "run.py"), ("without", "benchmarks/peers/without_rollups.py")):
                cursor.execute("DELETE FROM speed_data WHERE source <> 'month'")
                cursor.execute("DELETE FROM speed_rollup")
                cursor.execute("DELETE FROM speed_dirty")
                hours = ",".join(
                    f"('month', {(START_S * SECOND_US) + n * HOUR_US}, 0)" for n in range(MONTH_S // HOUR_S)
                )
                cursor.execute(f"INSERT INTO speed_dirty VALUES {hours}")
                with servers.speeddash(url, script=script) as (port, _):
                    time.sleep(INTO_ROUND_S)
                    progress = Progress(f"ingest {what}", seconds)
                    found = throughput(
                        [port], lambda at: f"/ws?source=car-{at}", clients=ONE_EACH.clients, in_flight=1, frames=frames,
                        warm_up_s=0.0, seconds=seconds, until_empty=False, progress=progress,
                    )  # fmt: skip
                    progress.done()
                    report.add(f"ingest, {ONE_EACH.name}, {what}: echoes a second", found.rate)
                cursor.execute("SELECT COUNT(*) FROM speed_rollup WHERE width_s = 3600")
                (rolled_up,) = cursor.fetchone() or (0,)
                if bool(rolled_up) != (what == "with rollups"):
                    raise AssertionError(f"{rolled_up} hours were rolled up {what}")
    names = [f"ingest, {ONE_EACH.name}, {what}: echoes a second" for what in ("with rollups", "without")]
    report.targets.append(Target("ingest with rollups against without", at_least=0.9, runs=report.ratios(*names)))


def _roll_up(name: str, url: str) -> None:
    store = open_store(url, timeout_s=3600)
    for _, hours in rebuild(store):
        with click.progressbar(hours, label=f"{name}: rolling up", file=click.get_text_stream("stderr")) as steps:
            for _ in steps:
                pass
    store.close()


def _timed(report: Report, name: str, work: Callable[[], None]) -> None:
    began = time.perf_counter()
    work()
    report.add(name, time.perf_counter() - began)


def _fill_mariadb(database: MariaDB, days: int) -> None:
    with database.connect(database="year") as connection, connection.cursor() as cursor:
        for first in range(0, days * DAY_S, CHUNK_S):
            last = min(first + CHUNK_S, days * DAY_S) - 1
            cursor.execute(
                f"INSERT INTO speed_data SELECT 'car', '{START}' + INTERVAL seq SECOND, seq, {SPEED.format(n='seq')}"
                f" FROM seq_{first}_to_{last}"
            )


def _fill_sqlite(path: Path, days: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for first in range(0, days * DAY_S, CHUNK_S):
            last = min(first + CHUNK_S, days * DAY_S) - 1
            connection.execute(
                f"WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM s WHERE n < {last})"
                f" INSERT INTO speed_data SELECT 'car', ({START_S} + n) * 1000000, n, {SPEED.format(n='n')} FROM s"
            )
            connection.commit()


def _plain_mariadb(database: MariaDB) -> None:
    with database.connect(database="year") as connection, connection.cursor() as cursor:
        cursor.execute(PLAIN.format(bucket="UNIX_TIMESTAMP(timestamp) DIV 43200"))
        cursor.fetchall()


def _plain_sqlite(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(PLAIN.format(bucket="timestamp / 43200000000")).fetchall()
