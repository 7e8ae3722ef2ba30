"""Fair start of requests: one head is parsed or one application run begins in each event-loop turn."""

from collections import deque
from typing import Any

import gevent
from gevent.hub import Waiter


class RequestGate:
    """Lets one head or application run start in each turn of the event loop: no turn delays an echo by more than one request.

    Client networks take turns: a network that starts hundreds of requests at once makes its own wait.

    Greenlets of one event loop call it. (`gevent.sleep(0)` would not do: it returns within the same turn, for up to 5 ms.)
    """

    def __init__(self) -> None:
        loop: Any = gevent.get_hub().loop
        self._next_turn = loop.timer(0.0, ref=False)
        self._passed = False
        # By client network; the first one is next, and goes to the end.
        self._waiting: dict[str, deque[Any]] = {}

    def wait(self, peer: str) -> None:
        """Return when a client network may start its next step of a request."""
        if self._passed:
            waiter: Any = Waiter()
            self._waiting.setdefault(peer, deque()).append(waiter)
            waiter.get()
        else:
            self._passed = True
            self._next_turn.start(self._release)

    def _release(self) -> None:
        if self._waiting:
            self._next_turn.start(self._release)
            peer = next(iter(self._waiting))
            line = self._waiting.pop(peer)
            waiter = line.popleft()
            if line:
                self._waiting[peer] = line
            waiter.switch(None)
        else:
            self._passed = False
