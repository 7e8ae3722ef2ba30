import io
from functools import reduce
from operator import xor

import pytest

from speeddash.errors import RecordingError
from speeddash.formats import BadLine, Row, read_recording

NOON_US = 1_769_860_800_000_000  # 2026-01-31T12:00:00Z


def sentence(content):
    return f"${content}*{reduce(xor, content.encode(), 0):02X}\r\n"


def rmc(clock="120000.00", knots="10.0", status="A", date="310126", talker="GP", end=""):
    return sentence(f"{talker}RMC,{clock},{status},4717.11,N,00833.91,E,{knots},77.52,{date},,{end}")


def vtg(knots="10.0", kmh="18.5", mode="A"):
    return sentence(f"GPVTG,77.52,T,,M,{knots},N,{kmh},K,{mode}")


def read(text, **options):
    content = text if isinstance(text, bytes) else text.encode()
    return list(read_recording(io.BytesIO(content), name="log.nmea", start_us=0, **options))


def test_sentence_of_a_receivers_manual_is_read():
    # The standard's own example, checksum and all, and one of a receiver with centiseconds.
    text = "$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n"
    assert read(text) == [Row(1, 764_426_119_000_000, 22.4 * 1.852, 1)]
    text = "$GNRMC,083559.25,A,4717.11437,N,00833.91522,E,0.004,77.52,091202,,,A*"
    content = text[1:-1]
    assert read(sentence(content))[0][1:3] == (1_039_422_959_250_000, 0.004 * 1.852)


def test_rmc_gives_time_and_knots_to_the_microsecond():
    assert read(rmc("120000.123456") + rmc("120001", "0", end=",A,V", talker="GN")) == [
        Row(1, NOON_US + 123_456, 18.52, 1),
        Row(2, NOON_US + 1_000_000, 0.0, 2),
    ]


def test_unit_that_is_asked_for_wins_over_knots():
    assert [row.speed for row in read(rmc() + rmc("120001", date="310126"), unit="mps")] == [36.0, 36.0]


def test_without_a_fix_there_is_no_reading_and_no_error():
    text = (
        rmc(status="V", knots="", date="")
        + rmc(status="V")
        + vtg("0.0", "0.0")
        + rmc("120001", end=",N,V")
        + vtg("", "", "N")
    )
    notes = []
    assert read(text, note=notes.append) == []
    assert notes == ["4 RMC or VTG sentences say that the receiver had no fix; they are left out"]


def test_vtg_of_the_time_of_an_rmc_adds_nothing():
    text = rmc() + vtg() + rmc("120001") + vtg("99", "183")
    assert [row.speed for row in read(text)] == [18.52, 18.52]


def test_vtg_takes_its_time_from_zda_and_knots_before_kmh():
    text = "".join(
        sentence(f"GPZDA,12000{n}.00,31,01,2026,00,00") + vtg(knots, kmh)
        for n, (knots, kmh) in enumerate([("10.123", "18.7"), ("", "36.5")])
    )
    assert read(vtg() + text) == [Row(3, NOON_US, 10.123 * 1.852, 3), Row(5, NOON_US + 1_000_000, 36.5, 5)]


def test_vtg_in_a_log_without_times_is_reported_once():
    assert read(vtg() + vtg()) == [BadLine(1, "VTG carries no time, and there is no RMC or ZDA that does")]


def test_other_sentences_are_passed_over():
    text = (
        "\r\n!AIVDM,1,1,,A,14eG;o@034o8sd<L9i:a;WF>062D,0*7D\n"
        + sentence("GPGGA,1,2")
        + sentence("PUBX,00,VTG")
        + "$PMTK605\n"
    )
    assert read(text) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (rmc().replace("10.0", "11.0"), "checksum"),
        (sentence("GPGSV,3").replace("3*", "4*"), "checksum"),
        (rmc().split("*")[0] + "\n", "GPRMC has no checksum"),
        (rmc()[:30] + "\n", "GPRMC has no checksum"),
        ("12:00 hello\n", "no NMEA sentence"),
        (rmc()[:-2] + rmc(), "no NMEA sentence"),
        (rmc(knots="x"), "speed must be a number, got 'x'"),
        (rmc(knots=""), "RMC has a fix and no speed"),
        (rmc(clock="250000"), "names no moment"),
        (rmc(clock=""), "time must be HHMMSS"),
        (rmc(date="300226"), "names no moment"),
        (rmc(date=""), "no date"),
        (sentence("GPRMC,120000,A"), "RMC has 2 fields"),
        (sentence("GPVTG,1,T"), "VTG has 2 fields"),
        (sentence("GPZDA,120000,31,13,2026,,"), "names no moment"),
        (b"\xb5\x62\x01\x07\n", "not UTF-8"),
    ],
)
def test_damaged_line_is_named_and_the_others_come(line, problem):
    line = line if isinstance(line, bytes) else line.encode()
    bad, row = read(line + rmc().encode())
    assert bad.line == 1
    assert problem in bad.why
    assert row == Row(2, NOON_US, 18.52, 2)


def test_empty_log_is_an_error():
    with pytest.raises(RecordingError, match="empty"):
        read("")
