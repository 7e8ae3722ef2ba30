"""File formats: recordings of readings, read and written. Each format has one file, which reads and writes it."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import PurePath
from typing import Final

from speeddash.errors import InvalidInput, RecordingError
from speeddash.formats.csv import read_csv, spreadsheet_text, write_csv
from speeddash.formats.fit import SIGNATURE, SIGNATURE_AT, read_fit
from speeddash.formats.gpx import read_gpx, write_gpx
from speeddash.formats.lines import Lines, Readable, blocks
from speeddash.formats.ndjson import read_ndjson, write_ndjson
from speeddash.formats.nmea import read_nmea
from speeddash.formats.parquet import write_parquet
from speeddash.formats.row import BadLine, Row
from speeddash.formats.tcx import TCX, read_tcx, write_tcx
from speeddash.formats.vbo import HEADING, read_vbo
from speeddash.reading import Reading
from speeddash.units import KMH_IN

__all__ = [
    "FORMATS",
    "MIME_TYPES",
    "BadLine",
    "Readable",
    "Row",
    "read_recording",
    "source_of",
    "spreadsheet_text",
    "write_readings",
]

#: Formats that can be read.
FORMATS: Final = ("csv", "fit", "gpx", "ndjson", "nmea", "tcx", "vbo")
#: Formats that can be written, and their media types.
MIME_TYPES: Final = {
    "csv": "text/csv", "ndjson": "application/x-ndjson", "gpx": "application/gpx+xml", "tcx": "application/vnd.garmin.tcx+xml",
    "parquet": "application/vnd.apache.parquet",
}  # fmt: skip
#: Formats by the ending of a file's name. For other endings the content decides.
FORMAT_OF_ENDING: Final = {
    ".csv": "csv", ".tsv": "csv", ".gpx": "gpx", ".ndjson": "ndjson", ".jsonl": "ndjson", ".nmea": "nmea", ".nma": "nmea",
    ".fit": "fit", ".tcx": "tcx", ".vbo": "vbo",
}  # fmt: skip
#: Formats by the first character of the content, after a byte order mark and white space; all others are CSV.
FORMAT_OF_START: Final = {b"<": "gpx", b"{": "ndjson", b"$": "nmea", b"!": "nmea"}
#: Content that is read to detect the format; a pipe may give less at once.
PEEK_BYTES: Final = 512


def read_recording(
    file: Readable,
    *,
    name: str,
    file_format: str | None = None,
    unit: str | None = None,
    start_us: int,
    note: Callable[[str], object] = lambda _: None,
) -> Iterator[Row | BadLine]:
    """Read a recording row by row, in bounded memory. A bad line is reported, and the others follow.

    Args:
        file: An open binary file, read forward only, such as a pipe or an upload.
        name: Name of the file, for messages and to detect the format.
        file_format: One of `FORMATS`; None to detect it by the name, else by the content.
        unit: A key of `KMH_IN`; None for the unit that the file names, else the default of the format: km/h for CSV, NDJSON and VBO, m/s
            for GPX and TCX, knots for NMEA. FIT files are in m/s always.
        start_us: Moment of second 0, for files that count seconds. Times without a zone are UTC.
        note: Called with what a person should know of how the file was read, such as a unit that nobody named.

    Raises:
        RecordingError: The file cannot be read any further. The message names the file, and the line if there is one.
    """
    try:
        pieces = blocks(file)
        first = b""
        while len(first) < PEEK_BYTES and (piece := next(pieces, b"")):
            first += piece
        if not first:
            raise RecordingError(f"{name}: the file is empty")
        file_format = file_format or FORMAT_OF_ENDING.get(PurePath(name).suffix.lower()) or _format_of_content(first)
        pieces = chain([first], pieces)
        if file_format == "gpx":
            yield from read_gpx(name, pieces, unit, start_us)
        elif file_format == "tcx":
            yield from read_tcx(name, pieces, unit, start_us)
        elif file_format == "fit":
            yield from read_fit(name, pieces)
        elif file_format == "vbo":
            yield from read_vbo(name, Lines(name, pieces), unit)
        elif file_format == "ndjson":
            yield from read_ndjson(Lines(name, pieces), unit, start_us)
        elif file_format == "nmea":
            yield from read_nmea(Lines(name, pieces), unit, note)
        else:
            yield from read_csv(name, Lines(name, pieces), unit, start_us, note)
    except OSError as unreadable:
        raise RecordingError(f"{name}: {unreadable}") from unreadable


def write_readings(
    file_format: str, readings: Iterable[Reading], *, unit: str | None = None
) -> Iterator[str] | Iterator[bytes]:
    """Write readings. `read_recording` reads the same ones back, except Parquet, to the bit if the unit is km/h.

    Args:
        file_format: A key of `MIME_TYPES`.
        readings: In the order of their key. They are consumed piece by piece.
        unit: Unit of the speeds in CSV, a key of `KMH_IN`; None for km/h. The unit of the other formats is fixed.

    Returns:
        Pieces of text, to be encoded as UTF-8, or of bytes. The first one holds the first readings.

    Raises:
        InvalidInput: `bad_format` or `bad_unit`, at once and not with the first piece.
    """
    if file_format not in MIME_TYPES:
        raise InvalidInput("bad_format", f"the format must be one of {', '.join(MIME_TYPES)}")
    if unit is not None and unit not in KMH_IN:
        raise InvalidInput("bad_unit", f"the unit must be one of {', '.join(KMH_IN)}")
    if file_format != "csv" and unit not in {None, "kmh"}:
        raise InvalidInput(
            "bad_unit", f"only CSV can be written in {unit}: NDJSON and Parquet are in km/h, GPX and TCX in m/s"
        )
    if file_format == "parquet":
        return write_parquet(iter(readings))
    writers: dict[str, Callable[[Iterator[Reading]], Iterator[str]]] = {
        "csv": partial(write_csv, unit=unit or "kmh"),
        "ndjson": write_ndjson,
        "gpx": write_gpx,
        "tcx": write_tcx,
    }
    return writers[file_format](iter(readings))


def source_of(name: str) -> str:
    """Return the source of a recording that names none: the file's name without its ending and accents, with - for other characters."""
    plain = unicodedata.normalize("NFKD", PurePath(name).stem)
    text = "".join(each for each in plain if not unicodedata.combining(each))
    return re.sub(r"[^A-Za-z0-9._:-]+", "-", text).strip("-.")[:64] or "drive"


def _format_of_content(first: bytes) -> str:
    if first[SIGNATURE_AT : SIGNATURE_AT + len(SIGNATURE)] == SIGNATURE:
        return "fit"
    if TCX.root.encode() in first:
        return "tcx"
    if first.lstrip().startswith(HEADING) or b"\n[header]" in first:
        return "vbo"
    return FORMAT_OF_START.get(first.removeprefix(b"\xef\xbb\xbf").lstrip()[:1], "csv")
