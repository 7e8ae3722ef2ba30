"""Endpoints of history: series, figures and events."""

from flask import Response, jsonify
from flask_openapi3 import APIBlueprint, Tag

from speeddash.api.parameters import EventsQuery, PerformanceQuery, SeriesQuery, SourceRange
from speeddash.api.schemas import EventsOut, PerformanceOut, SeriesOut, SummaryOut
from speeddash.auth.access import Permission, allow
from speeddash.history.history import History
from speeddash.history.performance import best_accelerations, time_at_speeds
from speeddash.reading import rfc3339
from speeddash.store import Store
from speeddash.timerange import EVER_US, TimeRange

NOTHING = {
    "start": None, "end": None, "count": 0, "mean_speed": None, "mean_moving_speed": None, "max_speed": None,
    "distance_km": 0.0, "duration_s": 0.0, "moving_s": 0.0, "stops": 0, "jumps": 0,
}  # fmt: skip
TAGS = [Tag(name="history", description="Ranges of time: series, trips, figures, events.")]


class HistoryApi:
    """Endpoints of ranges of time."""

    def __init__(self, history: History, store: Store) -> None:
        self._history = history
        self._store = store

    def register(self, api: APIBlueprint) -> None:
        """Add the endpoints."""
        api.get("/api/v1/series", tags=TAGS, responses={200: SeriesOut})(allow(Permission.READ, self.series))
        api.get("/api/v1/summary", tags=TAGS, responses={200: SummaryOut})(allow(Permission.READ, self.summary))
        performance = allow(Permission.READ, self.performance)
        api.get("/api/v1/performance", tags=TAGS, responses={200: PerformanceOut})(performance)
        api.get("/api/v1/events", tags=TAGS, responses={200: EventsOut})(allow(Permission.READ, self.events))

    def series(self, query: SeriesQuery) -> Response:
        """A range of one source in at most `points` entries, as columns: readings if they are few, else buckets.

        The first bucket is whole, so that a bucket is the same in every answer.
        """
        return jsonify(self._history.series(query.source, query.time, query.points).as_dict())

    def summary(self, query: SourceRange) -> Response:
        """The same figures of all readings in exactly a segment."""
        figures = self._history.summary(query.source, query.time)
        return jsonify(figures.as_dict() if figures else NOTHING)

    def performance(self, query: PerformanceQuery) -> Response:
        """Time at each speed and the best times of accelerations in a range of a source, usually one trip.

        A range of more than 2,000 readings counts with the means of short buckets: ask for one trip to measure an acceleration.
        """
        points = self._history.curve(query.source, query.time)
        return jsonify(
            width_kmh=query.width_kmh,
            seconds_at=time_at_speeds(points, query.width_kmh),
            accelerations=[each.as_dict() for each in best_accelerations(points, query.acceleration)],
        )

    def events(self, query: EventsQuery) -> Response:
        """The events above the limit of a source that overlap a range, and implausible jumps, in the order of time.

        A jump is a reading above the one before it by more than 15 m/s² and 5 km/h allow; it is left out of maxima.
        """
        after = query.cursor or (-EVER_US, "")
        over = self._store.events.select(query.source, query.time, query.limit + 2, from_start_us=after[0])
        jumps = self._history.jumps(query.source, query.time.within(TimeRange(after[0])), query.limit + 2)
        found: list[tuple[int, str, int, float, float | None, bool]]
        found = [(each.start_us, "over", each.end_us, each.peak, each.limit_kmh, each.ongoing) for each in over]
        found += [(each.at_us, "jump", each.at_us, each.speed, None, False) for each in jumps]
        events = sorted(each for each in found if each[:2] > after)
        shown = events[: query.limit]
        return jsonify(
            events=[
                {
                    "kind": kind,
                    "start": rfc3339(start_us),
                    "end": rfc3339(last_us),
                    "peak": peak,
                    "limit_kmh": limit_kmh,
                    "ongoing": ongoing,
                }
                for start_us, kind, last_us, peak, limit_kmh, ongoing in shown
            ],
            next_cursor=f"{rfc3339(shown[-1][0])}/{shown[-1][1]}" if len(events) > len(shown) else None,
        )
