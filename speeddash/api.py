"""The REST interface: JSON in and out, every error as `application/problem+json`."""

import base64
import json
import time

from flask import Blueprint, Flask, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from simple_websocket import ConnectionClosed
from werkzeug.exceptions import HTTPException

from speeddash.connections import Connections
from speeddash.errors import FrameError, NotStored, StoreError
from speeddash.ingest import Ingest
from speeddash.metrics import Metrics
from speeddash.problem import problem
from speeddash.reading import MAX_SEQ, Reading, decode, parse_frame, parse_reading, parse_source, parse_time, rfc3339
from speeddash.settings import Settings
from speeddash.sockets import refused_frame
from speeddash.store import Key, Store

#: The source of readings that come by HTTP and name none.
HTTP_SOURCE = "http"
DEFAULT_LIMIT = 1_000
MAX_LIMIT = 10_000
#: A commit that has been under way for longer counts as a database that does not answer.
STALLED_S = 2.0


class Api:
    """The REST endpoints of one Flask application."""

    def __init__(
        self, settings: Settings, store: Store, ingest: Ingest, connections: Connections, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._store = store
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
        source = request.args.get("source")
        limit = _limit(request.args.get("limit"))
        readings = self._store.select(
            source=parse_source(source) if source else source,
            from_us=_moment("from"),
            to_us=_moment("to"),
            after=_cursor(request.args.get("cursor")),
            limit=limit,
        )
        more = len(readings) == limit
        return jsonify(
            readings=[each.as_dict() for each in readings],
            next_cursor=_encode_cursor(readings[-1]) if more else None,
        )

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


def _moment(name: str) -> int | None:
    text = request.args.get(name)
    if not text:
        return None
    try:
        # A + in a query that was not escaped arrives as a space.
        return parse_time(float(text) if _is_number(text) else text.replace(" ", "+"))
    except FrameError as bad:
        raise FrameError(bad.code, f"{name}: {bad.message}") from None


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).removeprefix("-").isdigit()


def _limit(text: str | None) -> int:
    if not text:
        return DEFAULT_LIMIT
    if not (text.isdecimal() and len(text) < 10 and 1 <= int(text) <= MAX_LIMIT):
        raise FrameError("bad_limit", f"limit must be an integer from 1 to {MAX_LIMIT}")
    return int(text)


def _encode_cursor(last: Reading) -> str:
    return base64.urlsafe_b64encode(json.dumps([last.source, last.at_us, last.seq]).encode()).decode()


def _cursor(text: str | None) -> Key | None:
    if not text:
        return None
    try:
        source, at_us, seq = json.loads(base64.urlsafe_b64decode(text))
        if isinstance(source, str) and isinstance(at_us, int) and isinstance(seq, int) and 0 <= seq <= 2 * MAX_SEQ + 1:
            return Key(source, parse_time(rfc3339(at_us)), seq)
    except (ValueError, TypeError, OverflowError):
        pass  # said below, together with a cursor of the right form and wrong types
    raise FrameError("bad_cursor", "cursor must be the next_cursor of an earlier answer")


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
