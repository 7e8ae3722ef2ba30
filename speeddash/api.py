"""The REST interface: JSON in and out, every error as `application/problem+json`."""

import json
import time
from collections import Counter

from flask import Blueprint, Flask, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from simple_websocket import ConnectionClosed
from werkzeug.exceptions import HTTPException

from speeddash import query
from speeddash.connections import Connections
from speeddash.errors import FrameError, NotStored, StoreError
from speeddash.history import History
from speeddash.ingest import Ingest
from speeddash.metrics import Metrics
from speeddash.problem import problem
from speeddash.reading import Reading, decode, parse_frame, parse_reading, parse_source, rfc3339
from speeddash.settings import Settings
from speeddash.sockets import refused_frame
from speeddash.store import Store

#: The source of readings that come by HTTP and name none.
HTTP_SOURCE = "http"
DEFAULT_LIMIT = 1_000
MAX_LIMIT = 10_000
#: A commit that has been under way for longer counts as a database that does not answer.
STALLED_S = 2.0


class Api:
    """The REST endpoints of one Flask application."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        history: History,
        ingest: Ingest,
        connections: Connections,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._store = store
        self._history = history
        self._ingest = ingest
        self._connections = connections
        self._registry = CollectorRegistry()
        self._registry.register(metrics)

    def register(self, app: Flask) -> None:
        """Add the endpoints and the error shape to an application."""
        # A blueprint, so that the page's errors stay Dash's own.
        api = Blueprint("api", __name__)
        api.get("/healthz")(self.healthz)
        api.get("/readyz")(self.readyz)
        api.get("/metrics")(self.metrics)
        api.post("/send")(self.send)
        api.get("/api/v1/connections")(self.list_connections)
        api.post("/api/v1/readings")(self.add_readings)
        api.get("/api/v1/readings")(self.list_readings)
        api.get("/api/v1/sources")(self.list_sources)
        api.get("/api/v1/series")(self.series)
        # Dash answers every other GET with its page; below /api a wrong path is an error.
        api.route("/api", defaults={"unknown": ""}, methods=["GET"])(_unknown)
        api.route("/api/<path:unknown>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])(_unknown)
        api.register_error_handler(FrameError, self._frame_problem)
        api.register_error_handler(NotStored, _not_stored_problem)
        api.register_error_handler(StoreError, _store_problem)
        api.register_error_handler(HTTPException, _http_problem)
        app.register_blueprint(api)
        # Raised by the router, before a blueprint is known.
        app.register_error_handler(405, _http_problem)
        app.config["MAX_CONTENT_LENGTH"] = self._settings.max_frame_bytes

    def healthz(self) -> Response:
        """The process is alive."""
        return jsonify(status="alive")

    def readyz(self) -> Response:
        """A write is possible now; 503 with the reason where it is not."""
        reason = self._ingest.problem
        stalled_s = self._ingest.stalled_s()
        durability = self._ingest.durability
        if reason or durability is None:
            return problem(503, str(reason or "the database has not been reached yet"))
        if stalled_s > STALLED_S:
            return problem(503, f"the database has not answered for {stalled_s:.0f} s")
        self._store.check_writable()
        return jsonify(status="ready", durable=durability.durable, durability=durability.detail)

    def metrics(self) -> Response:
        """Everything that is counted, in the text format of Prometheus."""
        return Response(generate_latest(self._registry), content_type=CONTENT_TYPE_LATEST)

    def list_connections(self) -> Response:
        """The senders that are connected, the oldest first."""
        return jsonify(
            connections=[
                {"id": each.id, "source": each.source, "opened_at": rfc3339(each.opened_us), "readings": each.readings}
                for each in self._connections.all()
            ]
        )

    def send(self) -> Response:
        """Store a reading and send it to one connection: `{"connection_id", "speed", "timestamp"}`."""
        body = decode(_json_text())
        if not isinstance(body, dict) or not isinstance(body.get("connection_id"), str):
            raise FrameError("bad_connection_id", "the body must be an object with a connection_id")
        connection = self._connections.get(body["connection_id"])
        if connection is None:
            return problem(404, "there is no such connection; GET /api/v1/connections lists those open")
        reading = parse_reading(body, connection.source, _now_us(), self._ingest.seqs, self._settings.max_speed_kmh)
        self._commit([reading])
        try:
            connection.socket.send(json.dumps(reading.as_dict()))
        except ConnectionClosed:
            return problem(404, "stored, but the connection closed before it could be sent", stored=1)
        connection.readings += 1
        return jsonify(stored=1, reading=reading.as_dict())

    def add_readings(self) -> tuple[Response, int]:
        """Store one reading or an array of them, all or nothing; answered after the commit."""
        source = parse_source(request.args["source"]) if request.args.get("source") else HTTP_SOURCE
        readings = parse_frame(_json_text(), source, _now_us(), self._ingest.seqs, self._settings.max_speed_kmh)
        self._commit(readings)
        return jsonify(stored=len(readings)), 201

    def list_readings(self) -> Response:
        """Stored readings in the order of source, time and seq: `?source=&from=&to=&limit=&cursor=`.

        `from` is inclusive, `to` exclusive. Go on with `next_cursor` until it is null; what is stored meanwhile moves nothing.
        """
        limit = query.count("limit", DEFAULT_LIMIT, MAX_LIMIT)
        readings = self._store.select(
            source=query.source(),
            from_us=query.moment("from"),
            to_us=query.moment("to"),
            after=query.cursor(),
            limit=limit,
        )
        more = len(readings) == limit
        return jsonify(
            readings=[each.as_dict() for each in readings],
            next_cursor=query.encode_cursor(readings[-1]) if more else None,
        )

    def list_sources(self) -> Response:
        """The sources that have readings, by name: `?limit=&after=NAME`."""
        limit = query.count("limit", DEFAULT_LIMIT, MAX_LIMIT)
        spans = self._store.sources(after=request.args.get("after"), limit=limit)
        connected = Counter(each.source for each in self._connections.all())
        return jsonify(
            sources=[
                {
                    "source": each.source,
                    "first": rfc3339(each.first_us),
                    "last": rfc3339(each.last_us),
                    "connections": connected[each.source],
                }
                for each in spans
            ]
        )

    def series(self) -> Response:
        """A stretch of one source in at most `points` entries, as columns: `?source=&from=&to=&points=`."""
        source = query.source()
        if source is None:
            raise FrameError("bad_source", "source is missing: name one, ?source=NAME")
        from_us, to_us = query.moment("from"), query.moment("to")
        if from_us is not None and to_us is not None and from_us >= to_us:
            raise FrameError("bad_range", "from must be before to")
        points = query.count("points", DEFAULT_LIMIT, MAX_LIMIT)
        return jsonify(self._history.series(source, from_us, to_us, points).as_dict())

    def _commit(self, readings: list[Reading]) -> None:
        refused = self._ingest.commit([readings], self._settings.store_timeout_s)
        for why in refused.values():
            raise refused_frame(why)

    def _frame_problem(self, error: FrameError) -> Response:
        posted = request.method == "POST"
        if posted:
            self._ingest.rejected[error.code] += 1
        members = {name: value for name, value in error.as_dict().items() if name != "message"}
        return problem(STATUS.get(error.code, 422 if posted else 400), error.message, **members)


def _now_us() -> int:
    return time.time_ns() // 1000


def _json_text() -> str:
    # A page of another site can post a form or text unasked, but not this type.
    if request.mimetype != "application/json":
        raise FrameError("not_json_type", "send Content-Type: application/json")
    try:
        return request.get_data().decode()
    except UnicodeDecodeError as invalid:
        raise FrameError("not_json", f"not JSON: the body is not UTF-8: {invalid.reason}") from None


def _unknown(unknown: str) -> Response:
    return problem(404, f"there is nothing at /api/{unknown}")


STATUS = {"not_json": 400, "not_json_type": 415}


def _not_stored_problem(error: NotStored) -> Response:
    answer = problem(503, f"{error}; it may still be stored: send it again with the same timestamp and seq")
    answer.headers["Retry-After"] = "5"
    return answer


def _store_problem(error: StoreError) -> Response:
    answer = problem(503, str(error))
    answer.headers["Retry-After"] = "5"
    return answer


def _http_problem(error: HTTPException) -> Response:
    answer = problem(error.code or 500, error.description or "")
    for name, value in error.get_headers():
        if name == "Allow":
            answer.headers[name] = value
    return answer
