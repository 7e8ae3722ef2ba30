"""Ways of devices and apps to a server, as pure functions of its address."""

import base64
import json
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import quote

#: Stands for the token, which the page does not know.
TOKEN: Final = "TOKEN"  # noqa: S105 - none


class Way(NamedTuple):
    """One device or app.

    Attributes:
        group: What it belongs to.
        name: Its name.
        about: One sentence.
        line: A line for a shell, or an address to type; empty for none.
        settings: What to type into an app: name and value.
        link: An address for a QR code; empty for none.
        link_text: What the QR code does.
    """

    group: str
    name: str
    about: str
    line: str = ""
    settings: Sequence[tuple[str, str]] = ()
    link: str = ""
    link_text: str = ""


def ways(address: str, source: str, *, token: bool) -> list[Way]:
    """Return all ways.

    Args:
        address: Of the server, such as `http://10.0.0.5:8765`.
        source: Name of the source.
        token: The server needs a token.
    """
    named = f"?source={quote(source, safe=':')}"
    return [
        *_phones(address, source, named, token=token),
        *_devices(address, source, token=token),
        *_programs(address, named, token=token),
    ]


def _phones(address: str, source: str, named: str, *, token: bool) -> list[Way]:
    secret = [("Password", TOKEN)] if token else []
    header = [("Authorization", f"Bearer {TOKEN}")] if token else []
    access = [("Access token", TOKEN)] if token else []
    body = '{"speed": %SPD_KPH, "timestamp": %TIMESTAMP}'
    osmand = f"{address}/in/osmand?id={quote(source)}&speed={{5}}&timestamp={{2}}&unit=mps&token={TOKEN}"
    return [
        Way(
            "Phones",
            "This page",
            "Open it on the phone and choose GPS. The screen has to stay on, and the address has to be https: else use an app.",
            link=address,
            link_text="Opens this page",
        ),
        Way(
            "Phones",
            "Bluetooth sensor",
            "A wheel's sensor, a treadmill or a trainer: open this page in Chrome or Edge there, and choose Bluetooth.",
        ),
        Way(
            "Phones",
            "OwnTracks",
            "For Android and iOS, records in the background. Preferences, Connection, mode HTTP.",
            settings=[
                ("URL", f"{address}/in/owntracks{named}"),
                ("Authentication", "on"),
                ("User ID", "phone"),
                *secret,
            ],
            link=owntracks_link(f"{address}/in/owntracks{named}", source),
            link_text="Configures OwnTracks, but for the password",
        ),
        Way(
            "Phones",
            "Traccar Client",
            "For Android and iOS, records in the background. Its device identifier names the source.",
            settings=[
                ("Device identifier", source),
                ("Server URL", f"{address}/in/osmand?unit=kn{f'&token={TOKEN}' if token else ''}"),
            ],
        ),
        Way(
            "Phones",
            "Overland",
            "For iOS, records in the background and sends in batches.",
            settings=[("Receiver endpoint URL", f"{address}/in/overland{named}"), *access],
        ),
        Way(
            "Phones",
            "GPSLogger",
            "For Android. Logging details, Log to custom URL.",
            settings=[
                ("URL", f"{address}/api/v1/readings{named}"),
                ("HTTP method", "POST"),
                ("HTTP body", body),
                (
                    "HTTP headers",
                    "\n".join(["Content-Type: application/json", *[f"{name}: {value}" for name, value in header]]),
                ),
            ],
        ),
        Way(
            "Phones",
            "OsmAnd",
            "For Android and iOS. Plugins, Trip recording, Online tracking. It can only send a GET, which needs a token.",
            settings=[("Web address", osmand)],
        ),
    ]


def _devices(address: str, source: str, *, token: bool) -> list[Way]:
    def line(url: str, *, named: bool = True) -> str:
        secret = f"SPEEDDASH_TOKEN={TOKEN} " if token else ""
        return (
            f"{secret}speeddash connect '{url}'{f' --source {source}' if named else ''} --server {socket_of(address)}"
        )

    return [
        Way("Receivers and boats", "GPS receiver behind gpsd", "On the machine of the receiver.", line("gpsd://localhost")),
        Way("Receivers and boats", "GPS receiver at a serial port", "NMEA 0183 by USB or RS-232; needs speeddash[serial].", line("serial:///dev/ttyUSB0?baud=4800")),
        Way("Receivers and boats", "NMEA 0183 over the network", "From a multiplexer or a plotter; nmea+udp://:10110 for datagrams.", line("nmea+tcp://192.168.1.20:10110")),
        Way("Receivers and boats", "Signal K", "A boat's network.", line("signalk://localhost:3000")),
        Way("Cars", "OBD-II by Wi-Fi", "An ELM327 adapter in the car's port.", line("obd+tcp://192.168.0.10:35000")),
        Way("Cars", "OBD-II by USB or Bluetooth", "The same at a serial port; needs speeddash[serial].", line("obd:///dev/rfcomm0?baud=38400")),
        Way("Brokers", "MQTT: bare numbers", "Any topic; needs speeddash[mqtt].", line("mqtt://USER:PASSWORD@HOST/shop/lathe/speed?unit=mps")),
        Way("Brokers", "MQTT: a member of JSON", "With dots for members of members.", line("mqtt://USER:PASSWORD@HOST/teslamate/cars/1/speed?unit=kmh")),
        Way("Brokers", "OwnTracks by MQTT", "Each phone is a source.", line("mqtt://USER:PASSWORD@HOST/owntracks/%2B/%2B", named=False)),
    ]  # fmt: skip


def _programs(address: str, named: str, *, token: bool) -> list[Way]:
    header = f"-H 'Authorization: Bearer {TOKEN}' " if token else ""
    return [
        Way(
            "Programs",
            "HTTP",
            "One reading or an array of them; the answer follows the commit.",
            f"curl -X POST '{address}/api/v1/readings{named}' {header}-H 'Content-Type: application/json' -d '{{\"speed\": 52.5}}'",
        ),
        Way("Programs", "WebSocket", "Each frame is echoed once it is stored.", f"{socket_of(address)}{named}"),
        Way(
            "Programs",
            "Recordings",
            "CSV, FIT, GPX, TCX, NMEA, VBO and NDJSON: drop them on any page.",
            "speeddash import FILE",
        ),
    ]


def socket_of(address: str) -> str:
    """Return the address of the senders' socket."""
    return f"{'wss' if address.startswith('https') else 'ws'}{address[address.index(':') :]}/ws"


def owntracks_link(url: str, source: str) -> str:
    """Return a link that configures OwnTracks, see https://owntracks.org/booklet/features/remoteconfig/."""
    settings = {"_type": "configuration", "mode": 3, "url": url, "auth": True, "username": "phone", "deviceId": source}
    return "owntracks:///config?inline=" + base64.b64encode(json.dumps(settings).encode()).decode()
