"""What all apps have in common: a speed, a moment, and a number that stays the same when a report is sent again."""

import math
import re
import zlib
from typing import Any, Final, NamedTuple

from speeddash.errors import InvalidInput
from speeddash.reading import parse_time

#: A zone without a colon, as `-0700`.
_ZONE: Final = re.compile(r"([+-]\d\d)(\d\d)$", re.ASCII)
_DAY_AND_CLOCK: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)


class Report(NamedTuple):
    """One speed of a phone.

    Attributes:
        speed: km/h, not checked for its range.
        at_us: Microseconds since the epoch; None where the app has sent none.
        seq: Made of the report: sent again, it has the same one.
        device: The name that the app gives its phone; None for none.
    """

    speed: float
    at_us: int | None
    seq: int
    device: str | None = None


def speed_of(value: Any, kmh_in_unit: float) -> float | None:
    """Return a speed in km/h; None for no speed, for which apps send -1, nothing, or a text of nothing.

    Raises:
        InvalidInput: `bad_speed`: it is no number.
    """
    if value is None or value == "":
        return None
    try:
        speed = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput("bad_speed", f"speed must be a number, got {str(value)[:40]!r}") from None
    return speed * kmh_in_unit if math.isfinite(speed) and speed >= 0 else None


def moment_of(value: Any) -> int | None:
    """Return a moment: epoch seconds or milliseconds, RFC 3339 also with `-0700`, or UTC as `2026-01-31 12:00:00`. None for nothing.

    Raises:
        InvalidInput: `bad_timestamp`.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        text = value.strip()
        if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII):
            value = float(text)
        elif _DAY_AND_CLOCK.fullmatch(text):
            value = text.replace(" ", "T") + "Z"
        else:
            value = _ZONE.sub(r"\1:\2", text)
    return parse_time(value)


def seq_of(content: bytes) -> int:
    """Return the seq of a report, made of its content."""
    return zlib.crc32(content)


def source_from(name: Any) -> str | None:
    """Return the name that an app gives its phone as a source; None for none."""
    return re.sub(r"[^A-Za-z0-9._:-]", "-", name)[:64] if isinstance(name, str) and name.strip() else None
