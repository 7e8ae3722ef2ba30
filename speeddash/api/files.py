"""Whole files, in and out, streamed."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain

from flask import Response, jsonify, request
from flask_openapi3 import APIBlueprint, Tag
from flask_openapi3.models import RawModel

from speeddash.access import Permission, allow, current_role
from speeddash.allowance import Allowance, Rates, largest_batch, spend
from speeddash.api.answers import ImportOut
from speeddash.api.queries import ExportQuery, ImportQuery
from speeddash.drive import BadLine, Row, read_drive, source_of
from speeddash.export import MIME_TYPES, export
from speeddash.ingest import Ingest
from speeddash.intake import Intake
from speeddash.problem import problem
from speeddash.reading import Reading
from speeddash.settings import Settings
from speeddash.sockets import refused_frame
from speeddash.store import Store

#: So few that the sockets do not wait for an export.
PAGE_READINGS = 1_000
TAGS = [Tag(name="files", description="Whole files, in and out.")]


#: An import works for so long, then lets sockets and other requests have their turn: bad lines wait for no commit.
RUN_S, PAUSE_S = 0.002, 0.002


class FileIn(RawModel):
    """A recorded drive."""

    mimetypes: list[str] = ["application/octet-stream"]  # noqa: RUF012 - as the library declares it


class FilesApi:
    """The endpoints about files."""

    def __init__(self, settings: Settings, store: Store, ingest: Ingest, rates: Rates) -> None:
        self._settings = settings
        self._store = store
        self._ingest = ingest
        self._rates = rates
        # Held while an export makes a piece of its file.
        self._piece = threading.Lock()

    def register(self, api: APIBlueprint) -> None:
        """Add the endpoints."""
        for method, mime_type in (
            (self.export_csv, MIME_TYPES["csv"]),
            (self.export_ndjson, MIME_TYPES["ndjson"]),
            (self.export_gpx, MIME_TYPES["gpx"]),
        ):
            path = f"/api/v1/{method.__name__.replace('_', '.')}"
            content = {"description": "The file", "content": {mime_type: {"schema": {"type": "string"}}}}
            api.get(path, tags=TAGS, responses={200: content})(allow(Permission.READ, method))
        api.post("/api/v1/import", tags=TAGS, responses={200: ImportOut})(allow(Permission.SEND, self.import_file))

    def export_csv(self, query: ExportQuery) -> Response:
        """The readings themselves as CSV. What a spreadsheet would take for a formula is defused."""
        return self._exported("csv", query)

    def export_ndjson(self, query: ExportQuery) -> Response:
        """The readings themselves, one JSON object a line, in km/h."""
        return self._exported("ndjson", query)

    def export_gpx(self, query: ExportQuery) -> Response:
        """The readings themselves as a GPX track with speeds in m/s. Positions are not stored: it runs along the equator."""
        return self._exported("gpx", query)

    def import_file(self, query: ImportQuery, raw: FileIn) -> Response:  # noqa: ARG002 - it describes the body, which is streamed
        """Store a recorded drive: the file is the body. Good lines are stored, bad ones are reported with their numbers.

        Where readings a second are limited for each address, the file is read no faster than that.

        Sent again, it adds nothing. A reading belongs to the source that its line names, else to `source`, else to the file's name.
        """
        request.max_content_length = self._settings.max_import_bytes
        start_us = time.time_ns() // 1000 if query.start_us is None else query.start_us
        only = current_role().source
        source = query.source or only or source_of(query.name)
        store = partial(self._store_within, self._rates.of_address(request.remote_addr or ""))
        intake = Intake(store, source=source, max_speed_kmh=self._settings.max_speed_kmh, only=only)
        lines = read_drive(request.stream, name=query.name, form=query.format, unit=query.unit, start_us=start_us)
        intake.take(_paced(lines))
        if intake.failure and not intake.stored:
            return problem(422, intake.failure, code="bad_file")
        return jsonify(intake.as_dict())

    def _exported(self, form: str, query: ExportQuery) -> Response:
        readings: Iterator[Reading] = self._store.stream(
            source=query.source, from_us=query.from_us, to_us=query.to_us, page_readings=PAGE_READINGS
        )
        name = "all" if query.source is None else query.source.replace(":", "-") or "unnamed"
        pieces = export(form, readings, unit=query.unit)
        first = next(pieces, "")  # before the status is said: a database that is away is still an error then
        answer = Response(chain([first], self._in_turn(pieces)), content_type=f"{MIME_TYPES[form]}; charset=utf-8")
        answer.headers["Content-Disposition"] = f'attachment; filename="speeddash_{name}.{form}"'
        return answer

    def _in_turn(self, pieces: Iterator[str]) -> Iterator[str]:
        """The same pieces; of all exports one makes a piece at a time, and others have their turn after it."""
        while True:
            with self._piece:
                piece = next(pieces, None)
                time.sleep(PAUSE_S)
            if piece is None:
                return
            yield piece

    def _store_within(self, limits: Sequence[Allowance], readings: list[Reading]) -> None:
        """Store readings as fast as rate limits allow."""
        size = largest_batch(limits) or len(readings)
        for at in range(0, len(readings), size):
            part = readings[at : at + size]
            while wait_s := spend(limits, len(part)):
                time.sleep(wait_s)
            self._commit(part)

    def _commit(self, readings: list[Reading]) -> None:
        refused = self._ingest.commit([[each] for each in readings], self._settings.store_timeout_s)
        for why in refused.values():
            raise refused_frame(why)


def _paced(lines: Iterable[Row | BadLine]) -> Iterator[Row | BadLine]:
    """The same lines, with a pause after each `RUN_S` of work on them."""
    until = time.monotonic() + RUN_S
    for each in lines:
        yield each
        if time.monotonic() > until:
            time.sleep(PAUSE_S)
            until = time.monotonic() + RUN_S
