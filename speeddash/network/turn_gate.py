"""Fair steps of many clients: one at a time in each event-loop turn, so that no echo waits for all of them."""

import time
from collections import deque
from typing import Any

import gevent
from gevent.hub import Waiter


class TurnGate:
    """Lets one step of one client begin in each turn of the event loop, and more of them for a given time.

    Client networks take turns: a network that begins hundreds of requests at once makes its own wait.

    Greenlets of one event loop call it. (`gevent.sleep(0)` would not do: it returns within the same turn, for up to 5 ms.)
    """

    def __init__(self, slice_s: float = 0.0) -> None:
        """Create an open gate.

        Args:
            slice_s: How long steps begin in one turn after the first one, seconds.
        """
        loop: Any = gevent.get_hub().loop
        self._next_turn = loop.timer(0.0, ref=False)
        self._slice_s = slice_s
        self._passed = False
        # By client network; the first one is next, and goes to the end.
        self._waiting: dict[str, deque[Any]] = {}

    def wait(self, peer: str) -> None:
        """Return when a client network may take its next step."""
        if self._passed:
            waiter: Any = Waiter()
            self._waiting.setdefault(peer, deque()).append(waiter)
            waiter.get()
        else:
            self._passed = True
            self._next_turn.start(self._release)

    def _release(self) -> None:
        if not self._waiting:
            self._passed = False
            return
        self._next_turn.start(self._release)
        ends = time.monotonic() + self._slice_s
        self._next()
        while self._waiting and time.monotonic() < ends:
            self._next()

    def _next(self) -> None:
        peer = next(iter(self._waiting))
        line = self._waiting.pop(peer)
        waiter = line.popleft()
        if line:
            self._waiting[peer] = line
        waiter.switch(None)
