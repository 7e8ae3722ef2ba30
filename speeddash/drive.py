"""A recorded drive: a CSV file with a column of times and a column of speeds, found by their names."""

import csv
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from speeddash.errors import DriveError, FrameError
from speeddash.reading import parse_time
from speeddash.units import KMH_IN

TIME_NAMES: Final = {
    "timestamp",
    "time",
    "datetime",
    "date_time",
    "utc",
    "ts",
    "t",
    "second",
    "seconds",
    "sec",
    "elapsed",
    "elapsed_s",
}
SPEED_NAMES: Final = {"speed", "velocity", "v"}
#: What a column's name may end in, and the unit it says.
UNIT_ENDINGS: Final = {
    "kmh": "kmh", "km_h": "kmh", "kph": "kmh", "mph": "mph", "mps": "mps", "m_s": "mps", "ms": "mps", "kn": "kn", "kt": "kn", "knots": "kn",
}  # fmt: skip
#: A number below it (March 1973, as epoch seconds) counts from the start of the drive.
FIRST_EPOCH_S: Final = 1e8


class Row(NamedTuple):
    """One row of a drive.

    Attributes:
        number: Data rows are counted from 1; a row keeps its number when others are bad.
        at_us: Microseconds since the epoch.
        speed: km/h.
    """

    number: int
    at_us: int
    speed: float


class BadLine(NamedTuple):
    """A line that is no reading, and why. Lines are counted from 1, the header included."""

    line: int
    why: str


def read_drive(path: Path, *, unit: str | None, start_us: int) -> Iterator[Row | BadLine]:
    """Read a drive row by row.

    Args:
        path: A CSV file with a header; comma, semicolon or tab.
        unit: A key of `KMH_IN`; None takes what the column's name ends in, else km/h.
        start_us: The moment of second 0, for files that count seconds. Times without a zone are UTC.

    Raises:
        DriveError: The file cannot be read, or has no such columns.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            delimiter = max(",;\t", key=header.count)
            time_at, speed_at, named_unit = _columns(path, next(csv.reader([header], delimiter=delimiter), []))
            factor = KMH_IN[unit or named_unit or "kmh"]
            for number, cells in enumerate(csv.reader(file, delimiter=delimiter), start=1):
                if not cells:
                    continue
                try:
                    yield Row(number, _time_us(cells[time_at], start_us), _speed(cells[speed_at], factor))
                except IndexError:
                    yield BadLine(number + 1, f"it has {len(cells)} columns")
                except (ValueError, FrameError) as bad:
                    yield BadLine(number + 1, str(bad))
    except (OSError, UnicodeDecodeError, csv.Error) as unreadable:
        raise DriveError(f"{path}: {unreadable}") from unreadable


def _columns(path: Path, header: Sequence[str]) -> tuple[int, int, str | None]:
    names = [re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_") for name in header]
    times = [at for at, name in enumerate(names) if name in TIME_NAMES]
    speeds = [(at, unit) for at, name in enumerate(names) for unit in _speed_unit(name)]
    if not times or not speeds:
        missing = " and ".join(what for what, found in (("times", times), ("speeds", speeds)) if not found)
        shown = ", ".join(header) or "nothing"
        raise DriveError(f"{path}: no column of {missing}; the header says: {shown[:200]}")
    return times[0], *speeds[0]


def _speed_unit(name: str) -> list[str | None]:
    """The unit that a speed column's name says, None where it says none; empty for other columns."""
    head, _, ending = name.partition("_")
    if head not in SPEED_NAMES or (ending and ending not in UNIT_ENDINGS):
        return []
    return [UNIT_ENDINGS.get(ending)]


def _time_us(text: str, start_us: int) -> int:
    text = text.strip()
    try:
        number = float(text)
    except ValueError:
        has_zone = re.search(r"(?:[Zz]|[+-]\d\d:\d\d)$", text)
        return parse_time(text if has_zone else text + "Z")
    if math.isfinite(number) and number < FIRST_EPOCH_S:
        return start_us + round(number * 1_000_000)
    return parse_time(number)


def _speed(text: str, factor: float) -> float:
    try:
        speed = float(text)
    except ValueError:
        raise ValueError(f"no speed: {text[:40]!r}") from None
    if not math.isfinite(speed):
        raise ValueError(f"the speed is {speed}")
    return speed * factor
