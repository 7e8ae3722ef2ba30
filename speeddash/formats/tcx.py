"""TCX: activities and courses of Garmin's Training Center. See https://www8.garmin.com/xmlschemas/TrainingCenterDatabasev2.xsd."""

import io
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from speeddash.formats.gpx import INVALID_IN_XML
from speeddash.formats.pieces import batches, take
from speeddash.formats.row import BadLine, Row
from speeddash.formats.track import Format, read_track
from speeddash.reading import Reading, rfc3339
from speeddash.segment import GAP_US

#: Namespace of values that TCX does not define: the source, the seq and the exact km/h of a point.
NAMESPACE: Final = "urn:speeddash:tcx:1"
TCX: Final = Format(
    root="TrainingCenterDatabase",
    track="Activity",
    segments=frozenset({"Track", "Lap"}),
    point="Trackpoint",
    values={
        "Time": "time",
        "Speed": "speed",
        "AltitudeMeters": "ele",
        "LatitudeDegrees": "lat",
        "LongitudeDegrees": "lon",
    },
    attributes={},
    anywhere=frozenset({"speed", "lat", "lon"}),
    namespace=NAMESPACE,
    may_lack_speed=True,
)
HEAD: Final = f"""<?xml version="1.0" encoding="UTF-8"?>
<TrainingCenterDatabase xmlns="http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2" \
xmlns:ns3="http://www.garmin.com/xmlschemas/ActivityExtension/v2" xmlns:speeddash="{NAMESPACE}">
<Activities>
"""
LAP: Final = (
    '<Lap StartTime="{}"><TotalTimeSeconds>{:.3f}</TotalTimeSeconds><DistanceMeters>{:.2f}</DistanceMeters><Calories>0</Calories>'
    "<Intensity>Active</Intensity><TriggerMethod>Manual</TriggerMethod><Track>\n"
)
POINT: Final = (
    "<Trackpoint><Time>{}</Time><DistanceMeters>{:.2f}</DistanceMeters><Extensions><ns3:TPX><ns3:Speed>{!r}</ns3:Speed></ns3:TPX>"
    '<speeddash:reading source={} seq="{}" speed_kmh="{!r}"/></Extensions></Trackpoint>\n'
)


def read_tcx(name: str, pieces: Iterable[bytes], unit: str | None, start_us: int) -> Iterator[Row | BadLine]:
    """Read rows; see `read_track`. Some programs write km/h where the format has m/s; `unit` says so."""
    return read_track(TCX, name, pieces, unit, start_us)


def write_tcx(readings: Iterator[Reading]) -> Iterator[str]:
    """Yield the text of a TCX file: an activity for each source and after each gap, in laps of at most 1,000 points."""
    text = io.StringIO(HEAD)
    text.seek(0, io.SEEK_END)
    metres = 0.0
    before: Reading | None = None
    for batch in batches(readings):
        for lap in _laps(batch):
            first = lap[0]
            begins = before is None or first.source != before.source or first.at_us - before.at_us >= GAP_US
            if before is None or begins:
                text.write("</Activity>\n" if before else "")
                name = escape(first.source.translate(INVALID_IN_XML))
                text.write(f'<Activity Sport="Other"><Id>{rfc3339(first.at_us)}</Id><Notes>{name}</Notes>\n')
                before, metres = first, 0.0
            ways = [0.0]
            for a, b in zip([before, *lap], lap, strict=False):
                # The trapezoid rule: km/h times microseconds, in metres.
                ways.append(ways[-1] + (a.speed + b.speed) / 2 * (b.at_us - a.at_us) / 3.6e6)
            text.write(LAP.format(rfc3339(first.at_us), (lap[-1].at_us - first.at_us) / 1e6, ways[-1]))
            for reading, way in zip(lap, ways[1:], strict=True):
                source = quoteattr(reading.source.translate(INVALID_IN_XML))
                text.write(
                    POINT.format(
                        rfc3339(reading.at_us), metres + way, reading.speed / 3.6, source, reading.seq, reading.speed
                    )
                )
            text.write("</Track></Lap>\n")
            metres += ways[-1]
            before = lap[-1]
        yield take(text)
    yield ("</Activity>\n" if before else "") + "</Activities></TrainingCenterDatabase>\n"


def _laps(batch: list[Reading]) -> Iterator[list[Reading]]:
    """Yield the readings of a batch in parts of one source without a gap."""
    for _, group in groupby(batch, lambda reading: reading.source):
        lap: list[Reading] = []
        for reading in group:
            if lap and reading.at_us - lap[-1].at_us >= GAP_US:
                yield lap
                lap = []
            lap.append(reading)
        yield lap
