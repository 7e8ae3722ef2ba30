import io

import pytest

from speeddash.errors import RecordingError
from speeddash.formats import BadLine, Row, read_recording, source_of

START_US = 1_769_860_800_000_000


def read(content, name="drive.csv", **options):
    content = content if isinstance(content, bytes) else content.encode()
    return list(read_recording(io.BytesIO(content), name=name, start_us=START_US, **options))


def test_times_without_zone_are_utc_and_the_column_says_the_unit():
    assert read("timestamp,speed_mph\n2026-01-31 12:00:00,10\n2026-01-31T12:00:01.5+00:00,0\n") == [
        Row(1, START_US, 16.09344, 2),
        Row(2, START_US + 1_500_000, 0.0, 3),
    ]


def test_unit_that_is_asked_for_wins_over_the_column():
    assert read("timestamp,speed_mph\n2026-01-31 12:00:00,10\n", unit="kn")[0].speed == 18.52


def test_seconds_count_from_the_start():
    assert read("second,speed_mps\n0,0\n1.5,10\n") == [
        Row(1, START_US, 0.0, 2),
        Row(2, START_US + 1_500_000, 36.0, 3),
    ]


def test_epoch_numbers_are_times():
    assert read("time,speed\n1769860800,1\n1769860800500,2\n") == [
        Row(1, START_US, 1.0, 2),
        Row(2, START_US + 500_000, 2.0, 3),
    ]


@pytest.mark.parametrize("header", ["Speed (km/h);x;Time", "\ufeffSPEED;note;DateTime"])
def test_columns_are_found_by_name_whatever_their_order_case_and_delimiter(header):
    assert read(header + "\n50;hello;2026-01-31 12:00:00Z\n") == [Row(1, START_US, 50.0, 2)]


def test_bad_lines_are_named_and_rows_keep_their_numbers():
    rows = read(
        "timestamp,speed\nyesterday,1\n2026-01-31 12:00:00,\n2026-01-31 12:00:00,nan\n\n2026-01-31 12:00:00,5\n7\n",
    )
    assert [row.line for row in rows if isinstance(row, BadLine)] == [2, 4, 7]  # no speed is no error
    assert [row for row in rows if isinstance(row, Row)] == [Row(5, START_US, 5.0, 6)]


@pytest.mark.parametrize(
    ("text", "missing"),
    [("a,b\n", "times and speeds"), ("time,b\n", "speeds"), ("speed\n", "times"), ("\n", "times and speeds")],
)
def test_file_without_the_columns_says_which(text, missing):
    with pytest.raises(RecordingError, match=f"no column of {missing};"):
        read(text)


def test_line_that_is_not_utf8_is_named_and_the_others_keep_their_numbers():
    assert read(b"time,speed,note\n0,1,caf\xe9\n1,2,caf\xc3\xa9\n") == [
        BadLine(2, "not UTF-8: byte 0xe9 at position 8"),
        Row(2, START_US + 1_000_000, 2.0, 3),
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty"),
        ("time,speed\n0,1\n".encode("utf-16"), ":1: the text is UTF-16"),
        (b"\xe9,time,speed\n", ":1: not UTF-8"),
        (b"time,speed\n0,1\n" + b"0" * 3_000_000, ":3: a line of more than 1 MiB"),
    ],
)
def test_file_that_cannot_be_read_says_why_and_where(content, problem):
    with pytest.raises(RecordingError, match=rf"drive\.csv.*{problem}"):
        read(content)


def test_what_stands_before_the_break_is_read():
    drive = read_recording(io.BytesIO(b"time,speed\n0,1\n" + b"0" * 3_000_000), name="drive.csv", start_us=START_US)
    assert next(drive) == Row(1, START_US, 1.0, 2)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_lines_end_in_every_way_wherever_a_block_ends(end, size):
    class Pipe(io.BytesIO):
        def read(self, _size):
            return super().read(size)

    text = "\ufefftime;speed\n0;1,5\n\n1;2\n".replace("\n", end)
    rows = list(read_recording(Pipe(text.encode()), name="x.csv", start_us=START_US))
    assert rows == [Row(1, START_US, 1.5, 2), Row(3, START_US + 1_000_000, 2.0, 4)]


