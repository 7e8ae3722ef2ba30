"""Makes pictures of every place and state of the page: `.venv-test/bin/python -m tests.page.screenshots [FOLDER]`.

Those that README and docs show are written to `docs/`; all of them, in three widths, light and dark, to FOLDER if it is given.
"""

import json
import math
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from speeddash.history.worker import RollupWorker
from speeddash.reading import Reading
from speeddash.store import Store, TripNote, open_store
from speeddash.timerange import TimeRange
from tests.conftest import CHROMIUM_OPTIONS
from tests.running import ROOT, RunningServer

LIVE_S = 65
WIDTHS = {1440: 900, 1024: 768, 390: 844}
#: Mean speed in km/h, how much it swings, and how slowly.
DEVICES = {"car": (75, 30, 11), "bike": (24, 6, 7), "boat": (38, 9, 19)}
DAYS = 120
#: Address of each state, and what is done before the picture.
STATES = {
    "live": ("/?source=car", ""),
    "live-simulated": ("/?mode=simulate", ""),
    "live-three": ("/?source=car&source=bike&source=boat", ""),
    "live-day": ("/?source=car&from=now-1d/d&to=now/d", ""),
    "live-empty": ("/?source=nobody", ""),
    "trips": ("/trips?source=car&from=now-90d&to=now", ""),
    "trips-one": ("/trips?source=car&from=now-7d&to=now", "one"),
    "trips-compared": ("/trips?source=car&from=now-7d&to=now", "two"),
    "trips-empty": ("/trips?source=car&from=2020-01-01&to=2020-01-31", ""),
    "fleet": ("/fleet", ""),
    "wall": ("/fleet?source=car&source=bike&source=boat&kiosk=1", ""),
    "sources": ("/sources?source=car", ""),
    "driving": ("/?source=car&drive=1", ""),
    "settings": ("/?source=car", "settings"),
}
#: Pictures in docs/: state, width, height, theme.
DOCS = {
    "watch-dark": ("live-three", 1440, 810, "dark"),
    "day-light": ("live-day", 1440, 810, "light"),
    "trips": ("trips-one", 1440, 900, "light"),
    "compared-dark": ("trips-compared", 1440, 900, "dark"),
    "wall": ("wall", 1440, 810, "dark"),
    "page-phone": ("live", 390, 844, "dark"),
    "driving": ("driving", 844, 390, "dark"),
    "page-light": ("live", 1440, 810, "light"),
}


def speed(source: str, at_s: float) -> float:
    mean, swing, slowness = DEVICES[source]
    return max(0.0, mean + swing * math.sin(at_s / slowness) + random.uniform(-1.5, 1.5))


def fill(store: Store) -> None:
    """Store trips of the car, two or three a day, and roll them up."""
    midnight = int(time.time()) // 86_400 * 86_400
    for day in range(1, DAYS):
        for hour in (7, 12, 17)[: random.choice((2, 3))]:
            start = midnight - 86_400 * day + 3_600 * hour + random.randrange(1_800)
            length = random.randrange(300, 2_400)
            speeds = [0.0, *(speed("car", (start + 5 * n) / 3) * min(1.0, n / 6) for n in range(length // 5)), 0.0]
            store.writer.insert(
                [Reading("car", (start + 5 * n) * 1_000_000, n, round(each, 1)) for n, each in enumerate(speeds)]
            )
            if hour == 12:
                note = TripNote(start * 1_000_000, "Lunch run", "", "business")
                store.trip_notes.replace("car", TimeRange(start * 1_000_000, start * 1_000_000 + 1), note)
    worker = RollupWorker(store, recheck=lambda _source, _hour: None)
    worker.search()
    worker.roll_up(grace_s=0)
    store.events.replace("car", TimeRange(), [], limit_kmh=100, limited_us=0, checked_us=time.time_ns() // 1000)


def device(server: RunningServer, source: str, full: threading.Barrier, stop: threading.Event) -> None:
    """Send what it measured in the last minute, so that the charts are full, and then two readings a second."""

    def reading(at_s: float) -> dict[str, float]:
        return {"speed": round(speed(source, at_s), 2), "timestamp": round(at_s, 3), "seq": 0}

    with server.connect(f"/ws?source={source}") as socket:
        began = time.time()
        socket.send(json.dumps([reading(began - n / 2) for n in range(2 * LIVE_S)]))
        socket.recv(10)
        full.wait(10)
        while not stop.wait(0.5):
            socket.send(json.dumps(reading(time.time())))
            socket.recv(10)


def prepare(page: Page, what: str) -> None:
    """Bring a page into the state of a picture."""
    page.wait_for_timeout(4_000)
    if what == "settings":
        page.click("#settings summary")
    for n in {"one": (1,), "two": (1, 2)}.get(what, ()):
        page.locator(f'#trips-grid .ag-row[row-index="{n}"] input').first.click()
        page.wait_for_timeout(1_500)


def main(folder: Path | None) -> None:
    random.seed(7)
    stop = threading.Event()
    with tempfile.TemporaryDirectory() as data, sync_playwright() as playwright:
        url = f"sqlite:///{data}/speed.db"
        store = open_store(url)
        store.prepare()
        fill(store)
        store.close()
        server = RunningServer(url)
        full = threading.Barrier(len(DEVICES) + 1)
        devices = [threading.Thread(target=device, args=(server, source, full, stop)) for source in DEVICES]
        for each in devices:
            each.start()
        full.wait(10)
        browser = playwright.chromium.launch(**CHROMIUM_OPTIONS)

        def picture(path: Path, state: str, width: int, height: int, theme: str) -> None:
            options: dict[str, Any] = {"viewport": {"width": width, "height": height}, "color_scheme": theme}
            if width < 600:
                options |= {"device_scale_factor": 2, "is_mobile": True}
            context = browser.new_context(**options)
            page = context.new_page()
            address, what = STATES[state]
            page.goto(server.url + address)
            prepare(page, what)
            page.screenshot(path=path)
            context.close()

        for name, shown in DOCS.items():
            picture(ROOT / "docs" / f"{name}.png", *shown)
        for state in STATES if folder else ():
            for width, height in WIDTHS.items():
                for theme in ("light", "dark"):
                    picture(folder / f"{state}-{width}-{theme}.png", state, width, height, theme)
        browser.close()
        stop.set()
        for each in devices:
            each.join()
        server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
