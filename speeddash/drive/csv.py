"""CSV: a column of times and a column of speeds, found by their names; source and seq where there are such columns."""

import csv
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from speeddash.drive.lines import Lines
from speeddash.drive.row import BadLine, Row, moment_us, seq_number, source_name, speed_kmh, why
from speeddash.errors import DriveError, FrameError
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
#: A spreadsheet takes a text that begins so for a formula; with this in front it does not. The mark itself is marked, too.
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "'")
FORMULA_MARK: Final = "'"


class Columns(NamedTuple):
    """Where a file has what, counted from 0, and the unit that its header says."""

    time: int
    speed: int
    unit: str | None
    source: int | None
    seq: int | None


def read_csv(name: str, lines: Lines, unit: str | None, start_us: int) -> Iterator[Row | BadLine]:
    """Read rows; see `read_drive` for the arguments.

    Raises:
        DriveError: The header has no such columns.
    """
    header = next(lines, "")
    if bad := lines.take_bad():
        raise DriveError(f"{name}:{bad[0].line}: {bad[0].why}; save the file as UTF-8")
    delimiter = max(",;\t", key=header.count)
    columns = _columns(name, next(csv.reader([header], delimiter=delimiter), []))
    factor = KMH_IN[unit or columns.unit or "kmh"]
    # Where the semicolon separates, a comma is the point of a number.
    point = "," if delimiter == ";" else "."
    for number, line, cells in _records(lines, delimiter):
        yield from lines.take_bad()
        if isinstance(cells, BadLine):
            yield cells
        elif cells:
            try:
                yield _row(number, line, cells, columns, factor, point, start_us)
            except IndexError:
                yield BadLine(line, f"it has {len(cells)} columns")
            except (ValueError, FrameError) as wrong:
                yield BadLine(line, why(wrong) + _open_quote(line, lines.number))


def defused(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return FORMULA_MARK + text if text.startswith(FORMULA_STARTS) else text


def _records(lines: Lines, delimiter: str) -> Iterator[tuple[int, int, list[str] | BadLine]]:
    """Each record with its number and the line it begins in; empty where the line is."""
    records = csv.reader(lines, delimiter=delimiter)
    number = 0
    while True:
        number += 1
        line = lines.number + 1
        try:
            cells: list[str] | BadLine = next(records)
        except StopIteration:
            return
        except csv.Error as wrong:  # a field of over 128 KiB; the reader goes on behind it
            cells = BadLine(line, str(wrong) + _open_quote(line, lines.number))
        yield number, line, cells


def _open_quote(first: int, last: int) -> str:
    return f"; a quote is open up to line {last}" if last > first else ""


def _row(
    number: int, line: int, cells: Sequence[str], columns: Columns, factor: float, point: str, start_us: int
) -> Row:
    time, speed = cells[columns.time], cells[columns.speed]
    if point != ".":
        time, speed = time.replace(point, "."), speed.replace(point, ".")
    at_us, speed_value = moment_us(time, start_us), speed_kmh(speed, factor)
    if columns.source is None and columns.seq is None:
        return Row(number, at_us, speed_value, line)
    seq_text = "" if columns.seq is None else cells[columns.seq].strip()
    seq = seq_number(seq_text) if seq_text else None
    source = None if columns.source is None else cells[columns.source].strip().removeprefix(FORMULA_MARK)
    return Row(number, at_us, speed_value, line, source_name(source, seq), seq)


def _columns(name: str, header: Sequence[str]) -> Columns:
    names = [re.sub(r"[^a-z0-9]+", "_", title.strip().lower()).strip("_") for title in header]
    times = [at for at, title in enumerate(names) if title in TIME_NAMES]
    speeds = [(at, unit) for at, title in enumerate(names) for unit in _speed_unit(title)]
    if not times or not speeds:
        missing = " and ".join(what for what, found in (("times", times), ("speeds", speeds)) if not found)
        shown = ", ".join(header) or "nothing"
        raise DriveError(f"{name}:1: no column of {missing}; the header says: {shown[:200]}")
    source, seq = (names.index(title) if title in names else None for title in ("source", "seq"))
    return Columns(times[0], *speeds[0], source, seq)


def _speed_unit(title: str) -> list[str | None]:
    """The unit that a speed column's name says, None where it says none; empty for other columns."""
    head, _, ending = title.partition("_")
    if head not in SPEED_NAMES or (ending and ending not in UNIT_ENDINGS):
        return []
    return [UNIT_ENDINGS.get(ending)]
