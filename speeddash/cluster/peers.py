"""The other servers on the same database, asked over HTTP: for what each of them alone knows, its open connections."""

import logging
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import requests

from speeddash.store import Store
from speeddash.store.nodes import NodeRow

log = logging.getLogger(__name__)

CONNECT_S: Final = 1.0
#: Longest time for a list of connections.
LIST_S: Final = 1.0
#: Time for which the numbers of connections of other servers are kept.
COUNT_S: Final = 5.0
#: Most connections of one server in a list.
MAX_LIST: Final = 10_000
#: Between the name of a server and the rest of a connection's id.
SEPARATOR: Final = "."


class Peers:
    """The other servers. Any thread or greenlet may call it."""

    def __init__(self, store: Store, node: str, token: str, send_s: float) -> None:
        """Prepare, without asking anything.

        Args:
            store: Holds the table of servers.
            node: Name of this server.
            token: Permits everything on all servers; empty if they need none.
            send_s: Longest time that a server takes to answer `POST /send`.
        """
        self._store = store
        self._node = node
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._send_s = send_s
        # Protects what follows: of several callers one asks.
        self._lock = threading.Lock()
        self._counted: Counter[str] = Counter()
        self._counted_at = float("-inf")

    @property
    def prefix(self) -> str:
        """Beginning of the ids of this server's connections."""
        return self._node + SEPARATOR

    def send(self, connection_id: str, body: str) -> requests.Response | None:
        """Pass a body of `POST /send` to the server that holds the connection.

        Returns:
            Its answer; None if no server that lives holds the connection.

        Raises:
            requests.RequestException: It did not answer; the reading may be stored.
        """
        node = connection_id.partition(SEPARATOR)[0]
        owner = next((each for each in self._store.nodes.others(self._node) if each.node == node), None)
        if owner is None:
            return None
        headers = self._headers | {"Content-Type": "application/json"}
        return requests.post(
            f"{owner.url}/send",
            body.encode(),
            headers=headers,
            timeout=(CONNECT_S, self._send_s),
            allow_redirects=False,
        )

    def connections(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Return the connections of the other servers, as they list them, and the addresses of those that did not answer."""
        others = self._store.nodes.others(self._node)
        if not others:
            return [], []
        with ThreadPoolExecutor(len(others)) as pool:
            answers = list(pool.map(self._connections_of, others))
        found = [each for answer in answers for each in answer or ()]
        return found, [other.url for other, answer in zip(others, answers, strict=True) if answer is None]

    def counts(self) -> Counter[str]:
        """Return the number of connections of each source at the other servers, as of at most `COUNT_S` ago."""
        with self._lock:
            if time.monotonic() - self._counted_at >= COUNT_S:
                found, _ = self.connections()
                self._counted = Counter(each["source"] for each in found)
                self._counted_at = time.monotonic()
            return self._counted

    def _connections_of(self, other: NodeRow) -> list[dict[str, Any]] | None:
        address = f"{other.url}/api/v1/connections?local=true&limit={MAX_LIST}"
        try:
            answer = requests.get(address, headers=self._headers, timeout=(CONNECT_S, LIST_S), allow_redirects=False)
            answer.raise_for_status()
            found: list[dict[str, Any]] = answer.json()["connections"]
        except (requests.RequestException, ValueError, KeyError) as problem:
            log.warning("%s does not list its connections: %s", other.url, type(problem).__name__)
            return None
        return found
