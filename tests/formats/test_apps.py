"""Files that apps of phones and lap timers write, in the form in which each writes them."""

import io

import pytest

from speeddash.errors import RecordingError
from speeddash.formats import BadLine, Row, read_recording

NOON_US = 1_769_860_800_000_000
SECOND_US = 1_000_000


def read(text, name, **options):
    return list(read_recording(io.BytesIO(text.encode()), name=name, start_us=0, **options))


def speeds(rows):
    assert not [each for each in rows if isinstance(each, BadLine)]
    return [(row.at_us, pytest.approx(row.speed)) for row in rows]


GPSLOGGER = """time,lat,lon,elevation,accuracy,bearing,speed,satellites,provider,hdop,battery,annotation
2026-01-31T12:00:00.000Z,52.5,13.4,40.0,5.0,90.0,20.0,9,gps,1.0,80,
2026-01-31T12:00:01.000Z,52.5,13.4,40.0,5.0,90.0,,9,gps,1.0,80,
2026-01-31T12:00:02.000Z,52.5,13.4,40.0,5.0,90.0,0.0,9,gps,1.0,80,
"""


def test_gpslogger_is_in_metres_per_second_and_an_empty_speed_is_none():
    assert speeds(read(GPSLOGGER, "20260131.csv")) == [(NOON_US, 72), (NOON_US + 2 * SECOND_US, 0)]


def test_positions_with_a_speed_of_unknown_unit_are_asked_for():
    text = "time,latitude,longitude,speed\n2026-01-31 12:00:00,52.5,13.4,20\n"
    with pytest.raises(
        RecordingError, match="the column speed does not name its unit; say which: one of kmh, mph, mps, kn"
    ):
        read(text, "track.csv")
    assert speeds(read(text, "track.csv", unit="kn")) == [(NOON_US, 20 * 1.852)]


def test_unit_that_nobody_names_is_never_taken_in_silence():
    said = []
    assert speeds(read("time,speed\n2026-01-31 12:00:00,20\n", "a.csv", note=said.append)) == [(NOON_US, 20)]
    assert said == [
        "the column speed does not name its unit: taken as km/h. If it is another: remove the readings, and import again with the unit"
    ]
    for text, options in (
        ("time,speed_kmh\n2026-01-31 12:00:00,20\n", {}),
        ("time,speed\n2026-01-31 12:00:00,20\n", {"unit": "kmh"}),
    ):
        assert read(text, "a.csv", **options, note=said.append)
    assert len(said) == 1


TORQUE = """GPS Time, Device Time, Longitude, Latitude,GPS Speed (Meters/second), Altitude, Speed (OBD)(km/h),Engine RPM(rpm)
Sat Jan 31 13:00:00 GMT+01:00 2026,31-Jan-2026 13:00:00.100,13.4,52.5,10.5,40,37,1500
Sat Jan 31 13:00:01 GMT+01:00 2026,31-Jan-2026 13:00:01.100,13.4,52.5,-,40,38,1500
GPS Time, Device Time, Longitude, Latitude,GPS Speed (Meters/second), Altitude, Speed (OBD)(km/h),Engine RPM(rpm)
Sat Jan 31 13:00:02 GMT+01:00 2026,31-Jan-2026 13:00:02.100,13.4,52.5,11,40,39,1500
"""


def test_torque_with_its_repeated_header():
    assert speeds(read(TORQUE, "trackLog.csv")) == [(NOON_US, 37.8), (NOON_US + 2 * SECOND_US, 39.6)]
    obd = TORQUE.replace("GPS Speed (Meters/second)", "Nothing")
    assert [row.speed for row in read(obd, "trackLog.csv")] == [37, 38, 39]


RACECHRONO = """This file is created using RaceChrono v8.0.0 ( http://racechrono.com/ ).
Format,3
Session title,"A track, somewhere"
Session type,Lap timing
Created,31/01/2026,12:00

timestamp,fragment_id,lap_number,elapsed_time,latitude,longitude,speed,speed,rpm
unix time,,,s,deg,deg,m/s,km/h,rpm
,,,,100: gps,100: gps,100: gps,200: obd,200: obd
1769860800.000,0,1,0.000,52.5,13.4,30.5,111,5000
1769860800.100,0,1,0.100,52.5,13.4,,112,5000
1769860800.200,0,1,0.200,52.5,13.4,31,112,5000
"""


def test_racechrono_with_its_lines_before_and_after_the_header():
    assert speeds(read(RACECHRONO, "session.csv")) == [(NOON_US, 109.8), (NOON_US + 200_000, 111.6)]


VBO = """File created on 31/01/2026 at 23:59:58
[header]
satellites
time
latitude
longitude
velocity kmh
[comments]
a lap timer
[column names]
sats time lat long velocity heading height
[data]
009 235959.50 +3150.0 -0804.0 063.50 090.0 +00040.0
009 235959.75 +3150.0 -0804.0 fast 090.0 +00040.0
009 000000.50 +3150.0 -0804.0 064.50 090.0 +00040.0
"""


def test_vbo_over_midnight():
    midnight = NOON_US + 12 * 3600 * SECOND_US
    rows = read(VBO, "lap.vbo")
    assert rows == [
        Row(1, midnight - 500_000, 63.5, 13),
        BadLine(14, "speed must be a number, got 'fast'"),
        Row(3, midnight + 500_000, 64.5, 15),
    ]
    assert read(VBO, "lap.txt") == rows  # known by its content
    with pytest.raises(RecordingError, match="no day in the first line"):
        read(VBO.replace("31/01/2026", "today"), "lap.vbo")


def test_tcx_in_the_unit_of_the_format_or_another_and_a_point_without_a_speed_is_none():
    text = """<?xml version="1.0"?><TrainingCenterDatabase xmlns="http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2"
    xmlns:ns3="http://www.garmin.com/xmlschemas/ActivityExtension/v2"><Activities><Activity Sport="Biking"><Id>x</Id>
    <Lap StartTime="2026-01-31T12:00:00Z"><TotalTimeSeconds>2</TotalTimeSeconds><Track>
    <Trackpoint><Time>2026-01-31T12:00:00Z</Time><HeartRateBpm><Value>90</Value></HeartRateBpm>
    <Extensions><ns3:TPX><ns3:Speed>5.5</ns3:Speed></ns3:TPX></Extensions></Trackpoint>
    <Trackpoint><Time>2026-01-31T12:00:01Z</Time></Trackpoint></Track></Lap></Activity></Activities></TrainingCenterDatabase>"""
    assert speeds(read(text, "ride.tcx")) == [(NOON_US, 19.8)]
    assert speeds(read(text, "ride.xml", unit="kmh")) == [(NOON_US, 5.5)]


@pytest.mark.parametrize(
    "content", [b"", b"\x0e\x20\x00\x00\x10\x00\x00\x00.FIT", b"\x0e\x20\x00\x00\xff\xff\x00\x00.FIT" + b"\x40" * 200]
)
def test_damaged_fit_is_one_clear_error(content):
    with pytest.raises(RecordingError, match=r"ride\.fit: "):
        list(read_recording(io.BytesIO(content), name="ride.fit", start_us=0))
