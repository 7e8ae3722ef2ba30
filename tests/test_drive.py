import pytest

from speeddash.drive import BadLine, Row, read_drive
from speeddash.errors import DriveError

START_US = 1_769_860_800_000_000


def read(tmp_path, text, unit=None):
    path = tmp_path / "drive.csv"
    path.write_text(text, encoding="utf-8")
    return list(read_drive(path, unit=unit, start_us=START_US))


def test_times_without_zone_are_utc_and_the_column_says_the_unit(tmp_path):
    assert read(tmp_path, "timestamp,speed_mph\n2026-01-31 12:00:00,10\n2026-01-31T12:00:01.5+00:00,0\n") == [
        Row(1, START_US, 16.09344),
        Row(2, START_US + 1_500_000, 0.0),
    ]


def test_unit_that_is_asked_for_wins_over_the_column(tmp_path):
    assert read(tmp_path, "timestamp,speed_mph\n2026-01-31 12:00:00,10\n", unit="kn")[0].speed == 18.52


def test_seconds_count_from_the_start(tmp_path):
    assert read(tmp_path, "second,speed_mps\n0,0\n1.5,10\n") == [
        Row(1, START_US, 0.0),
        Row(2, START_US + 1_500_000, 36.0),
    ]


def test_epoch_numbers_are_times(tmp_path):
    assert read(tmp_path, "time,speed\n1769860800,1\n1769860800500,2\n") == [
        Row(1, START_US, 1.0),
        Row(2, START_US + 500_000, 2.0),
    ]


@pytest.mark.parametrize("header", ["Speed (km/h);x;Time", "\ufeffSPEED;note;DateTime"])
def test_columns_are_found_by_name_whatever_their_order_case_and_delimiter(tmp_path, header):
    assert read(tmp_path, header + "\n50;hello;2026-01-31 12:00:00Z\n") == [Row(1, START_US, 50.0)]


def test_bad_lines_are_named_and_rows_keep_their_numbers(tmp_path):
    rows = read(
        tmp_path,
        "timestamp,speed\nyesterday,1\n2026-01-31 12:00:00,\n2026-01-31 12:00:00,nan\n\n2026-01-31 12:00:00,5\n7\n",
    )
    assert [row.line for row in rows if isinstance(row, BadLine)] == [2, 3, 4, 7]
    assert [row for row in rows if isinstance(row, Row)] == [Row(5, START_US, 5.0)]


@pytest.mark.parametrize(
    ("text", "missing"),
    [("a,b\n", "times and speeds"), ("time,b\n", "speeds"), ("speed\n", "times"), ("", "times and speeds")],
)
def test_file_without_the_columns_says_which(tmp_path, text, missing):
    with pytest.raises(DriveError, match=f"no column of {missing};"):
        read(tmp_path, text)


def test_file_that_is_not_text_is_an_error(tmp_path):
    path = tmp_path / "drive.csv"
    path.write_bytes(b"time,speed\n\xff\xfe\x00")
    with pytest.raises(DriveError, match=r"drive\.csv"):
        list(read_drive(path, unit=None, start_us=0))
