"""The WebSocket endpoints: a frame comes in, is stored, and goes back as its own receipt."""

import json
import logging
import secrets
import threading
import time
from dataclasses import dataclass, field

import flask_sock
from flask import Flask, Response, request
from simple_websocket import ConnectionClosed
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

from speeddash.errors import FrameError, NotStored, ReadingsRefused
from speeddash.ingest import Ingest
from speeddash.problem import problem
from speeddash.reading import Reading, parse_frame, parse_source
from speeddash.safe_server import SafeServer
from speeddash.settings import Settings

log = logging.getLogger(__name__)

ENDPOINTS = ("/", "/ws")


@dataclass
class Connection:
    """One open socket of a sender.

    Attributes:
        source: Named on the URL, else the connection's id.
        opened_us: Microseconds since the epoch.
        readings: How many of its readings were stored.
    """

    id: str
    source: str
    opened_us: int
    socket: SafeServer = field(repr=False)
    readings: int = 0


class Connections:
    """The senders that are connected, by connection id; a connection is here from handshake to close."""

    def __init__(self) -> None:
        self._by_id: dict[str, Connection] = {}
        self._left = threading.Event()

    def get(self, connection_id: str) -> Connection | None:
        """The open connection of that id."""
        return self._by_id.get(connection_id)

    def all(self) -> list[Connection]:
        """Those open now, the oldest first."""
        return list(self._by_id.values())

    def add(self, connection: Connection) -> None:
        """Show it from now on."""
        self._by_id[connection.id] = connection

    def remove(self, connection: Connection) -> None:
        """Show it no longer."""
        del self._by_id[connection.id]
        self._left.set()

    def drain(self) -> None:
        """Let every connection answer what it has received, then close it."""
        for connection in self.all():
            connection.socket.drain()

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until all are closed; False if some are not by then."""
        deadline = time.monotonic() + timeout_s
        while self._by_id:
            if not self._left.wait(max(0.0, deadline - time.monotonic())):
                return False
            self._left.clear()
        return True


class Sockets:
    """Serves the endpoints of one Flask application. Each connection has a greenlet that runs `serve`."""

    def __init__(self, settings: Settings, ingest: Ingest, connections: Connections) -> None:
        self._settings = settings
        self._ingest = ingest
        self._connections = connections

    def register(self, app: Flask) -> None:
        """Add the endpoints to an application."""
        flask_sock.Server = SafeServer
        app.config["SOCK_SERVER_OPTIONS"] = {
            "ping_interval": self._settings.ping_interval_s,
            "max_message_size": self._settings.max_frame_bytes,
            "receive_bytes": 1 << 16,
        }
        sock = flask_sock.Sock(app)
        for path in ENDPOINTS:
            sock.route(path, endpoint=f"socket {path}")(self.serve)
        app.add_url_rule("/ws", "socket without upgrade", _upgrade_required)
        app.register_error_handler(RemoteProtocolError, _bad_handshake)
        # flask-sock answers 101 before `serve` runs; a plain HTTP refusal is only possible here.
        app.before_request(_check_handshake)

    def serve(self, socket: SafeServer) -> None:
        """Echo one sender's frames after their commit until either side closes."""
        identity = secrets.token_hex(8)
        connection = Connection(identity, request.args.get("source") or identity, time.time_ns() // 1000, socket)
        self._connections.add(connection)
        try:
            while frames := socket.receive_waiting():
                socket.send_all(self._answers(connection, frames))
            socket.close(CloseReason.SERVICE_RESTART, "the server stops")
        except ConnectionClosed:
            pass  # the peer left; what it sent is stored, and it will send again what it got no echo for
        except NotStored as stopped:
            socket.close(CloseReason.SERVICE_RESTART, str(stopped))
        except Exception:
            log.exception("connection %s failed", identity)
            socket.close(CloseReason.INTERNAL_ERROR, "the server failed")
        finally:
            self._connections.remove(connection)

    def _answers(self, connection: Connection, frames: list[str | bytes]) -> list[str]:
        """One answer a frame, in order: the frame itself once it is stored, or an error frame."""
        received_us = time.time_ns() // 1000
        answers: list[str] = []
        parsed: list[list[Reading]] = []
        places: list[int] = []
        for place, text in enumerate(frames):
            try:
                readings = parse_frame(
                    text,
                    source=connection.source,
                    received_us=received_us,
                    seqs=self._ingest.seqs,
                    max_speed_kmh=self._settings.max_speed_kmh,
                )
            except FrameError as bad:
                answers.append(error_frame(bad))
            else:
                parsed.append(readings)
                places.append(place)
                answers.append(str(text))
        if parsed:
            refused = self._ingest.commit(parsed)
            for at, why in refused.items():
                answers[places[at]] = error_frame(refused_frame(why))
            connection.readings += sum(len(readings) for at, readings in enumerate(parsed) if at not in refused)
        return answers


def error_frame(error: FrameError) -> str:
    """The text that answers a frame that was not stored."""
    return json.dumps({"error": error.as_dict()}, ensure_ascii=False)


def refused_frame(why: ReadingsRefused) -> FrameError:
    """What the database would not take, as an error of the frame."""
    return FrameError("refused", f"the database refused it: {why}")


def _check_handshake() -> Response | None:
    if request.headers.get("Upgrade", "").lower() == "websocket" and request.args.get("source"):
        try:
            parse_source(request.args["source"])
        except FrameError as bad:
            return problem(400, bad.message, code=bad.code)
    return None


def _bad_handshake(error: RemoteProtocolError) -> Response:
    return problem(400, f"not a WebSocket handshake: {error}")


def _upgrade_required() -> Response:
    answer = problem(426, "this is a WebSocket endpoint; open it as ws:// or wss://")
    answer.headers["Upgrade"] = "websocket"
    return answer
