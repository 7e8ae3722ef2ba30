"""Readings, and the frames in which they are sent. Pure functions; `tests/test_reading.py` has the contract case by case."""

import json
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from speeddash.errors import InvalidInput

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Range of a MySQL DATETIME: 1000-01-01 to the last microsecond of 9999.
EARLIEST_US: Final = -30_610_224_000_000_000
LATEST_US: Final = 253_402_300_799_999_999
#: Whole seconds that make every time positive: its last six digits are microseconds then.
SHIFT_US: Final = 10**17
MAX_SEQ: Final = 2**63 - 1
#: A number from here on is epoch milliseconds (March 1973), below it epoch seconds (up to the year 5138).
FIRST_MILLISECONDS: Final = 1e11

_ABSENT: Final = object()
#: Makes a named tuple in half the time of a call of its class.
_new: Final = tuple.__new__
#: Microseconds in a unit of the last digit of a fraction, by the number of its digits.
_SCALES: Final = (0, 100_000, 10_000, 1_000, 100, 10, 1)
#: Longest name of a source for people, in characters.
MAX_DISPLAY_NAME: Final = 100
_SOURCE = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_THOUSANDTHS = re.compile(r"\.\d{3}[Zz]", re.ASCII)


class Reading(NamedTuple):
    """One speed of one source at one moment. Its fields are in the order of the columns, on which `store/sqlite.py` depends.

    Attributes:
        source: Name of the source, 1 to 64 of `A-Za-z0-9._:-`; empty for rows that other programs insert without one.
        at_us: Microseconds since 1970-01-01T00:00:00Z; `timestamp` on the wire.
        seq: Number given by the sender. (source, at_us, seq) is the identity of a reading.
        speed: km/h.
    """

    source: str
    at_us: int
    seq: int
    speed: float

    def as_dict(self) -> dict[str, str | int | float]:
        """Return it as it is sent, with its time as RFC 3339 in UTC."""
        return {"source": self.source, "timestamp": rfc3339(self.at_us), "seq": self.seq, "speed": self.speed}


def parse_frame(
    text: str | bytes, source: str, received_us: int, seqs: Iterator[int], max_speed_kmh: float
) -> list[Reading]:
    """Parse a frame: a JSON object or a non-empty array of objects. One bad reading makes the frame invalid.

    Args:
        text: The frame; a binary one is invalid.
        source: Source of readings that name none.
        received_us: Time of readings without `timestamp`, microseconds since the epoch.
        seqs: Numbers for readings without `seq`.
        max_speed_kmh: Highest valid speed.

    Raises:
        InvalidInput: With the position of the first bad reading.
    """
    if isinstance(text, bytes):
        raise InvalidInput("not_text", "a frame must be text, got a binary frame")
    frame = decode(text)
    readings: list[Reading] = []
    try:
        if not isinstance(frame, list):
            return [parse_reading(frame, source, received_us, seqs, max_speed_kmh)]
        for member in frame:
            readings.append(parse_reading(member, source, received_us, seqs, max_speed_kmh))  # noqa: PERF401 - for its index
    except InvalidInput as bad:
        bad.index = len(readings)
        raise
    if not readings:
        raise InvalidInput("empty", "an array must hold at least one reading")
    return readings


