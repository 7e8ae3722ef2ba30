import itertools
import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speeddash.errors import InvalidInput
from speeddash.reading import EARLIEST_US, LATEST_US, Reading, microseconds, parse_frame, rfc3339

NOON_US = 1_769_860_800_000_000  # 2026-01-31T12:00:00Z


def parse(text, source="here"):
    return parse_frame(text, source=source, received_us=NOON_US, seqs=itertools.count(100), max_speed_kmh=2000)


def test_object_without_more_takes_receipt_source_and_seq():
    assert parse('{"speed": 12.5}') == [Reading("here", NOON_US, 100, 12.5)]


def test_array_keeps_its_order_and_own_sources():
    text = '[{"speed": 1, "seq": 7}, {"speed": 2, "source": "other", "more": [1]}]'
    assert parse(text) == [Reading("here", NOON_US, 7, 1.0), Reading("other", NOON_US, 100, 2.0)]


@pytest.mark.parametrize(
    ("timestamp", "at_us"),
    [
        ('"2026-01-31T12:00:00Z"', NOON_US),
        ('"2026-01-31t12:00:00z"', NOON_US),
        ('"2026-01-31 12:00:00.5Z"', NOON_US + 500_000),
        ('"2026-01-31t12:00:00.007z"', NOON_US + 7_000),
        ('"2026-01-31T13:30:00.123456+01:30"', NOON_US + 123_456),
        ('"2026-01-31T12:00:00.123456789Z"', NOON_US + 123_456),
        ("1769860800", NOON_US),
        ("1769860800.25", NOON_US + 250_000),
        ("1769860800000", NOON_US),
        ("1769860800000.5", NOON_US + 500),
        ("100000000000", 100_000_000_000_000),
        ("99999999999", 99_999_999_999_000_000),
        ("-1", -1_000_000),
        ('"1000-01-01T00:00:00Z"', EARLIEST_US),
        ('"9999-12-31T23:59:59.999999Z"', LATEST_US),
    ],
)
def test_timestamp_is_taken(timestamp, at_us):
    assert parse(f'{{"speed": 1, "timestamp": {timestamp}}}')[0].at_us == at_us


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b'{"speed": 1}', "not_text"),
        ("", "not_json"),
        ("speed", "not_json"),
        ('{"speed": 1', "not_json"),
        ("[" * 100_000, "not_json"),
        ('{"a":' * 100_000, "not_json"),
        ('{"speed": ' + "9" * 5_000 + "}", "not_json"),
        ("[]", "empty"),
        ("1", "not_an_object"),
        ("null", "not_an_object"),
        ('"text"', "not_an_object"),
        ("[[]]", "not_an_object"),
        ("{}", "missing_speed"),
        *((f'{{"speed": {speed}}}', "bad_speed") for speed in (
            '"50"', "true", "null", "[]", "{}", "NaN", "Infinity", "-Infinity", "1e400", "-0.001", "2000.001", "9" * 400)),
        *((f'{{"speed": 1, "timestamp": {timestamp}}}', "bad_timestamp") for timestamp in (
            "null", "true", "[]", "NaN", "Infinity", "1e300", "9" * 400, '""', '"now"', '"2026-01-31"', '"2026-01-31T12:00:00"', '"20260131T120000Z"',
            '"2026-W05-6T12:00:00Z"', '"2026-02-30T12:00:00Z"', '"2026-01-31T25:00:00Z"', '"2026-01-31T12:00Z"', '"0999-12-31T23:59:59Z"',
            '"9999-12-31T23:59:59-01:00"', '"2026-01-31T12:00:00+0100"', '"2026-01-31T12:00:00.12aZ"',
            '"2026-01-31T12:00:00.1234"', '"2026-01-31T12:00:00.１２３Z"', '"2026-01-31X12:00:00.123Z"', '"9999-12-31T23:59:60.000Z"', '"２０２６-01-31T12:00:00Z"')),
        *((f'{{"speed": 1, "source": {source}}}', "bad_source") for source in (
            "null", "1", '""', '"a b"', '"ü"', '"a\\u0000"', '"a\\n"', '"' + "a" * 65 + '"', '"\\ud800"')),
        *((f'{{"speed": 1, "seq": {seq}}}', "bad_seq") for seq in ("null", "-1", "1.0", '"1"', "true", "9223372036854775808")),
    ],
)  # fmt: skip
def test_bad_frame_is_refused_with_its_code(text, code):
    with pytest.raises(InvalidInput) as refused:
        parse(text)
    assert refused.value.code == code
    assert len(refused.value.message) < 300


def test_bad_reading_is_named_by_its_index():
    with pytest.raises(InvalidInput) as refused:
        parse('[{"speed": 1}, {"speed": 2}, {"speed": "3"}]')
    assert refused.value.as_dict() == {
        "code": "bad_speed",
        "message": 'speed must be a number, got the text "3"',
        "index": 2,
    }


def test_frame_that_is_wrong_as_a_whole_has_no_index():
    with pytest.raises(InvalidInput) as refused:
        parse("nope")
    assert "index" not in refused.value.as_dict()


def test_zero_has_no_sign():
    assert math.copysign(1, parse('{"speed": -0.0}')[0].speed) == 1


@given(st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)))
def test_time_comes_back_to_the_microsecond(moment):
    at_us = microseconds(moment.replace(tzinfo=UTC))
    assert parse(json.dumps({"speed": 1, "timestamp": rfc3339(at_us)}))[0].at_us == at_us


@given(st.integers(0, 253_402_300_799_999))
def test_epoch_milliseconds_and_seconds_agree_with_rfc3339(at_ms):
    if at_ms >= 1e11:
        assert parse(f'{{"speed": 1, "timestamp": {at_ms}}}')[0].at_us == at_ms * 1000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["speed", "timestamp", "source", "seq", "x"]), inner)
    ),
)


@given(st.text() | st.binary() | json_values.map(json.dumps))
def test_any_frame_becomes_readings_or_a_frame_error(text):
    try:
        readings = parse(text)
    except InvalidInput as refused:
        json.dumps(refused.as_dict())
    else:
        assert all(0 <= each.speed <= 2000 and EARLIEST_US <= each.at_us <= LATEST_US for each in readings)
