"""Units of speed for input and output. Internally all speeds are km/h."""

from typing import Final

#: km/h in one unit. Exact by definition: international mile 1609.344 m, nautical mile 1852 m (BIPM, SI brochure, table 8).
KMH_IN: Final = {"kmh": 1.0, "mph": 1.609344, "mps": 3.6, "kn": 1.852}
#: Symbol of the unit.
SYMBOL: Final = {"kmh": "km/h", "mph": "mph", "mps": "m/s", "kn": "kn"}
#: Symbol of the distance that goes with a unit, and km in one of it; km for the others.
DISTANCE: Final = {"mph": ("mi", 1.609344), "kn": ("nmi", 1.852)}


def distance_unit(unit: str) -> tuple[str, float]:
    """Return the symbol of the distance that goes with a unit of speed, and the km in one of it."""
    return DISTANCE.get(unit, ("km", 1.0))
