"""Devices and the programs in front of them: each gives readings as they come. One file for each kind.

gpsd://HOST[:2947]                    a GPS receiver behind gpsd
nmea+tcp://HOST:PORT                  NMEA 0183 from a server, such as a boat's multiplexer
nmea+udp://[ADDRESS]:PORT             NMEA 0183 that is sent to this machine
serial:///dev/ttyUSB0?baud=4800       NMEA 0183 from a receiver at a serial port
signalk://HOST[:3000]                 a Signal K server; signalks:// with TLS
mqtt://[USER:PASSWORD@]HOST/TOPIC     an MQTT broker; mqtts:// with TLS
obd:///dev/rfcomm0?baud=38400         a car's OBD-II port, by an ELM327 adapter
obd+tcp://HOST:PORT                   the same by a Wi-Fi adapter
"""

from collections.abc import Callable
from typing import Final

from speeddash.devices.address import Address
from speeddash.devices.device import Device
from speeddash.devices.gpsd import Gpsd
from speeddash.devices.mqtt import Mqtt
from speeddash.devices.nmea import Nmea
from speeddash.devices.obd import Obd
from speeddash.devices.signalk import SignalK
from speeddash.errors import InvalidInput

KINDS: Final[dict[str, Callable[[Address], Device]]] = {
    "gpsd": Gpsd,
    "nmea+tcp": Nmea,
    "nmea+udp": Nmea,
    "serial": Nmea,
    "signalk": SignalK,
    "signalks": SignalK,
    "mqtt": Mqtt,
    "mqtts": Mqtt,
    "obd": Obd,
    "obd+tcp": Obd,
}


def open_device(url: str, unit: str | None = None) -> Device:
    """Return the device of a URL, without connecting to it.

    Args:
        url: As in the list of this package.
        unit: Unit of its speeds, a key of `KMH_IN`, where neither the device nor the URL says it; None for none.

    Raises:
        InvalidInput: `bad_device`; the message names the URL without its password.
    """
    address = Address(url, unit)
    kind = KINDS.get(address.scheme)
    if kind is None:
        raise InvalidInput("bad_device", f"{address}: the scheme must be one of {', '.join(KINDS)}")
    device = kind(address)
    address.check_all_used()
    return device
