"""WebSocket endpoints of senders: each frame is stored, then echoed as its receipt."""

import json
import logging
import math
import secrets
import time
from collections.abc import Sequence
from functools import partial

import flask_sock
from flask import Flask, Response, request
from simple_websocket import ConnectionClosed
from werkzeug.routing import WebsocketMismatch
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

from speeddash.auth.access import FOREIGN_SOURCE, Permission, allow, current_role
from speeddash.auth.guard import is_socket
from speeddash.errors import InvalidInput, NotStored, ReadingsRefused
from speeddash.live.connections import Connection, Connections
from speeddash.live.ingest import Ingest
from speeddash.live.write_request import WriteRequest
from speeddash.network.nonblocking import Backlog
from speeddash.network.rate_limit import RateLimits, TokenBucket, TokenBuckets, largest_batch, spend
from speeddash.network.turn_gate import TurnGate
from speeddash.network.websocket import Frames, ServerSocket
from speeddash.problem import problem, too_many
from speeddash.reading import Reading, parse_frame, parse_source
from speeddash.settings import Settings

log = logging.getLogger(__name__)

ENDPOINTS = ("/", "/ws")
#: Parameters of an address. The page counts its tries, because its socket component connects again only to another address.
PARAMETERS = {"source", "try"}
#: Told to a client when all connections are in use.
RETRY_AFTER_S = 10
#: Share of the time that a client network may use with frames that are no readings, and the seconds of it that it may use at once.
IDLE_SHARE, IDLE_BURST_S = 0.1, 0.005
#: Longest time that one event-loop turn forgets connections that have ended.
DEPARTURES_S = 0.002
TOO_MANY = "too many readings a second"
MAX_WATCHED_SOURCES = 200


