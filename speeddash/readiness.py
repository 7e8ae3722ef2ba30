"""Whether a write is possible now, answered in time even where the database is not."""

import logging
import threading
import time

from speeddash.errors import StoreError, StoreUnavailable
from speeddash.ingest import Ingest
from speeddash.store import Durability, Store

log = logging.getLogger(__name__)

#: A database that takes longer counts as one that does not answer.
PATIENCE_S = 1.5


class Readiness:
    """Asks the store beside the request. At most one question is under way, however many want to know."""

    def __init__(self, store: Store, ingest: Ingest) -> None:
        self._store = store
        self._ingest = ingest
        # Protects `_probe`: requests come at once, and one of them begins.
        self._beginning = threading.Lock()
        self._probe: Probe | None = None

    def check(self) -> Durability:
        """How durable a commit is with the settings that the database has now.

        Raises:
            StoreError: Nothing can be stored, and why. Known within `PATIENCE_S`.
        """
        if self._ingest.problem:
            raise self._ingest.problem
        if self._ingest.durability is None:
            raise StoreUnavailable("the database has not been reached yet")
        stalled_s = self._ingest.stalled_s()
        if stalled_s > PATIENCE_S:
            raise StoreUnavailable(f"the database has not answered for {stalled_s:.0f} s")
        with self._beginning:
            if self._probe is None or self._probe.ended.is_set():
                self._probe = Probe(self._store)
            probe = self._probe
        durability = probe.outcome()
        if durability.durable != self._ingest.durability.durable:
            log.warning("commits are %sdurable now (%s)", "" if durability.durable else "NOT ", durability.detail)
        self._ingest.durability = durability
        return durability


class Probe:
    """One question to the store, in a thread of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._began = time.monotonic()
        self._problem: Exception | None = None
        self._durability: Durability | None = None
        self.ended = threading.Event()
        threading.Thread(target=self._ask, name="readiness", daemon=True).start()

    def outcome(self) -> Durability:
        """The answer, if it comes in time."""
        self.ended.wait(max(0.0, self._began + PATIENCE_S - time.monotonic()))
        if self._problem:
            raise self._problem
        if self._durability is None:
            waited_s = time.monotonic() - self._began
            raise StoreUnavailable(f"the database has not answered for {waited_s:.0f} s")
        return self._durability

    def _ask(self) -> None:
        try:
            self._durability = self._store.check_writable()
        except StoreError as problem:
            self._problem = problem
        finally:
            self.ended.set()
