"""A topic of an MQTT broker: bare numbers, a member of JSON objects, or OwnTracks.

Messages are acknowledged to the broker once they are on the disk of this machine, so the broker sends again what was not.
"""

import re
import socket
import ssl
import zlib
from collections.abc import Iterator
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple

import orjson

from speeddash.devices.address import Address
from speeddash.devices.device import Device, Observation
from speeddash.devices.stream import CONNECT_TIMEOUT_S, reason
from speeddash.errors import DeviceAway, InvalidInput, SettingsError
from speeddash.formats.row import speed_kmh
from speeddash.reading import parse_time
from speeddash.units import KMH_IN

PORT: Final = 1883
TLS_PORT: Final = 8883
KEEPALIVE_S: Final = 30
QOS: Final = 1
#: A sign of life for the runner while nobody publishes; the package itself notices a connection that is lost.
IDLE_S: Final = 5.0
#: Members of a location of OwnTracks, see https://owntracks.org/booklet/tech/json/: km/h, and epoch seconds.
OWNTRACKS_SPEED, OWNTRACKS_TIME, OWNTRACKS_UNIT = "vel", "tst", "kmh"
#: What phones send where they have no speed.
NO_SPEED: Final = (-1, "-1", "")


class Message(NamedTuple):
    """A message as it came."""

    topic: str
    payload: bytes
    number: int
    qos: int
    repeated: bool
    retained: bool


