"""VBO: Racelogic's VBOX and lap timers. Times are of the day alone; the day stands in the first line, and midnight may pass."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from speeddash.errors import InvalidInput, RecordingError
from speeddash.formats.lines import Lines
from speeddash.formats.row import BadLine, Row, speed_kmh, why
from speeddash.reading import parse_time
from speeddash.units import KMH_IN

#: Files of most programs begin with it.
HEADING: Final = b"File created on"
_DAY: Final = re.compile(r"(\d\d)[/.-](\d\d)[/.-](\d{4})", re.ASCII)
_CLOCK: Final = re.compile(r"(\d\d)(\d\d)(\d\d(?:\.\d+)?)", re.ASCII)
TIME, VELOCITY = "time", "velocity"
DAY_US: Final = 86_400_000_000


def read_vbo(name: str, lines: Lines, unit: str | None) -> Iterator[Row | BadLine]:
    """Read rows; see `read_recording` for the arguments. Velocities are km/h unless `unit` says otherwise.

    Raises:
        RecordingError: It names no day, or no columns of time and velocity.
    """
    section, day, columns = "", "", [""]
    midnights_us, before_us = 0, 0
    factor = KMH_IN[unit or "kmh"]
    number = 0
    for line in lines:
        yield from lines.take_bad()
        text = line.strip()
        if found := _DAY.search(text) if not section else None:
            day = "-".join(reversed(found.groups()))
        if text.startswith("["):
            section = text.strip("[]").lower()
            if section == "data" and not (day and {TIME, VELOCITY} <= set(columns)):
                raise RecordingError(
                    f"{name}:{lines.number}: no day in the first line, or no columns of time and velocity"
                )
        elif section == "column names" and text:
            columns = text.lower().split()
        elif section == "data" and text:
            number += 1
            try:
                at_us, speed = _values(text.split(), columns, day, factor)
            except (ValueError, InvalidInput, IndexError) as wrong:
                what = "too few columns" if isinstance(wrong, IndexError) else why(wrong)
                yield BadLine(lines.number, what)
                continue
            if at_us < before_us - DAY_US // 2:
                midnights_us += DAY_US
            before_us = at_us
            yield Row(number, at_us + midnights_us, speed, lines.number)
    if section != "data":
        raise RecordingError(f"{name}: no VBO file: it has no section [data]")


def _values(cells: Sequence[str], columns: Sequence[str], day: str, factor: float) -> tuple[int, float]:
    clock = _CLOCK.fullmatch(cells[columns.index(TIME)])
    if clock is None:
        raise ValueError(f"time must be HHMMSS.SS, got {cells[columns.index(TIME)][:40]!r}")
    hour, minute, second = clock.groups()
    return parse_time(f"{day}T{hour}:{minute}:{second}Z"), speed_kmh(cells[columns.index(VELOCITY)], factor)
