"""Readings as a file: CSV, NDJSON or GPX, made piece by piece while they are read. Pure functions."""

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Final
from xml.sax.saxutils import escape, quoteattr

import orjson

from speeddash.drive.csv import defused
from speeddash.drive.gpx import NAMESPACE
from speeddash.errors import FrameError
from speeddash.reading import Reading, rfc3339
from speeddash.units import KMH_IN

#: Readings in one piece of text, some 60 to 300 KB.
PIECE_READINGS: Final = 1_000
#: What each form is called on the wire.
MIME_TYPES: Final = {"csv": "text/csv", "ndjson": "application/x-ndjson", "gpx": "application/gpx+xml"}
#: A track goes on in a new segment after a gap such as parts two trips.
SEGMENT_GAP_US: Final = 300_000_000
#: Metres of a degree along the equator, WGS 84 (semi-major axis 6,378,137 m).
DEGREE_M: Final = 2 * math.pi * 6_378_137 / 360

GPX_HEAD: Final = f"""<?xml version="1.0" encoding="UTF-8"?>
<gpx version="1.1" creator="SpeedDash" xmlns="http://www.topografix.com/GPX/1/1" \
xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v2" xmlns:speeddash="{NAMESPACE}">
<metadata><desc>Speeds, not places: SpeedDash keeps no positions. Each track runs along the equator from longitude 0, as far as \
was travelled, so that every program finds the right speeds.</desc></metadata>
"""
GPX_POINT: Final = (
    '<trkpt lat="0" lon="{:.9f}"><time>{}</time><extensions><gpxtpx:TrackPointExtension><gpxtpx:speed>{!r}</gpxtpx:speed>'
    '</gpxtpx:TrackPointExtension><speeddash:reading seq="{}" speed_kmh="{!r}"/></extensions></trkpt>\n'
)
#: What XML 1.0 has no way to write, should a source that was inserted by hand have it.
XML_UNSPEAKABLE: Final = dict.fromkeys([*range(9), 11, 12, *range(14, 32)], "\ufffd")


def export(form: str, readings: Iterable[Reading], *, unit: str | None = None) -> Iterator[str]:
    """Write readings; `read_drive` reads the same ones back, to the bit while they are in km/h.

    Args:
        form: A key of `MIME_TYPES`.
        readings: In the order of their key. They are drawn as the pieces are.
        unit: Of the speeds in CSV, a key of `KMH_IN`; None is km/h. The other forms have units of their own.

    Returns:
        Pieces of text, to be encoded as UTF-8. The first one already holds the first readings.

    Raises:
        FrameError: `bad_format` or `bad_unit`, at once and not with the first piece.
    """
    if form not in MIME_TYPES:
        raise FrameError("bad_format", f"the format must be one of {', '.join(MIME_TYPES)}")
    if unit is not None and unit not in KMH_IN:
        raise FrameError("bad_unit", f"the unit must be one of {', '.join(KMH_IN)}")
    if form != "csv" and unit not in {None, "kmh"}:
        raise FrameError("bad_unit", f"only CSV can be had in {unit}: NDJSON is km/h as on the wire, GPX is m/s")
    writers: dict[str, Callable[[Iterator[Reading]], Iterator[str]]] = {
        "csv": partial(_csv, unit=unit or "kmh"),
        "ndjson": _ndjson,
        "gpx": _gpx,
    }
    return writers[form](iter(readings))


def _csv(readings: Iterator[Reading], unit: str) -> Iterator[str]:
    kmh = KMH_IN[unit]
    text = io.StringIO()
    # Lines end as RFC 4180 says: with a mere \n a \r within a text would not be quoted, and begin a cell of its own.
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["source", "timestamp", "seq", f"speed_{unit}"])
    for batch in _batches(readings):
        # The writer puts a float down as its repr, which reads back to the same bits.
        writer.writerows([(defused(source), rfc3339(at_us), seq, speed / kmh) for source, at_us, seq, speed in batch])
        yield _taken(text)


def _ndjson(readings: Iterator[Reading]) -> Iterator[str]:
    for batch in _batches(readings):
        yield b"".join(orjson.dumps(each.as_dict(), option=orjson.OPT_APPEND_NEWLINE) for each in batch).decode()


def _gpx(readings: Iterator[Reading]) -> Iterator[str]:
    """A track for each source, a segment for each stretch without a gap."""
    text = io.StringIO(GPX_HEAD)
    text.seek(0, io.SEEK_END)
    metres = 0.0
    before: Reading | None = None
    for batch in _batches(readings):
        for reading in batch:
            if before is None or reading.source != before.source:
                text.write(("</trkseg></trk>\n" if before else "") + _track(reading.source))
                metres = 0.0
            elif reading.at_us - before.at_us >= SEGMENT_GAP_US:
                text.write("</trkseg><trkseg>\n")
            else:
                # The trapezoid rule: km/h times microseconds, in metres.
                metres += (before.speed + reading.speed) / 2 * (reading.at_us - before.at_us) / 3.6e6
            text.write(_point(reading, metres))
            before = reading
        yield _taken(text)
    yield ("</trkseg></trk>\n" if before else "") + "</gpx>\n"


def _track(source: str) -> str:
    name = source.translate(XML_UNSPEAKABLE)
    own = f"<extensions><speeddash:track source={quoteattr(name)}/></extensions>"
    return f"<trk><name>{escape(name)}</name>{own}<trkseg>\n"


def _point(reading: Reading, metres: float) -> str:
    # East of 180 degrees the west begins.
    longitude = (round(metres / DEGREE_M, 9) + 180) % 360 - 180
    return GPX_POINT.format(longitude, rfc3339(reading.at_us), reading.speed / 3.6, reading.seq, reading.speed)


def _batches(readings: Iterator[Reading]) -> Iterator[list[Reading]]:
    """At least one, so that a file without readings has its head."""
    yield list(islice(readings, PIECE_READINGS))
    while batch := list(islice(readings, PIECE_READINGS)):
        yield batch


def _taken(text: io.StringIO) -> str:
    """What was written, leaving nothing."""
    written = text.getvalue()
    text.seek(0)
    text.truncate()
    return written