class SenderSockets:
    """The sender endpoints of one Flask application. Each connection has one greenlet, which runs `serve`."""

    def __init__(self, settings: Settings, ingest: Ingest, connections: Connections, rates: RateLimits) -> None:
        self._settings = settings
        self._max_speed_kmh = settings.max_speed_kmh
        self._ingest = ingest
        self._connections = connections
        self._rates = rates

    def register(self, app: Flask) -> flask_sock.Sock:
        """Add the endpoints to an application, and return flask-sock's object, to which more can be added."""
        flask_sock.Server = ServerSocket
        app.config["SOCK_SERVER_OPTIONS"] = {
            "max_message_size": self._settings.max_frame_bytes,
            "idle": TokenBuckets(IDLE_SHARE, IDLE_BURST_S),
            "backlog": Backlog(self._settings.max_unsent_bytes),
            "departures": TurnGate(DEPARTURES_S),
        }
        sock = flask_sock.Sock(app)
        for path in ENDPOINTS:
            sock.route(path, endpoint=f"socket {path}")(allow(Permission.SEND, self.serve))
        for path, permission in (("/ws", Permission.SEND), ("/ws/live", Permission.READ)):
            app.add_url_rule(path, f"{path} without upgrade", allow(permission, _upgrade_required))
        app.register_error_handler(RemoteProtocolError, _bad_handshake)
        app.register_error_handler(WebsocketMismatch, _no_socket)
        # flask-sock answers 101 before `serve` runs: an HTTP error is only possible here.
        app.before_request(self._check_handshake)
        return sock

    def _check_handshake(self) -> Response | None:
        if not is_socket():
            return None
        if len(self._connections) >= self._settings.max_connections:
            answer = problem(503, f"all {self._settings.max_connections} connections are in use")
            answer.headers["Retry-After"] = str(RETRY_AFTER_S)
            return answer
        limit = self._settings.max_address_connections
        if self._connections.of_address(request.remote_addr or "") >= limit:
            return too_many(f"all {limit} connections of this address are in use", RETRY_AFTER_S)
        if unknown := next((each for each in request.args if each not in PARAMETERS), None):
            return problem(400, f"there is no parameter {unknown[:40]} here, only source", code="unknown_parameter")
        watches = request.path == "/ws/live"  # where an empty name stands for readings without a source
        try:
            named = [parse_source(each) for each in request.args.getlist("source") if each or not watches]
        except InvalidInput as bad:
            return problem(400, bad.message, code=bad.code)
        if len(named) > 1 and not watches:
            why = f"{len(named)} sources; a sender has one, and its frames may name others"
            return problem(400, why, code="too_many_sources")
        if len(named) > MAX_WATCHED_SOURCES:
            why = f"{len(named)} sources; one connection may watch {MAX_WATCHED_SOURCES}, or all of them"
            return problem(400, why, code="too_many_sources")
        only = current_role().source
        if only is not None and request.args.get("source", only) != only:
            return problem(403, f"the token sends readings of {only} alone", code=FOREIGN_SOURCE)
        return None

    def serve(self, socket: ServerSocket) -> None:
        """Echo one sender's frames after their commit until either side closes."""
        identity = self._connections.prefix + secrets.token_hex(8)
        role = current_role()
        address = request.remote_addr or ""
        source = request.args.get("source") or role.source or identity
        rate_limits = self._rates.of_socket(address)
        connection = Connection(identity, source, time.time_ns() // 1000, socket, role, address, rate_limits)
        self._connections.add(connection)
        try:
            socket.run(partial(self._receive, connection))
        finally:
            self._connections.remove(connection)

    def _receive(self, connection: Connection, frames: Frames, size_bytes: int) -> bool:
        """Queue frames that arrived together; `_acknowledge` answers them after the commit. Return whether any is to be stored."""
        try:
            answers, parsed, places = self._parse(connection, frames)
            wait_s = 0.0
            if connection.rate_limits:
                allowed, wait_s = _allowed(connection.rate_limits, parsed)
                if wait_s:
                    # Frames before this one are answered. The others get no echo, so their sender sends them again.
                    del answers[places[allowed] :], parsed[allowed:], places[allowed:]
            if parsed or connection.socket.owed_bytes > size_bytes:
                self._ingest.submit(parsed, partial(self._acknowledge, connection, answers, places, size_bytes))
            else:  # only errors, and no earlier frame waits for its answer
                connection.socket.send_all(answers)
                connection.socket.answered(size_bytes)
            if wait_s:
                connection.socket.drain(CloseReason.TRY_AGAIN_LATER, f"{TOO_MANY}; try again in {math.ceil(wait_s)} s")
        except ConnectionClosed:
            return False  # the sender has left; it sends again what was not echoed
        except Exception:
            log.exception("connection %s failed", connection.id)
            connection.socket.close(CloseReason.INTERNAL_ERROR, "the server failed")
            return False
        return bool(parsed)

    def _parse(self, connection: Connection, frames: Frames) -> tuple[list[str], list[list[Reading]], list[int]]:
        """Return the echo or error of each frame, the readings of valid frames, and the places of those frames."""
        received_us = time.time_ns() // 1000
        answers: list[str] = []
        parsed: list[list[Reading]] = []
        places: list[int] = []
        for place, frame in enumerate(frames):
            try:
                readings = parse_frame(frame, connection.source, received_us, self._ingest.seqs, self._max_speed_kmh)
                if connection.role.source is not None:  # the endpoint itself requires the permission to send
                    connection.role.check(readings)
                if connection.rate_limits:
                    check_batch(readings, connection.rate_limits)
            except InvalidInput as bad:
                self._ingest.rejected[bad.code] += 1
                answers.append(error_frame(bad))
            else:
                parsed.append(readings)
                places.append(place)
                answers.append(str(frame))
        return answers, parsed, places

    def _acknowledge(
        self, connection: Connection, answers: list[str], places: list[int], size_bytes: int, write: WriteRequest
    ) -> None:
        """Echo frames that are durable now."""
        socket = connection.socket
        try:
            if not write.error:
                connection.readings += len(write.stored)
                for at, why in write.refused.items():
                    answers[places[at]] = error_frame(refused_frame(why))
                socket.send_all(answers)
            elif isinstance(write.error, NotStored):
                socket.close(CloseReason.SERVICE_RESTART, str(write.error))
            else:
                socket.close(CloseReason.INTERNAL_ERROR, "the server failed")
        except ConnectionClosed:
            pass  # the sender has left; it sends again what was not echoed
        except Exception:
            # Without this answer the sender would take the next echo for this frame's.
            socket.close(CloseReason.INTERNAL_ERROR, "the server failed")
            raise
        finally:
            socket.answered(size_bytes)


def check_batch(readings: Sequence[Reading], rate_limits: Sequence[TokenBucket]) -> None:
    """Check that a frame or body holds no more readings than may be sent together.

    Raises:
        InvalidInput: `too_many_readings`.
    """
    limit = largest_batch(rate_limits)
    if limit is not None and len(readings) > limit:
        raise InvalidInput(
            "too_many_readings", f"{len(readings)} readings together; the rate limit of this server allows {limit}"
        )


def _allowed(rate_limits: Sequence[TokenBucket], frames: Sequence[Sequence[Reading]]) -> tuple[int, float]:
    """Count frames against rate limits: return how many are allowed, and the seconds to wait if not all are."""
    for at, frame in enumerate(frames):
        if wait_s := spend(rate_limits, len(frame)):
            return at, wait_s
    return len(frames), 0.0


def error_frame(error: InvalidInput) -> str:
    """Return the answer to a frame that was not stored."""
    return json.dumps({"error": error.as_dict()})  # in ASCII: the frame may hold half a surrogate pair


def refused_frame(why: ReadingsRefused) -> InvalidInput:
    """Return the error of a frame that the database rejects."""
    return InvalidInput("refused", f"the database refused it: {why}")


def _bad_handshake(error: RemoteProtocolError) -> Response:
    return problem(400, f"not a WebSocket handshake: {error}")


def _no_socket(_mismatch: WebsocketMismatch) -> Response:
    return problem(400, f"no WebSocket at {request.path}: readings are sent to /ws and watched at /ws/live")


def _upgrade_required() -> Response:
    answer = problem(426, "this is a WebSocket endpoint; open it as ws:// or wss://")
    answer.headers["Upgrade"] = "websocket"
    return answer
