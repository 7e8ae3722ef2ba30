"""The WebSocket endpoints: a frame comes in, is stored, and goes back as its own receipt."""

import json
import logging
import math
import secrets
import time
from functools import partial

import flask_sock
from flask import Flask, Response, request
from simple_websocket import ConnectionClosed
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

from speeddash.access import FOREIGN_SOURCE, Permission, allow, current_role
from speeddash.allowance import Allowances, Rates, spend
from speeddash.connections import Connection, Connections
from speeddash.errors import FrameError, NotStored, ReadingsRefused
from speeddash.guard import is_socket
from speeddash.ingest import Ingest, Ticket
from speeddash.problem import problem, too_many
from speeddash.reading import Reading, parse_frame, parse_source
from speeddash.safe_server import Frames, SafeServer
from speeddash.settings import Settings

log = logging.getLogger(__name__)

ENDPOINTS = ("/", "/ws")
#: For whom all connections are in use.
RETRY_AFTER_S = 10
#: Of our time, what one address may use up with frames that are no readings, and how much of it at once.
IDLE, IDLE_S = 0.1, 0.005
TOO_MANY = "too many readings a second"


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
        try:
            for source in request.args.getlist("source"):
                if source or request.path != "/ws/live":  # what was stored without a source may be watched
                    parse_source(source)
        except FrameError as bad:
            return problem(400, bad.message, code=bad.code)
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

    def _receive(self, connection: Connection, frames: Frames, size_bytes: int) -> None:
        """Queue what came together; `_settle` answers it after the commit."""
        try:
            answers, parsed, places = self._parse(connection, frames)
            if connection.allowances and (wait_s := spend(connection.allowances, sum(map(len, parsed)))):
                # What came before is still answered; these get no echo, and their sender keeps them.
                connection.socket.drain(CloseReason.TRY_AGAIN_LATER, f"{TOO_MANY}; try again in {math.ceil(wait_s)} s")
                connection.socket.answered(size_bytes)
                return
            if parsed or connection.socket.owed_bytes > size_bytes:
                self._ingest.submit(parsed, partial(self._settle, connection, answers, places, size_bytes))
            else:  # only errors, and nothing before them that has to be answered first
                connection.socket.send_all(answers)
                connection.socket.answered(size_bytes)
        except ConnectionClosed:
            pass  # the sender left; it will send again what it got no echo for
        except Exception:
            log.exception("connection %s failed", connection.id)
            connection.socket.close(CloseReason.INTERNAL_ERROR, "the server failed")

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
