"""OsmAnd's protocol, which Traccar Client and others speak too: one position in the query, in a form, or as JSON.

See https://www.traccar.org/osmand/. The speed of a query has no unit of its own: Traccar's clients send knots, OsmAnd m/s. JSON, which
Traccar Client sends from version 9 on, is in m/s.
"""

import json
from collections.abc import Mapping
from typing import Any

from speeddash.errors import InvalidInput
from speeddash.phones.report import Report, moment_of, seq_of, source_from, speed_of
from speeddash.units import KMH_IN


def read_osmand(members: Mapping[str, str], unit: str | None) -> Report | None:
    """Return the report of a query or form; None for one without a speed.

    Args:
        members: Its members, without a token.
        unit: Unit of the speed, a key of `KMH_IN`.

    Raises:
        InvalidInput: The unit is missing, or a member is invalid.
    """
    value = members.get("speed")
    if value is not None and unit is None:
        raise InvalidInput(
            "bad_unit", "unit is missing: the app does not say it. Add unit=kn for Traccar Client, unit=mps for OsmAnd"
        )
    speed = speed_of(value, KMH_IN[unit or "kmh"])
    if speed is None:
        return None
    seq = seq_of(json.dumps(sorted(members.items())).encode())
    return Report(
        speed, moment_of(members.get("timestamp")), seq, source_from(members.get("id") or members.get("deviceid"))
    )


def read_osmand_json(body: Any) -> Report | None:
    """Return the report of a decoded body; None for one without a speed.

    Raises:
        InvalidInput: It is no body of Traccar Client, or a member is invalid.
    """
    location = body.get("location") if isinstance(body, dict) else None
    coords = location.get("coords") if isinstance(location, dict) else None
    if not isinstance(location, dict) or not isinstance(coords, dict):
        raise InvalidInput("bad_message", "the body must be a JSON object of Traccar Client, with location and coords")
    speed = speed_of(coords.get("speed"), KMH_IN["mps"])
    if speed is None:
        return None
    seq = seq_of(json.dumps([location.get("timestamp"), coords], sort_keys=True).encode())
    return Report(speed, moment_of(location.get("timestamp")), seq, source_from(body.get("device_id")))
