"""Frames on their way into the store."""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from speeddash.errors import ReadingsRefused
from speeddash.reading import Reading


class WriteRequest:
    """Frames of one caller that are to be stored.

    Attributes:
        frames: The readings of each frame.
        readings: Those of all frames.
        rows: The same readings as rows of the database.
        acknowledge: Called once when the outcome is known.
        refused: Errors of frames that the database rejects, by their position.
        error: Why no other frame was stored; None when they are durable.
    """

    __slots__ = ("acknowledge", "error", "frames", "readings", "refused", "rows")

    def __init__(self, frames: Sequence[Sequence[Reading]], acknowledge: "Callable[[WriteRequest], object]") -> None:
        self.frames = frames
        self.readings = frames[0] if len(frames) == 1 else list(chain.from_iterable(frames))
        self.rows: Sequence[Any] = ()
        self.acknowledge = acknowledge
        self.refused: dict[int, ReadingsRefused] = {}
        self.error: Exception | None = None

    @property
    def stored(self) -> Sequence[Reading]:
        """The readings that are durable, once the outcome is known."""
        if self.error:
            return ()
        if not self.refused:
            return self.readings
        return [reading for at, frame in enumerate(self.frames) if at not in self.refused for reading in frame]
