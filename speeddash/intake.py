"""From the rows of a recorded drive to stored readings, with an account of what became of them."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from speeddash.drive import BadLine, Row
from speeddash.errors import DriveError
from speeddash.reading import Reading, rfc3339

BATCH_READINGS: Final = 2_000
#: How many bad lines and how many sources are kept one by one; the others are counted, so that memory is bounded.
KEPT: Final = 20


class Intake:
    """One drive on its way into a store; for one thread.

    The attributes hold while it runs and when it has failed: what is counted as stored is stored.

    Attributes:
        read: Rows and bad lines.
        stored: Readings that the store has taken; those it had before are among them.
        bad: Lines that are no reading.
        bad_lines: The first of them.
        sources: Of the stored readings, the first ones met.
        first_us: The earliest moment stored, in microseconds since the epoch; None where nothing is.
        last_us: The latest one.
        failure: Why the drive could not be read to its end; None where it was.
    """

    def __init__(
        self, store: Callable[[list[Reading]], object], *, source: str, max_speed_kmh: float, only: str | None = None
    ) -> None:
        """Prepare.

        Args:
            store: Returns when its readings are durable; called for up to 2,000 at a time. What it raises ends the intake.
            source: For rows that name none.
            max_speed_kmh: A faster row is a bad line.
            only: A row of another source is a bad line; None takes all.
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
        self.failure: str | None = None

    @property
    def complete(self) -> bool:
        """Something was read, and all of it is stored."""
        return self.failure is None and self.read > 0 and self.stored == self.read

    def take(self, drive: Iterable[Row | BadLine]) -> None:
        """Store a drive. A file that ends in the middle of something becomes `failure`; what came before is stored."""
        try:
            for line in drive:
                self.read += 1
                if isinstance(line, BadLine):
                    self._refuse(line)
                elif not 0.0 <= line.speed <= self._max_speed_kmh:
                    why = f"speed must be 0 to {self._max_speed_kmh:g} km/h, got {line.speed!r}"
                    self._refuse(BadLine(line.line, why))
                elif self._only is not None and (line.source or self._source) != self._only:
                    self._refuse(BadLine(line.line, f"the token sends readings of {self._only} alone"))
                else:
                    self._keep(line)
        except DriveError as unreadable:
            self.failure = str(unreadable)
        self._flush()

    def as_dict(self) -> dict[str, Any]:
        """The account as it crosses the wire."""
        return {
            "read": self.read,
            "stored": self.stored,
            "bad_count": self.bad,
            "bad": [{"line": each.line, "why": each.why} for each in self.bad_lines],
            "sources": self.sources,
            "more_sources": self.more_sources,
            "first": None if self.first_us is None else rfc3339(self.first_us),
            "last": None if self.last_us is None else rfc3339(self.last_us),
            "failure": self.failure,
        }

    def _refuse(self, line: BadLine) -> None:
        self.bad += 1
        if len(self.bad_lines) < KEPT:
            self.bad_lines.append(line)

    def _keep(self, row: Row) -> None:
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
                if len(self.sources) < KEPT:
                    self.sources.append(source)
                else:
                    self.more_sources = True
        moments = [each.at_us for each in batch]
        self.first_us = min(moments if self.first_us is None else [self.first_us, *moments])
        self.last_us = max(moments if self.last_us is None else [self.last_us, *moments])
