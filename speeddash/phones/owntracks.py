"""OwnTracks: JSON objects, see https://owntracks.org/booklet/tech/json/; only those of type `location` hold a speed, in km/h."""

import json
from typing import Any, Final

from speeddash.errors import InvalidInput
from speeddash.phones.report import Report, moment_of, seq_of, source_from, speed_of

LOCATION: Final = "location"


def read_owntracks(message: Any) -> Report | None:
    """Return the report of a decoded message; None for one without a speed. `vel` is left out where there is none.

    Raises:
        InvalidInput: It is no message of OwnTracks, or an encrypted one.
    """
    if not isinstance(message, dict) or "_type" not in message:
        raise InvalidInput("bad_message", "the body must be a JSON object of OwnTracks, with _type")
    if message["_type"] == "encrypted":
        raise InvalidInput(
            "encrypted", "encrypted messages cannot be read; remove the encryption key in the app's settings"
        )
    if message["_type"] != LOCATION:
        return None
    speed = speed_of(message.get("vel"), 1.0)
    if speed is None:
        return None
    topic = message.get("topic")
    device = "-".join(topic.split("/")[-2:]) if isinstance(topic, str) else None
    # The members that differ from message to message; an app may write them in another order when it sends again.
    seq = seq_of(json.dumps([message.get("tst"), message.get("vel"), message.get("lat"), message.get("lon")]).encode())
    return Report(speed, moment_of(message.get("tst")), seq, source_from(device))
