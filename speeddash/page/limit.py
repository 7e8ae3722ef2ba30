"""A limit as people type it."""

from typing import Any

from speeddash.errors import InvalidInput
from speeddash.page.reader import Reader
from speeddash.units import KMH_IN


def speed_of(text: Any, reader: Reader) -> float:
    """Return the speed that a person typed, in km/h.

    Raises:
        InvalidInput: It is no positive number.
    """
    typed = str(text or "").strip()
    if reader.decimal in typed and reader.group:  # otherwise a point may be meant as the decimal mark
        typed = typed.replace(reader.group, "")
    try:
        value = float(typed.replace(",", "."))
    except ValueError:
        value = -1.0
    if not 0 < value < 1e6:
        raise InvalidInput("bad_limit_kmh", f"a limit is a speed above 0 in {reader.symbol}, got {typed[:20]!r}")
    return value * KMH_IN[reader.unit]
