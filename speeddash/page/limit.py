"""A limit as people type it."""

import time
from typing import Any

from dash import no_update

from speeddash.alerts.limits import Limits
from speeddash.errors import InvalidInput, StoreError
from speeddash.page.reader import Reader
from speeddash.page.source_list import SourceList
from speeddash.units import KMH_IN


def save_limit(
    limits: Limits, sources: SourceList, source: str, text: str | None, told: dict[str, Any] | None, changes: int
) -> tuple[Any, Any, Any]:
    """Set the limit of a source, or remove it (`text` is None); return word, number of changes, and text of the field."""
    try:
        limit_kmh = None if text is None else speed_of(text, Reader.of(told))
        limits.set_limit(source, limit_kmh, time.time_ns() // 1000)
    except (InvalidInput, StoreError) as problem:
        return f"Not saved: {problem}", no_update, no_update
    sources.forget()
    return ("Limit removed", changes + 1, "") if limit_kmh is None else ("Limit saved", changes + 1, no_update)


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
