"""The speeds of sources for Home Assistant, by MQTT discovery.

One sensor for each source, see https://www.home-assistant.io/integrations/sensor.mqtt/ and
https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery. Every program that reads MQTT can use the topics as well:
`speeddash/SOURCE/speed` in km/h, `speeddash/SOURCE/available` and `speeddash/status`.
"""

import json
import logging
import re
import threading
import time
import zlib
from contextlib import suppress
from typing import Any, Final

from speeddash.devices.broker import Broker

log = logging.getLogger(__name__)

#: A source without a reading for so long is not available.
SILENT_S: Final = 60.0
#: Sources that are published; a topic of each is kept by the broker.
MAX_SOURCES: Final = 1_000
QOS: Final = 1
ONLINE, OFFLINE = "online", "offline"


class HomeAssistant:
    """Publishes to one broker. Any thread may call it."""

    def __init__(self, broker: Broker, client_id: str, *, prefix: str, discovery: str) -> None:
        """Prepare, without connecting.

        Args:
            broker: How to reach it.
            client_id: Of this publisher.
            prefix: First part of the topics of speeds.
            discovery: First part of the topics that describe sensors; `homeassistant` by Home Assistant's default.
        """
        self._broker = broker
        self._prefix, self._discovery = prefix, discovery
        self._status = f"{prefix}/status"
        self._client: Any = broker.client(client_id)
        self._client.will_set(self._status, OFFLINE, QOS, retain=True)
        self._client.on_connect = self._connected
        self._lock = threading.Lock()
        #: When each source was seen last, by the monotonic clock; None once it is reported as not available.
        self._seen_at: dict[str, float | None] = {}

    def start(self) -> None:
        """Connect; a connection that is lost is made again by itself.

        Raises:
            DeviceAway: The broker cannot be reached.
        """
        self._broker.connect(self._client)

    def stop(self) -> None:
        """Say that nothing comes any more, and disconnect."""
        with suppress(RuntimeError, ValueError):  # it is not connected: its last will says so
            self._client.publish(self._status, OFFLINE, QOS, retain=True).wait_for_publish(2.0)
        self._client.disconnect()
        self._client.loop_stop()

    def speed(self, source: str, kmh: float) -> None:
        """Publish the speed of a source, and what it is before its first one."""
        with self._lock:
            if source not in self._seen_at and len(self._seen_at) >= MAX_SOURCES:
                return
            if source not in self._seen_at:
                self._describe(source)
            if self._seen_at.get(source) is None:
                self._publish(f"{self._topic(source)}/available", ONLINE, retain=True)
            self._seen_at[source] = time.monotonic()
            self._publish(f"{self._topic(source)}/speed", f"{kmh:.2f}")

    def check_silent(self) -> None:
        """Report sources that fell silent."""
        with self._lock:
            for source, seen_at in self._seen_at.items():
                if seen_at is not None and time.monotonic() - seen_at > SILENT_S:
                    self._seen_at[source] = None
                    self._publish(f"{self._topic(source)}/available", OFFLINE, retain=True)

    def _connected(self, _client: Any, _user: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if code.is_failure:
            log.warning("the broker does not let in: %s; trying again", str(code).lower())
            return
        with self._lock:
            self._publish(self._status, ONLINE, retain=True)
            for source in self._seen_at:  # a broker that was restarted empty knows nothing
                self._describe(source)

    def _describe(self, source: str) -> None:
        name = re.sub(r"[^A-Za-z0-9_-]", "_", source)
        if name != source:  # car.1 and car:1 are two sources
            name += f"_{zlib.crc32(source.encode()):08x}"
        topic = self._topic(source)
        sensor = {
            "name": "Speed",
            "unique_id": f"speeddash_{name}_speed",
            "object_id": f"{name}_speed",
            "state_topic": f"{topic}/speed",
            "availability": [{"topic": self._status}, {"topic": f"{topic}/available"}],
            "availability_mode": "all",
            "device_class": "speed",
            "state_class": "measurement",
            "unit_of_measurement": "km/h",
            "suggested_display_precision": 0,
            "device": {"identifiers": [f"speeddash_{name}"], "name": source, "manufacturer": "SpeedDash"},
            "origin": {"name": "SpeedDash"},
        }
        self._publish(f"{self._discovery}/sensor/speeddash_{name}/speed/config", json.dumps(sensor), retain=True)

    def _topic(self, source: str) -> str:
        return f"{self._prefix}/{source}"

    def _publish(self, topic: str, text: str, *, retain: bool = False) -> None:
        self._client.publish(topic, text, QOS if retain else 0, retain=retain)
