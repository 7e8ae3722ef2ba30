"""Copies of an SQLite file, made while a server writes to it."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from speeddash.errors import StoreError, StoreMisconfigured

READINGS = "SELECT COUNT(*) FROM speed_data"


def copy(source: Path, target: Path) -> int:
    """Copy a database to a file that is complete or not there, and return its number of readings.

    Design: all pages are copied in one read transaction, so the copy is one state of the database. In WAL mode a reader blocks no writer;
    copied piece by piece, the copy would begin again with each commit and never end.

    Args:
        source: The database. A server may write to it.
        target: Replaced if it exists.

    Raises:
        StoreMisconfigured: The source is no database of SpeedDash.
        StoreError: The disk is full, for example.
    """
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as opened,
            closing(sqlite3.connect(part)) as copied,
        ):
            opened.backup(copied)
            (count,) = copied.execute(READINGS).fetchone()
            # Without it the copy would need files beside it.
            copied.execute("PRAGMA journal_mode = DELETE")
        _sync(part)
        for ending in ("-wal", "-shm"):  # those of a database that is replaced
            target.with_name(target.name + ending).unlink(missing_ok=True)
        part.replace(target)
        _sync(target.parent)
    except sqlite3.DatabaseError as wrong:
        part.unlink(missing_ok=True)
        kind = StoreMisconfigured if "no such table" in str(wrong) or "not a database" in str(wrong) else StoreError
        raise kind(f"{source}: {wrong}") from wrong
    except OSError as wrong:
        raise StoreError(f"{target}: {wrong.strerror or wrong}") from wrong
    return int(count)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
