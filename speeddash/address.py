"""Addresses, as strangers write them."""

import ipaddress
from functools import lru_cache
from typing import Final
from urllib.parse import SplitResult, urlsplit

#: A site with IPv6 has at least this much of it: its many addresses are one.
IPV6_SITE_BITS: Final = 64


def parts_of(address: str) -> SplitResult | None:
    """The parts of a URL; None where it cannot be read, such as half an IPv6 address or a port that is none."""
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - it is read only now
    except ValueError:
        return None
    return parts


def ip_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """A numeric address, without its zone; None for a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


@lru_cache(maxsize=1024)  # asked for each connection of a flood
def site(host: str) -> str:
    """What counts as one address: an IPv4 address, an IPv6 network of 64 bits; what is neither stands for itself."""
    parsed = ip_of(host)
    if parsed is None:
        return host
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, IPV6_SITE_BITS), strict=False))
