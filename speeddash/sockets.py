"""The WebSocket endpoints: a frame comes in, is stored, and goes back as its own receipt."""

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
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

from speeddash.access import FOREIGN_SOURCE, Permission, allow, current_role
from speeddash.allowance import Allowance, Allowances, Rates, largest_batch, spend
from speeddash.connections import Connection, Connections
from speeddash.errors import FrameError, NotStored, ReadingsRefused
from speeddash.guard import is_socket
from speeddash.ingest import Ingest, Ticket
from speeddash.problem import problem, too_many
from speeddash.reading import Reading, parse_frame, parse_source
from speeddash.safe_server import Frames, SafeServer
from speeddash.settings import Settings
from speeddash.wire import Backlog

log = logging.getLogger(__name__)

ENDPOINTS = ("/", "/ws")
#: For whom all connections are in use.
RETRY_AFTER_S = 10
#: Of our time, what one address may use up with frames that are no readings, and how much of it at once.
IDLE, IDLE_S = 0.1, 0.005
TOO_MANY = "too many readings a second"
MAX_WATCHED_SOURCES = 200


class Sockets:
    """Serves the endpoints of one Flask application. Each connection has one greenlet, which runs `serve`."""

    def __init__(self, settings: Settings, ingest: Ingest, connections: Connections, rates: Rates) -> None:
        self._settings = settings
        self._max_speed_kmh = settings.max_speed_kmh
        self._ingest = ingest
        self._connections = connections
        self._rates = rates

    def register(self, app: Flask) -> flask_sock.Sock:
        """Add the endpoints to an application; more may be added to what is returned."""
        flask_sock.Server = SafeServer
        app.config["SOCK_SERVER_OPTIONS"] = {
            "max_message_size": self._settings.max_frame_bytes,
            "idle": Allowances(IDLE, IDLE_S),
            "backlog": Backlog(self._settings.max_unsent_bytes),
        }
        sock = flask_sock.Sock(app)
        for path in ENDPOINTS:
            sock.route(path, endpoint=f"socket {path}")(allow(Permission.SEND, self.serve))
        app.add_url_rule("/ws", "socket without upgrade", allow(Permission.SEND, _upgrade_required))
        app.register_error_handler(RemoteProtocolError, _bad_handshake)
        # flask-sock answers 101 before `serve` runs; a plain HTTP refusal is only possible here.
        app.before_request(self._check_handshake)
        return sock

    def _check_handshake(self) -> Response | None:
        if not is_socket():
            return None
        if len(self._connections) >= self._settings.max_connections:
            answer = problem(503, f"all {self._settings.max_connections} connections are in use")
            answer.headers["Retry-After"] = str(RETRY_AFTER_S)
            return answer
        most = self._settings.max_address_connections
        if self._connections.of_address(request.remote_addr or "") >= most:
            return too_many(f"all {most} connections of this address are in use", RETRY_AFTER_S)
        watches = request.path == "/ws/live"  # also readings that were stored without a source
        try:
            named = [parse_source(each) for each in request.args.getlist("source") if each or not watches]
        except FrameError as bad:
            return problem(400, bad.message, code=bad.code)
        if len(named) > MAX_WATCHED_SOURCES:
            why = f"{len(named)} sources; one connection may watch {MAX_WATCHED_SOURCES}, or all of them"
            return problem(400, why, code="too_many_sources")
        only = current_role().source
        if only is not None and request.args.get("source", only) != only:
            return problem(403, f"the token sends readings of {only} alone", code=FOREIGN_SOURCE)
        return None

    def serve(self, socket: SafeServer) -> None:
        """Echo one sender's frames after their commit until either side closes."""
        identity = secrets.token_hex(8)
        role = current_role()
        address = request.remote_addr or ""
        source = request.args.get("source") or role.source or identity
        allowances = self._rates.of_socket(address)
        connection = Connection(identity, source, time.time_ns() // 1000, socket, role, address, allowances)
        self._connections.add(connection)
        try:
            socket.run(partial(self._receive, connection))
        finally:
            self._connections.remove(connection)

    def _receive(self, connection: Connection, frames: Frames, size_bytes: int) -> bool:
        """Queue frames that arrived together; `_settle` answers them after the commit. Return whether any is to be stored."""
        try:
            answers, parsed, places = self._parse(connection, frames)
            wait_s = 0.0
            if connection.allowances:
                allowed, wait_s = _allowed(connection.allowances, parsed)
                if wait_s:
                    # Frames before this one are answered; the others get no echo, and their sender keeps them.
                    del answers[places[allowed] :], parsed[allowed:], places[allowed:]
            if parsed or connection.socket.owed_bytes > size_bytes:
                self._ingest.submit(parsed, partial(self._settle, connection, answers, places, size_bytes))
            else:  # only errors, and nothing before them that has to be answered first
                connection.socket.send_all(answers)
                connection.socket.answered(size_bytes)
            if wait_s:
                connection.socket.drain(CloseReason.TRY_AGAIN_LATER, f"{TOO_MANY}; try again in {math.ceil(wait_s)} s")
        except ConnectionClosed:
            return False  # the sender left; it will send again what it got no echo for
        except Exception:
            log.exception("connection %s failed", connection.id)
            connection.socket.close(CloseReason.INTERNAL_ERROR, "the server failed")
            return False
        return bool(parsed)

    def _parse(self, connection: Connection, frames: Frames) -> tuple[list[str], list[list[Reading]], list[int]]:
        """The answer to each frame if it is stored, the readings of the good ones, and the places of those among the answers."""
        received_us = time.time_ns() // 1000
        answers: list[str] = []
        parsed: list[list[Reading]] = []
        places: list[int] = []
        for place, frame in enumerate(frames):
            try:
                readings = parse_frame(frame, connection.source, received_us, self._ingest.seqs, self._max_speed_kmh)
                connection.role.check(readings)
                if connection.allowances:
                    check_batch(readings, connection.allowances)
            except FrameError as bad:
                self._ingest.rejected[bad.code] += 1
                answers.append(error_frame(bad))
            else:
                parsed.append(readings)
                places.append(place)
                answers.append(str(frame))
        return answers, parsed, places

    def _settle(
        self, connection: Connection, answers: list[str], places: list[int], size_bytes: int, ticket: Ticket
    ) -> None:
        """Echo what is durable now."""
        socket = connection.socket
        try:
            if isinstance(ticket.error, NotStored):
                socket.close(CloseReason.SERVICE_RESTART, str(ticket.error))
            elif ticket.error:
                socket.close(CloseReason.INTERNAL_ERROR, "the server failed")
            else:
                for at, why in ticket.refused.items():
                    answers[places[at]] = error_frame(refused_frame(why))
                connection.readings += sum(
                    len(frame) for at, frame in enumerate(ticket.frames) if at not in ticket.refused
                )
                socket.send_all(answers)
        except ConnectionClosed:
            pass  # the sender left; it will send again what it got no echo for
        except Exception:
            # An echo that is missing among others would put those behind it in the wrong place.
            socket.close(CloseReason.INTERNAL_ERROR, "the server failed")
            raise
        finally:
            socket.answered(size_bytes)


def check_batch(readings: Sequence[Reading], allowances: Sequence[Allowance]) -> None:
    """Return if a frame or body holds no more readings than may be sent together.

    Raises:
        FrameError: `too_many_readings`.
    """
    most = largest_batch(allowances)
    if most is not None and len(readings) > most:
        raise FrameError(
            "too_many_readings", f"{len(readings)} readings together; with this server's rate limit it may be {most}"
        )


def _allowed(allowances: Sequence[Allowance], frames: Sequence[Sequence[Reading]]) -> tuple[int, float]:
    """Take frames from rate limits until one of these is used up: the number of frames, and the seconds to wait, else 0."""
    for at, frame in enumerate(frames):
        if wait_s := spend(allowances, len(frame)):
            return at, wait_s
    return len(frames), 0.0


def error_frame(error: FrameError) -> str:
    """The text that answers a frame that was not stored."""
    return json.dumps({"error": error.as_dict()})  # in ASCII: what was sent may hold half a character


def refused_frame(why: ReadingsRefused) -> FrameError:
    """What the database would not take, as an error of the frame."""
    return FrameError("refused", f"the database refused it: {why}")


def _bad_handshake(error: RemoteProtocolError) -> Response:
    return problem(400, f"not a WebSocket handshake: {error}")


def _upgrade_required() -> Response:
    answer = problem(426, "this is a WebSocket endpoint; open it as ws:// or wss://")
    answer.headers["Upgrade"] = "websocket"
    return answer
