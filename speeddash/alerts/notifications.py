"""Notifies the begin and the end of events by Apprise: e-mail, Telegram, ntfy, Home Assistant and a hundred other services."""

import logging
import random
import threading
from collections.abc import Sequence
from typing import Any, Final

from speeddash.errors import SettingsError
from speeddash.reading import rfc3339_second
from speeddash.store import Event, Notice, Store
from speeddash.timerange import SECOND_US

log = logging.getLogger(__name__)

SETTING: Final = "SPEEDDASH_NOTIFY_URLS"
#: How long a notification under way is reserved. After a crash within it the event is notified again.
CLAIM_US: Final = 60 * SECOND_US
FIRST_RETRY_S: Final = 5.0
MAX_RETRY_S: Final = 3_600.0
#: With back-off these tries take about 5 hours. Older news is none.
MAX_TRIES: Final = 14
#: Where some addresses have accepted it: they do not wait for the end of the event, or its next one, because of an address that is wrong.
MAX_TRIES_OF_SOME: Final = 4
#: Events notified in one round.
MAX_NOTICES: Final = 20


class Notifications:
    """Where to notify, and from which length of an event on.

    Attributes:
        min_us: Events that last for so long are notified, microseconds.
    """

    def __init__(self, urls: Sequence[str], min_s: float) -> None:
        """Check the addresses, without connecting.

        Args:
            urls: Addresses as Apprise takes them, such as `ntfy://topic`.
            min_s: Least length of an event in seconds.

        Raises:
            SettingsError: The package is not installed, or an address is none. The message does not hold the address.
        """
        try:
            import apprise
        except ImportError:
            raise SettingsError(SETTING, "needs the package apprise: pip install 'speeddash[notify]'") from None
        logging.getLogger("apprise").setLevel(logging.WARNING)  # it reports each notification
        self.min_us = round(min_s * 1e6)
        self._services: list[Any] = []
        for number, url in enumerate(urls, 1):
            service = apprise.Apprise()
            if not service.add(url):
                raise SettingsError(SETTING, f"entry {number} is no address that Apprise knows")
            self._services.append(service)

    def __len__(self) -> int:
        return len(self._services)

    def send(self, title: str, body: str, accepted: set[int]) -> None:
        """Notify every address that has not accepted it yet.

        Args:
            title: In a line.
            body: In a sentence.
            accepted: Numbers of the addresses that have accepted it; new ones are added.
        """
        for number, service in enumerate(self._services):
            if number not in accepted and service.notify(title=title, body=body):
                accepted.add(number)


class Notifier:
    """The notifications of one process. For one thread.

    Design: as deliveries to the webhook, pending notifications are stored with the event and claimed in the database.
    """

    def __init__(self, store: Store, lock: threading.Lock, notifications: Notifications) -> None:
        """Prepare to notify.

        Args:
            store: Holds the events.
            lock: Protects events while an outcome is stored.
            notifications: Where to.
        """
        self._store = store
        self._lock = lock
        self._notifications = notifications
        # By source, start and notice of an event. After a restart they are notified again, as after a crash.
        self._accepted: dict[tuple[str, int, int], set[int]] = {}
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Stop after the notification under way, without waiting for it."""
        self._stopping.set()

    def notify(self, now_us: int) -> None:
        """Notify what is due.

        Raises:
            StoreError: An event may be notified twice.
        """
        for pending in self._store.events.unnotified(now_us, self._notifications.min_us, MAX_NOTICES):
            if self._stopping.is_set():
                return
            if self._store.events.claim_notice(pending, now_us + CLAIM_US):
                self._try(pending, now_us)

    def _try(self, event: Event, now_us: int) -> None:
        settings = self._store.sources.settings(event.source)
        tries = event.notice_tries + 1
        key = event.source, event.start_us, event.notice
        accepted = self._accepted.setdefault(key, set())
        self._notifications.send(*words(event, settings.display_name or event.source), accepted)
        missing = len(self._notifications) - len(accepted)
        if not missing or (accepted and tries >= MAX_TRIES_OF_SOME):
            if missing:
                log.warning("a notification was not accepted by %d of %d addresses", missing, len(self._notifications))
            del self._accepted[key]
            outcome = event._replace(notice=event.notice + 1, notice_tries=0, notice_us=0)
        else:
            if tries == MAX_TRIES:
                del self._accepted[key]
            if tries in (1, MAX_TRIES):
                log.warning("a notification was not accepted; %s", "retrying" if tries == 1 else "giving up")
            retry_s = min(FIRST_RETRY_S * 2**event.notice_tries, MAX_RETRY_S) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            notice = event.notice if tries < MAX_TRIES else Notice.DONE
            outcome = event._replace(notice=notice, notice_tries=tries, notice_us=now_us + round(retry_s * 1e6))
        with self._lock:
            self._store.events.set_notice(outcome)


def words(event: Event, name: str) -> tuple[str, str]:
    """Return the title and the text of a notification."""
    start, end = (rfc3339_second(each // SECOND_US).replace("T", " ") for each in (event.start_us, event.end_us))
    limit = f"{event.limit_kmh:g} km/h"
    if event.notice == Notice.BEGIN:
        return f"{name} is above {limit}", f"{event.peak:.0f} km/h, above {limit} since {start} UTC."
    return f"{name} is below {limit} again", f"Above {limit} from {start} to {end} UTC, at most {event.peak:.0f} km/h."
