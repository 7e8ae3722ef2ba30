"""`/ws/live`: watchers pull new readings.

A watcher sends `{"pull": n}`. It is answered as soon as there are readings since the last answer, with 5,000 of them or a little more, as
columns: `{"pull": n, "dropped": 0, "source": [...], "timestamp": [...], "seq": [...], "speed": [...]}`.
`{"pull": n, "answers": 50, "interval_ms": 100}` asks for up to 50 answers, at most one every 100 ms. An answer is sent only when the
socket has taken the one before: a slow watcher gets larger answers and misses no reading, up to the bound of the feed
(`SPEEDDASH_MAX_FEED_READINGS`).
"""

import logging
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count
from typing import Any, NamedTuple

import flask_sock
import gevent
from flask import request
from simple_websocket import ConnectionClosed
from wsproto.frame_protocol import CloseReason

from speeddash.auth.access import Permission, allow
from speeddash.errors import InvalidInput
from speeddash.live.connections import Connections
from speeddash.live.feed import Batch, Feed, Watcher
from speeddash.live.senders import error_frame
from speeddash.network.websocket import Frames, ServerSocket
from speeddash.reading import decode

log = logging.getLogger(__name__)

MAX_PULL = 2**53
MAX_ANSWERS = 1_000
MAX_INTERVAL_MS = 10_000
#: Readings in one answer, after which no other batch is added to it.
MAX_ANSWER = 5_000
#: Longest time that one event-loop turn answers watchers: an echo waits for no more of it.
SLICE_S = 0.002


class WatcherSockets:
    """The watcher endpoint of one Flask application. Each watcher has one greenlet, which runs `serve`."""

    def __init__(self, feed: Feed, connections: Connections) -> None:
        self._feed = feed
        self._connections = connections
        self._schedule = Schedule()

    def register(self, sock: flask_sock.Sock) -> None:
        """Add the endpoint."""
        sock.route("/ws/live")(allow(Permission.READ, self.serve))

    def serve(self, socket: ServerSocket) -> None:
        """Answer the pulls of one watcher until either side closes."""
        pulls = Pulls(socket, self._schedule)
        pulls.watcher = self._feed.watch(request.args.getlist("source"), pulls.queue)
        socket.on_drained = pulls.queue
        self._connections.add_watcher(socket, request.remote_addr or "")
        try:
            socket.run(pulls.receive)
        finally:
            self._connections.remove_watcher(socket)
            pulls.watcher.close()


class Pull(NamedTuple):
    """What a watcher asks for.

    Attributes:
        number: Repeated in the answers.
        answers: How many answers it may get.
        interval_s: Shortest time between two of them on average, seconds.
    """

    number: int
    answers: int = 1
    interval_s: float = 0.0


class Pulls:
    """The pulls of one watcher, of which one at most is open."""

    watcher: Watcher

    def __init__(self, socket: ServerSocket, schedule: "Schedule") -> None:
        self._socket = socket
        self._schedule = schedule
        self._pull = Pull(0, 0)
        self._left = 0
        self._due_at = 0.0
        self._is_queued = False

    def receive(self, frames: Frames, size_bytes: int) -> bool:
        """Open a pull. It replaces one that is open, whose interval still holds for the next answer.

        Returns:
            Whether the frames were one pull, and the last one had an answer.
        """
        useful = len(frames) == 1 and (not self._left or self._left < self._pull.answers)
        with suppress(ConnectionClosed):
            for frame in frames:
                try:
                    self._pull = parse_pull(frame)
                    self._left = self._pull.answers
                except InvalidInput as bad:
                    useful = False
                    self._socket.send(error_frame(bad))
        self.queue()
        self._socket.answered(size_bytes)
        return useful

    def queue(self) -> None:
        """See to it that the open pull is answered, if there is one, something for it, and room in the socket."""
        if self._left and self.watcher.has_news and not self._is_queued and not self._socket.sock.unsent_bytes:
            self._is_queued = True
            self._schedule.add(self, self._due_at)

    def answer(self, now: float) -> None:
        """Send one answer. Called by the schedule."""
        self._is_queued = False
        if not self._left:
            return
        taken = self.watcher.take(MAX_ANSWER)
        if not taken and not self.watcher.missed:
            return
        self._left -= 1
        # An answer that was late does not delay those after it.
        self._due_at = max(self._due_at, now - self._pull.interval_s) + self._pull.interval_s
        with suppress(ConnectionClosed):
            self._socket.send_bytes(answer(self._pull.number, self.watcher.missed, taken))
        self.queue()

    def fail(self) -> None:
        """Close the connection, whose pull would never be answered."""
        self._socket.close(CloseReason.INTERNAL_ERROR, "the server failed")


