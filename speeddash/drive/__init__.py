"""A recorded drive: a file of times and speeds in one of the forms in which people have them."""

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import PurePath
from typing import Final

from speeddash.drive.csv import read_csv
from speeddash.drive.gpx import read_gpx
from speeddash.drive.lines import Lines, Readable, blocks
from speeddash.drive.ndjson import read_ndjson
from speeddash.drive.nmea import read_nmea
from speeddash.drive.row import BadLine, Row
from speeddash.errors import DriveError

__all__ = ["FORMS", "BadLine", "Readable", "Row", "read_drive", "source_of"]

FORMS: Final = ("csv", "gpx", "ndjson", "nmea")
#: What a file's name ends in. A name that ends otherwise says nothing, and the content is asked.
FORM_OF_ENDING: Final = {
    ".csv": "csv", ".tsv": "csv", ".gpx": "gpx", ".ndjson": "ndjson", ".jsonl": "ndjson", ".nmea": "nmea", ".nma": "nmea",
}  # fmt: skip
#: What the content begins with, behind a byte order mark and white space; CSV may begin with anything.
FORM_OF_START: Final = {b"<": "gpx", b"{": "ndjson", b"$": "nmea", b"!": "nmea"}

#: How much of the content is looked at; a pipe may give less at once.
PEEK_BYTES: Final = 512


def read_drive(
    file: Readable, *, name: str, form: str | None = None, unit: str | None = None, start_us: int
) -> Iterator[Row | BadLine]:
    """Read a drive row by row, in bounded memory however long it is. A bad line is told, and the others come.

    Args:
        file: An open binary file, read forward only: a pipe or an upload will do.
        name: The file's, for messages and for the form.
        form: One of `FORMS`; None is what the name ends in, else what the content begins like.
        unit: A key of `KMH_IN`; None is what the file says, else the form's own: km/h for CSV and NDJSON, m/s for GPX, knots for RMC.
        start_us: The moment of second 0, for files that count seconds. Times without a zone are UTC.

    Raises:
        DriveError: The file cannot be read, or not further; the message names it, and the line where there is one.
    """
    try:
        pieces = blocks(file)
        first = b""
        while len(first) < PEEK_BYTES and (piece := next(pieces, b"")):
            first += piece
        if not first:
            raise DriveError(f"{name}: the file is empty")
        form = form or FORM_OF_ENDING.get(PurePath(name).suffix.lower()) or _form_of_content(first)
        pieces = chain([first], pieces)
        if form == "gpx":
            yield from read_gpx(name, pieces, unit, start_us)
        elif form == "ndjson":
            yield from read_ndjson(Lines(name, pieces), unit, start_us)
        elif form == "nmea":
            yield from read_nmea(Lines(name, pieces), unit)
        else:
            yield from read_csv(name, Lines(name, pieces), unit, start_us)
    except OSError as unreadable:
        raise DriveError(f"{name}: {unreadable}") from unreadable


def source_of(name: str) -> str:
    """The source of a drive that names none: its file's name, as far as a source may have it."""
    return re.sub(r"[^A-Za-z0-9._:-]", "-", PurePath(name).stem)[:64] or "drive"


def _form_of_content(first: bytes) -> str:
    return FORM_OF_START.get(first.removeprefix(b"\xef\xbb\xbf").lstrip()[:1], "csv")
