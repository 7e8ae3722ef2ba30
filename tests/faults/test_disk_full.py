"""The disk is full: nothing is echoed, the cause is logged, and storing resumes when there is space."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import requests
from sqlalchemy import event

from speeddash.live.feed import Feed
from speeddash.live.ingest import Ingest
from speeddash.reading import Reading
from speeddash.store import open_store
from tests.conftest import require
from tests.faults.fleet import Fleet
from tests.mariadb import MariaDB
from tests.running import wait_for

MIB = 1 << 20
SPARE_BYTES = 3 * MIB
SMALL = ("--innodb-log-file-size=4M", "--innodb-buffer-pool-size=16M", "--skip-log-bin", "--innodb-file-per-table=1")


@contextmanager
def small_file_system(size_bytes: int) -> Iterator[Path]:
    """A file system in memory; without the permission to mount one, the test is skipped."""
    with TemporaryDirectory(prefix="speeddash-full-") as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=755", "tmpfs", folder],
            capture_output=True,
            text=True,
        )
        if mounted.returncode:
            pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path, spare_bytes: int) -> Path:
    """Take all room but a little; the file that takes it."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        file.write(bytes(max(0, shutil.disk_usage(folder).free - spare_bytes)))
    return ballast


def fill_and_make_room(run, url, ballast, words, record_property):
    server = run(url)
    with Fleet(server.port, senders=8, pace_s=0.02) as fleet:
        fleet.under_way()
        while not (detail := full(server, words)) or not (echoed := still(fleet)):
            stuff(server)
        assert any(word in server.output for word in words)
        record_property("said", detail)
        wait_for(lambda: fleet.waiting > 3 * len(fleet.senders))
        assert fleet.echoed == echoed
        ballast.unlink()
        record_property("healed_in_s", round(fleet.heal(), 2))
        assert wait_for(lambda: server.answers("/readyz"))
        fleet.settle(url, record_property)


def full(server, words):
    """What /readyz says, if it says that there is no room."""
    said = requests.get(f"{server.url}/readyz", timeout=5).json().get("detail", "")
    return next((word for word in words if word in said), "")


def stuff(server):
    """Many readings at once, under a name of their own."""
    for _ in range(4):
        stuff.seq += 5000
        body = [
            {"speed": 1, "timestamp": 1_769_860_800 + seq, "seq": seq} for seq in range(stuff.seq, stuff.seq + 5000)
        ]
        try:
            requests.post(f"{server.url}/api/v1/readings?source=ballast", json=body, timeout=2)
        except requests.Timeout:
            return


stuff.seq = 0


def test_sqlite_disk_is_full(run, record_property):
    """The disk is full (SQLite on a small file system), then has space again"""
    with small_file_system(48 * MIB) as folder:
        fill_and_make_room(
            run,
            f"sqlite:///{folder}/speed.db",
            fill(folder, SPARE_BYTES),
            ["disk is full", "disk I/O error"],
            record_property,
        )


@pytest.mark.long
def test_mariadb_disk_is_full(run, record_property):
    """The disk is full (MariaDB on a small file system), then has space again"""
    require(shutil.which("mariadb-install-db"), "MariaDB")
    with small_file_system(400 * MIB) as folder:
        (folder / "mariadb").mkdir()
        database = MariaDB(folder / "mariadb", *SMALL)
        try:
            url = database.create("speed")
            fill_and_make_room(
                run, url, fill(folder, 12 * MIB), ["is full", "No space left", "Disk full"], record_property
            )
        finally:
            database.stop()


def test_sqlite_has_no_page_left(tmp_path, record_property):
    """The file is full (SQLite's max_page_count), then may grow again"""
    store = open_store(f"sqlite:///{tmp_path}/speed.db")
    pages = [40]
    event.listen(
        store.database.engine,
        "connect",
        lambda connection, _: connection.execute(f"PRAGMA max_page_count = {pages[0]}"),
    )
    ingest = Ingest(store, Feed(100_000))
    ingest.start()
    settled = []
    try:
        for frame in count():
            ingest.submit([[Reading("car", (500 * frame + n) * 1_000_000, 0, 1.0) for n in range(500)]], settled.append)
            wait_for(partial(settled_or_failed, ingest, settled, frame + 1))
            if ingest.problem:
                break
        assert "full" in str(ingest.problem)
        assert len(settled) == frame, "what is not stored is not echoed"
        pages[0] = 1_000_000
        wait_for(lambda: len(settled) == frame + 1)
        assert len(store.readings.select(limit=10_000)) == 500 * len(settled)
        assert all(ticket.error is None and not ticket.refused for ticket in settled)
        record_property("stored", 500 * len(settled))
    finally:
        ingest.stop(5)
        store.close()


def settled_or_failed(ingest, settled, count):
    return ingest.problem or len(settled) == count


def still(fleet):
    """How many were echoed, once nothing is any more."""
    before = fleet.echoed
    fleet.senders[0].ending.wait(0.5)
    return before if fleet.echoed == before else 0
