"""Files read forward in blocks, such as pipes and uploads, and their lines."""

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from speeddash.errors import RecordingError
from speeddash.formats.row import BadLine

BLOCK_BYTES: Final = 1 << 16
#: Longest line or XML tag; it is held in memory as a whole.
MAX_LINE_BYTES: Final = 1 << 20


class Readable(Protocol):
    """An open binary file, of which only `read` is used."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""
        ...


def blocks(file: Readable) -> Iterator[bytes]:
    """Yield the file piece by piece."""
    while block := file.read(BLOCK_BYTES):
        yield block


class Lines:
    """Iterator of the lines of a UTF-8 text, with their line ends.

    A line that is not UTF-8 is replaced by an empty one, so that the others keep their numbers, and reported by `take_bad`.

    Attributes:
        number: Number of the last line, counted from 1.
    """

    def __init__(self, name: str, pieces: Iterable[bytes]) -> None:
        self._name = name
        self._lines = self._split(pieces)
        self._bad: list[BadLine] = []
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        if self.number == 1:
            if line.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise RecordingError(f"{self._name}:1: the text is UTF-16; save it as UTF-8")
            line = line.removeprefix(b"\xef\xbb\xbf")
        try:
            return line.decode()
        except UnicodeDecodeError as wrong:
            self._bad.append(
                BadLine(self.number, f"not UTF-8: byte 0x{line[wrong.start]:02x} at position {wrong.start + 1}")
            )
            return "\n"

    def take_bad(self) -> list[BadLine]:
        """Return the lines since the last call that are not UTF-8."""
        bad = self._bad
        if bad:
            self._bad = []
        return bad

    def _split(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        rest = b""
        for piece in pieces:
            lines = (rest + piece).splitlines(keepends=True)
            # Keep an incomplete line, and one that ends with \r: the next piece may begin with its \n.
            rest = lines.pop() if not lines[-1].endswith(b"\n") else b""
            yield from lines
            if len(rest) > MAX_LINE_BYTES:
                raise RecordingError(f"{self._name}:{self.number + 1}: a line of more than {MAX_LINE_BYTES >> 20} MiB")
        if rest:
            yield rest
