"""Checks whether readings can be stored now, in bounded time also while the database does not answer."""

import logging
import threading
import time

from speeddash.errors import StoreError, StoreUnavailable
from speeddash.live.ingest import Ingest
from speeddash.store import Durability, Store

log = logging.getLogger(__name__)

#: Time after which the database counts as not answering.
TIMEOUT_S = 1.5


class Readiness:
    """Checks the store in a thread of its own. All requests share one check at a time."""

    def __init__(self, store: Store, ingest: Ingest) -> None:
        self._store = store
        self._ingest = ingest
        # Protects `_probe`: of several requests one starts a check.
        self._lock = threading.Lock()
        self._probe: Probe | None = None

    def check(self) -> Durability:
        """Return how durable a commit is with the current settings of the database.

        Raises:
            StoreError: Nothing can be stored, with the reason; raised within `TIMEOUT_S`.
        """
        if self._ingest.problem:
            raise self._ingest.problem
        if self._ingest.durability is None:
            raise StoreUnavailable("the database has not been reached yet")
        stalled_s = self._ingest.stalled_s()
        if stalled_s > TIMEOUT_S:
            raise StoreUnavailable(f"the database has not answered for {stalled_s:.0f} s")
        with self._lock:
            if self._probe is None or self._probe.ended.is_set():
                self._probe = Probe(self._store)
            probe = self._probe
        durability = probe.outcome()
        if durability.durable != self._ingest.durability.durable:
            log.warning(
                "commits are %s now (%s)", "durable" if durability.durable else "NOT durable", durability.detail
            )
        self._ingest.durability = durability
        return durability


class Probe:
    """One check of the store, in a thread of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._began = time.monotonic()
        self._problem: Exception | None = None
        self._durability: Durability | None = None
        self.ended = threading.Event()
        threading.Thread(target=self._run, name="readiness", daemon=True).start()

    def outcome(self) -> Durability:
        """Return the result, or raise its error, within `TIMEOUT_S`."""
        self.ended.wait(max(0.0, self._began + TIMEOUT_S - time.monotonic()))
        if self._problem:
            raise self._problem
        if self._durability is None:
            waited_s = time.monotonic() - self._began
            raise StoreUnavailable(f"the database has not answered for {waited_s:.0f} s")
        return self._durability

    def _run(self) -> None:
        try:
            self._durability = self._store.check_writable()
        except StoreError as problem:
            self._problem = problem
        finally:
            self.ended.set()
