"""Rows of a recording, and the parsing of values that all formats share."""

import math
import re
from typing import Any, Final, NamedTuple

from speeddash.errors import InvalidInput
from speeddash.reading import EARLIEST_US, LATEST_US, MAX_SEQ, parse_source, parse_time

#: A number below it (March 1973 in epoch seconds) counts from the start of the recording.
FIRST_EPOCH_S: Final = 1e8
_ZONE = re.compile(r"(?:[Zz]|[+-]\d\d:\d\d)$")


class Row(NamedTuple):
    """One row of a recording.

    Attributes:
        number: Number of the row from 1, bad rows counted. It is the seq of a row that has none.
        at_us: Microseconds since the epoch.
        speed: km/h, finite; the importer checks its range.
        line: Line in the file, counted from 1.
        source: None if the row names none.
        seq: None if the row has none.
    """

    number: int
    at_us: int
    speed: float
    line: int
    source: str | None = None
    seq: int | None = None


class BadLine(NamedTuple):
    """A line that is no valid reading, and the reason. Lines are counted from 1, a header included."""

    line: int
    why: str


def moment_us(value: Any, start_us: int) -> int:
    """Return a time of a file: RFC 3339, UTC if it has no zone; epoch seconds or milliseconds; or seconds from the start.

    Args:
        value: Text, or a number.
        start_us: Moment of second 0.

    Raises:
        InvalidInput: `bad_timestamp`.
    """
    number = value
    if isinstance(value, str):
        text = value.strip()
        try:
            number = float(text)
        except ValueError:
            try:
                return parse_time(text if _ZONE.search(text) else text + "Z")
            except InvalidInput:
                expected = "2026-01-31T12:00:00 (UTC unless a zone follows), epoch seconds or milliseconds, or seconds from the start"
                raise InvalidInput("bad_timestamp", f"timestamp must be {expected}, got {text[:40]!r}") from None
    if isinstance(number, int | float) and not isinstance(number, bool) and -FIRST_EPOCH_S < number < FIRST_EPOCH_S:
        at_us = start_us + round(number * 1_000_000)
        if not EARLIEST_US <= at_us <= LATEST_US:
            raise InvalidInput("bad_timestamp", "timestamp must be within the years 1000 to 9999")
        return at_us
    return parse_time(number)


def speed_kmh(value: Any, kmh_in_unit: float) -> float:
    """Return a speed in km/h. A speed in km/h stays the same to the bit.

    Args:
        value: Text, or a number.
        kmh_in_unit: km/h in one unit of it.

    Raises:
        ValueError: It is no number, or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"speed must be a number, got {str(value)[:40]}")  # noqa: TRY004 - callers handle all bad values alike
    try:
        speed = float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"speed must be a number, got {str(value)[:40]!r}") from None
    if not math.isfinite(speed):
        raise ValueError(f"speed must be finite, got {speed}")
    return speed * kmh_in_unit + 0.0  # + 0.0 makes a negative zero positive


def seq_number(value: Any) -> int:
    """Return a seq from text or a number.

    Raises:
        ValueError: It is not an integer from 0 to 2^63-1.
    """
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 19:
        value = int(value)
    if type(value) is int and 0 <= value <= MAX_SEQ:
        return value
    raise ValueError(f"seq must be an integer from 0 to 2^63-1, got {str(value)[:40]}")


def source_name(value: Any, seq: int | None) -> str | None:
    """Return a source; None if the row names none.

    The empty name is that of rows inserted by other programs. It counts only together with a seq.

    Raises:
        InvalidInput: `bad_source`.
    """
    if value is None or value == "":
        return value if seq is not None else None
    return parse_source(value)


def why(bad: ValueError | InvalidInput) -> str:
    """Return the message of an error."""
    return bad.message if isinstance(bad, InvalidInput) else str(bad)
