import csv
import io
import json
import xml.etree.ElementTree as ET

import gpxpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speeddash.errors import InvalidInput
from speeddash.formats import parquet, read_recording, write_readings
from speeddash.formats.importer import Importer
from speeddash.reading import MAX_SEQ, Reading

NOON_US = 1_769_860_800_000_000
FORMATS = ["csv", "ndjson", "gpx", "tcx"]
readings = st.builds(
    Reading,
    source=st.text("ABZabz019._:-", min_size=1, max_size=64) | st.sampled_from(["", "-1.5", "car"]),
    at_us=st.integers(0, 4_133_980_799_999_999),  # 1970 to 2100
    seq=st.integers(0, MAX_SEQ),
    speed=st.floats(0, 2000).map(lambda speed: speed + 0.0),
)
batches = st.lists(readings, min_size=1, max_size=20, unique_by=lambda reading: reading[:3]).map(sorted)


def imported(content, form, store):
    taken = Importer(store, source="default", max_speed_kmh=2000.0)
    taken.run(read_recording(io.BytesIO(content), name=f"drive.{form}", start_us=0))
    return taken


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=60, deadline=None)
@given(batches)
def test_export_then_import_is_the_same_to_the_bit(form, batch):
    content = "".join(write_readings(form, batch)).encode()
    stored = []
    taken = imported(content, form, stored.extend)
    assert (taken.bad_lines, taken.failure) == ([], None)
    assert stored == batch
    assert [each.speed.hex() for each in stored] == [each.speed.hex() for each in batch]


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(FORMATS), batches)
def test_store_to_file_to_store_is_the_same_to_the_bit(store, form, batch):
    store.writer.insert(batch)
    everything = list(store.readings.stream())
    found = []
    assert imported("".join(write_readings(form, store.readings.stream())).encode(), form, found.extend).complete
    assert found == everything
    # Back into the same store nothing is added.
    imported("".join(write_readings(form, found)).encode(), form, lambda part: store.writer.insert(part))
    assert list(store.readings.stream()) == everything


CAR = [Reading("car", NOON_US + n * 1_000_000, n, 50.0 + n) for n in range(3)]


def test_csv_has_a_header_that_says_the_unit_and_a_row_for_each_reading():
    assert (
        "".join(write_readings("csv", CAR[:1]))
        == "source,timestamp,seq,speed_kmh\r\ncar,2026-01-31T12:00:00.000000Z,0,50.0\r\n"
    )
    (row,) = list(csv.DictReader(io.StringIO("".join(write_readings("csv", CAR[:1], unit="mph")))))
    assert float(row["speed_mph"]) == 50.0 / 1.609344


@pytest.mark.parametrize("source", ["-1+1", "=HYPERLINK(1)", "+1", "@SUM(1)", "\tx", "\rx", "'x"])
def test_text_that_a_spreadsheet_would_run_is_defused(source):
    rows = list(csv.reader(io.StringIO("".join(write_readings("csv", [Reading(source, NOON_US, 1, 1.0)])), newline="")))
    assert rows[1][0] == "'" + source


def test_ndjson_is_the_wire_contract():
    assert [json.loads(line) for line in "".join(write_readings("ndjson", CAR)).splitlines()] == [
        each.as_dict() for each in CAR
    ]


def test_gpx_has_a_track_for_each_source_and_a_segment_after_a_gap():
    later = [Reading("car", NOON_US + 302_000_000, 0, 1.0), Reading("van", NOON_US, 0, 1.0)]
    found = gpxpy.parse("".join(write_readings("gpx", CAR + later)))
    assert [track.name for track in found.tracks] == ["car", "van"]
    assert [[len(segment.points) for segment in track.segments] for track in found.tracks] == [[3, 1], [1]]
    assert "stores no positions" in found.description


def test_gpx_shows_the_right_speeds_to_a_program_that_goes_by_the_places():
    # At 2,000 km/h it goes around the world and over the edge at 180 degrees.
    steady = [Reading("car", NOON_US + n * 60_000_000, n, 2000.0) for n in range(1300)]
    (segment,) = gpxpy.parse("".join(write_readings("gpx", steady))).tracks[0].segments
    assert all(-180 <= point.longitude < 180 for point in segment.points)
    assert [
        here.speed_between(there) * 3.6 for here, there in zip(segment.points, segment.points[1:], strict=False)
    ] == pytest.approx([2000.0] * 1299, rel=1e-6)


def test_gpx_is_well_formed_whatever_was_inserted_by_hand():
    text = "".join(write_readings("gpx", [Reading('<a href="&">\x01\x1f', NOON_US, 1, 1.0)]))
    assert ET.fromstring(text).find(".//{*}name").text == '<a href="&">\ufffd\ufffd'


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_is_a_file_too(form):
    pieces = list(write_readings(form, []))
    assert pieces[0] or form == "ndjson"
    if form == "gpx":
        ET.fromstring("".join(pieces))


@pytest.mark.parametrize("form", FORMATS)
def test_pieces_come_while_readings_are_drawn(form):
    drawn = []

    def source():
        for n in range(10_000):
            drawn.append(n)
            yield Reading("car", NOON_US + n, n, 1.0)

    pieces = write_readings(form, source())
    assert drawn == []
    assert "2026-01-31T12:00:00.000000Z" in next(pieces)
    assert len(drawn) <= 1000


@pytest.mark.parametrize(("form", "unit"), [("xlsx", None), ("csv", "furlong"), ("gpx", "mph"), ("ndjson", "mps")])
def test_form_or_unit_that_cannot_be_is_refused_at_once(form, unit):
    with pytest.raises(InvalidInput, match=r"must be|only CSV"):
        write_readings(form, [], unit=unit)


def test_parquet_holds_every_reading_in_groups(monkeypatch):
    from pyarrow import parquet as reader

    monkeypatch.setattr(parquet, "GROUP_READINGS", 100)
    batch = [Reading("car", NOON_US + n, n, n / 7) for n in range(250)] + [Reading("Bus", NOON_US, MAX_SEQ, 2000.0)]
    content = b"".join(write_readings("parquet", batch))
    file = reader.ParquetFile(io.BytesIO(content))
    assert file.num_row_groups == 3
    rows = file.read().to_pylist()
    found = [
        (each["source"], round(each["timestamp"].timestamp() * 1e6), each["seq"], each["speed_kmh"]) for each in rows
    ]
    assert found == [tuple(each) for each in batch]
    assert reader.ParquetFile(io.BytesIO(b"".join(write_readings("parquet", [])))).read().num_rows == 0
