"""A drive that gpsbabel has converted gives the same trips."""

import shutil
import subprocess
from datetime import datetime

import pytest
import requests

from speeddash.reading import rfc3339
from tests.conftest import require

START_S = 1_769_860_800
DEGREE_M = 111_319.490_79
HEAD = '<?xml version="1.0"?><gpx version="1.1" creator="x" xmlns="http://www.topografix.com/GPX/1/1" xmlns:t="http://www.garmin.com/xmlschemas/TrackPointExtension/v2"><trk><trkseg>'
POINT = '<trkpt lat="0.0001" lon="{:.9f}"><time>{}</time><extensions><t:TrackPointExtension><t:speed>{}</t:speed></t:TrackPointExtension></extensions></trkpt>\n'


def drive():
    """Two trips along the equator, with smooth starts and stops: text of a GPX file with speeds and positions that agree."""
    lon, speed, points = 13.0, 0.0, []
    for second in range(1_600):
        in_trip = second % 1_000
        gap = 580 <= second < 1_000
        want = 0.0 if in_trip < 20 or in_trip > 540 else 12 + 8 * ((in_trip // 60) % 2)
        before, speed = speed, speed + max(-2.0, min(2.0, want - speed))
        lon += (before + speed) / 2 / DEGREE_M
        if not gap:
            points.append(POINT.format(lon, rfc3339((START_S + second) * 1_000_000), speed))
    return HEAD + "".join(points) + "</trkseg></trk></gpx>"


def convert(folder, source, target, *forms):
    subprocess.run(
        ["gpsbabel", "-i", forms[0], "-f", str(folder / source), "-o", forms[1], "-F", str(folder / target)], check=True
    )


def trips(server, source):
    answer = requests.get(f"{server.url}/api/v1/trips", {"source": source}, timeout=20)
    answer.raise_for_status()
    return answer.json()["trips"]


def test_fit_tcx_gpx_and_kml_give_the_same_trips(server, tmp_path):
    require(shutil.which("gpsbabel"), "gpsbabel")
    (tmp_path / "original.gpx").write_text(drive())
    convert(tmp_path, "original.gpx", "same.gpx", "gpx", "gpx")
    convert(tmp_path, "original.gpx", "watch.fit", "gpx", "garmin_fit")
    convert(tmp_path, "original.gpx", "watch.tcx", "gpx", "gtrnctr,course=0")
    convert(tmp_path, "original.gpx", "earth.kml", "gpx", "kml,track=1,points=0,lines=0")
    convert(tmp_path, "earth.kml", "earth.gpx", "kml", "gpx")
    names = ["original.gpx", "same.gpx", "watch.fit", "watch.tcx", "earth.gpx"]
    for name in names:
        answer = requests.post(
            f"{server.url}/api/v1/import?name={name}&source={name}", (tmp_path / name).read_bytes(), timeout=60
        )
        assert answer.json()["bad_count"] == 0, (name, answer.text)
        assert answer.json()["stored"] == 1_180
    original = trips(server, "original.gpx")
    assert len(original) == 2
    for name in names:
        found = trips(server, name)
        assert len(found) == 2, name
        for one, other in zip(found, original, strict=True):
            # From positions alone the speed of a point is that of the way around it, a second before and after; a position of a KML has
            # six decimals, so 0.11 m in a second, 0.4 km/h.
            allowed_s, allowed_kmh = (1.1, 0.4) if name == "earth.gpx" else (0, 0.01)
            starts = [datetime.fromisoformat(each["start"]).timestamp() for each in (one, other)]
            assert abs(starts[0] - starts[1]) <= allowed_s, name
            assert one["distance_km"] == pytest.approx(other["distance_km"], rel=0.001), name
            assert one["max_speed"] == pytest.approx(other["max_speed"], abs=allowed_kmh), name
