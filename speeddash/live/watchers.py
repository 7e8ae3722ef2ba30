"""`/ws/live`: watchers pull new readings.

A watcher sends `{"pull": n}`. It is answered as soon as there are readings since the last answer, with 5,000 of them at most, as columns:
`{"pull": n, "dropped": 0, "source": [...], "timestamp": [...], "seq": [...], "speed": [...]}`. One answer is on its
way at a time: a slow watcher gets larger answers and misses no reading, up to the bound of the feed (`SPEEDDASH_MAX_FEED_READINGS`).
"""

from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import flask_sock
import orjson
from flask import request
from simple_websocket import ConnectionClosed

from speeddash.auth.access import Permission, allow
from speeddash.errors import InvalidInput
from speeddash.live.connections import Connections
from speeddash.live.feed import Channel, Feed, Watcher
from speeddash.live.senders import error_frame
from speeddash.network.websocket import Frames, ServerSocket
from speeddash.reading import Reading, decode, rfc3339

MAX_PULL = 2**53
#: Readings in one answer. Encoding takes 5 µs per reading, during which every sender waits.
MAX_ANSWER = 5_000


class WatcherSockets:
    """The watcher endpoint of one Flask application. Each watcher has one greenlet, which runs `serve`."""

    def __init__(self, feed: Feed, connections: Connections) -> None:
        self._feed = feed
        self._connections = connections
        self._encoder = Encoder()

    def register(self, sock: flask_sock.Sock) -> None:
        """Add the endpoint."""
        sock.route("/ws/live")(allow(Permission.READ, self.serve))

    def serve(self, socket: ServerSocket) -> None:
        """Answer the pulls of one watcher until either side closes."""
        pulls = Pulls(socket, self._encoder)
        pulls.watcher = self._feed.watch(request.args.getlist("source"), pulls.answer)
        self._connections.add_watcher(socket, request.remote_addr or "")
        try:
            socket.run(pulls.receive)
        finally:
            self._connections.remove_watcher(socket)
            pulls.watcher.close()


class Encoder:
    """Encodes readings as columns. The last result is cached: most watchers of a source are at the same position in it."""

    def __init__(self) -> None:
        self._key: tuple[Channel, int, int] | None = None
        self._columns = b""

    def columns(self, taken: Sequence[tuple[Channel, int, Sequence[Reading]]]) -> bytes:
        """Return the members `source`, `timestamp`, `seq` and `speed` of an answer, with the closing brace."""
        if len(taken) > 1:
            return _columns(list(chain.from_iterable(readings for _, _, readings in taken)))
        ((channel, position, readings),) = taken
        key = channel, position, len(readings)
        if key != self._key:
            self._key, self._columns = key, _columns(readings)
        return self._columns


class Pulls:
    """The pulls of one watcher, of which one at most is open."""

    watcher: Watcher

    def __init__(self, socket: ServerSocket, encoder: Encoder) -> None:
        self._socket = socket
        self._encoder = encoder
        self._open: int | None = None

    def receive(self, frames: Frames, size_bytes: int) -> bool:
        """Open a pull; a second one before the answer replaces it. Return whether the frames were the one pull that is due."""
        useful = len(frames) == 1 and self._open is None
        with suppress(ConnectionClosed):
            for frame in frames:
                try:
                    self._open = parse_pull(frame)
                except InvalidInput as bad:
                    useful = False
                    self._socket.send(error_frame(bad))
            self.answer()
        self._socket.answered(size_bytes)
        return useful

    def answer(self) -> None:
        """Answer the open pull, if there is one and something for it."""
        if self._open is None or not self.watcher.pending:
            return
        taken = self.watcher.take(MAX_ANSWER)
        if not taken:
            return
        pull, self._open = self._open, None
        head = b'{"pull":%d,"dropped":%d,' % (pull, self.watcher.missed)
        with suppress(ConnectionClosed):
            self._socket.send_bytes(head + self._encoder.columns(taken))


def _columns(readings: Sequence[Reading]) -> bytes:
    source, at_us, seq, speed = zip(*readings, strict=True)
    return orjson.dumps({"source": source, "timestamp": list(map(rfc3339, at_us)), "seq": seq, "speed": speed})[1:]


def parse_pull(frame: str | bytes) -> int:
    """Return the number of a pull.

    Raises:
        InvalidInput: `bad_pull`, or `not_json`.
    """
    pull: Any = decode(frame) if isinstance(frame, str) else None
    number = pull.get("pull") if isinstance(pull, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or abs(number) > MAX_PULL:
        raise InvalidInput("bad_pull", 'a watcher sends {"pull": n}, n an integer up to 2^53')
    return number
