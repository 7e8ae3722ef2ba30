"""From several devices to one server: what they report goes to the disk first, and from there to the server."""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, Queue
from typing import Final

from speeddash.devices.device import Device, Observation
from speeddash.errors import DeviceAway, OutboxError
from speeddash.reading import Reading
from speeddash.sending.delivery import Delivery
from speeddash.sending.outbox import Entry, Outbox

log = logging.getLogger(__name__)

FIRST_RETRY_S: Final = 1.0
MAX_RETRY_S: Final = 30.0
#: A device without a speed for so long is reported, and again after ten times as long.
SILENT_S: Final = 10.0
#: Observations that wait for the disk; a device whose observation has no place waits.
MAX_QUEUED: Final = 100_000
#: Observations in one transaction.
MAX_BATCH: Final = 1_000
#: A device's clock that differs by more is reported. Old receivers are 1,024 weeks late.
MAX_CLOCK_ERROR_S: Final = 86_400.0


@dataclass
class Link:
    """A device and what is known of it.

    Attributes:
        device: The device.
        source: Source of its readings that name none.
        trouble: Why it gives nothing; empty while it gives readings.
        speed: The last speed in km/h; None before the first.
        observed_at: When that came, by the monotonic clock.
        count: Observations so far.
    """

    device: Device
    source: str
    trouble: str = ""
    speed: float | None = None
    observed_at: float = 0.0
    count: int = 0

    @property
    def silent_s(self) -> float:
        """Time since the last speed."""
        return time.monotonic() - self.observed_at


class Bridge:
    """Reads devices, each in a thread of its own, and stores what they report in an outbox."""

    def __init__(
        self, devices: Sequence[tuple[Device, str]], keep: Callable[[list[Entry]], object], *, own_time: bool
    ) -> None:
        """Prepare, without connecting.

        Args:
            devices: Each with the source of its readings.
            keep: Makes readings durable, or raises an `OutboxError`.
            own_time: Use the devices' own times, where they have some, and not that of the arrival.
        """
        self.links = [Link(device, source, observed_at=time.monotonic()) for device, source in devices]
        self._keep = keep
        self._own_time = own_time
        self._observed: Queue[tuple[Entry, Callable[[], object] | None]] = Queue(MAX_QUEUED)
        self._last_us: dict[str, int] = {}
        self._clock = threading.Lock()

    def start(self) -> None:
        """Begin. The threads end with the process."""
        threading.Thread(target=self._write, name="outbox", daemon=True).start()
        for link in self.links:
            threading.Thread(target=self._read, args=(link,), name=link.device.name, daemon=True).start()

    def _read(self, link: Link) -> None:
        retry_s = FIRST_RETRY_S
        while True:
            began = time.monotonic()
            try:
                for observation in link.device.observe():
                    link.trouble = link.device.note
                    if observation is not None:
                        retry_s = FIRST_RETRY_S
                        self._observe(link, observation)
                reason = "it has ended"
            except DeviceAway as away:
                reason = str(away)
            except Exception:
                log.exception("%s failed", link.device.name)
                reason = "an error of this program"
            if link.trouble != reason:
                log.warning("%s: %s; trying again", link.device.name, reason)
            link.trouble = reason
            # It was there, and silent: what comes while nobody listens is lost.
            if time.monotonic() - began >= MAX_RETRY_S:
                retry_s = FIRST_RETRY_S
            time.sleep(retry_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            retry_s = min(2 * retry_s, MAX_RETRY_S)

    def _observe(self, link: Link, observation: Observation) -> None:
        source = observation.source or link.source
        at_us, seq = (observation.at_us, observation.seq) if self._own_time else (None, 0)
        now_us = time.time_ns() // 1000
        if at_us is None:
            at_us = self._arrival_us(source, now_us)
        elif link.count == 0 and abs(at_us - now_us) > MAX_CLOCK_ERROR_S * 1e6:
            days = (at_us - now_us) / 86_400e6
            log.warning("%s: its clock differs by %+.0f days from that of this machine", link.device.name, days)
        link.speed, link.observed_at, link.count = observation.speed, time.monotonic(), link.count + 1
        reading = Reading(source, at_us, seq, observation.speed)
        self._observed.put((Entry(reading, observation.message, observation.repeated), observation.stored))

    def _arrival_us(self, source: str, now_us: int) -> int:
        """Return the moment of the arrival; never the same twice for one source, because (source, timestamp, seq) is the identity."""
        with self._clock:
            last_us = self._last_us.get(source, 0)
            # A clock that was set back must not hold up readings for as long as it was wrong.
            at_us = last_us + 1 if last_us - 1_000_000 < now_us <= last_us else now_us
            self._last_us[source] = at_us
            return at_us

    def _write(self) -> None:
        failed = ""
        while True:
            batch = [self._observed.get()]
            try:
                while len(batch) < MAX_BATCH:
                    batch.append(self._observed.get_nowait())
            except Empty:
                pass
            while True:
                try:
                    self._keep([entry for entry, _ in batch])
                except OutboxError as problem:
                    if str(problem) != failed:
                        failed = str(problem)
                        log.error("nothing can be stored on this machine, and readings wait in memory: %s", problem)  # noqa: TRY400
                    time.sleep(FIRST_RETRY_S)
                    continue
                break
            failed = ""
            for _, stored in batch:
                if stored is not None:
                    stored()


class Reporter:
    """What a person sees of a bridge: one line at a time, or messages when something changes."""

    def __init__(self, bridge: Bridge, outbox: Outbox, delivery: Delivery) -> None:
        """Report on these."""
        self._bridge, self._outbox, self._delivery = bridge, outbox, delivery
        self._trouble: str | None = None
        self._reported = 0
        self._next_silence_s = dict.fromkeys(range(len(bridge.links)), SILENT_S)

    def line(self) -> str:
        """Return the state in one line."""
        devices = " · ".join(map(_state, self._bridge.links))
        server = "server away" if self._delivery.trouble else "server connected"
        rejected = f", {self._outbox.rejected_count:,} rejected" if self._outbox.rejected_count else ""
        return f"{devices} │ {self._delivery.echoed:,} stored, {self._outbox.waiting:,} waiting{rejected}, {server}"

    def changes(self) -> list[str]:
        """Return what has happened since the last call and a person should know."""
        found = []
        for number, link in enumerate(self._bridge.links):
            if link.silent_s < SILENT_S:
                if self._next_silence_s[number] > SILENT_S:
                    found.append(f"{link.device.name}: readings come again")
                self._next_silence_s[number] = SILENT_S
            elif link.silent_s >= self._next_silence_s[number]:
                self._next_silence_s[number] *= 10
                why = f": {link.trouble}" if link.trouble else ""
                found.append(f"nothing from {link.device.name} for {link.silent_s:.0f} s{why}")
        if self._delivery.trouble != self._trouble:
            self._trouble = self._delivery.trouble
            found.append(
                f"{self._trouble}; {self._outbox.waiting:,} readings wait"
                if self._trouble
                else "the server takes readings"
            )
        if self._outbox.rejected_count > self._reported:
            count = self._outbox.rejected_count - self._reported
            self._reported = self._outbox.rejected_count
            readings = "a reading" if count == 1 else f"{count:,} readings, the last one"
            found.append(f"the server has rejected {readings} because: {self._outbox.last_rejection}")
        return found


def _state(link: Link) -> str:
    if link.speed is None or link.silent_s > SILENT_S:
        return f"{link.source}: nothing for {link.silent_s:.0f} s"
    return f"{link.source} {link.speed:.1f} km/h"
