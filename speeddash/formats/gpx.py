"""GPX: tracks of a satellite receiver. See https://www.topografix.com/GPX/1/1/."""

import io
import math
from collections.abc import Iterable, Iterator
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from speeddash.formats.pieces import batches, take
from speeddash.formats.row import BadLine, Row
from speeddash.formats.track import Format, read_track
from speeddash.reading import Reading, rfc3339
from speeddash.segment import GAP_US

#: Namespace of values that GPX does not define: the source of a track, and the seq and exact km/h of a point.
NAMESPACE: Final = "urn:speeddash:gpx:1"
GPX: Final = Format(
    root="gpx",
    track="trk",
    segments=frozenset({"trkseg", "trk"}),
    point="trkpt",
    values={"time": "time", "speed": "speed", "ele": "ele"},
    attributes={"lat": "lat", "lon": "lon"},
    anywhere=frozenset({"speed"}),
    namespace=NAMESPACE,
)
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


def read_gpx(name: str, pieces: Iterable[bytes], unit: str | None, start_us: int) -> Iterator[Row | BadLine]:
    """Read rows; see `read_track`."""
    return read_track(GPX, name, pieces, unit, start_us)


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


def _track_element(source: str) -> str:
    name = source.translate(INVALID_IN_XML)
    own = f"<extensions><speeddash:track source={quoteattr(name)}/></extensions>"
    return f"<trk><name>{escape(name)}</name>{own}<trkseg>\n"


def _point_element(reading: Reading, metres: float) -> str:
    # Longitudes end at 180 degrees.
    longitude = (round(metres / DEGREE_M, 9) + 180) % 360 - 180
    return POINT.format(longitude, rfc3339(reading.at_us), reading.speed / 3.6, reading.seq, reading.speed)
