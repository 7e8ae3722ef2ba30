"""The REST interface: JSON in and out, every error as `application/problem+json`, described by `/openapi.json`."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

from flask import Response, current_app, jsonify, redirect, request
from flask.json.provider import DefaultJSONProvider
from flask_openapi3 import APIBlueprint, Info, OpenAPI
from flask_openapi3.types import ResponseDict
from flask_openapi3_swagger.plugins import RegisterPlugin
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from speeddash.alerts.alerts import Alerts
from speeddash.api.files import FilesApi
from speeddash.api.history import HistoryApi
from speeddash.api.phones import PhonesApi
from speeddash.api.readings import ReadingsApi
from speeddash.api.schemas import PROBLEM, Problem
from speeddash.api.sources import SourcesApi
from speeddash.api.trips import TripsApi
from speeddash.auth.access import FOREIGN_SOURCE, Permission, allow, allow_all
from speeddash.cluster.peers import Peers
from speeddash.errors import InvalidInput, MergeRefused, NotStored, RenameUnderWay, SourceTaken, StoreError
from speeddash.files import shipped
from speeddash.history.history import History
from speeddash.live.connections import Connections
from speeddash.live.ingest import Ingest
from speeddash.metrics import Metrics
from speeddash.network.rate_limit import RateLimits
from speeddash.problem import problem
from speeddash.readiness import Readiness
from speeddash.settings import Settings
from speeddash.store import Store

#: Path prefix of answers with an ETag.
TAGGED = "/api/v1/"
DESCRIPTION = (
    "Speeds are km/h, times RFC 3339 in UTC. Errors are application/problem+json (RFC 9457). "
    "History carries an ETag: what has not changed is answered 304. Every list has a limit."
)
#: Error statuses documented for all endpoints.
PROBLEMS: ResponseDict = dict.fromkeys((400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 503), Problem)
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Api:
    """The REST endpoints of one Flask application."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        background: Store,
        history: History,
        ingest: Ingest,
        connections: Connections,
        alerts: Alerts,
        metrics: Metrics,
        rates: RateLimits,
        peers: Peers | None,
    ) -> None:
        self._settings = settings
        self._ingest = ingest
        self._readiness = Readiness(background, ingest)
        self._registry = CollectorRegistry()
        self._registry.register(metrics)
        self._parts = (
            ReadingsApi(settings, store, ingest, connections, rates, peers),
            SourcesApi(store, connections, alerts.limits, peers),
            HistoryApi(history, store),
            TripsApi(history),
            FilesApi(settings, store, ingest, rates),
            PhonesApi(settings, ingest, rates),
        )

    def register(self, app: OpenAPI) -> None:
        """Add the endpoints, their description and the error shape to an application."""
        app.info = Info(title="SpeedDash", version=version("speeddash"), description=DESCRIPTION)
        app.validation_error_callback = self._query_problem
        app.json = _Json(app)
        # A blueprint, so that errors of the page are handled by Dash.
        api = APIBlueprint("api", __name__, abp_responses=PROBLEMS)
        for part in self._parts:
            part.register(api)
        api.get("/healthz", doc_ui=False)(allow(Permission.PUBLIC, self.healthz))
        api.get("/readyz", doc_ui=False)(allow(Permission.READ, self.readyz))
        api.get("/metrics", doc_ui=False)(allow(Permission.READ, self.metrics))
        # Dash answers every other GET with the page; below /api an unknown path is an error.
        api.add_url_rule("/api/<path:unknown>", "unknown", allow(Permission.SIGNED_IN, _unknown), methods=METHODS)
        api.add_url_rule("/api", "description", allow(Permission.READ, lambda: redirect("/api/swagger")))
        api.add_url_rule(
            "/openapi.json", "openapi", allow(Permission.READ, lambda: _document(app, self._settings.max_speed_kmh))
        )
        api.register_error_handler(InvalidInput, self._input_problem)
        api.register_error_handler(SourceTaken, lambda taken: problem(409, str(taken)))
        api.register_error_handler(RenameUnderWay, lambda under_way: problem(409, str(under_way)))
        api.register_error_handler(MergeRefused, lambda refused: problem(409, str(refused)))
        api.register_error_handler(NotStored, _not_stored_problem)
        api.register_error_handler(StoreError, _store_problem)
        api.register_error_handler(HTTPException, _http_problem)
        api.after_request(_tag)
        app.register_api(api)
        # The page of the package has inline scripts, which the Content-Security-Policy forbids.
        app.config["SWAGGER_HTML_STRING"] = shipped("assets/api.html").read_text(encoding="utf-8")
        swagger = RegisterPlugin.register(doc_url="/openapi.json")
        app.register_blueprint(swagger, url_prefix="/api")
        allow_all(Permission.READ, app, [each for each in app.view_functions if each.startswith(f"{swagger.name}.")])
        # The router raises 405 before it knows the blueprint.
        app.register_error_handler(405, _http_problem)
        app.config["MAX_CONTENT_LENGTH"] = self._settings.max_frame_bytes

    def healthz(self) -> Response:
        """The process is alive."""
        return jsonify(status="alive")

    def readyz(self) -> Response:
        """A write is possible now; 503 with the reason where it is not. `group` names the servers of MySQL Group Replication."""
        durability = self._readiness.check()
        group = {"group": durability.group.as_dict()} if durability.group else {}
        return jsonify(status="ready", durable=durability.durable, durability=durability.detail, **group)

    def metrics(self) -> Response:
        """All metrics, in the text format of Prometheus."""
        return Response(generate_latest(self._registry), content_type=CONTENT_TYPE_LATEST)

    def _query_problem(self, invalid: ValidationError) -> Response:
        return self._input_problem(_explained(invalid.errors(include_url=False)[0]))

    def _input_problem(self, error: InvalidInput) -> Response:
        posted = request.method in {"POST", "PATCH"}
        if request.method == "POST":
            self._ingest.rejected[error.code] += 1
        members = {name: value for name, value in error.as_dict().items() if name != "message"}
        return problem(STATUS.get(error.code, 422 if posted else 400), error.message, **members)