class Schedule:
    """The order in which watchers are answered: each event-loop turn spends `SLICE_S` on them, so that no echo waits for a thousand."""

    def __init__(self) -> None:
        self._loop: Any = gevent.get_hub().loop
        self._next_turn = self._loop.timer(0.0, ref=False)
        self._alarm: Any = None
        self._alarm_at = 0.0
        self._ready: deque[Pulls] = deque()
        self._later: list[tuple[float, int, Pulls]] = []
        self._order = count()

    def add(self, pulls: Pulls, due_at: float) -> None:
        """Answer at a time (`time.monotonic`), or in the next turn if that has passed."""
        now = time.monotonic()
        if due_at <= now:
            self._ready.append(pulls)
            if len(self._ready) == 1:
                self._next_turn.start(self._run)
            return
        heappush(self._later, (due_at, next(self._order), pulls))
        if self._alarm is None or due_at < self._alarm_at:
            self._set_alarm(now)

    def _set_alarm(self, now: float) -> None:
        if self._alarm is not None:
            self._alarm.stop()
            self._alarm.close()
            self._alarm = None
        if self._later:
            self._alarm_at = self._later[0][0]
            self._alarm = self._loop.timer(max(0.0, self._alarm_at - now), ref=False)
            self._alarm.start(self._wake)

    def _wake(self) -> None:
        now = time.monotonic()
        was_idle = not self._ready
        while self._later and self._later[0][0] <= now:
            self._ready.append(heappop(self._later)[2])
        self._set_alarm(now)
        if was_idle and self._ready:
            self._run()

    def _run(self) -> None:
        now = time.monotonic()
        ends = now + SLICE_S
        while self._ready and now < ends:
            pulls = self._ready.popleft()
            try:
                pulls.answer(now)
            except Exception:  # the others are answered all the same
                log.exception("a watcher could not be answered")
                pulls.fail()
            now = time.monotonic()
        if self._ready:
            self._next_turn.start(self._run)


def answer(number: int, dropped: int, batches: Sequence[Batch]) -> bytes:
    """Return an answer to a pull."""
    columns = [each.columns for each in batches] or [(b"", b"", b"", b"")]
    joined = columns[0] if len(columns) == 1 else map(b",".join, zip(*columns, strict=True))
    return b'{"pull":%d,"dropped":%d,"source":[%b],"timestamp":[%b],"seq":[%b],"speed":[%b]}' % (
        number,
        dropped,
        *joined,
    )


def parse_pull(frame: str | bytes) -> Pull:
    """Return a pull.

    Raises:
        InvalidInput: `bad_pull`, or `not_json`.
    """
    members: Any = decode(frame) if isinstance(frame, str) else None
    if not isinstance(members, dict):
        members = {}
    number, answers, interval_ms = members.get("pull"), members.get("answers", 1), members.get("interval_ms", 0)
    if not (
        _is_within(number, -MAX_PULL, MAX_PULL)
        and _is_within(answers, 1, MAX_ANSWERS)
        and _is_within(interval_ms, 0, MAX_INTERVAL_MS)
    ):
        raise InvalidInput(
            "bad_pull",
            'a watcher sends {"pull": n}, n an integer up to 2^53; it may add "answers", 1 to 1000, and "interval_ms", 0 to 10000',
        )
    return Pull(number, answers, interval_ms / 1000)


def _is_within(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
