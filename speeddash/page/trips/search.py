"""Finds what the trips place shows."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from speeddash.errors import InvalidInput, StoreError
from speeddash.history.history import MAX_HOURS_AT_ONCE, History
from speeddash.history.performance import Point
from speeddash.page.reader import Reader
from speeddash.page.trips.rows import Listed
from speeddash.page.trips.view import TripKey, TripsView
from speeddash.page.when import time_of
from speeddash.reading import parse_time
from speeddash.store import Span, Store, TripNote
from speeddash.timerange import TimeRange

#: How far the search for the previous and the next trip goes.
NEIGHBOUR_US: Final = 60 * 86_400 * 1_000_000
#: Events of one source.
MAX_EVENTS: Final = 1_000


class Found(NamedTuple):
    """The trips of a view.

    Attributes:
        time: The range.
        sources: The sources whose trips were looked for.
        hours_left: Hours of the range that are still to be rolled up; if there are many, no trip is listed yet.
        listed: The trips, by source and time.
        spans: First and last reading of each source; those without readings are left out.
    """

    time: TimeRange
    sources: tuple[str, ...]
    hours_left: int
    listed: list[Listed]
    spans: list[Span]


def shown_time(view: TripsView, reader: Reader) -> TimeRange:
    """Return the range of a view.

    Raises:
        InvalidInput: It makes no sense.
    """
    return time_of(view.range, reader, datetime.now(UTC))


def tagged(found: Found, tag: str) -> Found:
    """Return only the trips with a tag; all of them for an empty one."""
    return found._replace(listed=[each for each in found.listed if not tag or each.note.tag == tag])


def days_of_data(spans: Sequence[Span], reader: Reader) -> tuple[str, str] | None:
    """Return the first and the last local day on which any of some sources has readings; None without sources."""
    if not spans:
        return None
    first = min(each.first_us for each in spans)
    last = max(each.last_us for each in spans)
    return reader.local(first).date().isoformat(), reader.local(last).date().isoformat()


class Incident(NamedTuple):
    """A time above the limit, or an implausible jump, whose limit is None. Times are microseconds since the epoch, speeds km/h."""

    start_us: int
    end_us: int
    source: str
    peak: float
    limit_kmh: float | None
    ongoing: bool


class TripsSearch:
    """Finds trips for the panels of the page. Any greenlet may call it; every method raises `StoreError`."""

    def __init__(self, store: Store, history: History) -> None:
        self._store = store
        self._history = history

    def find(self, view: TripsView, latest: str | None, reader: Reader) -> Found:
        """Return the trips of a view.

        Args:
            view: The view.
            latest: Source to take if the view names none; None where nothing is stored.
            reader: Whose days count.

        Raises:
            InvalidInput: The range makes no sense.
        """
        time_range = shown_time(view, reader)
        sources = view.sources or (() if latest is None else (latest,))
        spans = [span for span in map(self._store.sources.span, sources) if span]
        hours = sum(self._history.hours_to_roll_up(each, time_range) for each in sources)
        listed: list[Listed] = []
        if hours <= MAX_HOURS_AT_ONCE:
            for source in sources:
                noted = self._history.noted_trips(source, time_range)
                listed += [Listed(source, trip, note or TripNote(trip.start_us)) for trip, note in noted]
        return Found(time_range, sources, hours, listed, spans)

    def one(self, key: TripKey) -> Listed | None:
        """Return a trip; None where there is none (any more)."""
        at_us = parse_time(key.start)
        for trip, note in self._history.noted_trips(key.source, TimeRange(at_us, at_us + 1), 1):
            return Listed(key.source, trip, note or TripNote(trip.start_us))
        return None

    def lists_chosen(self, view: TripsView, reader: Reader) -> bool:
        """Return whether the list of a view can have one of its chosen trips: it is stored, and in the range."""
        try:
            time_range = shown_time(view, reader)
            found = [listed.trip for listed in map(self.one, view.chosen) if listed]
        except (InvalidInput, StoreError):
            return False
        return any(each.start_us < time_range.to_us and each.end_us >= time_range.from_us for each in found)

    def neighbours(self, listed: Listed) -> tuple[TripKey | None, TripKey | None]:
        """Return the previous and the next trip of the same source within 60 days."""
        source, trip = listed.source, listed.trip
        before = self._history.trips(source, TimeRange(trip.start_us - NEIGHBOUR_US, trip.start_us))
        after = self._history.trips(source, TimeRange(trip.end_us + 1, trip.end_us + NEIGHBOUR_US), 1)
        keys = [Listed(source, each, TripNote(0)).key for each in (*before[-1:], *after)]
        return (keys[0] if before else None), (keys[-1] if after else None)

    def points(self, listed: Listed) -> Sequence[Point]:
        """Return a trip's curve."""
        return self._history.curve(listed.source, TimeRange(listed.trip.start_us, listed.trip.end_us + 1))

    def events(self, found: Found) -> list[Incident]:
        """Return what was above the limit in a range, and its implausible jumps, the latest first; at most `MAX_EVENTS` of each source."""
        events = []
        for source in found.sources:
            stored = self._store.events.select(source, found.time, MAX_EVENTS)
            events += [
                Incident(each.start_us, each.end_us, source, each.peak, each.limit_kmh, each.ongoing) for each in stored
            ]
            if any(each.source == source and each.trip.jumps for each in found.listed):
                jumps = self._history.jumps(source, found.time, MAX_EVENTS)
                events += [Incident(each.at_us, each.at_us, source, each.speed, None, False) for each in jumps]
        return sorted(events, key=lambda each: each[:4], reverse=True)  # a limit may be None

    def limit(self, source: str) -> float | None:
        """Return the limit of a source, km/h."""
        return self._store.sources.settings(source).limit_kmh
