"""Endpoints of trips: lists, totals, names and notes."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from flask import Response, jsonify
from flask_openapi3 import APIBlueprint, Tag

from speeddash.api.parameters import SourcePage, TotalsQuery, TripQuery, TripsExportQuery
from speeddash.api.readings import json_text
from speeddash.api.schemas import TotalsOut, TripIn, TripOut, TripsOut
from speeddash.auth.access import Permission, allow
from speeddash.formats import MIME_TYPES, spreadsheet_text
from speeddash.history.history import History
from speeddash.history.notes import checked_texts
from speeddash.history.totals import by_period, by_tag
from speeddash.history.trips import Trip
from speeddash.problem import problem
from speeddash.reading import decode, rfc3339
from speeddash.store import TripNote
from speeddash.timerange import zone_of
from speeddash.units import KMH_IN, distance_unit

NO_NOTE = TripNote(0)
TAGS = [Tag(name="trips", description="Trips, their totals, and what people wrote about them.")]


class TripsApi:
    """Endpoints of trips."""

    def __init__(self, history: History) -> None:
        self._history = history

    def register(self, api: APIBlueprint) -> None:
        """Add the endpoints."""
        content = {"description": "The file", "content": {MIME_TYPES["csv"]: {"schema": {"type": "string"}}}}
        api.get("/api/v1/trips", tags=TAGS, responses={200: TripsOut})(allow(Permission.READ, self.trips))
        api.patch("/api/v1/trips", tags=TAGS, responses={200: TripOut})(allow(Permission.ADMIN, self.change_trip))
        api.get("/api/v1/trips.csv", tags=TAGS, responses={200: content})(allow(Permission.READ, self.trips_csv))
        api.get("/api/v1/totals", tags=TAGS, responses={200: TotalsOut})(allow(Permission.READ, self.totals))

    def trips(self, query: SourcePage) -> Response:
        """The trips of a source that overlap a range, each whole, in the order of time.

        A trip begins at the last standing reading before it moves, and ends at its last reading before a gap of 300 s or more.
        """
        found = self._history.noted_trips(query.source, query.time, query.limit + 1)
        shown = found[: query.limit]
        more = len(found) > len(shown)
        return jsonify(
            trips=[_as_dict(*each) for each in shown],
            next_from=rfc3339(shown[-1][0].end_us + 1) if more else None,
        )

    def change_trip(self, query: TripQuery, body: TripIn) -> Response:  # noqa: ARG002 - it documents what `json_text` reads
        """Set the name, the note or the tag of the trip that a moment is in. An empty text removes it."""
        texts = checked_texts(decode(json_text()))
        changed = self._history.write_note(query.source, query.start_us, texts)
        if changed is None:
            return problem(404, "there is no trip of that source at that moment")
        return jsonify(_as_dict(*changed))

    def trips_csv(self, query: TripsExportQuery) -> Response:
        """The trips of sources that overlap a range, as CSV for a spreadsheet, in the unit that is asked for."""
        found = [
            (source, trip, note)
            for source in query.source
            for trip, note in self._history.noted_trips(source, query.time)
            if not query.tag or (note or NO_NOTE).tag == query.tag
        ]
        answer = Response("".join(_csv_lines(found, query.unit)), content_type=MIME_TYPES["csv"])
        name = "+".join(each.replace(":", "-") or "unnamed" for each in query.source)[:80]
        answer.headers["Content-Disposition"] = f'attachment; filename="speeddash_{name}_trips.csv"'
        return answer

    def totals(self, query: TotalsQuery) -> Response:
        """Number of trips, distance, times and highest speed by day, week (from Monday), month or tag.

        A trip belongs to the day on which it starts, in the time zone that is asked for.
        """
        if query.by == "tag":
            sums = by_tag(self._history.noted_trips(query.source, query.time))
        else:
            sums = by_period(self._history.trips(query.source, query.time), query.by, zone_of(query.zone))
        return jsonify(totals=[each.as_dict("tag" if query.by == "tag" else "from") for each in sums])


def _as_dict(trip: Trip, note: TripNote | None) -> dict[str, Any]:
    _, name, text, tag = note or NO_NOTE
    return {**trip.as_dict(), "name": name, "note": text, "tag": tag}


def _csv_lines(found: Sequence[tuple[str, Trip, TripNote | None]], unit: str) -> Iterator[str]:
    symbol, km = distance_unit(unit)
    speeds = [f"{each}_{unit}" for each in ("max_speed", "mean_speed", "mean_moving_speed")]
    figures = [f"distance_{symbol}", "duration_s", "moving_s", *speeds, "stops", "jumps"]
    yield _line(["source", "start", "end", *figures, "name", "tag", "note"])
    for source, trip, note in found:
        _, name, text, tag = note or NO_NOTE
        values = [
            None if each is None else round(each / KMH_IN[unit], 3)
            for each in (trip.max_speed, trip.mean_speed, trip.mean_moving_speed)
        ]
        yield _line(
            [
                *(source, rfc3339(trip.start_us), rfc3339(trip.end_us)),
                *(round(trip.distance_km / km, 3), trip.duration_s, trip.moving_s),
                *values,
                *(trip.stops, trip.jumps),
                *map(spreadsheet_text, (name, tag, text)),
            ]
        )


def _line(cells: list[Any]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()
