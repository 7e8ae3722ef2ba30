"""GPX: the points of tracks, with the speed they carry, or else as far as they are apart.

Design: a document of a million points does not fit into memory as a tree, so expat walks through it, which also knows the
line of each point; gpxpy, which would build that tree, gets three points at a time and says how fast one led to the next.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from typing import Final
from xml.parsers import expat

from gpxpy.gpx import GPXTrackPoint

from speeddash.drive.lines import MAX_LINE_BYTES
from speeddash.drive.row import BadLine, Row, moment_us, seq_number, source_name, speed_kmh, why
from speeddash.errors import DriveError, FrameError
from speeddash.reading import EPOCH
from speeddash.units import KMH_IN

#: The namespace of what GPX has no word for: the source of a track, the seq and the exact km/h of a point.
NAMESPACE: Final = "urn:speeddash:gpx:1"
MAX_DEPTH: Final = 50
#: What a value may have; none that we read comes near it.
MAX_TEXT: Final = 200
VALUES: Final = {"time", "speed", "ele"}
#: In degrees and metres; far beyond them gpxpy's arithmetic would overflow.
MAX_LATITUDE: Final = 90
MAX_LONGITUDE: Final = 360
MAX_ELEVATION_M: Final = 1e6


@dataclass(slots=True)
class Point:
    """A point as the file has it, all its values still text."""

    number: int
    line: int
    attributes: dict[str, str]
    source: str | None
    values: dict[str, str] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)
    at_us: int = 0
    place: GPXTrackPoint | None = None


def read_gpx(name: str, pieces: Iterable[bytes], unit: str | None, start_us: int) -> Iterator[Row | BadLine]:
    """Read rows, their numbers counting the points of all tracks; see `read_drive` for the arguments.

    Raises:
        DriveError: It is no XML, no GPX, or XML made to do harm; the points before that place have been given.
    """
    before: Point | None = None
    here: Point | None = None
    for point in _points(name, pieces):
        if point is not None:
            try:
                point.at_us = moment_us(point.values.get("time", ""), start_us)
            except FrameError as wrong:
                yield BadLine(point.line, why(wrong) if "time" in point.values else "the point has no time")
                continue
        yield from _row(before, here, point, unit)
        before, here = here, point


def _row(before: Point | None, point: Point | None, after: Point | None, unit: str | None) -> Iterator[Row | BadLine]:
    """The row of the point in the middle; a neighbour is None where its segment ends."""
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
    except (ValueError, FrameError) as wrong:
        yield BadLine(point.line, why(wrong))


def _speed_between_mps(before: Point | None, point: Point, after: Point | None) -> float:
    """The mean of the ways from the point before and to the point after, as far as there are any."""
    here = _place(point)
    speeds_mps = [here.speed_between(_place(other)) for other in (before, after) if other]
    known = [each for each in speeds_mps if each is not None]
    if not known:
        raise ValueError("the point has no speed, and no neighbour at another time to tell it from")
    return sum(known) / len(known)


def _place(point: Point) -> GPXTrackPoint:
    """Where the point is, for gpxpy; it is asked for three times."""
    if point.place is None:
        try:
            latitude, longitude = float(point.attributes["lat"]), float(point.attributes["lon"])
            elevation = float(point.values["ele"]) if "ele" in point.values else None
        except (KeyError, ValueError):
            raise ValueError(f"no speed, and the point of line {point.line} has no place to tell it from") from None
        if not (
            abs(latitude) <= MAX_LATITUDE and abs(longitude) <= MAX_LONGITUDE and abs(elevation or 0) <= MAX_ELEVATION_M
        ):
            raise ValueError(f"no speed, and the point of line {point.line} is not on this planet")
        at = EPOCH + timedelta(microseconds=point.at_us)
        point.place = GPXTrackPoint(latitude, longitude, elevation, time=at)
    return point.place


def _points(name: str, pieces: Iterable[bytes]) -> Iterator[Point | None]:
    """The points in the file's order; None where a segment ends."""
    walk = _Walk(name)
    for piece in chain(pieces, [b""]):
        try:
            walk.on(piece)
        except DriveError:
            yield from walk.take()
            yield None
            raise
        yield from walk.take()


class _Walk:
    """Hears what expat meets, and keeps the points until they are taken."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._fed_bytes = 0
        self._depth = 0
        self._number = 0
        self._source: str | None = None
        self._point: Point | None = None
        self._point_depth = 0
        self._value: str | None = None
        self._met: list[Point | None] = []
        parser = self._parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        # With a document type come entities, which can grow without bounds and name other files.
        parser.StartDoctypeDeclHandler = self._refuse_doctype

    def on(self, piece: bytes) -> None:
        """Go on with a piece; an empty one is the end.

        Raises:
            DriveError: With the line.
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
        """What is complete since the last call."""
        met, self._met = self._met, []
        return met

    def _error(self, problem: str) -> DriveError:
        return DriveError(f"{self._name}:{self._parser.CurrentLineNumber}: {problem}")

    def _refuse_doctype(self, *_: object) -> None:
        raise self._error("a document type (<!DOCTYPE) is not taken, GPX has none")

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
            self._met.append(point)
            self._point = None
        elif name in {"trkseg", "trk"}:
            self._met.append(None)
