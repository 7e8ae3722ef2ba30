"""Frames on their way into the store."""

from collections.abc import Callable, Sequence

from speeddash.errors import ReadingsRefused
from speeddash.reading import Reading
from speeddash.store import Chunk


class WriteRequest:
    """Frames of one caller that are to be stored.

    Attributes:
        frames: The readings of each frame.
        chunks: The same readings, encoded for the store.
        acknowledge: Called once when the outcome is known.
        refused: Errors of frames that the database rejects, by their position.
        error: Why no other frame was stored; None when they are durable.
    """

    __slots__ = ("acknowledge", "chunks", "error", "frames", "refused")

    def __init__(
        self, frames: Sequence[Sequence[Reading]], chunks: list[Chunk], acknowledge: "Callable[[WriteRequest], object]"
    ) -> None:
        self.frames = frames
        self.chunks = chunks
        self.acknowledge = acknowledge
        self.refused: dict[int, ReadingsRefused] = {}
        self.error: Exception | None = None
