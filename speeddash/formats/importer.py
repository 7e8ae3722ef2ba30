"""Stores the rows of a recording, and counts what became of them."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from speeddash.errors import RecordingError
from speeddash.formats.row import BadLine, Row
from speeddash.reading import Reading, rfc3339

BATCH_READINGS: Final = 2_000
#: Most bad lines and most sources listed, so that memory is bounded. Further lines are counted, further sources only reported to exist.
MAX_LISTED: Final = 20


class Importer:
    """The import of one recording; for one thread.

    The attributes are valid while it runs and after a failure: readings that are counted as stored are stored.

    Attributes:
        read: Rows and bad lines.
        stored: Stored readings, including those that were stored before.
        bad: Lines that are no valid reading.
        bad_lines: The first of them.
        sources: The first sources of stored readings.
        more_sources: There are more sources than listed.
        first_us: Earliest time of a stored reading, microseconds since the epoch; None if none is stored.
        last_us: Latest time of a stored reading.
        notes: What a person should know of how it was read.
        failure: Why the recording could not be read to its end; None if it was.
    """

    def __init__(
        self, store: Callable[[list[Reading]], object], *, source: str, max_speed_kmh: float, only: str | None = None
    ) -> None:
        """Prepare an import.

        Args:
            store: Called with up to 2,000 readings; returns when they are durable. An error of it ends the import.
            source: Source of rows that name none.
            max_speed_kmh: A row above it is a bad line.
            only: A row of another source is a bad line; None allows all sources.
        """
        self._store = store
        self._source = source
        self._max_speed_kmh = max_speed_kmh
        self._only = only
        self._batch: list[Reading] = []
        self.read = 0
        self.stored = 0
        self.bad = 0
        self.bad_lines: list[BadLine] = []
        self.sources: list[str] = []
        self.more_sources = False
        self.first_us: int | None = None
        self.last_us: int | None = None
        self.notes: list[str] = []
        self.failure: str | None = None

    @property
    def complete(self) -> bool:
        """Whether something was read, and all of it is stored."""
        return self.failure is None and self.read > 0 and self.stored == self.read

    def run(self, recording: Iterable[Row | BadLine]) -> None:
        """Store a recording. An error of the file is recorded in `failure`, and the rows before it are stored."""
        try:
            for line in recording:
                self.read += 1
                if isinstance(line, BadLine):
                    self._reject(line)
                elif not 0.0 <= line.speed <= self._max_speed_kmh:
                    why = f"speed must be 0 to {self._max_speed_kmh:g} km/h, got {line.speed!r}"
                    self._reject(BadLine(line.line, why))
                elif self._only is not None and (line.source or self._source) != self._only:
                    self._reject(BadLine(line.line, f"the token is for readings of {self._only} only"))
                else:
                    self._add(line)
        except RecordingError as unreadable:
            self.failure = str(unreadable)
        self._flush()

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as they are sent."""
        return {
            "read": self.read,
            "stored": self.stored,
            "bad_count": self.bad,
            "bad": [{"line": each.line, "why": each.why} for each in self.bad_lines],
            "sources": self.sources,
            "more_sources": self.more_sources,
            "first": None if self.first_us is None else rfc3339(self.first_us),
            "last": None if self.last_us is None else rfc3339(self.last_us),
            "notes": self.notes,
            "failure": self.failure,
        }

    def _reject(self, line: BadLine) -> None:
        self.bad += 1
        if len(self.bad_lines) < MAX_LISTED:
            self.bad_lines.append(line)

    def _add(self, row: Row) -> None:
        source = self._source if row.source is None else row.source
        self._batch.append(Reading(source, row.at_us, row.number if row.seq is None else row.seq, row.speed))
        if len(self._batch) == BATCH_READINGS:
            self._flush()

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        if not batch:
            return
        self._store(batch)
        self.stored += len(batch)
        for source in {each.source: None for each in batch}:
            if source not in self.sources:
                if len(self.sources) < MAX_LISTED:
                    self.sources.append(source)
                else:
                    self.more_sources = True
        moments = [each.at_us for each in batch]
        self.first_us = min(moments if self.first_us is None else [self.first_us, *moments])
        self.last_us = max(moments if self.last_us is None else [self.last_us, *moments])
