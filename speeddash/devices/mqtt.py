"""A topic of an MQTT broker: bare numbers, a member of JSON objects, or OwnTracks.

Messages are acknowledged to the broker once they are on the disk of this machine, so the broker sends again what was not.
"""

import re
import socket
import zlib
from collections.abc import Iterator
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple

from speeddash.devices.address import Address
from speeddash.devices.broker import Broker
from speeddash.devices.device import Device, Observation
from speeddash.errors import DeviceAway, InvalidInput
from speeddash.phones.owntracks import read_owntracks
from speeddash.phones.report import Report, moment_of, seq_of, speed_of
from speeddash.reading import decode
from speeddash.units import KMH_IN

QOS: Final = 1
#: A sign of life for the runner while nobody publishes; the package itself notices a connection that is lost.
IDLE_S: Final = 5.0
_ABSENT: Final = object()


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
        """Remember how to reach the broker."""
        self._broker = Broker(address)
        self._topic = address.path.lstrip("/")
        if not self._topic:
            raise address.wrong("the topic is missing: mqtt://HOST/TOPIC")
        self._speed: str | None = address.option("json", str, None)
        self._time: str | None = address.option("time", str, None)
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
        client = self._broker.client(self._client_id, clean_session=False, manual_ack=True)
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        client.on_subscribe, client.on_message = self._subscribed, self._came
        self._broker.connect(client)
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
            report = self._parse(message.payload)
        except (ValueError, InvalidInput) as wrong:
            self.note = f"{message.topic}: {wrong.message if isinstance(wrong, InvalidInput) else wrong}"
            return None
        # A retained message comes again with every subscription; without a time of its own it would be a new reading each time.
        if report is None or (report.at_us is None and message.retained):
            return None
        self.note = ""
        identity = f"{self._client_id}:{message.number}:{zlib.crc32(message.payload)}" if message.qos else None
        seq = 0 if report.at_us is None else report.seq
        source = self._source_of(message.topic)
        return Observation(report.speed, report.at_us, seq, source, identity, message.repeated)

    def _parse(self, payload: bytes) -> Report | None:
        """Return what a message reports; None for no speed.

        Raises:
            ValueError: It is not what the options say; also `InvalidInput`.
        """
        text = payload.strip()
        factor = KMH_IN[self._unit or "kmh"]
        if not text.startswith(b"{"):
            if self._speed is not None:
                raise ValueError("the message is no JSON object")
            speed = speed_of(text.decode("utf-8", "replace"), factor)
            return None if speed is None else Report(speed, None, 0)
        members = decode(text.decode("utf-8", "replace"))
        if self._speed is None:
            if "_type" not in members:
                raise ValueError(
                    "the message is a JSON object: add ?json= with the name of the member that holds the speed"
                )
            return read_owntracks(members)
        found = _member(members, self._speed)
        if found is _ABSENT:
            raise ValueError(f"the message has no member {self._speed}")
        speed = speed_of(found, factor)
        time = _member(members, self._time) if self._time else None
        at_us = None if time is None or time is _ABSENT else moment_of(time)
        return None if speed is None else Report(speed, at_us, seq_of(payload))

    def _source_of(self, topic: str) -> str | None:
        """Return the source that the parts of the topic name which match wildcards; None without wildcards."""
        found = self._names.fullmatch(topic)
        if not found or not found.groups():
            return None
        return re.sub(r"[^A-Za-z0-9._:-]", "-", "-".join(found.groups()))[:64] or None


def _member(members: Any, path: str) -> Any:
    """Return a member, of members of members where the path has dots; `_ABSENT` where there is none."""
    for name in path.split("."):
        members = members.get(name, _ABSENT) if isinstance(members, dict) else _ABSENT
    return members