def test_open_quote_is_reported_with_its_lines_and_a_field_of_many_lines_is_one_row():
    assert read('time,speed,note\n0,1,"two\nlines"\n1,"2\n3,4\n') == [
        Row(1, START_US, 1.0, 2),
        BadLine(4, "speed must be a number, got '2\\n3,4\\n'; a quote is open up to line 5"),
    ]


def test_field_without_end_is_one_bad_line_and_the_rest_is_read():
    text = 'time,speed\n0,1\n1,"2\n' + "1,2\n" * 40_000 + "5,6\n"
    rows = read(text)
    assert isinstance(rows[1], BadLine)
    assert "a quote is open" in rows[1].why
    assert rows[-1].speed == 6.0


def test_source_and_seq_are_taken_where_the_file_has_them():
    text = "source,timestamp,seq,speed_kmh\n'-car,2026-01-31T12:00:00.000001Z,9223372036854775807,0.1\n,2026-01-31T12:00:00Z,0,1\n,0,,2\nbus,0,,3\n"
    assert [row[1:3] + row[4:] for row in read(text)] == [
        (START_US + 1, 0.1, "-car", 2**63 - 1),
        (START_US, 1.0, "", 0),
        (START_US, 2.0, None, None),
        (START_US, 3.0, "bus", None),
    ]


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ("two words,0,1,1", "source must be"),
        ("a,0,-1,1", "seq must be"),
        ("a,0,9223372036854775808,1", "seq must be"),
        ("a,0,1.5,1", "seq must be"),
        ("a,-1e300,1,1", "timestamp"),
        ("a,nan,1,1", "timestamp"),
        ("a,2026-02-30,1,1", "timestamp"),
        ("a,0,1,inf", "speed must be finite, got inf"),
        ("a,0", "expected a value in each column of the header, got 2 columns"),
    ],
)
def test_bad_value_is_reported(cells, problem):
    (line,) = read(f"source,time,seq,speed\n{cells}\n")
    assert line.line == 2
    assert problem in line.why


@pytest.mark.parametrize(
    ("content", "speed"),
    [
        ("time,speed\n0,36\n", 36.0),
        ('\ufeff {"timestamp": 0, "speed": 36}\n', 36.0),
        ("$GPRMC,120000,A,,,,,10,,310126,,*23\n", 18.52),
        (
            "<gpx><trk><trkseg><trkpt><time>2026-01-31T12:00:00Z</time><speed>10</speed></trkpt></trkseg></trk></gpx>",
            36.0,
        ),
    ],
)
def test_format_is_found_from_the_content_where_the_name_has_none(content, speed):
    assert [row[1:3] for row in read(content, name="log.txt")] == [(START_US, speed)]


def test_form_that_is_asked_for_wins_and_the_name_wins_over_the_content():
    assert read("time,speed\n0,1\n", name="x.gpx", file_format="csv")[0].speed == 1.0
    with pytest.raises(RecordingError, match="XML is broken"):
        read("time,speed\n0,1\n", name="x.GPX")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "one JSON object"),
        ("{}", "must have a timestamp and a speed"),
        ('{"timestamp": "monday", "speed": 1}', "timestamp must be"),
        ('{"timestamp": true, "speed": 1}', "timestamp must be"),
        ('{"timestamp": 0, "speed": "1"}', "a text"),
        ('{"timestamp": 0, "speed": true}', "speed must be a number"),
        ('{"timestamp": 0, "speed": null}', "speed must be a number"),
        ('{"timestamp": 0, "speed": NaN}', "speed must be finite, got nan"),
        ('{"timestamp": 0, "speed": 1, "seq": 1.0}', "seq must be"),
        ('{"timestamp": 0, "speed": 1, "seq": true}', "seq must be"),
        ('{"timestamp": 0, "speed": 1, "source": 5}', "source must be"),
    ],
)
def test_bad_line_of_ndjson_is_reported_and_the_others_are_read(line, problem):
    good = '{"timestamp": "2026-01-31T12:00:00Z", "speed": 10, "source": "car", "extra": 1}'
    bad, row = read(f"\n{line}\n{good}", name="x.ndjson", unit="mps")
    assert bad.line == 2
    assert problem in bad.why
    assert row == Row(3, START_US, 36.0, 3, "car", None)


def test_source_of_a_file_is_its_name_as_far_as_a_source_may_have_it():
    assert source_of("/x/y/Fahrt über Land.tar.gz") == "Fahrt-uber-Land.tar"
    assert len(source_of("x" * 300 + ".csv")) == 64
