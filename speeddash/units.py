"""Units of speed for input and output. Internally all speeds are km/h."""

from typing import Final

#: km/h in one unit. Exact by definition: international mile 1609.344 m, nautical mile 1852 m (BIPM, SI brochure, table 8).
KMH_IN: Final = {"kmh": 1.0, "mph": 1.609344, "mps": 3.6, "kn": 1.852}
#: Symbol of the unit.
SYMBOL: Final = {"kmh": "km/h", "mph": "mph", "mps": "m/s", "kn": "kn"}
