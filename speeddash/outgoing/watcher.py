"""Watches sources of a server, as the page does, and says what their last speeds are."""

import json
import random
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.sync.client import ClientConnection, connect

from speeddash.errors import RecordingError

#: Shortest time between two answers; in between the last speed of a source counts.
INTERVAL_MS: Final = 1_000
ANSWERS: Final = 1_000
FIRST_RETRY_S: Final = 0.5
MAX_RETRY_S: Final = 10.0


class Watcher:
    """Watches one server; `run` belongs to one thread.

    Attributes:
        trouble: Why nothing comes; None while it is connected.
    """

    def __init__(
        self, url: str, sources: Sequence[str], seen: Callable[[str, float], object], *, token: str | None
    ) -> None:
        """Prepare to watch.

        Args:
            url: Socket of the server's senders, such as `ws://localhost:8765/ws`.
            sources: Watch these alone; empty for all.
            seen: Called with a source and its last speed in km/h.
            token: Bearer token; None for none.
        """
        query = urlencode([("source", each) for each in sources])
        self._url = f"{url.rstrip('/')}/live{f'?{query}' if query else ''}"
        self._seen = seen
        self._headers = {"Authorization": f"Bearer {token}"} if token else None
        self._stopping = threading.Event()
        self.trouble: str | None = "not yet connected"

    def stop(self) -> None:
        """Let `run` return soon."""
        self._stopping.set()

    def run(self) -> None:
        """Watch until `stop`, over broken connections.

        Raises:
            RecordingError: The URL is none.
        """
        retry_s = FIRST_RETRY_S
        while not self._stopping.is_set():
            try:
                with connect(self._url, compression=None, max_size=None, additional_headers=self._headers) as socket:
                    self.trouble, retry_s = None, FIRST_RETRY_S
                    self._follow(socket)
            except InvalidURI as wrong:
                raise RecordingError(f"{self._url}: {wrong}") from wrong
            except (OSError, ConnectionClosed, InvalidHandshake) as gone:
                refused = isinstance(gone, InvalidStatus) and gone.response.status_code == 401
                why = "the token is missing or wrong (401); set SPEEDDASH_TOKEN" if refused else str(gone)
                self.trouble = f"{self._url.partition('?')[0]}: {why}; trying again"
                self._stopping.wait(retry_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
                retry_s = min(2 * retry_s, MAX_RETRY_S)

    def _follow(self, socket: ClientConnection) -> None:
        left = 0
        while not self._stopping.is_set():
            if not left:
                socket.send(json.dumps({"pull": 1, "answers": ANSWERS, "interval_ms": INTERVAL_MS}))
                left = ANSWERS
            try:
                answer: Any = json.loads(socket.recv(timeout=1.0))
            except TimeoutError:
                continue  # nobody sends; the library's pings find out when the connection is lost
            left -= 1
            last = {source: at for at, source in enumerate(answer["source"])}
            for source, at in last.items():
                self._seen(source, answer["speed"][at])
