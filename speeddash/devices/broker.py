"""How an MQTT broker is reached."""

import ssl
from typing import Any, Final

from speeddash.devices.address import Address
from speeddash.devices.stream import CONNECT_TIMEOUT_S, reason
from speeddash.errors import DeviceAway, SettingsError

PORT: Final = 1883
TLS_PORT: Final = 8883
KEEPALIVE_S: Final = 30


class Broker:
    """The broker of a URL; `?ca=` is a file with its authority."""

    def __init__(self, address: Address) -> None:
        """Remember how to reach it.

        Raises:
            SettingsError: The package is not installed.
            InvalidInput: The URL names no host, or `ca` no file of certificates.
        """
        try:
            from paho.mqtt import client as paho
        except ImportError:
            raise SettingsError("mqtt", "needs the package paho-mqtt: pip install 'speeddash[mqtt]'") from None
        self._paho: Any = paho
        self._host = address.needs_host()
        self._port = address.port(TLS_PORT if address.scheme == "mqtts" else PORT)
        self._username, self._password = address.username, address.password
        ca: str | None = address.option("ca", str, None)
        try:
            self._tls = ssl.create_default_context(cafile=ca) if address.scheme == "mqtts" else None
        except OSError as unreadable:  # ssl.SSLError is one
            raise address.wrong(f"ca: {unreadable.strerror or unreadable}") from None

    def client(self, client_id: str, **options: Any) -> Any:
        """Return a client of the package for this broker, not connected. `options` are its own."""
        client = self._paho.Client(self._paho.CallbackAPIVersion.VERSION2, client_id=client_id, **options)
        client.connect_timeout = CONNECT_TIMEOUT_S
        if self._tls:
            client.tls_set_context(self._tls)
        if self._username is not None:
            client.username_pw_set(self._username, self._password)
        return client

    def connect(self, client: Any) -> None:
        """Connect a client, and let it work in a thread of its own.

        Raises:
            DeviceAway: The broker cannot be reached.
        """
        try:
            client.connect(self._host, self._port, KEEPALIVE_S)
        except ssl.SSLError as refused:
            raise DeviceAway(f"TLS: {refused.reason or refused}") from refused
        except OSError as gone:
            raise DeviceAway(reason(gone)) from gone
        client.loop_start()
