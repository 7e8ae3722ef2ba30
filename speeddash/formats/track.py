"""Tracks in XML: points with a time, with the speed that they carry, else computed from their positions.

Design: a document of a million points does not fit into memory as a tree. Expat reads it piece by piece, and knows the line of each point.
gpxpy, which would build that tree, computes speeds from three points at a time.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from typing import Final, NamedTuple
from xml.parsers import expat

from gpxpy.gpx import GPXTrackPoint

from speeddash.errors import InvalidInput, RecordingError
from speeddash.formats.lines import MAX_LINE_BYTES
from speeddash.formats.row import BadLine, Row, moment_us, seq_number, source_name, speed_kmh, why
from speeddash.reading import EPOCH
from speeddash.units import KMH_IN

MAX_DEPTH: Final = 50
#: Characters of a value; valid ones are much shorter.
MAX_TEXT: Final = 200
#: Degrees and metres; with much larger values the arithmetic of gpxpy overflows.
MAX_LATITUDE: Final = 90
MAX_LONGITUDE: Final = 360
MAX_ELEVATION_M: Final = 1e6


class Format(NamedTuple):
    """The names of a format's elements.

    Attributes:
        root: The document.
        track: A track, which may carry a source.
        segments: Elements at whose end a segment ends.
        point: A point.
        values: What the elements of a point hold: `time`, `speed`, `ele`, `lat` or `lon`.
        attributes: The same for the attributes of a point.
        anywhere: Values that may stand at any depth within a point; the others are its children.
        namespace: Namespace of values that the format does not define: the source of a track, and the seq and exact km/h of a point.
        may_lack_speed: A point without speed and position is no error.
    """

    root: str
    track: str
    segments: frozenset[str]
    point: str
    values: Mapping[str, str]
    attributes: Mapping[str, str]
    anywhere: frozenset[str]
    namespace: str
    may_lack_speed: bool = False


@dataclass(slots=True)
class Point:
    """A point with its values as text."""

    number: int
    line: int
    source: str | None
    values: dict[str, str] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)
    at_us: int = 0
    place: GPXTrackPoint | None = None


def read_track(
    kind: Format, name: str, pieces: Iterable[bytes], unit: str | None, start_us: int
) -> Iterator[Row | BadLine]:
    """Read rows, their numbers counting the points of all tracks; see `read_recording` for the other arguments.

    Raises:
        RecordingError: It is no XML, another document, or malicious XML. The points before that place were yielded.
    """
    before: Point | None = None
    here: Point | None = None
    for point in _points(kind, name, pieces):
        if point is not None:
            if kind.may_lack_speed and point.values.keys().isdisjoint({"speed", "lat", "lon"}) and not point.own:
                continue
            try:
                point.at_us = moment_us(point.values.get("time", ""), start_us)
            except InvalidInput as wrong:
                yield BadLine(point.line, why(wrong) if "time" in point.values else "the point has no time")
                continue
        # A point without a speed that another one of its track has was standing, or came to a stand: the way to it says more
        # than the way from it, which may be that of the start.
        yield from _row(before, here, None if kind.may_lack_speed and before else point, unit)
        before, here = here, point


def _row(before: Point | None, point: Point | None, after: Point | None, unit: str | None) -> Iterator[Row | BadLine]:
    """Yield the row of the point in the middle. A neighbour is None at an end of a segment."""
    if point is None:
        return
    try:
        seq = seq_number(point.own["seq"]) if "seq" in point.own else None
        source = source_name(point.own.get("source", point.source), seq)
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
            latitude, longitude = float(point.values["lat"]), float(point.values["lon"])
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


def _points(kind: Format, name: str, pieces: Iterable[bytes]) -> Iterator[Point | None]:
    """Yield the points in the order of the file, and None at the end of each segment."""
    parser = _Parser(kind, name)
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

    def __init__(self, kind: Format, name: str) -> None:
        self._kind = kind
        self._name = name
        self._fed_bytes = 0
        self._depth = 0
        self._number = 0
        self._source: str | None = None
        self._point: Point | None = None
        self._point_depth = 0
        self._value: str | None = None
        self._value_name = ""
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
        raise self._error("a document type (<!DOCTYPE) is not allowed, this format has none")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        namespace, _, name = tag.rpartition(" ")
        self._depth += 1
        kind = self._kind
        if self._depth == 1 and name != kind.root:
            raise self._error(f"the document is <{name[:40]}>, not <{kind.root}>")
        if self._depth > MAX_DEPTH:
            raise self._error(f"more than {MAX_DEPTH} elements within each other")
        point = self._point
        if name == kind.point:
            self._number += 1
            self._point = Point(self._number, self._parser.CurrentLineNumber, self._source)
            self._point.values = {
                kind.attributes[each]: attributes[each] for each in kind.attributes if each in attributes
            }
            self._point_depth = self._depth
        elif name == kind.track:
            self._source = None
        elif namespace == kind.namespace and name == "track":
            self._source = attributes.get("source")
        elif point is None:
            return
        elif namespace == kind.namespace:
            point.own = attributes
        elif (
            (value := kind.values.get(name))
            and value not in point.values
            and (value in kind.anywhere or self._depth == self._point_depth + 1)
        ):
            self._value, self._value_name = "", value
            self._parser.CharacterDataHandler = self._text

    def _text(self, text: str) -> None:
        self._value = ((self._value or "") + text)[:MAX_TEXT]

    def _end(self, tag: str) -> None:
        name = tag.rpartition(" ")[2]
        self._depth -= 1
        point = self._point
        if point is not None and self._value is not None:
            point.values[self._value_name] = self._value.strip()
            self._value = None
            self._parser.CharacterDataHandler = None
        if name == self._kind.point and point is not None:
            self._points.append(point)
            self._point = None
        elif name in self._kind.segments:
            self._points.append(None)
