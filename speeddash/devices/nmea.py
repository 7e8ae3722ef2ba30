"""NMEA 0183 as it comes: from a TCP server, by UDP, or from a serial port."""

import time
from collections.abc import Iterator
from typing import Final

from speeddash.devices.address import Address
from speeddash.devices.device import Device, Observation
from speeddash.devices.stream import SerialStream, Stream, TcpStream, UdpStream, lines, reason, serial_package
from speeddash.errors import DeviceAway, InvalidInput
from speeddash.formats.nmea import Receiver

BAUD: Final = 4800
#: A receiver that gives its time does so within the first seconds. Then a VTG without one gets that of its arrival.
PATIENCE_S: Final = 3.0


class Nmea(Device):
    """One stream of sentences."""

    def __init__(self, address: Address) -> None:
        """Remember how to reach it."""
        self._scheme = address.scheme
        self._unit = address.unit(None)
        if self._scheme == "serial":
            serial_package()
            self._path = address.path
            if address.host or not self._path:
                raise address.wrong("write the port after three slashes: serial:///dev/ttyUSB0")
            self._baud = address.option("baud", int, BAUD)
            super().__init__(address, self._path.rpartition("/")[2])
        else:
            self._host = address.host if self._scheme == "nmea+udp" else address.needs_host()
            self._port = address.port()
            super().__init__(address, f"nmea-{self._host or self._port}")

    def observe(self) -> Iterator[Observation | None]:
        """Yield an observation for each RMC, and for each VTG of a moment without one."""
        try:
            stream = self._open()
        except (OSError, ValueError) as gone:  # pyserial's own for a baud rate that is none
            raise DeviceAway(reason(gone) if isinstance(gone, OSError) else str(gone)) from gone
        receiver, began = Receiver(self._unit), time.monotonic()
        try:
            for line in lines(stream, has_peer=self._scheme != "nmea+udp"):
                try:
                    found = receiver.read(line.decode("ascii", "replace").strip())
                except (ValueError, InvalidInput):  # a damaged sentence, or something else between sentences
                    found = None
                if found is None or (found[0] is None and time.monotonic() - began < PATIENCE_S):
                    yield None
                else:
                    yield Observation(found[1], found[0])
        finally:
            stream.close()

    def _open(self) -> Stream:
        if self._scheme == "serial":
            return SerialStream(self._path, self._baud)
        return UdpStream(self._host, self._port) if self._scheme == "nmea+udp" else TcpStream(self._host, self._port)
