"""Addresses of clients and servers, as untrusted clients write them."""

import ipaddress
from functools import lru_cache
from typing import Final
from urllib.parse import SplitResult, urlsplit

#: Prefix of an IPv6 network: a household or office has at least this many addresses.
IPV6_NETWORK_BITS: Final = 64


def parts_of(address: str) -> SplitResult | None:
    """Return the parts of a URL; None for an invalid one, such as half an IPv6 address or a port that is no number."""
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - parsed on access
    except ValueError:
        return None
    return parts


def ip_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return a numeric address without its zone; None for a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


@lru_cache(maxsize=1024)  # called for each connection of a flood
def network_of(host: str) -> str:
    """Return the client network of an address, which limits apply to: an IPv4 address, an IPv6 network of 64 bits, or any other text."""
    parsed = ip_of(host)
    if parsed is None:
        return host
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, IPV6_NETWORK_BITS), strict=False))
