"""The background work on limits and deliveries."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from speeddash.alerts.limits import Limits
from speeddash.alerts.notifications import Notifications, Notifier
from speeddash.alerts.webhook import Webhook
from speeddash.errors import StoreError
from speeddash.store import Store

log = logging.getLogger(__name__)

ROUND_S: Final = 1.0
#: Pause between two rounds, as a multiple of the time that a round took.
PAUSE: Final = 3.0


class Alerts:
    """The alerts of one process: a thread that checks limits, and one that delivers events, so that a slow webhook delays no event.

    Attributes:
        limits: Finds events.
        webhook: Delivers events; None without a webhook.
        notifier: Notifies events; None without an address.
    """

    def __init__(
        self,
        store: Store,
        webhook_url: str | None,
        turn: Callable[[], AbstractContextManager[bool]] = lambda: nullcontext(True),
        *,
        tolerance_kmh: float = 0.0,
        notifications: Notifications | None = None,
    ) -> None:
        """Prepare to work.

        Args:
            store: Holds readings, limits and events.
            webhook_url: Receives a POST for each event; None for no deliveries.
            turn: Says within its block whether this server does the background work; see `cluster.node`.
            tolerance_kmh: See `alerts.events.above`.
            notifications: Where the begin and the end of events are notified; None for nowhere.
        """
        lock = threading.Lock()
        self.limits = Limits(
            store,
            lock,
            deliver=webhook_url is not None,
            tolerance_kmh=tolerance_kmh,
            notify_from_us=notifications.min_us if notifications else None,
        )
        self.notifier = Notifier(store, lock, notifications) if notifications else None
        self.webhook = None if webhook_url is None else Webhook(store, lock, webhook_url)
        self._turn = turn
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin in the background."""
        self._start("alerts", self.limits.check)
        if self.webhook:
            self._start("webhook", self.webhook.deliver)
        if self.notifier:
            self._start("notifications", self.notifier.notify)

    def stop(self) -> None:
        """Stop after the current steps, without waiting for them."""
        self._stopping.set()
        self.limits.stop()
        if self.webhook:
            self.webhook.stop()
        if self.notifier:
            self.notifier.stop()

    def _start(self, name: str, work: Callable[[int], None]) -> None:
        threading.Thread(target=self._repeat, args=(work,), name=name, daemon=True).start()

    def _repeat(self, work: Callable[[int], None]) -> None:
        pause_s, failing = ROUND_S, False
        while not self._stopping.wait(pause_s):
            began = time.monotonic()
            try:
                with self._turn() as mine:
                    if mine:
                        work(time.time_ns() // 1000)
                failing = False
            except StoreError as error:
                if not failing:
                    log.warning("alerts are delayed: %s", error)
                failing = True
            except Exception:
                log.exception("alerts failed; the next round tries again")
            pause_s = max(ROUND_S, PAUSE * (time.monotonic() - began))
