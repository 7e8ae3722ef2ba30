"""NMEA 0183, the output of GPS receivers: RMC and VTG sentences, and ZDA for the time of a VTG.

Parsed here: only the checksum and four fields are needed. The library pynmea2 returns a field that it cannot parse as text, without an
error, and has no types.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from operator import xor
from typing import Final

from speeddash.errors import InvalidInput
from speeddash.formats.lines import Lines
from speeddash.formats.row import BadLine, Row, speed_kmh, why
from speeddash.reading import parse_time
from speeddash.units import KMH_IN

_SENTENCE: Final = re.compile(r"\$([^*$]*)(?:\*([0-9A-Fa-f]{2}))?", re.ASCII)
_TIME: Final = re.compile(r"(\d\d)(\d\d)(\d\d(?:\.\d+)?)", re.ASCII)
_DATE: Final = re.compile(r"(\d\d)(\d\d)(\d\d)", re.ASCII)
#: Years of two digits from 80 on are of the 20th century: GPS began in 1980.
FIRST_YEAR: Final = 80
#: Mode of a sentence without a fix (NMEA 2.3 and later).
NO_FIX: Final = "N"


def read_nmea(lines: Lines, unit: str | None, note: Callable[[str], object]) -> Iterator[Row | BadLine]:
    """Read rows. Other sentences, and those without a fix, are skipped.

    Args:
        lines: Lines of the file.
        unit: A key of `KMH_IN`, for receivers that do not use knots; None for the units of the standard.
        note: Called at the end with how many sentences had no fix.
    """
    receiver = Receiver(unit)
    timeless_line = 0
    for text in lines:
        yield from lines.take_bad()
        try:
            reading = receiver.read(text.strip())
        except (ValueError, InvalidInput) as wrong:
            yield BadLine(lines.number, why(wrong))
            continue
        if reading is None:
            continue
        at_us, speed = reading
        if at_us is None:
            timeless_line = timeless_line or lines.number
        else:
            yield Row(lines.number, at_us, speed, lines.number)
    if receiver.at_us is None and timeless_line:
        yield BadLine(timeless_line, "VTG carries no time, and there is no RMC or ZDA that does")
    if receiver.without_fix:
        note(f"{receiver.without_fix:,} RMC or VTG sentences say that the receiver had no fix; they are left out")


class Receiver:
    """The state of a receiver after the sentences so far.

    Attributes:
        at_us: Moment of the last RMC or ZDA, microseconds since the epoch; None before the first.
        without_fix: RMC and VTG sentences so far that were of a receiver without a fix.
    """

    def __init__(self, unit: str | None) -> None:
        self._rmc_factor = KMH_IN[unit or "kn"]
        self._vtg_factor = KMH_IN[unit] if unit else None
        #: Moment that an RMC or VTG has reported. A VTG counts only for a moment without an RMC.
        self._reported_us: int | None = None
        self.at_us: int | None = None
        self.without_fix = 0

    def read(self, text: str) -> tuple[int | None, float] | None:
        """Return time and speed, or None for a sentence that is no reading. The time of a VTG is None before the first RMC or ZDA.

        Raises:
            ValueError: The sentence is damaged.
            InvalidInput: Its time names no moment.
        """
        if not text or text.startswith("!"):  # AIS sentences of other ships
            return None
        fields = _fields(text)
        # Two letters name the talker: GP for GPS, GN for several systems. Proprietary sentences begin with P and are skipped.
        kind = fields[0][2:] if len(fields[0]) == 5 and not fields[0].startswith("P") else ""
        if kind == "RMC":
            return self._rmc(fields)
        if kind == "VTG":
            return self._vtg(fields)
        if kind == "ZDA" and len(fields) >= 5 and all(fields[1:5]):
            _, clock, day, month, year = fields[:5]
            self.at_us = _moment_us(year, month, day, clock)
        return None

    def _rmc(self, fields: Sequence[str]) -> tuple[int, float] | None:
        if len(fields) < 10:
            raise ValueError(f"RMC has {len(fields) - 1} fields, not 9 or more")
        has_fix = fields[2] == "A" and (len(fields) < 13 or fields[12] != NO_FIX)
        date = _DATE.fullmatch(fields[9])
        if date is None and (has_fix or fields[9]):
            raise ValueError(f"RMC has no date: {fields[9][:40]!r}")
        if date is not None and (has_fix or fields[1]):
            day, month, year = date.groups()
            self.at_us = self._reported_us = _moment_us(
                f"{19 if int(year) >= FIRST_YEAR else 20}{year}", month, day, fields[1]
            )
        if not has_fix:
            self.without_fix += 1
            return None
        if self.at_us is None:
            return None
        return self.at_us, _speed("RMC", fields[7], self._rmc_factor)

    def _vtg(self, fields: Sequence[str]) -> tuple[int | None, float] | None:
        if len(fields) < 9:
            raise ValueError(f"VTG has {len(fields) - 1} fields, not 8 or more")
        knots, kmh = fields[5], fields[7]
        if (len(fields) > 9 and fields[9] == NO_FIX) or not (knots or kmh):
            self.without_fix += 1
            return None
        if self.at_us is not None and self.at_us == self._reported_us:
            return None
        # Knots are given with three decimals, km/h with one.
        speed = _speed("VTG", knots or kmh, self._vtg_factor or KMH_IN["kn" if knots else "kmh"])
        self._reported_us = self.at_us
        return self.at_us, speed


def _fields(text: str) -> list[str]:
    sentence = _SENTENCE.fullmatch(text)
    if sentence is None:
        raise ValueError(f"no NMEA sentence: {text[:40]!r}")
    content, checksum = sentence.groups()
    found = reduce(xor, content.encode(), 0)
    if checksum and int(checksum, 16) != found:
        raise ValueError(f"checksum {checksum} is wrong, the sentence gives {found:02X}")
    fields = content.split(",")
    if not checksum and fields[0][2:] in {"RMC", "VTG"}:
        raise ValueError(f"{fields[0]} has no checksum")
    return fields


def _speed(kind: str, text: str, factor: float) -> float:
    if not text:
        raise ValueError(f"{kind} has a fix and no speed")
    return speed_kmh(text, factor)


def _moment_us(year: str, month: str, day: str, clock: str) -> int:
    time = _TIME.fullmatch(clock)
    if time is None:
        raise ValueError(f"time must be HHMMSS, got {clock[:40]!r}")
    hour, minute, second = time.groups()
    return parse_time(f"{year}-{month}-{day}T{hour}:{minute}:{second}Z")
