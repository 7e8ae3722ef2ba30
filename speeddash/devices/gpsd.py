"""A GPS receiver behind gpsd: its JSON protocol, see https://gpsd.gitlab.io/gpsd/gpsd_json.html."""

from collections.abc import Iterator
from typing import Any, Final

import orjson

from speeddash.devices.address import Address
from speeddash.devices.device import Device, Observation, OneOfSeveral
from speeddash.devices.stream import TcpStream, lines, reason
from speeddash.errors import DeviceAway, InvalidInput
from speeddash.reading import parse_time
from speeddash.units import KMH_IN

PORT: Final = 2947
WATCH: Final = b'?WATCH={"enable":true,"json":true}\n'
#: The least mode with a fix: 2 is two-dimensional.
FIX: Final = 2


class Gpsd(Device):
    """One receiver of a gpsd: that of `?device=`, else the first that has a fix."""

    def __init__(self, address: Address) -> None:
        """Remember how to reach it."""
        self._host, self._port = address.needs_host(), address.port(PORT)
        self._only: str | None = address.option("device", str, None)
        super().__init__(address, f"gpsd-{self._host}")
        self._receiver = OneOfSeveral(self._only)
        #: The last moment that was reported: one epoch brings several TPV objects.
        self._reported_us: int | None = None

    def observe(self) -> Iterator[Observation | None]:
        """Yield an observation for each epoch with a fix."""
        try:
            stream = TcpStream(self._host, self._port)
        except OSError as gone:
            raise DeviceAway(reason(gone)) from gone
        try:
            stream.write(WATCH)
            for line in lines(stream):
                yield self._observation(line)
        except OSError as gone:
            raise DeviceAway(reason(gone)) from gone
        finally:
            stream.close()

    def _observation(self, line: bytes) -> Observation | None:
        try:
            report: Any = orjson.loads(line)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(report, dict):
            return None
        if (
            report.get("class") == "DEVICE"
            and report.get("activated") == 0
            and self._only in {None, report.get("path")}
        ):
            self.note = f"gpsd has lost its receiver {report.get('path', '')}"
            return None
        if report.get("class") != "TPV":
            return None
        speed = report.get("speed")
        if report.get("mode", 0) < FIX or not isinstance(speed, int | float):
            self.note = "the receiver has no fix"
            return None
        if not self._receiver.follows(str(report.get("device", ""))):
            return None
        self.note = ""
        at_us = None
        if "time" in report:
            try:
                at_us = parse_time(report["time"])
            except InvalidInput:
                return None
            if at_us == self._reported_us:
                return None
            self._reported_us = at_us
        return Observation(speed * KMH_IN["mps"], at_us)
