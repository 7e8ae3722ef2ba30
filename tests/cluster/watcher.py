"""A client that watches sources of one server, and counts what it holds, as the page does."""

import json
import threading
import time

import requests
from websockets.exceptions import WebSocketException

from tests.faults.fleet import Fleet
from tests.running import RunningServer, wait_for

TOKEN = "a-token-for-all-servers"
NODE_URL = "http://127.0.0.1:{port}"


class Watcher(threading.Thread):
    """Pulls from one server. Told that it missed readings, it reads its sources again, as the page does."""

    def __init__(self, server: RunningServer, sources: list[str]) -> None:
        super().__init__(daemon=True)
        self._server, self._sources = server, sources
        self.held: set[tuple[str, int]] = set()
        self.delays_s: list[float] = []
        self.again = 0
        self._read_up_to: dict[str, str] = {}
        self._again_at = time.monotonic()
        self.ending = False
        self.start()

    def run(self) -> None:
        while not self.ending:
            try:
                self._watch()
            except (OSError, WebSocketException):  # requests' errors are OSErrors
                time.sleep(0.2)  # a client's back-off

    def _watch(self) -> None:
        query = "&".join(f"source={each}" for each in self._sources)
        with self._server.connect(f"/ws/live?{query}") as socket:
            self._read_again()
            socket.send(json.dumps({"pull": 1, "answers": 1000}))
            while not self.ending:
                try:
                    answer = json.loads(socket.recv(timeout=0.5))
                except TimeoutError:
                    continue
                now = time.time()
                for source, seq, speed in zip(answer["source"], answer["seq"], answer["speed"], strict=True):
                    self.held.add((source, seq))
                    self.delays_s.append(now - speed)  # `send_marked` sends its own clock as the speed
                if answer["dropped"]:
                    self.again += 1
                    self._again_at = time.monotonic()
                    self._read_again()
                socket.send(json.dumps({"pull": 1, "answers": 1000}))

    def _read_again(self) -> None:
        """Read what may be missing: from the last moment read on, page by page; a sender's readings are stored in their order."""
        for source in self._sources:
            more = True
            while more:
                query = {"source": source, "limit": 10_000, "from": self._read_up_to.get(source, "")}
                page = requests.get(
                    f"{self._server.url}/api/v1/readings", query, headers=self._server.headers, timeout=30
                )
                page.raise_for_status()
                readings = page.json()["readings"]
                self.held |= {(source, each["seq"]) for each in readings}
                if readings:
                    self._read_up_to[source] = readings[-1]["timestamp"]
                more = len(readings) == query["limit"]

    def wait_until_pushed(self) -> None:
        """Wait until it was not told to read again for four rounds of a server: all that comes is pushed."""
        wait_for(lambda: time.monotonic() - self._again_at > 4, 60)

    def end(self) -> None:
        self.ending = True
        self.join(10)


def made(fleet):
    return {(source, seq) for each in fleet.senders for source, _, seq, _ in each.made}


def echoed(fleet):
    return {(source, seq) for each in fleet.senders for source, _, seq, _ in each.echoed}


def longest_until_complete(watcher, fleet):
    """The longest time, of ten tries, until a watcher has all that was echoed; on a busy machine up to 10 s."""
    longest_s = 0.0
    for _ in range(10):
        so_far = echoed(fleet)
        began = time.monotonic()
        wait_for(lambda: watcher.held >= so_far, 10)  # noqa: B023 - called before the next round
        longest_s = max(longest_s, time.monotonic() - began)
        fleet.under_way(2)
    return round(longest_s, 1)


def pushes(watcher, fleet, readings, deadline_s):
    """Let senders make so many readings more, then rest; whether the watcher got all of them without reading again."""
    watcher.wait_until_pushed()
    again = watcher.again
    fleet.resume()
    fleet.under_way(readings)
    fleet.rest()
    wait_for(lambda: watcher.held >= made(fleet), deadline_s)
    return watcher.again == again


def fleet_at(server, **options):
    return Fleet(server.port, pace_s=0.05, token=TOKEN, **options)
