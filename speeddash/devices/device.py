"""What a device is to the rest: a name, and observations as they come."""

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from speeddash.devices.address import Address

MAX_SILENCE_S: Final = 10.0


class Observation(NamedTuple):
    """A speed that a device has reported. "No speed" is no observation; it is never 0.

    Attributes:
        speed: km/h.
        at_us: The device's own time, microseconds since the epoch; None for the time of its arrival.
        seq: Tells two observations of the same moment apart; the same one gets the same number when it comes again.
        source: None for that of the device.
        message: Identity of a broker's message; None where there is no broker.
        repeated: The broker says that it may have sent the message before.
        stored: Called once the observation is on the disk; None where nobody waits for that.
    """

    speed: float
    at_us: int | None = None
    seq: int = 0
    source: str | None = None
    message: str | None = None
    repeated: bool = False
    stored: Callable[[], object] | None = None


class Device(ABC):
    """One device. Its methods are called from one thread.

    Attributes:
        name: Its URL without a password.
        source: Source of its readings where the person has named none.
        note: Why it gives no speed although it is there, for a person; empty where it does.
    """

    note = ""

    def __init__(self, address: Address, source: str) -> None:
        """Remember how to reach it, without connecting."""
        self.name = str(address)
        self.source = re.sub(r"[^A-Za-z0-9._:-]", "-", source)[:64] or address.scheme

    @abstractmethod
    def observe(self) -> Iterator[Observation | None]:
        """Connect, and yield observations as they come; None for a sign of life without a speed.

        Raises:
            DeviceAway: It cannot be reached, or has ended. It may be called again later.
        """


class OneOfSeveral:
    """Follows one of several origins of the same value, until it is silent for `MAX_SILENCE_S`: mixed, the values would jump."""

    def __init__(self, only: str | None = None) -> None:
        """Follow `only`, or the first that is asked about."""
        self._only = only
        self._followed = only
        self._heard_at = 0.0

    def follows(self, origin: str) -> bool:
        """Whether a value of this origin counts."""
        now = time.monotonic()
        if self._only is None and (self._followed is None or now - self._heard_at > MAX_SILENCE_S):
            self._followed = origin
        if origin != self._followed:
            return False
        self._heard_at = now
        return True