class Mqtt(Device):
    """The messages of one topic, which may hold wildcards.

    Options: `unit`; `json`, the member that holds the speed, with dots for members of members; `time`, the member that holds the time;
    `client`, the client id, by default made of the machine's name and the topic; `ca`, a file with the broker's authority.
    """

    def __init__(self, address: Address) -> None:
        """Remember how to reach the broker.

        Raises:
            SettingsError: The package is not installed.
        """
        try:
            from paho.mqtt import client as paho
        except ImportError:
            raise SettingsError("mqtt", "needs the package paho-mqtt: pip install 'speeddash[mqtt]'") from None
        self._paho: Any = paho
        self._topic = address.path.lstrip("/")
        if not self._topic:
            raise address.wrong("the topic is missing: mqtt://HOST/TOPIC")
        self._tls = address.scheme == "mqtts"
        self._host, self._port = address.needs_host(), address.port(TLS_PORT if self._tls else PORT)
        self._username, self._password = address.username, address.password
        self._speed: str | None = address.option("json", str, None)
        self._time: str | None = address.option("time", str, None)
        self._ca: str | None = address.option("ca", str, None)
        self._unit = address.unit(None)
        if self._unit is None and not self._topic.startswith("owntracks/"):
            raise address.wrong(f"a message does not say its unit: add ?unit= with one of {', '.join(KMH_IN)}")
        default = f"speeddash-{socket.gethostname()}-{zlib.crc32(self._topic.encode()):08x}"
        self._client_id = address.option("client", str, default)
        wildcards = re.escape(self._topic).replace(r"\+", "([^/]*)").replace(r"\#", "(.*)")
        self._names = re.compile(wildcards)
        self._arrived: SimpleQueue[Message | DeviceAway] = SimpleQueue()
        super().__init__(address, self._topic.rpartition("/")[2] if set(self._topic).isdisjoint("+#") else "mqtt")

    def observe(self) -> Iterator[Observation | None]:
        """Yield an observation for each message with a speed."""
        self._arrived = SimpleQueue()
        client = self._connect()
        try:
            while True:
                try:
                    message = self._arrived.get(timeout=IDLE_S)
                except Empty:
                    yield None
                    continue
                if isinstance(message, DeviceAway):
                    raise message
                acknowledge = partial(client.ack, message.number, message.qos)
                observation = self._observation(message)
                if observation is None:
                    acknowledge()
                    yield None
                else:
                    yield observation._replace(stored=acknowledge)
        finally:
            client.disconnect()
            client.loop_stop()

    def _connect(self) -> Any:
        version = self._paho.CallbackAPIVersion.VERSION2
        client = self._paho.Client(version, client_id=self._client_id, clean_session=False, manual_ack=True)
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        client.on_subscribe, client.on_message = self._subscribed, self._came
        client.connect_timeout = CONNECT_TIMEOUT_S
        if self._username is not None:
            client.username_pw_set(self._username, self._password)
        try:
            if self._tls:
                client.tls_set(ca_certs=self._ca)
            client.connect(self._host, self._port, KEEPALIVE_S)
        except ssl.SSLError as refused:
            raise DeviceAway(f"TLS: {refused.reason or refused}") from refused
        except OSError as gone:
            raise DeviceAway(reason(gone)) from gone
        client.loop_start()
        return client

    def _connected(self, client: Any, _user: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if code.is_failure:
            self._arrived.put(DeviceAway(f"the broker does not let in: {str(code).lower()}"))
        else:
            client.subscribe(self._topic, qos=QOS)

    def _subscribed(self, _client: Any, _user: Any, _number: int, codes: Any, _properties: Any) -> None:
        if any(each.is_failure for each in codes):
            self._arrived.put(DeviceAway(f"the broker does not allow to subscribe to {self._topic}"))

    def _came(self, _client: Any, _user: Any, message: Any) -> None:
        flags = bool(message.dup), bool(message.retain)
        self._arrived.put(Message(message.topic, message.payload, message.mid, message.qos, *flags))

    def _disconnected(self, _client: Any, _user: Any, _flags: Any, code: Any, _properties: Any) -> None:
        self._arrived.put(DeviceAway(f"the connection to the broker has ended: {str(code).lower()}"))

    def _observation(self, message: Message) -> Observation | None:
        """Return the observation of a message; None if it holds no speed."""
        try:
            speed, at_us = self._parse(message.payload)
        except (ValueError, InvalidInput) as wrong:
            self.note = f"{message.topic}: {wrong.message if isinstance(wrong, InvalidInput) else wrong}"
            return None
        # A retained message comes again with every subscription; without a time of its own it would be a new reading each time.
        if speed is None or (at_us is None and message.retained):
            return None
        self.note = ""
        check = zlib.crc32(message.payload)
        identity = f"{self._client_id}:{message.number}:{check}" if message.qos else None
        seq = 0 if at_us is None else check
        return Observation(speed, at_us, seq, self._source_of(message.topic), identity, message.repeated)

    def _parse(self, payload: bytes) -> tuple[float | None, int | None]:
        text = payload.strip()
        if not text.startswith(b"{"):
            if self._speed is not None:
                raise ValueError("the message is no JSON object")
            return (speed_kmh(text.decode("utf-8", "replace"), KMH_IN[self._unit or "kmh"]) if text else None), None
        try:
            members = orjson.loads(text)
        except orjson.JSONDecodeError as wrong:
            raise ValueError(f"not JSON: {wrong}") from None
        owntracks = "_type" in members and self._speed is None
        if owntracks and members["_type"] != "location":
            return None, None
        speed_member = OWNTRACKS_SPEED if owntracks else self._speed
        time_member = OWNTRACKS_TIME if owntracks else self._time
        if speed_member is None:
            raise ValueError(
                "the message is a JSON object: add ?json= with the name of the member that holds the speed"
            )
        value = _member(members, speed_member)
        if value is None or value in NO_SPEED:
            return None, None
        moment = _member(members, time_member) if time_member else None
        unit = self._unit or OWNTRACKS_UNIT
        return speed_kmh(value, KMH_IN[unit]), None if moment is None else parse_time(moment)

    def _source_of(self, topic: str) -> str | None:
        """Return the source that the parts of the topic name which match wildcards; None without wildcards."""
        found = self._names.fullmatch(topic)
        if not found or not found.groups():
            return None
        return re.sub(r"[^A-Za-z0-9._:-]", "-", "-".join(found.groups()))[:64] or None


def _member(members: Any, path: str) -> Any:
    for name in path.split("."):
        members = members.get(name) if isinstance(members, dict) else None
    return members
