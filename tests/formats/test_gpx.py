import io

import pytest

from speeddash.errors import RecordingError
from speeddash.formats import BadLine, Row, read_recording

NOON_US = 1_769_860_800_000_000
HEAD = (
    '<?xml version="1.0"?>\n<gpx version="1.1" creator="a logger" xmlns="http://www.topografix.com/GPX/1/1"'
    ' xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v2">\n'
)
TPX = (
    "<extensions><gpxtpx:TrackPointExtension><gpxtpx:speed>{}</gpxtpx:speed></gpxtpx:TrackPointExtension></extensions>"
)


def point(second, inside="", lon=0.0, lat=0.0):
    return f'<trkpt lat="{lat}" lon="{lon}"><time>2026-01-31T12:00:{second:02}Z</time>{inside}</trkpt>\n'


def track(*segments):
    return HEAD + "<trk>" + "".join(f"<trkseg>{each}</trkseg>" for each in segments) + "</trk></gpx>"


def stream(text, **options):
    content = text if isinstance(text, bytes) else text.encode()
    return read_recording(io.BytesIO(content), name="ride.gpx", start_us=0, **options)


def read(text, **options):
    return list(stream(text, **options))


def test_speed_of_a_point_is_taken_from_the_element_or_the_known_extension():
    text = track(
        point(0, "<ele>1</ele><speed>10</speed>")
        + point(1, TPX.format("1e1"))
        + point(2, "<extensions><speed>20</speed></extensions>")
    )
    assert read(text) == [
        Row(1, NOON_US, 36.0, 3),
        Row(2, NOON_US + 1_000_000, 36.0, 4),
        Row(3, NOON_US + 2_000_000, 72.0, 5),
    ]
    assert [row.speed for row in read(text, unit="kmh")] == [10.0, 10.0, 20.0]


def test_speed_comes_from_the_way_between_points_where_none_is_given():
    # 0.001 degrees of the equator are 111.3 m; at rest, then 1 s of way, then 2 s of way.
    rows = read(track(point(0) + point(1) + point(2, lon=0.001) + point(4, lon=0.003)))
    metres = 111.319_490_79
    assert [row.speed / 3.6 for row in rows] == pytest.approx([0, metres / 2, metres, metres])


def test_segments_are_not_joined_and_a_lone_point_cannot_have_a_speed():
    rows = read(track(point(0) + point(1, lon=0.001), point(2, lon=5)))
    assert [row.speed for row in rows[:2]] == pytest.approx([400.75] * 2, rel=1e-4)
    assert rows[2] == BadLine(5, "the point has no speed, and no neighbour at another time to compute it from")


def test_old_gpx_and_other_encodings_and_times_without_zone_are_read():
    text = '<?xml version="1.0" encoding="ISO-8859-1"?><gpx version="1.0" xmlns="http://www.topografix.com/GPX/1/0"><trk><name>\xe9</name><trkseg><trkpt lat="0" lon="0"><time>2026-01-31T12:00:00.123456</time><speed>1</speed></trkpt></trkseg></trk></gpx>'
    assert read(text.encode("latin-1")) == [Row(1, NOON_US + 123_456, 3.6, 1)]


def test_waypoints_and_routes_are_no_readings():
    assert (
        read(
            HEAD
            + '<wpt lat="1" lon="1"><time>2026-01-31T12:00:00Z</time></wpt><rte><rtept lat="1" lon="1"/></rte></gpx>'
        )
        == []
    )


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ('<trkpt lat="0" lon="0"><speed>1</speed></trkpt>', "the point has no time"),
        (point(0, "<speed>1</speed>").replace("2026", "later"), "timestamp must be"),
        (point(0, "<speed>fast</speed>"), "speed must be a number, got 'fast'"),
        (point(0, "<speed>INF</speed>"), "speed must be finite, got inf"),
        (point(0).replace("lat=", "latitude="), "no position"),
        (point(0, lat=1e308), "out of range"),
        (point(0, lat="nan"), "out of range"),
        (point(0, "<ele>1e308</ele>"), "out of range"),
    ],
)
def test_bad_point_is_reported_and_the_others_are_read(bad, problem):
    rows = read(track(bad + point(5, "<speed>1</speed>") + point(6, "<speed>1</speed>")))
    assert rows[0].line == 3
    assert problem in rows[0].why
    assert [row.number for row in rows[1:]] == [2, 3]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<html><body/></html>", ":1: the document is <html>, not <gpx>"),
        ("<gpx><trk></gpx>", ":1: the XML is broken: mismatched tag"),
        ("<gpx>\n<trk>", ":2: the XML is broken: no element found"),
        ('<gpx note="' + "x" * 3_000_000, ":1: an element of more than 1 MiB"),
        ("<gpx>" + "<a>" * 100, "more than 50 elements within each other"),
        (
            '<?xml version="1.0"?>\n<!DOCTYPE gpx [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><gpx>&b;</gpx>',
            ":2: a document type",
        ),
        ('<!DOCTYPE gpx [<!ENTITY a SYSTEM "file:///etc/passwd">]><gpx>&a;</gpx>', "a document type"),
        ('<!DOCTYPE gpx SYSTEM "http://localhost:1/gpx.dtd"><gpx/>', "a document type"),
        ('<?xml version="1.0" encoding="klingon"?><gpx/>', "unknown encoding"),
    ],
)
def test_document_that_is_no_gpx_or_means_harm_is_one_clear_error(text, problem):
    with pytest.raises(RecordingError) as raised:
        read(text)
    assert str(raised.value).startswith("ride.gpx:")
    assert problem in str(raised.value)


def test_points_before_the_place_where_a_file_breaks_off_are_read():
    drive = stream(track(point(0, "<speed>1</speed>") + point(1, "<speed>2</speed>"))[:-21])
    assert [next(drive).speed, next(drive).speed] == [3.6, 7.2]
    with pytest.raises(RecordingError, match="XML is broken"):
        next(drive)


def test_long_comment_between_blocks_is_passed_over():
    text = track(point(0, "<speed>1</speed>") + "<!--" + "x" * 200_000 + "-->" + point(1, "<speed>1</speed>"))
    assert len(read(text)) == 2
