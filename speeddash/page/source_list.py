"""The sources as the page lists them: one list for all visitors, read in intervals."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from heapq import nlargest
from typing import Any, Final, NamedTuple

from speeddash.errors import StoreError
from speeddash.page.reader import age, shown_name
from speeddash.store import SourceSettings, Span, Store

#: Age of the last reading up to which a source is shown as live.
LIVE_S: Final = 10
#: Sources that are read, and the latest of them that are listed.
MAX_SOURCES: Final = 10_000
MAX_LISTED: Final = 1_000
#: Interval between two reads of the list, as a multiple of the time that a read takes.
READ_INTERVAL: Final = 20.0
#: Longest interval: a read that was slow once, on a busy machine, hides no new source for longer.
MAX_READ_INTERVAL_S: Final = 10.0
#: Longest wait for somebody else's read. Otherwise those who wait for a database that does not answer would fail one after the other.
SHARED_READ_S: Final = 1.0
#: A time further ahead of this clock is wrong (`AHEAD_MS` of `assets/app/state/track.mjs`).
AHEAD_US: Final = 60_000_000
#: Beginning of the names under which the page's simulator stores.
SIMULATED: Final = "simulated-"


class ListedSource(NamedTuple):
    """A source, and what is stored of it besides its readings."""

    span: Span
    settings: SourceSettings
    ambiguous: bool = False  # another source has the same name for people

    @property
    def source(self) -> str:
        """Its name."""
        return self.span.source

    @property
    def name(self) -> str:
        """Its name for people, with its own behind it where another one has the same."""
        return self.both_names if self.ambiguous else shown_name(self.source, self.settings.display_name)

    @property
    def both_names(self) -> str:
        """Its name for people, and behind it its own where that is another one."""
        own, name = shown_name(self.source), shown_name(self.source, self.settings.display_name)
        return own if name == own else f"{name} ({own})"

    @property
    def simulated(self) -> bool:
        """Whether the page's simulator made it up."""
        return self.source.startswith(SIMULATED)


class SourceList:
    """The sources of a store, the latest first. Any greenlet may call it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._spans: list[Span] = []
        self._listed: list[ListedSource] = []
        self._read_again = 0.0
        #: How often something was changed: a read that began before it may hold what was.
        self._changes = 0
        # A page asks several times at once when it opens: one of them reads.
        self._lock = threading.Lock()

    def read(self) -> list[ListedSource]:
        """Return the sources, at most `MAX_LISTED`.

        Raises:
            StoreError: They cannot be read.
        """
        first = self._lock.acquire(timeout=SHARED_READ_S)
        try:
            began = time.monotonic()
            if began >= self._read_again:
                changes = self._changes
                spans = self._store.sources.select(limit=MAX_SOURCES)
                self._spans = nlargest(MAX_LISTED, spans, key=lambda span: span.last_us)
                took_s = time.monotonic() - began
                if changes == self._changes and spans:  # the first source appears at once
                    self._read_again = time.monotonic() + min(MAX_READ_INTERVAL_S, READ_INTERVAL * took_s)
        finally:
            if first:
                self._lock.release()
        # Always: a limit that was just set counts at once, and few sources have settings.
        settings = self._store.sources.all_settings()
        listed = [ListedSource(span, settings.get(span.source, SourceSettings())) for span in self._spans]
        known = Counter(each.name for each in listed)
        self._listed = [each._replace(ambiguous=known[each.name] > 1) for each in listed]
        return self._listed

    def forget(self) -> None:
        """Read again: something was changed."""
        self._changes += 1
        self._read_again = 0.0

    def held(self) -> list[ListedSource]:
        """Return the same, and where they cannot be read the list that was read before."""
        try:
            return self.read()
        except StoreError:
            return self._listed

    def names(self) -> dict[str, str]:
        """Return the name for people of each source."""
        return {each.source: each.name for each in self.held()}

    def names_of(self, sources: Sequence[str]) -> list[str]:
        """Return the names for people of some sources."""
        known = self.names()
        return [shown_name(each, known.get(each)) for each in sources]

    def options(self) -> list[dict[str, Any]]:
        """Return the sources as options of a picker."""
        return options(self.held(), time.time_ns() // 1000)

    def latest_real(self) -> str | None:
        """Return the source of the latest reading that was not made up, one of the future only if all are; None without any."""
        soon_us = time.time_ns() // 1000 + AHEAD_US
        real = [each for each in self.held() if not each.simulated]
        return min(real, key=lambda each: each.span.last_us > soon_us).source if real else None

    def latest(self) -> str | None:
        """Return the same, and a simulated source where there is no other; None without sources."""
        real = self.latest_real()
        return next((each.source for each in self.held()), None) if real is None else real

    def options_with(self, chosen: Sequence[str]) -> list[dict[str, Any]]:
        """Return value and label of each source, with those that an address names and of which nothing is stored: a picker drops others."""
        known = [{"value": each["value"], "label": each["label"], "search": each["search"]} for each in self.options()]
        unknown = set(chosen) - {each["value"] for each in known}
        return [*({"value": each, "label": f"{shown_name(each)} (nothing yet)"} for each in sorted(unknown)), *known]


def options(listed: list[ListedSource], now_us: int) -> list[dict[str, Any]]:
    """Return the options of a picker.

    Args:
        listed: The sources, the latest first.
        now_us: Current time, microseconds since the epoch.

    Returns:
        `value` and `label` of each, what is searched for, the name for people, the time of the last reading in epoch ms, and the limit in
        km/h.
    """
    return [
        {
            "value": each.source,
            "label": _label(each, now_us),
            "search": f"{each.source} {each.name}",
            "name": each.name,
            "last_ms": each.span.last_us / 1000,
            "limit_kmh": each.settings.limit_kmh,
        }
        for each in listed
    ]


def state_of(last_us: int, now_us: int) -> str:
    """Return whether a source is live, or for how long it is silent."""
    seconds = (now_us - last_us) / 1e6
    return "live" if abs(seconds) < LIVE_S else f"silent for {age(seconds)}" if seconds > 0 else "ahead of this clock"


def _label(each: ListedSource, now_us: int) -> str:
    return f"{each.name} ({state_of(each.span.last_us, now_us)})"
