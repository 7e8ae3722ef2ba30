"""Overland: GeoJSON features, each with a speed in m/s, see https://overland.p3k.app/."""

import json
from typing import Any

from speeddash.errors import InvalidInput
from speeddash.phones.report import Report, moment_of, seq_of, source_from, speed_of
from speeddash.units import KMH_IN


def read_overland(body: Any) -> tuple[list[Report], int]:
    """Return the reports of a decoded body, and the number of locations that are invalid. -1 is "no speed".

    An invalid location is left out: the app would send it again with all others for ever.

    Raises:
        InvalidInput: It is no body of Overland.
    """
    locations = body.get("locations") if isinstance(body, dict) else None
    if not isinstance(locations, list):
        raise InvalidInput("bad_message", "the body must be a JSON object of Overland, with locations")
    reports, invalid = [], 0
    for each in locations:
        properties = each.get("properties") if isinstance(each, dict) else None
        if not isinstance(properties, dict):
            invalid += 1
            continue
        try:
            speed, at_us = speed_of(properties.get("speed"), KMH_IN["mps"]), moment_of(properties.get("timestamp"))
        except InvalidInput:
            invalid += 1
            continue
        if speed is not None:
            seq = seq_of(json.dumps(each, sort_keys=True).encode())
            reports.append(Report(speed, at_us, seq, source_from(properties.get("device_id"))))
    return reports, invalid
