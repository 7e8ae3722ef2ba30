"""The server stops with a hundred pages open."""

import asyncio
import random
import threading
import time

import pytest
import requests
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.faults.fleet import PAGE, Fleet
from tests.page.visit import Visit
from tests.running import wait_for

PAGES = 100


class Watchers(threading.Thread):
    """The other half of many pages: each pulls what is new, and comes back with the page's back-off."""

    def __init__(self, port: int, count: int) -> None:
        super().__init__(daemon=True)
        self._port, self._count = port, count
        self._random = random.Random(count)
        self.connected = 0
        self.ending = threading.Event()

    def __enter__(self) -> "Watchers":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.join(10)

    def run(self) -> None:
        asyncio.run(self._all())

    async def _all(self) -> None:
        tasks = [asyncio.create_task(self._watch(at)) for at in range(self._count)]
        while not self.ending.is_set():
            await asyncio.sleep(0.05)
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, at: int) -> None:
        failures = 0
        while True:
            try:
                async with connect(
                    f"ws://127.0.0.1:{self._port}/ws/live?source=fleet-{at}", compression=None
                ) as socket:
                    self.connected += 1
                    try:
                        while True:
                            await socket.send('{"pull": 1}')
                            await socket.recv()
                            failures = 0
                    finally:
                        self.connected -= 1
            except (OSError, WebSocketException):
                failures += 1
            await asyncio.sleep(PAGE.wait_s(failures, self._random))


def sockets_open(server):
    lines = requests.get(f"{server.url}/metrics", timeout=5).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("speeddash_sockets_open"))


@pytest.mark.alone
@pytest.mark.any_database
@pytest.mark.long
def test_stop_with_a_hundred_pages_open(run, database_url, context, record_property):
    """SIGTERM under load with 100 pages open (one in Chromium, the others imitated): the server stops, starts, and all pages reconnect"""
    server = run(database_url)
    visit = Visit(context, server)
    with (
        Fleet(server.port, senders=PAGES - 1, pace_s=1.0, habits=PAGE) as pages,
        Fleet(server.port, senders=4, name="device") as devices,
        Watchers(server.port, PAGES - 1) as watchers,
    ):
        visit.wait_until_drawn(2)
        devices.under_way()
        wait_for(lambda: watchers.connected == PAGES - 1)
        wait_for(lambda: all(each.echoed for each in pages.senders))
        everybody = sockets_open(server)
        assert everybody >= 2 * (PAGES - 1) + 4 + 1
        began = time.monotonic()
        assert server.stop() == 0
        record_property("stopped_in_s", round(time.monotonic() - began, 2))
        assert time.monotonic() - began < 2
        server.start()
        began = time.monotonic()
        wait_for(lambda: sockets_open(server) >= everybody)
        record_property("reconnected_in_s", round(time.monotonic() - began, 2))
        record_property("pages", PAGES)
        visit.wait_for_status("Connected", 10)
        assert sum(each.codes[1012] for each in pages.senders) == PAGES - 1
        devices.heal()
        pages.heal()
        devices.settle(database_url, lambda *_: None)
        pages.settle(database_url, record_property)
    visit.wait_until("() => document.querySelector('#waiting').textContent === '0 waiting'")
    visit.assert_drawn_is_stored()
    assert visit.problems == []
