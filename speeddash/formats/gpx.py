"""GPX: points of tracks, with the speed that they carry, else computed from their positions.

Design: a document of a million points does not fit into memory as a tree. Expat reads it piece by piece, and knows the line of each point.
gpxpy, which would build that tree, computes speeds from three points at a time.
"""

import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from gpxpy.gpx import GPXTrackPoint

from speeddash.errors import InvalidInput, RecordingError
from speeddash.formats.lines import MAX_LINE_BYTES
from speeddash.formats.pieces import batches, take
from speeddash.formats.row import BadLine, Row, moment_us, seq_number, source_name, speed_kmh, why
from speeddash.reading import EPOCH, Reading, rfc3339
from speeddash.segment import GAP_US
from speeddash.units import KMH_IN

#: Namespace of values that GPX does not define: the source of a track, and the seq and exact km/h of a point.
NAMESPACE: Final = "urn:speeddash:gpx:1"
MAX_DEPTH: Final = 50
#: Characters of a value; valid ones are much shorter.
MAX_TEXT: Final = 200
VALUES: Final = {"time", "speed", "ele"}
#: Degrees and metres; with much larger values the arithmetic of gpxpy overflows.
MAX_LATITUDE: Final = 90
MAX_LONGITUDE: Final = 360
MAX_ELEVATION_M: Final = 1e6
#: Metres in a degree along the equator, WGS 84 (semi-major axis 6,378,137 m).
DEGREE_M: Final = 2 * math.pi * 6_378_137 / 360
HEAD: Final = f"""<?xml version="1.0" encoding="UTF-8"?>
<gpx version="1.1" creator="SpeedDash" xmlns="http://www.topografix.com/GPX/1/1" \
xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v2" xmlns:speeddash="{NAMESPACE}">
<metadata><desc>Speeds, not places: SpeedDash stores no positions. Each track runs along the equator from longitude 0, as far as \
was travelled, so that every program finds the right speeds.</desc></metadata>
"""
POINT: Final = (
    '<trkpt lat="0" lon="{:.9f}"><time>{}</time><extensions><gpxtpx:TrackPointExtension><gpxtpx:speed>{!r}</gpxtpx:speed>'
    '</gpxtpx:TrackPointExtension><speeddash:reading seq="{}" speed_kmh="{!r}"/></extensions></trkpt>\n'
)
#: Characters that XML 1.0 cannot represent; a source that another program inserted may contain them.
INVALID_IN_XML: Final = dict.fromkeys([*range(9), 11, 12, *range(14, 32)], "\ufffd")


@dataclass(slots=True)
class Point:
    """A point with its values as text."""

    number: int
    line: int
    attributes: dict[str, str]
    source: str | None
    values: dict[str, str] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)
    at_us: int = 0
    place: GPXTrackPoint | None = None


def read_gpx(name: str, pieces: Iterable[bytes], unit: str | None, start_us: int) -> Iterator[Row | BadLine]:
    """Read rows, their numbers counting the points of all tracks; see `read_recording` for the arguments.

    Raises:
        RecordingError: It is no XML, no GPX, or malicious XML. The points before that place were yielded.
    """
    before: Point | None = None
    here: Point | None = None
    for point in _points(name, pieces):
        if point is not None:
            try:
                point.at_us = moment_us(point.values.get("time", ""), start_us)
            except InvalidInput as wrong:
                yield BadLine(point.line, why(wrong) if "time" in point.values else "the point has no time")
                continue
        yield from _row(before, here, point, unit)
        before, here = here, point


def write_gpx(readings: Iterator[Reading]) -> Iterator[str]:
    """Yield the text of a GPX file: a track for each source, with a new segment after each gap."""
    text = io.StringIO(HEAD)
    text.seek(0, io.SEEK_END)
    metres = 0.0
    before: Reading | None = None
    for batch in batches(readings):
        for reading in batch:
            if before is None or reading.source != before.source:
                text.write(("</trkseg></trk>\n" if before else "") + _track_element(reading.source))
                metres = 0.0
            elif reading.at_us - before.at_us >= GAP_US:
                text.write("</trkseg><trkseg>\n")
            else:
                # The trapezoid rule: km/h times microseconds, in metres.
                metres += (before.speed + reading.speed) / 2 * (reading.at_us - before.at_us) / 3.6e6
            text.write(_point_element(reading, metres))
            before = reading
        yield take(text)
    yield ("</trkseg></trk>\n" if before else "") + "</gpx>\n"


def _row(before: Point | None, point: Point | None, after: Point | None, unit: str | None) -> Iterator[Row | BadLine]:
    """Yield the row of the point in the middle. A neighbour is None at an end of a segment."""
    if point is None:
        return
    try:
        seq = seq_number(point.own["seq"]) if "seq" in point.own else None
        source = source_name(point.source, seq)
        if "speed_kmh" in point.own:
            speed = speed_kmh(point.own["speed_kmh"], 1.0)
        elif "speed" in point.values:
            speed = speed_kmh(point.values["speed"], KMH_IN[unit or "mps"])
        else:
            speed = speed_kmh(_speed_between_mps(before, point, after), KMH_IN["mps"])
        yield Row(point.number, point.at_us, speed, point.line, source, seq)
    except (ValueError, InvalidInput) as wrong:
        yield BadLine(point.line, why(wrong))


