"""FIT: activities of sports watches and bike computers, read by fitdecode. See https://developer.garmin.com/fit/protocol/."""

import io
from collections.abc import Iterable, Iterator
from typing import Any, Final

import fitdecode

from speeddash.errors import RecordingError
from speeddash.formats.row import BadLine, Row
from speeddash.reading import microseconds
from speeddash.units import KMH_IN

#: Members of a record that hold a speed in m/s; the first has more bits.
SPEEDS: Final = ("enhanced_speed", "speed")
#: A FIT file says so at this place.
SIGNATURE, SIGNATURE_AT = b".FIT", 8


class _Pieces(io.RawIOBase):
    """A file that is read forward only, from pieces of it."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or next(self._pieces, b"")
        part = self._rest[: len(buffer)]
        self._rest = self._rest[len(part) :]
        buffer[: len(part)] = part
        return len(part)


def read_fit(name: str, pieces: Iterable[bytes]) -> Iterator[Row | BadLine]:
    """Read a row for each record with a speed, numbered as the records are. Times are whole seconds.

    Raises:
        RecordingError: It is no FIT file, or damaged. The records before that place were yielded.
    """
    number = 0
    try:
        file = io.BufferedReader(_Pieces(pieces))
        with fitdecode.FitReader(file, check_crc=fitdecode.CrcCheck.RAISE, keep_raw_chunks=False) as reader:
            for frame in reader:
                if not isinstance(frame, fitdecode.FitDataMessage) or frame.name != "record":
                    continue
                number += 1
                at = frame.get_value("timestamp", fallback=None)
                speeds = [frame.get_value(each, fallback=None) for each in SPEEDS]
                speed = next((each for each in speeds if isinstance(each, int | float)), None)
                if speed is None:
                    continue
                if at is None or not hasattr(at, "tzinfo"):
                    yield BadLine(number, "the record has no time")
                    continue
                yield Row(number, microseconds(at), speed * KMH_IN["mps"], number)
    except (fitdecode.FitError, EOFError) as broken:
        raise RecordingError(f"{name}: the FIT file is damaged after {number} records: {broken}") from broken
    except (
        AssertionError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        OverflowError,
    ) as broken:  # fields that contradict their definitions
        raise RecordingError(f"{name}: the FIT file cannot be read after {number} records: {broken}") from broken
