"""Endpoints of single readings, and of connections."""

import json
import logging
import time
from typing import Any

import requests
from flask import Response, jsonify, request
from flask_openapi3 import APIBlueprint, Tag
from simple_websocket import ConnectionClosed

from speeddash.api.parameters import ConnectionsQuery, Query, ReadingsQuery, SourceOnly, SourceRange, encode_cursor
from speeddash.api.schemas import ConnectionsOut, Readings, ReadingsIn, Removed, SendIn, Sent, Stored
from speeddash.auth.access import Permission, allow, current_role
from speeddash.cluster.peers import Peers
from speeddash.errors import InvalidInput
from speeddash.live.connections import Connections
from speeddash.live.ingest import Ingest
from speeddash.live.senders import TOO_MANY, check_batch, refused_frame
from speeddash.network.rate_limit import RateLimits, spend
from speeddash.problem import problem, too_many
from speeddash.reading import Reading, decode, parse_frame, parse_reading, rfc3339
from speeddash.settings import Settings
from speeddash.store import Store

log = logging.getLogger(__name__)

NO_CONNECTION = "there is no such connection; GET /api/v1/connections lists those open"
AGAIN = "Sending it again with the same timestamp and seq is safe"
#: Source of readings over HTTP that name none.
HTTP_SOURCE = "http"
TAGS = [Tag(name="readings", description="Single readings, and the connections they may be sent to.")]


class ReadingsApi:
    """Endpoints of single readings."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        ingest: Ingest,
        connections: Connections,
        rates: RateLimits,
        peers: Peers | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._ingest = ingest
        self._connections = connections
        self._rates = rates
        self._peers = peers

    def register(self, api: APIBlueprint) -> None:
        """Add the endpoints."""
        api.post("/send", tags=TAGS, responses={200: Sent})(allow(Permission.ADMIN, self.send))
        api.get("/api/v1/connections", tags=TAGS, responses={200: ConnectionsOut})(
            allow(Permission.READ, self.list_connections)
        )
        api.post("/api/v1/readings", tags=TAGS, responses={201: Stored})(allow(Permission.SEND, self.add_readings))
        api.get("/api/v1/readings", tags=TAGS, responses={200: Readings})(allow(Permission.READ, self.list_readings))
        api.delete("/api/v1/readings", tags=TAGS, responses={200: Removed})(
            allow(Permission.ADMIN, self.remove_readings)
        )

    def list_connections(self, query: ConnectionsQuery) -> Response:
        """The connected senders, the oldest first."""
        found: list[dict[str, Any]] = [
            {"id": each.id, "source": each.source, "opened_at": rfc3339(each.opened_us), "readings": each.readings}
            for each in self._connections.all()[: query.limit]
        ]
        if self._peers is None or query.local:
            return jsonify(connections=found)
        elsewhere, missing = self._peers.connections()
        found = sorted(found + elsewhere, key=lambda each: each["opened_at"])
        return jsonify(connections=found[: query.limit], missing=missing)

    def send(self, query: Query, body: SendIn) -> Response:  # noqa: ARG002 - it refuses parameters, and documents what `json_text` reads
        """Store a reading and send it to one connection."""
        sent = decode(json_text())
        if not isinstance(sent, dict) or not isinstance(sent.get("connection_id"), str):
            raise InvalidInput("bad_connection_id", "the body must be an object with a connection_id")
        connection = self._connections.get(sent["connection_id"])
        if connection is None:
            return self._send_elsewhere(sent["connection_id"]) or problem(404, NO_CONNECTION)
        reading = parse_reading(sent, connection.source, _now_us(), self._ingest.seqs, self._settings.max_speed_kmh)
        self._commit([reading])
        try:
            connection.socket.send(json.dumps(reading.as_dict()))
        except ConnectionClosed:
            return problem(404, "stored, but the connection closed before it could be sent", stored=1)
        connection.readings += 1
        return jsonify(stored=1, reading=reading.as_dict())

    def add_readings(self, query: SourceOnly, body: ReadingsIn) -> tuple[Response, int]:  # noqa: ARG002 - it documents what `json_text` reads
        """Store one reading or an array of them, all or nothing; answered after the commit."""
        role = current_role()
        source = query.source or role.source or HTTP_SOURCE
        readings = parse_frame(json_text(), source, _now_us(), self._ingest.seqs, self._settings.max_speed_kmh)
        role.check(readings)
        limits = self._rates.of_address(request.remote_addr or "")
        check_batch(readings, limits)
        if wait_s := spend(limits, len(readings)):
            return too_many(TOO_MANY, wait_s), 429
        self._commit(readings)
        return jsonify(stored=len(readings)), 201

    def list_readings(self, query: ReadingsQuery) -> Response:
        """Stored readings in the order of source, time and seq.

        Continue with `next_cursor` until it is null. Readings that are stored meanwhile shift nothing.
        """
        readings = self._store.readings.select(
            source=query.source, time=query.time, after=query.cursor, limit=query.limit
        )
        more = len(readings) == query.limit
        return jsonify(
            readings=[each.as_dict() for each in readings],
            next_cursor=encode_cursor(readings[-1]) if more else None,
        )

    def remove_readings(self, query: SourceRange) -> Response:
        """Remove the readings of a source in a range of time; both ends must be given."""
        if query.from_us is None or query.to_us is None:
            raise InvalidInput("bad_range", "from and to are missing: both ends of the range to remove must be given")
        count = 0
        while removed := self._store.source_maintenance.remove(query.source, query.time):
            count += removed
        return jsonify(removed=count)

    def _send_elsewhere(self, connection_id: str) -> Response | None:
        """Let the server that holds a connection store and send; return its answer, or None if no server holds it."""
        if self._peers is None or connection_id.startswith(self._peers.prefix):
            return None
        try:
            answer = self._peers.send(connection_id, json_text())
        except requests.RequestException as failure:
            log.warning("the server of a connection did not answer: %s", type(failure).__name__)
            return problem(
                503, "the server that holds the connection did not answer; the reading may be stored. " + AGAIN
            )
        if answer is None:
            return None
        return Response(answer.content, answer.status_code, content_type=answer.headers.get("Content-Type"))

    def _commit(self, readings: list[Reading]) -> None:
        refused = self._ingest.commit([readings], self._settings.store_timeout_s)
        for why in refused.values():
            raise refused_frame(why)


def json_text() -> str:
    """Return the body of a request.

    Raises:
        InvalidInput: Its media type is not JSON, or it is not UTF-8.
    """
    # A page of another site can post a form or text without a preflight request, but not this type.
    if request.mimetype != "application/json":
        raise InvalidInput("not_json_type", "send Content-Type: application/json")
    try:
        return body().decode()
    except UnicodeDecodeError as invalid:
        raise InvalidInput("not_json", f"not JSON: the body is not UTF-8: {invalid.reason}") from None


def body() -> bytes:
    """Return the body of a request.

    Raises:
        RequestEntityTooLarge: It is larger than the server allows; of one that comes in chunks that is known at its end.
    """
    data = request.get_data()
    request.stream.read(1)
    return data


def _now_us() -> int:
    return time.time_ns() // 1000
