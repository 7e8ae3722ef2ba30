"""Endpoints of whole files: import and export, streamed."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain

from flask import Response, jsonify, request
from flask_openapi3 import APIBlueprint, Tag
from flask_openapi3.models import RawModel

from speeddash.api.parameters import ExportQuery, ImportQuery
from speeddash.api.schemas import ImportOut
from speeddash.auth.access import Permission, allow, current_role
from speeddash.formats import MIME_TYPES, BadLine, Row, read_recording, source_of, write_readings
from speeddash.formats.importer import Importer
from speeddash.live.ingest import Ingest
from speeddash.live.senders import refused_frame
from speeddash.network.rate_limit import RateLimits, TokenBucket, paced
from speeddash.problem import problem
from speeddash.reading import Reading
from speeddash.settings import Settings
from speeddash.store import Store

#: Readings fetched at once: so few that sockets do not wait for an export.
PAGE_READINGS = 1_000
TAGS = [Tag(name="files", description="Import and export of whole files.")]
#: An import pauses after this much work, because bad lines alone cause no wait; an export pauses after each piece.
RUN_S, PAUSE_S = 0.002, 0.002


class FileIn(RawModel):
    """A recording."""

    mimetypes: list[str] = ["application/octet-stream"]  # noqa: RUF012 - as the library declares it


class FilesApi:
    """Endpoints of files."""

    def __init__(self, settings: Settings, store: Store, ingest: Ingest, rates: RateLimits) -> None:
        self._settings = settings
        self._store = store
        self._ingest = ingest
        self._rates = rates
        # Held while an export creates a piece of its file.
        self._piece = threading.Lock()

    def register(self, api: APIBlueprint) -> None:
        """Add the endpoints."""
        for method, mime_type in (
            (self.export_csv, MIME_TYPES["csv"]),
            (self.export_ndjson, MIME_TYPES["ndjson"]),
            (self.export_gpx, MIME_TYPES["gpx"]),
            (self.export_tcx, MIME_TYPES["tcx"]),
            (self.export_parquet, MIME_TYPES["parquet"]),
        ):
            path = f"/api/v1/{method.__name__.replace('_', '.')}"
            content = {"description": "The file", "content": {mime_type: {"schema": {"type": "string"}}}}
            api.get(path, tags=TAGS, responses={200: content})(allow(Permission.READ, method))
        api.post("/api/v1/import", tags=TAGS, responses={200: ImportOut})(allow(Permission.SEND, self.import_file))

    def export_csv(self, query: ExportQuery) -> Response:
        """Readings as CSV. Texts that a spreadsheet would take for a formula are marked."""
        return self._exported("csv", query)

    def export_ndjson(self, query: ExportQuery) -> Response:
        """Readings as one JSON object per line, in km/h."""
        return self._exported("ndjson", query)

    def export_gpx(self, query: ExportQuery) -> Response:
        """Readings as a GPX track with speeds in m/s. No positions are stored: the track runs along the equator."""
        return self._exported("gpx", query)

    def export_tcx(self, query: ExportQuery) -> Response:
        """Readings as TCX activities with speeds in m/s and distances."""
        return self._exported("tcx", query)

    def export_parquet(self, query: ExportQuery) -> Response:
        """Readings as Parquet, for data tools; needs `pip install 'speeddash[parquet]'` on the server."""
        return self._exported("parquet", query)

    def import_file(self, query: ImportQuery, raw: FileIn) -> Response:  # noqa: ARG002 - it documents the body, which is streamed
        """Store a recording, whose file is the body. Valid lines are stored, bad lines are reported with their numbers.

        A file is read no faster than the rate limit of the client's address allows. Sending it again adds nothing. The source of a reading
        is that of its line, else `source`, else the name of the file.
        """
        request.max_content_length = self._settings.max_import_bytes
        start_us = time.time_ns() // 1000 if query.start_us is None else query.start_us
        only = current_role().source
        source = query.source or only or source_of(query.name)
        store = partial(self._store_within, self._rates.of_address(request.remote_addr or ""))
        importer = Importer(store, source=source, max_speed_kmh=self._settings.max_speed_kmh, only=only)
        lines = read_recording(
            request.stream,
            name=query.name,
            file_format=query.format,
            unit=query.unit,
            start_us=start_us,
            note=importer.notes.append,
        )
        importer.run(_paced(lines))
        if importer.failure and not importer.stored:
            return problem(422, importer.failure, code="bad_file")
        return jsonify(importer.as_dict())

    def _exported(self, file_format: str, query: ExportQuery) -> Response:
        readings: Iterator[Reading] = self._store.readings.stream(
            source=query.source, time=query.time, page_readings=PAGE_READINGS
        )
        name = "all" if query.source is None else query.source.replace(":", "-") or "unnamed"
        pieces = (
            piece.encode() if isinstance(piece, str) else piece
            for piece in write_readings(file_format, readings, unit=query.unit)
        )
        first = next(pieces, b"")  # before the status is sent, so that an unavailable database is an error
        charset = "" if file_format == "parquet" else "; charset=utf-8"
        answer = Response(chain([first], self._in_turn(pieces)), content_type=MIME_TYPES[file_format] + charset)
        answer.headers["Content-Disposition"] = f'attachment; filename="speeddash_{name}.{file_format}"'
        return answer

    def _in_turn(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the same pieces, but let only one of all exports create a piece at a time, with a pause after it."""
        while True:
            with self._piece:
                piece = next(pieces, None)
                time.sleep(PAUSE_S)
            if piece is None:
                return
            yield piece

    def _store_within(self, limits: Sequence[TokenBucket], readings: list[Reading]) -> None:
        """Store readings no faster than rate limits allow."""
        for part in paced(limits, readings):
            self._commit(part)

    def _commit(self, readings: Sequence[Reading]) -> None:
        refused = self._ingest.commit([[each] for each in readings], self._settings.store_timeout_s)
        for why in refused.values():
            raise refused_frame(why)


def _paced(lines: Iterable[Row | BadLine]) -> Iterator[Row | BadLine]:
    """Yield the same lines, with a pause after each `RUN_S` of work on them."""
    until = time.monotonic() + RUN_S
    for each in lines:
        yield each
        if time.monotonic() > until:
            time.sleep(PAUSE_S)
            until = time.monotonic() + RUN_S
