"""Rate limits: token buckets, single ones and one for each client network."""

import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from speeddash.network.address import network_of

T = TypeVar("T")
#: Client networks remembered; above it the one that was idle for longest is forgotten.
MAX_NETWORKS: Final = 10_000


class TokenBucket:
    """A token bucket that may go into debt: a batch of any size passes while tokens are left, and is paid off afterwards."""

    __slots__ = ("_at", "_per_s", "_tokens", "capacity")

    def __init__(self, per_s: float, capacity: float) -> None:
        """Create a full bucket.

        Args:
            per_s: Tokens added per second.
            capacity: Maximum number of tokens.
        """
        self.capacity = capacity
        self._per_s = per_s
        self._tokens = capacity
        self._at = time.monotonic()

    def wait_s(self) -> float:
        """Return the seconds until tokens can be taken; 0 if now."""
        now = time.monotonic()
        self._tokens = min(self.capacity, self._tokens + (now - self._at) * self._per_s)
        self._at = now
        return 0.0 if self._tokens > 0 else (1e-3 - self._tokens) / self._per_s

    def take(self, tokens: float) -> None:
        """Take tokens."""
        self._tokens -= tokens


class TokenBuckets:
    """A token bucket for each client network, for at most `MAX_NETWORKS` of them."""

    def __init__(self, per_s: float, capacity: float) -> None:
        self._per_s = per_s
        self._capacity = capacity
        self._by_network: OrderedDict[str, TokenBucket] = OrderedDict()

    def of(self, address: str) -> TokenBucket:
        """Return the bucket of an address's network."""
        network = network_of(address)
        if network not in self._by_network:
            if len(self._by_network) == MAX_NETWORKS:
                self._by_network.popitem(last=False)
            self._by_network[network] = TokenBucket(self._per_s, self._capacity)
        self._by_network.move_to_end(network)
        return self._by_network[network]


class RateLimits:
    """Readings per second that one socket and one client network may send; None for no limit."""

    def __init__(self, per_socket: float | None, per_network: float | None) -> None:
        self._per_socket = per_socket
        self._networks = None if per_network is None else TokenBuckets(per_network, per_network)

    def of_socket(self, address: str) -> list[TokenBucket]:
        """Return the limits of a new socket from an address."""
        own = [] if self._per_socket is None else [TokenBucket(self._per_socket, self._per_socket)]
        return [*own, *self.of_address(address)]

    def of_address(self, address: str) -> list[TokenBucket]:
        """Return the limits of everything from an address."""
        return [] if self._networks is None else [self._networks.of(address)]


def largest_batch(buckets: Sequence[TokenBucket]) -> int | None:
    """Return the number of readings that may be sent together: what one second allows, at least one; None for no limit."""
    return max(1, int(min(each.capacity for each in buckets))) if buckets else None


def spend(buckets: Sequence[TokenBucket], tokens: float) -> float:
    """Take tokens from all buckets, or from none if one is empty. Return the seconds to wait then, else 0."""
    wait_s = max([each.wait_s() for each in buckets], default=0.0)
    if not wait_s:
        for each in buckets:
            each.take(tokens)
    return wait_s


def paced(buckets: Sequence[TokenBucket], readings: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield all readings in parts, no faster than the buckets allow."""
    size = largest_batch(buckets) or max(1, len(readings))
    for at in range(0, len(readings), size):
        part = readings[at : at + size]
        while wait_s := spend(buckets, len(part)):
            time.sleep(wait_s)
        yield part
