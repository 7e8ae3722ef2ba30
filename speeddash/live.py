"""`/ws/live`: a watcher pulls what is new.

It sends `{"pull": n}`, and is answered as soon as there is something, with what is new since the last answer (5,000 readings
at the most, then the next pull goes on), as columns:
`{"pull": n, "source": [...], "timestamp": [...], "seq": [...], "speed": [...], "dropped": 0}`. One answer is on its way at a
time, so that a slow watcher gets larger frames and loses none, up to the bound of `feed.MAX_WAITING`.
"""

from contextlib import suppress
from typing import Any

import flask_sock
import orjson
from flask import request
from simple_websocket import ConnectionClosed

from speeddash.access import Permission, allow
from speeddash.connections import Connections
from speeddash.errors import FrameError
from speeddash.feed import Feed, Watcher
from speeddash.reading import decode, rfc3339
from speeddash.safe_server import Frames, SafeServer
from speeddash.sockets import error_frame

MAX_PULL = 2**53
#: More would keep every sender waiting while it is made (measured: 5 µs a reading).
MAX_ANSWER = 5_000


class Live:
    """The endpoint of one Flask application. Each watcher has one greenlet, which runs `serve`."""

    def __init__(self, feed: Feed, connections: Connections) -> None:
        self._feed = feed
        self._connections = connections

    def register(self, sock: flask_sock.Sock) -> None:
        """Add the endpoint."""
        sock.route("/ws/live")(allow(Permission.READ, self.serve))

    def serve(self, socket: SafeServer) -> None:
        """Answer one watcher's pulls until either side closes."""
        pulls = Pulls(socket)
        pulls.watcher = self._feed.watch(request.args.getlist("source"), pulls.answer)
        self._connections.add_watcher(socket, request.remote_addr or "")
        try:
            socket.run(pulls.receive)
        finally:
            self._connections.remove_watcher(socket)
            pulls.watcher.close()


class Pulls:
    """One watcher's side of the protocol: at most one pull is open."""

    watcher: Watcher

    def __init__(self, socket: SafeServer) -> None:
        self._socket = socket
        self._open: int | None = None

    def receive(self, frames: Frames, size_bytes: int) -> None:
        """Open a pull; a second one before the answer takes its place."""
        with suppress(ConnectionClosed):
            for frame in frames:
                try:
                    self._open = parse_pull(frame)
                except FrameError as bad:
                    self._socket.send(error_frame(bad))
            self.answer()
        self._socket.answered(size_bytes)

    def answer(self) -> None:
        """Answer the open pull, if there is one and something for it."""
        if self._open is None:
            return
        dropped = self.watcher.dropped
        readings = self.watcher.take(MAX_ANSWER)
        if not readings:
            return
        source, at_us, seq, speed = zip(*readings, strict=True)
        columns = {"source": source, "timestamp": list(map(rfc3339, at_us)), "seq": seq, "speed": speed}
        pull, self._open = self._open, None
        with suppress(ConnectionClosed):
            self._socket.send(orjson.dumps({"pull": pull, **columns, "dropped": dropped}).decode())


def parse_pull(frame: str | bytes) -> int:
    """The number of a pull.

    Raises:
        FrameError: `bad_pull`, or `not_json`.
    """
    pull: Any = decode(frame) if isinstance(frame, str) else None
    number = pull.get("pull") if isinstance(pull, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or abs(number) > MAX_PULL:
        raise FrameError("bad_pull", 'a watcher sends {"pull": n}, n an integer up to 2^53')
    return number
