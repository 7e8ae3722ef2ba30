"""Copies of an SQLite file, made while a server writes to it."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from speeddash.errors import StoreError, StoreMisconfigured

READINGS: Final = "SELECT COUNT(*) FROM speed_data"
#: Errors of a copy whose source was opened and read: they are the target's.
TARGET_CODES: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}


def copy(source: Path, target: Path) -> int:
    """Copy a database to a file that is complete or not there, and return its number of readings.

    Design: all pages are copied in one read transaction, so the copy is one state of the database. In WAL mode a reader blocks no writer;
    copied piece by piece, the copy would begin again with each commit and never end.

    Args:
        source: The database. A server may write to it.
        target: Replaced if it exists; where it is a symbolic link, the file behind that.

    Raises:
        StoreMisconfigured: The source is no database of SpeedDash.
        StoreError: The disk is full, for example; or the target is the source, or no regular file.
    """
    target = target.resolve()
    part = target.with_name(target.name + ".part")
    try:
        if target.exists():
            if not target.is_file():
                raise StoreError(f"{target}: not a regular file")
            if source.exists() and source.samefile(target):
                raise StoreError(f"{target}: this is the database itself")
        _remove(part)
        with closing(_open(source)) as opened, closing(sqlite3.connect(part)) as copied:
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
        _remove(part)
        code = getattr(wrong, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
        raise StoreError(f"{target if code in TARGET_CODES else source}: {wrong}") from wrong
    except OSError as wrong:
        raise StoreError(f"{target}: {wrong.strerror or wrong}") from wrong
    return int(count)


def _open(source: Path) -> sqlite3.Connection:
    """Open a database for reading, and look at its readings."""
    opened = None
    try:
        opened = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
        opened.execute("SELECT 1 FROM speed_data LIMIT 1").fetchone()
    except sqlite3.DatabaseError as wrong:
        if opened is not None:
            opened.close()
        kind = StoreMisconfigured if "no such table" in str(wrong) or "not a database" in str(wrong) else StoreError
        raise kind(f"{source}: {wrong}") from wrong
    return opened


def _remove(part: Path) -> None:
    for ending in ("", "-journal"):
        with suppress(FileNotFoundError):
            part.with_name(part.name + ending).unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
