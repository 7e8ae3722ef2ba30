"""The URL of a device."""

import re
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from speeddash.errors import InvalidInput
from speeddash.units import KMH_IN

T = TypeVar("T")


class Address:
    """A URL taken apart. Its text never holds the password.

    Attributes:
        scheme: For example `gpsd`.
        host: Empty where there is none.
        path: Decoded, without the slash that begins it for a topic; with it for a file.
        username: None where there is none.
        password: None where there is none.
    """

    def __init__(self, url: str, unit: str | None = None) -> None:
        """Take a URL apart; `unit` counts where the URL has none.

        Raises:
            InvalidInput: `bad_device`.
        """
        try:
            parts = urlsplit(url)
            self._port = parts.port
        except ValueError as wrong:
            if "@" not in url:
                raise InvalidInput("bad_device", f"{url}: {str(wrong).lower()}") from None
            # Not quoted: a password with an unescaped / would be taken for a host.
            raise InvalidInput(
                "bad_device", "the address of a device is no URL; / # ? and @ in a password are written %2F %23 %3F %40"
            ) from None
        self.scheme = parts.scheme
        self.host = parts.hostname or ""
        self.path = unquote(parts.path)
        self.username = unquote(parts.username) if parts.username else None
        self.password = unquote(parts.password) if parts.password else None
        self._text = without_password(url)
        # A topic may hold # and +, which a URL would take for a fragment and a space.
        self._query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if parts.fragment or url.endswith("#"):
            raise self.wrong("write # in a topic as %23")
        self._unit = unit

    def __str__(self) -> str:
        return self._text

    def wrong(self, why: str) -> InvalidInput:
        """Return the error for a URL that cannot be used."""
        return InvalidInput("bad_device", f"{self}: {why}")

    def port(self, default: int | None = None) -> int:
        """Return the port.

        Raises:
            InvalidInput: There is none, and no default.
        """
        if self._port is None and default is None:
            raise self.wrong(f"the port is missing: {self.scheme}://{self.host or 'HOST'}:PORT")
        return self._port or default or 0

    def needs_host(self) -> str:
        """Return the host.

        Raises:
            InvalidInput: There is none.
        """
        if not self.host:
            raise self.wrong(f"the host is missing: {self.scheme}://HOST")
        return self.host

    def option(self, name: str, read: Callable[[str], T], default: T) -> T:
        """Return an option of the query.

        Raises:
            InvalidInput: `read` raised a ValueError.
        """
        text = self._query.pop(name, None)
        if text is None:
            return default
        try:
            return read(text)
        except ValueError:
            raise self.wrong(f"{name}: not valid: {text[:40]!r}") from None

    def unit(self, default: str | None) -> str | None:
        """Return the unit of the speeds, a key of `KMH_IN`."""
        unit = self._query.pop("unit", None) or self._unit or default
        if unit is not None and unit not in KMH_IN:
            raise self.wrong(f"unit must be one of {', '.join(KMH_IN)}, got {unit[:20]!r}")
        return unit

    def check_all_used(self) -> None:
        """Reject options that nobody has read.

        Raises:
            InvalidInput: There are some.
        """
        for name in self._query:
            raise self.wrong(f"there is no option {name[:40]!r} for {self.scheme}")


def without_password(url: str) -> str:
    """Return a URL with its password replaced."""
    return re.sub(r"(?<=//)([^/?#:@]*):[^/?#]*@", r"\1:***@", url)
