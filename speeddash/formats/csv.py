"""CSV: a column of times and one of speeds, found by their names, and optional columns of source and seq."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from speeddash.errors import InvalidInput, RecordingError
from speeddash.formats.lines import Lines
from speeddash.formats.pieces import batches, take
from speeddash.formats.row import BadLine, Row, moment_us, seq_number, source_name, speed_kmh, why
from speeddash.reading import Reading, rfc3339
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
#: Units by the ending of a column's name.
UNIT_ENDINGS: Final = {
    "kmh": "kmh", "km_h": "kmh", "kph": "kmh", "mph": "mph", "mps": "mps", "m_s": "mps", "ms": "mps", "kn": "kn", "kt": "kn", "knots": "kn",
}  # fmt: skip
#: A spreadsheet takes a text that begins with one of these for a formula. The mark before it prevents that, and is itself marked.
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "'")
FORMULA_MARK: Final = "'"


class Columns(NamedTuple):
    """Columns of a file, counted from 0, and the unit that the header names."""

    time: int
    speed: int
    unit: str | None
    source: int | None
    seq: int | None


def read_csv(name: str, lines: Lines, unit: str | None, start_us: int) -> Iterator[Row | BadLine]:
    """Read rows; see `read_recording` for the arguments.

    Raises:
        RecordingError: The header has no columns of times and speeds.
    """
    header = next(lines, "")
    if bad := lines.take_bad():
        raise RecordingError(f"{name}:{bad[0].line}: {bad[0].why}; save the file as UTF-8")
    delimiter = max(",;\t", key=header.count)
    columns = _columns(name, next(csv.reader([header], delimiter=delimiter), []))
    factor = KMH_IN[unit or columns.unit or "kmh"]
    # Files with semicolons as separators use decimal commas.
    point = "," if delimiter == ";" else "."
    for number, line, cells in _records(lines, delimiter):
        yield from lines.take_bad()
        if isinstance(cells, BadLine):
            yield cells
        elif cells:
            try:
                yield _row(number, line, cells, columns, factor, point, start_us)
            except IndexError:
                yield BadLine(line, f"expected a value in each column of the header, got {len(cells)} columns")
            except (ValueError, InvalidInput) as wrong:
                yield BadLine(line, why(wrong) + _open_quote(line, lines.number))


def write_csv(readings: Iterator[Reading], unit: str) -> Iterator[str]:
    """Yield the text of a CSV file; `unit` is a key of `KMH_IN`."""
    kmh = KMH_IN[unit]
    text = io.StringIO()
    # Line ends of RFC 4180. With \n alone, a \r within a text would not be quoted.
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["source", "timestamp", "seq", f"speed_{unit}"])
    for batch in batches(readings):
        # The writer writes the repr of a float, which reads back to the same bits.
        writer.writerows(
            [(spreadsheet_text(source), rfc3339(at_us), seq, speed / kmh) for source, at_us, seq, speed in batch]
        )
        yield take(text)


def spreadsheet_text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return FORMULA_MARK + text if text.startswith(FORMULA_STARTS) else text


def _records(lines: Lines, delimiter: str) -> Iterator[tuple[int, int, list[str] | BadLine]]:
    """Yield each record with its number and its first line; an empty record for an empty line."""
    records = csv.reader(lines, delimiter=delimiter)
    number = 0
    while True:
        number += 1
        line = lines.number + 1
        try:
            cells: list[str] | BadLine = next(records)
        except StopIteration:
            return
        except csv.Error as wrong:  # a field of over 128 KiB; the reader goes on after it
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
        raise RecordingError(f"{name}:1: no column of {missing}; the header says: {shown[:200]}")
    source, seq = (names.index(title) if title in names else None for title in ("source", "seq"))
    return Columns(times[0], *speeds[0], source, seq)


def _speed_unit(title: str) -> list[str | None]:
    """Return the unit that the name of a speed column says, None if it says none; an empty list for other columns."""
    head, _, ending = title.partition("_")
    if head not in SPEED_NAMES or (ending and ending not in UNIT_ENDINGS):
        return []
    return [UNIT_ENDINGS.get(ending)]
