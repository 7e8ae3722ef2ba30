"""One row of a recorded drive, and the values in it that every format shares."""

import math
import re
from typing import Any, Final, NamedTuple

from speeddash.errors import FrameError
from speeddash.reading import EARLIEST_US, LATEST_US, MAX_SEQ, parse_source, parse_time

#: A number below it (March 1973, as epoch seconds) counts from the start of the drive.
FIRST_EPOCH_S: Final = 1e8
_ZONE = re.compile(r"(?:[Zz]|[+-]\d\d:\d\d)$")


class Row(NamedTuple):
    """One row of a drive.

    Attributes:
        number: Rows are counted from 1; a row keeps its number when others are bad. It is the seq of a row that has none.
        at_us: Microseconds since the epoch.
        speed: km/h, finite; whether it is in range is for the one who stores it.
        line: Where it stands in the file, counted from 1.
        source: None where the row names none.
        seq: None where the row has none.
    """

    number: int
    at_us: int
    speed: float
    line: int
    source: str | None = None
    seq: int | None = None


class BadLine(NamedTuple):
    """A line that is no reading, and why. Lines are counted from 1, a header included."""

    line: int
    why: str


def moment_us(value: Any, start_us: int) -> int:
    """A time as it stands in a file: RFC 3339, in UTC where it names no zone; epoch seconds or milliseconds; seconds of the drive.

    Args:
        value: Text, or a number.
        start_us: The moment of second 0.

    Raises:
        FrameError: `bad_timestamp`.
    """
    number = value
    if isinstance(value, str):
        text = value.strip()
        try:
            number = float(text)
        except ValueError:
            return parse_time(text if _ZONE.search(text) else text + "Z")
    if isinstance(number, int | float) and not isinstance(number, bool) and -FIRST_EPOCH_S < number < FIRST_EPOCH_S:
        at_us = start_us + round(number * 1_000_000)
        if not EARLIEST_US <= at_us <= LATEST_US:
            raise FrameError("bad_timestamp", "timestamp must be within the years 1000 to 9999")
        return at_us
    return parse_time(number)


def speed_kmh(value: Any, kmh_in_unit: float) -> float:
    """A speed in km/h; one that is km/h already keeps every bit.

    Args:
        value: Text, or a number.
        kmh_in_unit: km/h in one of its unit.

    Raises:
        ValueError: It is no number, or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"no speed: {str(value)[:40]}")  # noqa: TRY004 - to the reader of a file they are one kind of thing
    try:
        speed = float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"no speed: {str(value)[:40]!r}") from None
    if not math.isfinite(speed):
        raise ValueError(f"the speed is {speed}")
    return speed * kmh_in_unit + 0.0  # never the zero with a sign


def seq_number(value: Any) -> int:
    """A seq, from text or a number.

    Raises:
        ValueError: It is not an integer from 0 to 2^63-1.
    """
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 19:
        value = int(value)
    if type(value) is int and 0 <= value <= MAX_SEQ:
        return value
    raise ValueError(f"seq must be an integer from 0 to 2^63-1, got {str(value)[:40]}")


def source_name(value: Any, seq: int | None) -> str | None:
    """A source; None where the row names none.

    Rows that were inserted by hand have the empty name. Together with a seq, the rest of a reading's identity, it is meant.

    Raises:
        FrameError: `bad_source`.
    """
    if value is None or value == "":
        return value if seq is not None else None
    return parse_source(value)


def why(bad: ValueError | FrameError) -> str:
    """What is wrong, without the words that belong to a frame."""
    return bad.message if isinstance(bad, FrameError) else str(bad)
