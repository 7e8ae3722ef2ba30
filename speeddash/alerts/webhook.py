"""Delivers events to a webhook."""

import logging
import random
import threading
from typing import Final
from urllib.parse import urlsplit

import requests

from speeddash.reading import rfc3339
from speeddash.store import Event, Store

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 10.0
#: How long a delivery under way is reserved. After a crash within it the event is delivered again.
CLAIM_US: Final = 60 * 1_000_000
FIRST_RETRY_S: Final = 5.0
MAX_RETRY_S: Final = 3_600.0
#: With back-off these tries take about 22 hours.
MAX_TRIES: Final = 32
#: Events delivered in one round.
MAX_DELIVERIES: Final = 20


class Webhook:
    """The deliveries of one process. For one thread or greenlet.

    Design: a pending delivery is stored with its event, so that it survives a restart, and is claimed in the database, so that only one
    process delivers it.

    Attributes:
        delivered: Events that the webhook has accepted since the start.
        failed: Deliveries that failed since the start.
    """

    def __init__(self, store: Store, lock: threading.Lock, url: str) -> None:
        """Prepare to deliver.

        Args:
            store: Holds the events.
            lock: Protects events; see `Limits`.
            url: Receives a POST for each event.
        """
        self._store = store
        self._lock = lock
        self._url = url
        self._stopping = threading.Event()
        self.delivered = 0
        self.failed = 0

    def stop(self) -> None:
        """Stop after the delivery under way, without waiting for it."""
        self._stopping.set()

    def deliver(self, now_us: int) -> None:
        """Send the events that are due.

        Raises:
            StoreError: An event may be delivered twice.
        """
        for pending in self._store.events.undelivered(now_us, MAX_DELIVERIES):
            if self._stopping.is_set():
                return
            # Another process on this database may be about to send it as well.
            event = pending._replace(try_us=now_us + CLAIM_US)
            if self._store.events.claim_delivery(pending, event.try_us):
                self._try(event, now_us)

    def _try(self, event: Event, now_us: int) -> None:
        error = self._post(event)
        tries = event.tries + 1
        if error is None:
            self.delivered += 1
            outcome = event._replace(tell=False, tries=tries)
        else:
            self.failed += 1
            if tries in (1, MAX_TRIES):
                host, next_step = urlsplit(self._url).hostname, "retrying" if tries == 1 else "giving up"
                log.warning("the webhook at %s did not accept an event: %s; %s", host, error, next_step)
            retry_s = min(FIRST_RETRY_S * 2**event.tries, MAX_RETRY_S) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
            outcome = event._replace(tell=tries < MAX_TRIES, tries=tries, try_us=now_us + round(retry_s * 1e6))
        with self._lock:
            self._store.events.set_delivery(outcome)

    def _post(self, event: Event) -> str | None:
        """Send an event; return why that failed, or None."""
        body: dict[str, str | float] = {
            "event": "over_limit",
            "source": event.source,
            "start": rfc3339(event.start_us),
            "end": rfc3339(event.end_us),
            "peak_kmh": event.peak,
            "limit_kmh": event.limit_kmh,
        }
        # The same for each try: a receiver can tell a repetition from another event.
        headers = {"Idempotency-Key": f"{event.source}/{event.start_us}"}
        try:
            # Streamed: only the status matters, and the body may be endless.
            with requests.post(
                self._url, json=body, headers=headers, timeout=TIMEOUT_S, allow_redirects=False, stream=True
            ) as answer:
                return None if answer.status_code // 100 == 2 else f"it answered {answer.status_code}"
        except requests.RequestException as failure:
            return type(failure).__name__  # its text holds the address, which may hold a secret
