"""Ranges of time, and the moments that bound them."""

from datetime import tzinfo
from typing import Final, NamedTuple, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from speeddash.errors import InvalidInput

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
#: Bounds of an open range: no reading is earlier than -EVER_US, or as late as EVER_US.
EVER_US: Final = 2**60


class TimeRange(NamedTuple):
    """A range of time; by default one that is open at both ends.

    Attributes:
        from_us: First moment, inclusive, microseconds since the epoch; -EVER_US for an open beginning.
        to_us: End, exclusive; EVER_US for an open end.
    """

    from_us: int = -EVER_US
    to_us: int = EVER_US

    @classmethod
    def between(cls, from_us: int | None, to_us: int | None) -> Self:
        """Return the range between two moments; None leaves an end open."""
        return cls(-EVER_US if from_us is None else from_us, EVER_US if to_us is None else to_us)

    @property
    def empty(self) -> bool:
        """Whether no moment is in it."""
        return self.from_us >= self.to_us

    def within(self, other: "TimeRange") -> "TimeRange":
        """Return the part of it that is in another range too."""
        return TimeRange(max(self.from_us, other.from_us), min(self.to_us, other.to_us))

    def closed(self, other: "TimeRange") -> "TimeRange":
        """Return it with the ends of another range in the place of open ends."""
        return TimeRange(
            other.from_us if self.from_us == -EVER_US else self.from_us,
            other.to_us if self.to_us == EVER_US else self.to_us,
        )


#: The range of all moments.
ALL_TIME: Final = TimeRange()


def zone_of(name: str) -> tzinfo:
    """Return a time zone by its name in the IANA database.

    Raises:
        InvalidInput: There is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(
            "bad_zone", f"expected a time zone such as Europe/Berlin or UTC, got {name[:40]!r}"
        ) from None


def hour_of(at_us: int) -> TimeRange:
    """Return the hour that a moment is in."""
    begin_us = at_us - at_us % HOUR_US
    return TimeRange(begin_us, begin_us + HOUR_US)
