"""What people write about trips: checked, and found for a trip. Pure functions."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final

from speeddash.errors import InvalidInput
from speeddash.history.trips import Trip
from speeddash.store import TripNote

#: Texts of a trip, and their longest length in characters.
TEXT_LENGTHS: Final = {"name": 100, "note": 1_000, "tag": 40}


def checked_texts(wanted: Any) -> dict[str, str]:
    """Return the texts of a trip that are to be changed.

    Args:
        wanted: An object with some of name, note and tag.

    Raises:
        InvalidInput: It is something else, or a text is too long.
    """
    if not isinstance(wanted, dict) or not wanted or wanted.keys() - TEXT_LENGTHS:
        raise InvalidInput("bad_trip_change", f"the body must be an object with some of {', '.join(TEXT_LENGTHS)}")
    for name, text in wanted.items():
        if not isinstance(text, str):
            raise InvalidInput(f"bad_{name}", f"{name}: expected a text, got {type(text).__name__}")
        if len(text) > TEXT_LENGTHS[name]:
            raise InvalidInput(f"bad_{name}", f"{name}: at most {TEXT_LENGTHS[name]} characters, got {len(text)}")
        controls = any(each < " " and each not in "\n\t" for each in text)
        halves = any("\ud800" <= each <= "\udfff" for each in text)  # of a surrogate pair
        if controls or halves or (not text.isprintable() and name != "note"):
            raise InvalidInput(f"bad_{name}", f"{name}: control characters are not allowed")
    return {name: text.strip() for name, text in wanted.items()}


def notes_of(trips: Sequence[Trip], notes: Sequence[TripNote]) -> list[TripNote | None]:
    """Return the note of each trip: the first one whose moment is in the trip; None where there is none.

    Args:
        trips: Trips of one source in the order of time.
        notes: Notes of the same source in the order of time.
    """
    moments = [each.start_us for each in notes]
    found: list[TripNote | None] = []
    for trip in trips:
        at = bisect_left(moments, trip.start_us)
        found.append(notes[at] if at < len(notes) and moments[at] <= trip.end_us else None)
    return found
