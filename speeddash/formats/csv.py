"""CSV: a column of times and one of speeds, found by their names, and optional columns of source and seq."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from speeddash.errors import InvalidInput, RecordingError
from speeddash.formats.lines import Lines
from speeddash.formats.pieces import batches, take
from speeddash.formats.row import BadLine, Row, moment_us, seq_number, source_name, speed_kmh, why
from speeddash.reading import Reading, rfc3339
from speeddash.units import KMH_IN

TIME_NAMES: Final = {
    "timestamp", "time", "datetime", "date_time", "utc", "ts", "t", "second", "seconds", "sec", "elapsed", "elapsed_s", "gps_time",
}  # fmt: skip
#: In the order in which they are preferred, without their units. The last ones are Torque's.
SPEED_NAMES: Final = ("speed", "velocity", "v", "gps_speed", "speed_gps", "speed_obd")
#: Units by the ending of a column's name.
UNIT_ENDINGS: Final = {
    "meters_second": "mps", "kmh": "kmh", "km_h": "kmh", "kph": "kmh", "mph": "mph", "mps": "mps", "m_s": "mps", "ms": "mps",
    "kn": "kn", "kt": "kn", "knots": "kn",
}  # fmt: skip
#: What apps write where they have no speed.
NO_SPEED: Final = {"", "-"}
#: Columns of GPSLogger for Android, which writes m/s without saying so.
GPSLOGGER: Final = {"speed", "provider", "satellites"}
#: A file with positions is an app's, whose unit is its own; a file without is plain, and in km/h unless it names another unit.
POSITIONS: Final = {"lat", "latitude"}
#: Lines that some programs write before the header.
MAX_PREAMBLE: Final = 40
#: A column of RaceChrono, which has two lines after the header: units, and origins.
RACECHRONO: Final = "fragment_id"
#: Torque's GPS Time: `Thu Nov 26 10:00:00 GMT+01:00 2026`.
TORQUE_TIME: Final = re.compile(
    r"\w{3} (\w{3}) (\d\d) (\d\d:\d\d:\d\d) (?:GMT|UTC)?([+-]\d\d:\d\d)? ?(\d{4})", re.ASCII
)
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
#: A spreadsheet takes a text that begins with one of these for a formula. The mark before it prevents that, and is itself marked.
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "'")
FORMULA_MARK: Final = "'"


class Columns(NamedTuple):
    """Columns of a file, counted from 0, and the unit that the header names.

    Attributes:
        header: The header as it stands; some programs repeat it.
        has_units: Two lines follow that are no readings: units, and origins.
    """

    time: int
    speed: int
    unit: str | None
    source: int | None
    seq: int | None
    header: list[str]
    has_units: bool


def read_csv(
    name: str, lines: Lines, unit: str | None, start_us: int, note: Callable[[str], object]
) -> Iterator[Row | BadLine]:
    """Read rows; see `read_recording` for the arguments.

    Raises:
        RecordingError: The header has no columns of times and speeds.
    """
    columns, delimiter = _header(name, lines, unit)
    factor = KMH_IN[unit or columns.unit or "kmh"]
    if not (unit or columns.unit or columns.has_units):
        title = columns.header[columns.speed].strip()
        remedy = "If it is another: remove the readings, and import again with the unit"
        note(f"the column {title} does not name its unit: taken as km/h. {remedy}")
    # Files with semicolons as separators use decimal commas.
    point = "," if delimiter == ";" else "."
    for number, line, cells in _records(lines, delimiter):
        yield from lines.take_bad()
        if isinstance(cells, BadLine):
            yield cells
        elif columns.has_units and number <= 2:
            if number == 1 and unit is None:
                factor = KMH_IN[_unit_of_line(name, line, cells, columns)]
        elif cells and cells != columns.header:
            try:
                if cells[columns.speed].strip() not in NO_SPEED:
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
    at_us, speed_value = moment_us(_rfc3339(time), start_us), speed_kmh(speed, factor)
    if columns.source is None and columns.seq is None:
        return Row(number, at_us, speed_value, line)
    seq_text = "" if columns.seq is None else cells[columns.seq].strip()
    seq = seq_number(seq_text) if seq_text else None
    source = None if columns.source is None else cells[columns.source].strip().removeprefix(FORMULA_MARK)
    return Row(number, at_us, speed_value, line, source_name(source, seq), seq)


def _rfc3339(time: str) -> str:
    """Return Torque's form of a time as RFC 3339, every other one as it is."""
    found = TORQUE_TIME.fullmatch(time.strip())
    if not found or found[1] not in MONTHS:
        return time
    month, day, clock, zone, year = found.groups()
    return f"{year}-{MONTHS.index(month) + 1:02}-{day}T{clock}{zone or 'Z'}"


