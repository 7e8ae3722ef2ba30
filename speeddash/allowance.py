"""Rate limits: token buckets, single ones and one for each client network."""

import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from speeddash.address import site

#: More addresses are not remembered; the one that was quiet for longest is forgotten first.
MAX_ADDRESSES: Final = 10_000


class Allowance:
    """A token bucket that may go into debt: whatever its size, a batch passes when something is left, and is paid off afterwards.

    Args:
        per_s: Units a second.
        most: Units that an idle time saves up.
    """

    __slots__ = ("_at", "_left", "_most", "_per_s")

    def __init__(self, per_s: float, most: float) -> None:
        self._per_s = per_s
        self._most = most
        self._left = most
        self._at = time.monotonic()

    def wait_s(self) -> float:
        """Seconds until something may be taken; 0 where it may be now."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._per_s)
        self._at = now
        return 0.0 if self._left > 0 else (1e-3 - self._left) / self._per_s

    def take(self, amount: float) -> None:
        """Use up an amount."""
        self._left -= amount

    @property
    def most(self) -> float:
        """The amount that an idle time saves up."""
        return self._most


class Allowances:
    """An allowance for each address, for at most `MAX_ADDRESSES` of them."""

    def __init__(self, per_s: float, most: float) -> None:
        self._per_s = per_s
        self._most = most
        self._by_key: OrderedDict[str, Allowance] = OrderedDict()

    def of(self, address: str) -> Allowance:
        """The allowance of an address, shared by all that comes from it."""
        key = site(address)
        if key not in self._by_key:
            if len(self._by_key) == MAX_ADDRESSES:
                self._by_key.popitem(last=False)
            self._by_key[key] = Allowance(self._per_s, self._most)
        self._by_key.move_to_end(key)
        return self._by_key[key]


class Rates:
    """How many readings a second one socket and one address may send; None is any number."""

    def __init__(self, per_socket: float | None, per_address: float | None) -> None:
        self._per_socket = per_socket
        self._addresses = None if per_address is None else Allowances(per_address, per_address)

    def of_socket(self, address: str) -> list[Allowance]:
        """What limits a new socket of an address."""
        own = [] if self._per_socket is None else [Allowance(self._per_socket, self._per_socket)]
        return [*own, *self.of_address(address)]

    def of_address(self, address: str) -> list[Allowance]:
        """What limits everything from an address."""
        return [] if self._addresses is None else [self._addresses.of(address)]


def largest_batch(allowances: Sequence[Allowance]) -> int | None:
    """Return how many readings may be sent together: what one second allows, at least one; None for any number."""
    return max(1, int(min(each.most for each in allowances))) if allowances else None


def spend(allowances: Sequence[Allowance], amount: float) -> float:
    """Take from all of them, or from none where one has nothing left: seconds to wait then, else 0."""
    wait_s = max([each.wait_s() for each in allowances], default=0.0)
    if not wait_s:
        for each in allowances:
            each.take(amount)
    return wait_s
