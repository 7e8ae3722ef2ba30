"""Parquet: columns for data tools, written by pyarrow, which is an extra. Reading it back is left to those tools."""

import io
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from speeddash.errors import InvalidInput
from speeddash.reading import Reading

#: Readings of a row group: what a reader has to hold in memory.
GROUP_READINGS: Final = 100_000


def write_parquet(readings: Iterator[Reading]) -> Iterator[bytes]:
    """Return the pieces of a Parquet file: source, timestamp (microseconds, UTC), seq, speed_kmh.

    Raises:
        InvalidInput: `bad_format`, at once: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise InvalidInput(
            "bad_format", "Parquet needs the package pyarrow: pip install 'speeddash[parquet]'"
        ) from None
    return _pieces(pyarrow, parquet, readings)


class _Sink(io.RawIOBase):
    """A file that is only written: its content is taken piece by piece."""

    def __init__(self) -> None:
        self._written: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._written.append(piece)
        self._size += len(piece)
        return len(piece)

    def take(self) -> bytes:
        """Return what was written since the last call."""
        taken, self._written = b"".join(self._written), []
        return taken


def _pieces(pyarrow: Any, parquet: Any, readings: Iterator[Reading]) -> Iterator[bytes]:
    types = (pyarrow.string(), pyarrow.timestamp("us", tz="UTC"), pyarrow.uint64(), pyarrow.float64())
    schema = pyarrow.schema(list(zip(("source", "timestamp", "seq", "speed_kmh"), types, strict=True)))
    sink = _Sink()
    with parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        while group := list(islice(readings, GROUP_READINGS)):
            columns = [
                pyarrow.array(column, each.type) for column, each in zip(zip(*group, strict=True), schema, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))
            yield sink.take()
    yield sink.take()