def _speed_between_mps(before: Point | None, point: Point, after: Point | None) -> float:
    """Return the mean of the speeds from the point before and to the point after, where these exist."""
    here = _place(point)
    speeds_mps = [here.speed_between(_place(other)) for other in (before, after) if other]
    known = [each for each in speeds_mps if each is not None]
    if not known:
        raise ValueError("the point has no speed, and no neighbour at another time to compute it from")
    return sum(known) / len(known)


def _place(point: Point) -> GPXTrackPoint:
    """Return the position of a point for gpxpy, cached because it is needed three times."""
    if point.place is None:
        try:
            latitude, longitude = float(point.attributes["lat"]), float(point.attributes["lon"])
            elevation = float(point.values["ele"]) if "ele" in point.values else None
        except (KeyError, ValueError):
            raise ValueError(
                f"no speed, and the point of line {point.line} has no position to compute it from"
            ) from None
        if not (
            abs(latitude) <= MAX_LATITUDE and abs(longitude) <= MAX_LONGITUDE and abs(elevation or 0) <= MAX_ELEVATION_M
        ):
            raise ValueError(
                f"no speed, and the point of line {point.line} has a latitude, longitude or elevation out of range"
            )
        at = EPOCH + timedelta(microseconds=point.at_us)
        point.place = GPXTrackPoint(latitude, longitude, elevation, time=at)
    return point.place


def _track_element(source: str) -> str:
    name = source.translate(INVALID_IN_XML)
    own = f"<extensions><speeddash:track source={quoteattr(name)}/></extensions>"
    return f"<trk><name>{escape(name)}</name>{own}<trkseg>\n"


def _point_element(reading: Reading, metres: float) -> str:
    # Longitudes end at 180 degrees.
    longitude = (round(metres / DEGREE_M, 9) + 180) % 360 - 180
    return POINT.format(longitude, rfc3339(reading.at_us), reading.speed / 3.6, reading.seq, reading.speed)


def _points(name: str, pieces: Iterable[bytes]) -> Iterator[Point | None]:
    """Yield the points in the order of the file, and None at the end of each segment."""
    parser = _Parser(name)
    for piece in chain(pieces, [b""]):
        try:
            parser.feed(piece)
        except RecordingError:
            yield from parser.take()
            yield None
            raise
        yield from parser.take()


class _Parser:
    """Collects points from the events of expat until they are taken."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._fed_bytes = 0
        self._depth = 0
        self._number = 0
        self._source: str | None = None
        self._point: Point | None = None
        self._point_depth = 0
        self._value: str | None = None
        self._points: list[Point | None] = []
        parser = self._parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        # A document type may define entities, which can expand without bounds and read other files.
        parser.StartDoctypeDeclHandler = self._refuse_doctype

    def feed(self, piece: bytes) -> None:
        """Parse a piece; an empty one is the end.

        Raises:
            RecordingError: With the line.
        """
        self._fed_bytes += len(piece)
        try:
            self._parser.Parse(piece, not piece)
        except expat.ExpatError as broken:
            raise self._error(f"the XML is broken: {expat.errors.messages[broken.code]}") from broken
        except (
            LookupError,
            ValueError,
        ) as unknown:  # an encoding that Python does not know, or expat cannot take from it
            raise self._error(f"the XML is broken: {unknown}") from unknown
        # Expat holds a tag or a comment until it is complete.
        if self._fed_bytes - self._parser.CurrentByteIndex > MAX_LINE_BYTES + len(piece):
            raise self._error(f"an element of more than {MAX_LINE_BYTES >> 20} MiB")

    def take(self) -> list[Point | None]:
        """Return the points completed since the last call."""
        met, self._points = self._points, []
        return met

    def _error(self, problem: str) -> RecordingError:
        return RecordingError(f"{self._name}:{self._parser.CurrentLineNumber}: {problem}")

    def _refuse_doctype(self, *_: object) -> None:
        raise self._error("a document type (<!DOCTYPE) is not allowed, GPX has none")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        namespace, _, name = tag.rpartition(" ")
        self._depth += 1
        if self._depth == 1 and name != "gpx":
            raise self._error(f"no GPX: the document is <{name[:40]}>")
        if self._depth > MAX_DEPTH:
            raise self._error(f"more than {MAX_DEPTH} elements within each other")
        point = self._point
        if name == "trkpt":
            self._number += 1
            self._point = Point(self._number, self._parser.CurrentLineNumber, attributes, self._source)
            self._point_depth = self._depth
        elif name == "trk":
            self._source = None
        elif namespace == NAMESPACE and name == "track":
            self._source = attributes.get("source")
        elif point is None:
            return
        elif namespace == NAMESPACE:
            point.own = attributes
        elif name in VALUES and (name == "speed" or self._depth == self._point_depth + 1) and name not in point.values:
            self._value = ""
            self._parser.CharacterDataHandler = self._text

    def _text(self, text: str) -> None:
        self._value = ((self._value or "") + text)[:MAX_TEXT]

    def _end(self, tag: str) -> None:
        name = tag.rpartition(" ")[2]
        self._depth -= 1
        point = self._point
        if point is not None and self._value is not None:
            point.values[name] = self._value.strip()
            self._value = None
            self._parser.CharacterDataHandler = None
        if name == "trkpt" and point is not None:
            self._points.append(point)
            self._point = None
        elif name in {"trkseg", "trk"}:
            self._points.append(None)
