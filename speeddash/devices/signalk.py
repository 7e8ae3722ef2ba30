"""A boat's network behind a Signal K server: deltas by WebSocket, see https://signalk.org/specification/1.7.0/doc/streaming_api.html."""

import json
from collections.abc import Iterator
from typing import Any, Final

import orjson
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.sync.client import connect

from speeddash.devices.address import Address
from speeddash.devices.device import Device, Observation, OneOfSeveral
from speeddash.devices.stream import CONNECT_TIMEOUT_S, reason
from speeddash.errors import DeviceAway, InvalidInput
from speeddash.reading import parse_time
from speeddash.units import KMH_IN

PORT: Final = 3000
PATH: Final = "navigation.speedOverGround"
#: Shortest time between two values.
MIN_PERIOD_MS: Final = 100


class SignalK(Device):
    """One value of the own boat. `?path=` is another than the speed over ground; `?from=` is the `$source` to follow."""

    def __init__(self, address: Address) -> None:
        """Remember how to reach it. A password in the URL is a token of the server."""
        host, secure = address.needs_host(), address.scheme == "signalks"
        port = address.port(443 if secure else PORT)
        self._url = f"{'wss' if secure else 'ws'}://{host}:{port}/signalk/v1/stream?subscribe=none"
        self._headers = {"Authorization": f"Bearer {address.password}"} if address.password else None
        self._path = address.option("path", str, PATH)
        self._origin = OneOfSeveral(address.option("from", str, None))
        super().__init__(address, f"signalk-{host}")

    def observe(self) -> Iterator[Observation | None]:
        """Yield an observation for each value of one `$source`."""
        wanted = {"path": self._path, "policy": "instant", "minPeriod": MIN_PERIOD_MS}
        try:
            with connect(self._url, additional_headers=self._headers, open_timeout=CONNECT_TIMEOUT_S) as socket:
                socket.send(json.dumps({"context": "vessels.self", "subscribe": [wanted]}))
                for message in socket:
                    yield from self._observations(message)
        except (ConnectionClosed, InvalidHandshake, InvalidURI) as gone:
            raise DeviceAway(str(gone)) from gone
        except OSError as gone:
            raise DeviceAway(reason(gone)) from gone
        raise DeviceAway("the server has closed the connection")

    def _observations(self, message: str | bytes) -> Iterator[Observation | None]:
        yield None
        try:
            delta: Any = orjson.loads(message)
            for update in delta.get("updates", ()):
                values = [each.get("value") for each in update.get("values", ()) if each.get("path") == self._path]
                origin = str(update.get("$source", ""))
                for value in values:
                    if isinstance(value, int | float) and not isinstance(value, bool) and self._origin.follows(origin):
                        at_us = parse_time(update["timestamp"]) if "timestamp" in update else None
                        yield Observation(value * KMH_IN["mps"], at_us)
        except (orjson.JSONDecodeError, AttributeError, TypeError, InvalidInput):
            return  # not a delta