def decode(text: str) -> Any:
    """Parse JSON.

    Raises:
        InvalidInput: `not_json`, also for nesting too deep and numbers too long to be read.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # The standard parser, ten times slower, accepts NaN and Infinity, so that the error can name their member.
        try:
            return json.loads(text)
        except RecursionError:
            raise InvalidInput("not_json", "the JSON is nested too deeply") from None
        except ValueError as invalid:  # JSONDecodeError, or a number of over 4,300 digits
            raise InvalidInput("not_json", f"not JSON: {invalid}") from None


def parse_reading(member: Any, source: str, received_us: int, seqs: Iterator[int], max_speed_kmh: float) -> Reading:
    """Return the reading of a decoded object; see `parse_frame` for the arguments.

    Raises:
        InvalidInput: Without `index`.
    """
    if not isinstance(member, dict):
        raise InvalidInput("not_an_object", f"a reading must be a JSON object, got {_kind(member)}")
    speed = member.get("speed")
    # The common case without a call. NaN and infinity fail the comparison.
    if type(speed) is not float or not 0.0 < speed <= max_speed_kmh:
        speed = _speed(member, max_speed_kmh)
    timestamp = member.get("timestamp", _ABSENT)
    at_us = received_us if timestamp is _ABSENT else parse_time(timestamp)
    name = member.get("source", _ABSENT)
    if name is not _ABSENT:
        source = parse_source(name)
    seq = member.get("seq", _ABSENT)
    if seq is _ABSENT:
        seq = next(seqs)
    elif type(seq) is not int or not 0 <= seq <= MAX_SEQ:
        raise InvalidInput("bad_seq", f"seq must be an integer from 0 to 2^63-1, got {_kind(seq)}")
    return _new(Reading, (source, at_us, seq, speed))


def parse_source(name: Any) -> str:
    """Check the name of a source, and return it.

    Raises:
        InvalidInput: `bad_source`.
    """
    if isinstance(name, str) and _SOURCE.fullmatch(name):
        return name
    raise InvalidInput("bad_source", f"source must be 1 to 64 characters of A-Z a-z 0-9 . _ : -, got {_kind(name)}")


def parse_display_name(name: Any) -> str | None:
    """Check the name of a source for people, and return it without white space around it; None for an empty one.

    Raises:
        InvalidInput: `bad_display_name`.
    """
    if name is None:
        return None
    if isinstance(name, str) and len(name.strip()) <= MAX_DISPLAY_NAME and name.strip().isprintable():
        return name.strip() or None
    raise InvalidInput(
        "bad_display_name",
        f"a display name has at most {MAX_DISPLAY_NAME} characters, all on one line, got {_kind(name)}",
    )


def parse_time(timestamp: Any) -> int:
    """Return microseconds since the epoch of RFC 3339 text or an epoch number.

    Fractions of a microsecond are cut off in text and rounded in numbers.

    Raises:
        InvalidInput: `bad_timestamp`.
    """
    if isinstance(timestamp, str):
        return _rfc3339_us(timestamp)
    if isinstance(timestamp, int | float) and not isinstance(timestamp, bool):
        if not abs(timestamp) < LATEST_US:  # also a NaN
            raise _out_of_range()
        return _in_range(round(timestamp * (1_000 if timestamp >= FIRST_MILLISECONDS else 1_000_000)))
    raise InvalidInput("bad_timestamp", f"timestamp must be RFC 3339 text or an epoch number, got {_kind(timestamp)}")


def rfc3339(at_us: int) -> str:
    """Return microseconds since the epoch as `2026-01-31T12:00:00.000000Z`."""
    # A format with a width takes twice as long.
    return f"{rfc3339_second(at_us // 1_000_000)}.{str(at_us + SHIFT_US)[-6:]}Z"


@lru_cache(maxsize=65_536)
def rfc3339_second(second: int) -> str:
    """Return seconds since the epoch as `2026-01-31T12:00:00`."""
    return (EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")


def microseconds(moment: datetime) -> int:
    """Return the microseconds since the epoch of an aware datetime, exactly."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _rfc3339_us(text: str) -> int:
    # The common forms without a pattern: YYYY-MM-DDTHH:MM:SS of most readings is cached, a fraction and Z follow.
    if len(text) == 24:  # thousandths, as browsers write them
        return _second_us(text[:19]) + _thousandths_us(text[19:])
    fraction = text[20:-1]
    if text[19:20] == "." and text[-1] in "Zz" and fraction.isdecimal() and fraction.isascii():
        return _second_us(text[:19]) + int(fraction[:6]) * _SCALES[len(fraction[:6])]
    if not _RFC3339.fullmatch(text):
        raise _not_rfc3339()
    return _moment_us(text)


@lru_cache(maxsize=4096)
def _second_us(text: str) -> int:
    return _rfc3339_us(text + "Z")


@lru_cache(maxsize=2048)
def _thousandths_us(text: str) -> int:
    if not _THOUSANDTHS.fullmatch(text):
        raise _not_rfc3339()
    return int(text[1:4]) * 1000


def _not_rfc3339() -> InvalidInput:
    example = "2026-01-31T12:00:00.5Z or +01:00 at its end"
    return InvalidInput("bad_timestamp", f"timestamp must be RFC 3339 with a zone, such as {example}")


def _moment_us(text: str) -> int:
    # fromisoformat accepts more than RFC 3339 (week dates, no zone), which the pattern has excluded.
    try:
        return _in_range(microseconds(datetime.fromisoformat(text.upper())))
    except ValueError as invalid:  # the 30th of February, 25:00, a leap second
        raise InvalidInput("bad_timestamp", f"timestamp names no moment: {invalid}") from None


def _in_range(at_us: int) -> int:
    if not EARLIEST_US <= at_us <= LATEST_US:
        raise _out_of_range()
    return at_us


def _out_of_range() -> InvalidInput:
    return InvalidInput("bad_timestamp", "timestamp must be within the years 1000 to 9999")


def _speed(member: dict[str, Any], max_speed_kmh: float) -> float:
    if "speed" not in member:
        raise InvalidInput("missing_speed", "a reading must have a speed")
    speed = member["speed"]
    if isinstance(speed, bool) or not isinstance(speed, int | float):
        raise InvalidInput("bad_speed", f"speed must be a number, got {_kind(speed)}")
    if isinstance(speed, float) and not math.isfinite(speed):
        raise InvalidInput("bad_speed", f"speed must be finite, got {speed}")
    if not 0 <= speed <= max_speed_kmh:
        raise InvalidInput("bad_speed", f"speed must be 0 to {max_speed_kmh:g} km/h, got {_kind(speed)}")
    return speed + 0.0  # a float, and never a negative zero


def _kind(value: Any) -> str:
    """Describe a value, short enough for a message."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, str):
        return f"the text {json.dumps(value if len(value) <= 40 else value[:40] + '…', ensure_ascii=False)}"
    if isinstance(value, int) and abs(value) > 10**30:
        return "a very large integer"  # thousands of digits cannot be printed
    return json.dumps(value)
