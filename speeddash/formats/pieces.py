"""Text of an export, in pieces."""

import io
from collections.abc import Iterator
from itertools import islice
from typing import Final

from speeddash.reading import Reading

#: Readings in one piece of text: 60 to 300 KB.
PIECE_READINGS: Final = 1_000


def batches(readings: Iterator[Reading]) -> Iterator[list[Reading]]:
    """Yield readings in batches, at least one, so that a file without readings has its head."""
    yield list(islice(readings, PIECE_READINGS))
    while batch := list(islice(readings, PIECE_READINGS)):
        yield batch


def take(text: io.StringIO) -> str:
    """Return what was written, and empty the buffer."""
    written = text.getvalue()
    text.seek(0)
    text.truncate()
    return written
