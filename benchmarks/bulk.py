"""What the database takes from Python at the most: rows that are ready, in transactions as large as SpeedDash makes them."""

import time
from collections.abc import Callable, Iterator

import pymysql

from benchmarks import servers
from benchmarks.load import START
from benchmarks.progress import Progress
from benchmarks.report import Report
from speeddash.store import open_store
from tests.mariadb import MariaDB

BATCH_ROWS = 2_000
PLACEHOLDERS = "INSERT INTO speed_data (source, timestamp, seq, speed) VALUES (%s, %s, %s, %s) ON DUPLICATE KEY UPDATE source = source"
Row = tuple[str, str, int, float]
Insert = Callable[["pymysql.cursors.Cursor", list[Row]], object]


def run(report: Report, database: MariaDB, load: str, seconds: float, progress: Callable[[str], Progress]) -> None:
    """Measure both ways of the driver: `executemany`, and one statement whose text is built from checked values."""
    for what, insert in (("bulk limit, executemany", _executemany), ("bulk limit, built statement", _built)):
        rate = _rate(database, insert, seconds, progress(what))
        report.add(f"{load}: {what}", rate)


def _rate(database: MariaDB, insert: Insert, seconds: float, progress: Progress) -> float:
    store = open_store(database.create("bulk"))
    store.prepare()
    store.close()
    batches = _batches()
    with database.connect(database="bulk") as connection, connection.cursor() as cursor:
        insert(cursor, next(batches))
        inserted, spent = 0, 0.0
        while spent < seconds:
            rows = next(batches)  # made before the clock starts
            began = time.perf_counter()
            insert(cursor, rows)
            spent += time.perf_counter() - began
            inserted += len(rows)
            progress.at(spent)
    progress.done()
    if servers.rows(database, "bulk") != inserted + BATCH_ROWS:
        raise AssertionError("rows are missing")
    return inserted / spent


def _batches() -> Iterator[list[Row]]:
    # 20 sources of 100 consecutive readings, in the order of the key, as the frames of the load.
    day = START.strftime("%Y-%m-%d %H")
    for batch in range(36_000):
        times = [f"{day}:{batch // 600:02}:{batch // 10 % 60:02}.{batch % 10 * 100 + n:03}" for n in range(100)]
        yield [(f"car-{at:02}", times[n], batch * 100 + n, n / 10) for at in range(20) for n in range(100)]


def _executemany(cursor: "pymysql.cursors.Cursor", rows: list[Row]) -> None:
    cursor.executemany(PLACEHOLDERS, rows)


def _built(cursor: "pymysql.cursors.Cursor", rows: list[Row]) -> None:
    values = ",".join([f"('{source}','{at}',{seq},{speed!r})" for source, at, seq, speed in rows])
    cursor.execute(
        f"INSERT INTO speed_data (source, timestamp, seq, speed) VALUES {values} ON DUPLICATE KEY UPDATE source = source"
    )
