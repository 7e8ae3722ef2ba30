"""NDJSON: one JSON object per line, with the members of a frame."""

from collections.abc import Iterator
from typing import Any

import orjson

from speeddash.errors import InvalidInput
from speeddash.formats.lines import Lines
from speeddash.formats.pieces import batches
from speeddash.formats.row import BadLine, Row, moment_us, seq_number, source_name, speed_kmh, why
from speeddash.reading import Reading, decode
from speeddash.units import KMH_IN


def read_ndjson(lines: Lines, unit: str | None, start_us: int) -> Iterator[Row | BadLine]:
    """Read rows, each with its line's number; see `read_recording` for the arguments."""
    factor = KMH_IN[unit or "kmh"]
    for text in lines:
        yield from lines.take_bad()
        if not text.strip():
            continue
        try:
            yield _row(lines.number, decode(text), factor, start_us)
        except (ValueError, InvalidInput) as wrong:
            yield BadLine(lines.number, why(wrong))


def write_ndjson(readings: Iterator[Reading]) -> Iterator[str]:
    """Yield the text of an NDJSON file."""
    for batch in batches(readings):
        yield b"".join(orjson.dumps(each.as_dict(), option=orjson.OPT_APPEND_NEWLINE) for each in batch).decode()


def _row(line: int, member: Any, factor: float, start_us: int) -> Row:
    if not isinstance(member, dict):
        raise ValueError("a line must be one JSON object")  # noqa: TRY004 - callers handle all bad values alike
    if "timestamp" not in member or "speed" not in member:
        raise ValueError("a reading must have a timestamp and a speed")
    at_us = moment_us(member["timestamp"], start_us)
    seq = seq_number(member["seq"]) if "seq" in member else None
    source = source_name(member.get("source"), seq)
    return Row(line, at_us, speed_kmh(_number(member["speed"]), factor), line, source, seq)


def _number(speed: Any) -> float:
    if isinstance(speed, str):
        raise ValueError(f"the speed is a text: {speed[:40]!r}")  # noqa: TRY004 - see above
    number: float = speed
    return number