def _header(name: str, lines: Lines, unit: str | None) -> tuple[Columns, str]:
    """Return the columns and the separator, after lines that some programs write before the header.

    Raises:
        RecordingError: There is no header with times and speeds, or nobody knows their unit.
    """
    problem: RecordingError | None = None
    for _ in range(MAX_PREAMBLE):
        header = next(lines, "")
        if bad := lines.take_bad():
            raise problem or RecordingError(f"{name}:{bad[0].line}: {bad[0].why}; save the file as UTF-8")
        delimiter = max(",;\t", key=header.count)
        try:
            return _columns(name, lines.number, next(csv.reader([header], delimiter=delimiter), []), unit), delimiter
        except csv.Error as wrong:
            raise RecordingError(f"{name}:{lines.number}: {wrong}") from None
        except RecordingError as wrong:
            problem = problem or wrong
            if "unit" in str(wrong):
                raise
        if not header:
            break
    raise problem or RecordingError(f"{name}: no header")


def _columns(name: str, line: int, header: list[str], unit: str | None) -> Columns:
    names = [re.sub(r"[^a-z0-9]+", "_", title.strip().lower()).strip("_") for title in header]
    times = [at for at, title in enumerate(names) if title in TIME_NAMES]
    known = [(at, *found) for at, title in enumerate(names) if (found := _speed_and_unit(title))]
    speeds = sorted(known, key=lambda each: SPEED_NAMES.index(each[1]))
    if not times or not speeds:
        missing = " and ".join(what for what, found in (("times", times), ("speeds", speeds)) if not found)
        shown = ", ".join(header) or "nothing"
        raise RecordingError(f"{name}:{line}: no column of {missing}; the header says: {shown[:200]}")
    at, _, named = speeds[0]
    if named is None and set(names) >= GPSLOGGER:
        named = "mps"
    has_units = RACECHRONO in names
    if not named and not unit and not has_units and not POSITIONS.isdisjoint(names):
        raise RecordingError(
            f"{name}:{line}: the column {header[at].strip()} does not name its unit; say which: one of {', '.join(KMH_IN)}"
        )
    source, seq = (names.index(title) if title in names else None for title in ("source", "seq"))
    return Columns(times[0], at, named, source, seq, header, has_units)


def _speed_and_unit(title: str) -> tuple[str, str | None] | None:
    """Return the name of a speed column without its unit, and the unit, None if it names none; None for other columns."""
    for ending, unit in UNIT_ENDINGS.items():
        name = title.removesuffix(f"_{ending}")
        if name != title and name in SPEED_NAMES:
            return name, unit
    return (title, None) if title in SPEED_NAMES else None


def _unit_of_line(name: str, line: int, cells: Sequence[str], columns: Columns) -> str:
    """Return the unit that the line after the header names.

    Raises:
        RecordingError: It names none.
    """
    text = cells[columns.speed] if columns.speed < len(cells) else ""
    unit = UNIT_ENDINGS.get(re.sub(r"[^a-z]+", "_", text.strip().lower()).strip("_"))
    if unit is None:
        raise RecordingError(f"{name}:{line}: no unit of the speeds in the line after the header, got {text[:20]!r}")
    return unit