STATUS = {"not_json": 400, "not_json_type": 415, "too_many_readings": 413, FOREIGN_SOURCE: 403}


def _explained(error: Mapping[str, Any]) -> InvalidInput:
    """Return an error of pydantic as one of ours."""
    name = str(error["loc"][0])[:40]
    if error["type"] == "extra_forbidden":
        return InvalidInput(
            "unknown_parameter", f"there is no parameter {name} here; /openapi.json lists those there are"
        )
    if error["type"] == "missing":
        return InvalidInput(f"bad_{name}", f"{name} is missing: ?{name}=")
    return InvalidInput(f"bad_{name}", f"{name}: {error['msg'][:1].lower()}{error['msg'][1:]}")


def _document(app: OpenAPI, max_speed_kmh: float) -> Response:
    document = app.api_doc
    for schema in ("ReadingIn", "SendIn"):
        document["components"]["schemas"][schema]["properties"]["speed"]["maximum"] = max_speed_kmh
    if document["components"].get("securitySchemes") is None:
        document["components"].pop("securitySchemes", None)  # flask-openapi3 writes null, which OpenAPI does not know
    for path in document["paths"].values():
        for operation in path.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and "application/json" in answer.get("content", {}):
                    answer["content"][PROBLEM] = answer["content"].pop("application/json")
    return jsonify(document)


def _tag(response: Response) -> Response:
    """Add an ETag, and answer 304 if the client has the same answer."""
    if (
        request.method != "GET"
        or response.status_code != 200
        or response.is_streamed
        or not request.path.startswith(TAGGED)
    ):
        return response
    response.add_etag()
    response.headers["Cache-Control"] = "no-cache"
    response.make_conditional(request)  # in place
    return response


def _unknown(unknown: str) -> Response:
    adapter = current_app.create_url_adapter(request)
    assert adapter is not None  # noqa: S101 - there is a request
    known = [each for each in METHODS if adapter.match(method=each, return_rule=True)[0].endpoint != request.endpoint]
    if known:
        raise MethodNotAllowed(known)
    return problem(404, f"there is nothing at /api/{unknown}")


class _Json(DefaultJSONProvider):
    """Flask's JSON, in the order of the answers. What is nested too deeply is not JSON, rather than an error of the server."""

    sort_keys = False

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        try:
            return super().loads(s, **kwargs)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def _not_stored_problem(error: NotStored) -> Response:
    answer = problem(503, f"{error}; it may still be stored: send it again with the same timestamp and seq")
    answer.headers["Retry-After"] = "5"
    return answer


def _store_problem(error: StoreError) -> Response:
    answer = problem(503, str(error))
    answer.headers["Retry-After"] = "5"
    return answer


def _http_problem(error: HTTPException) -> Response:
    if isinstance(error.response, Response):
        return error.response  # it is one of ours already
    answer = problem(error.code or 500, error.description or "")
    for name, value in error.get_headers():
        if name == "Allow":
            answer.headers[name] = value
    return answer
