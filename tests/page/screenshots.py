"""Makes the pictures that the README shows: `.venv-test/bin/python -m tests.page.screenshots` writes `docs/*.png`."""

import math
import random
import tempfile
import threading
import time

import requests
from playwright.sync_api import sync_playwright

from tests.conftest import CHROMIUM_OPTIONS
from tests.running import ROOT, RunningServer

DRIVE_S = 75
DESK = {"viewport": {"width": 1440, "height": 810}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True}
PICTURES = {
    "page-light": ("?limit=90&theme=light", DESK),
    "watch-dark": ("?source=car&source=bike&source=boat&limit=80&theme=dark", DESK),
    "day-light": ("?source=car&window=24h&theme=light", DESK),
    "page-phone": ("?theme=dark", PHONE),
    "driving": ("?source=car&drive=1&theme=dark", {"viewport": {"width": 844, "height": 390}}),
}
#: Mean speed in km/h, how much it swings, and how slowly.
DEVICES = {"car": (75, 30, 11), "bike": (24, 6, 7), "boat": (38, 9, 19)}


def speed(source: str, at_s: float) -> float:
    mean, swing, slowness = DEVICES[source]
    return max(0.0, mean + swing * math.sin(at_s / slowness) + random.uniform(-1.5, 1.5))


def yesterday(server: RunningServer) -> None:
    """A day of the car: drives and rests."""
    now = int(time.time())
    for at in range(now - 86_400, now - 300, 4_000):
        seconds = [second for second in range(at, min(at + 4_000, now - 300)) if (second // 2_700) % 3]
        readings = [{"source": "car", "timestamp": s, "seq": 0, "speed": speed("car", s / 17)} for s in seconds]
        if readings:
            requests.post(f"{server.url}/api/v1/readings", json=readings, timeout=30).raise_for_status()


def device(server: RunningServer, source: str, stop: threading.Event) -> None:
    with server.connect(f"/ws?source={source}") as socket:
        seq = 0
        while not stop.wait(0.5):
            seq += 1
            socket.send(f'{{"speed": {speed(source, time.time()):.2f}, "timestamp": {time.time():.3f}, "seq": {seq}}}')
            socket.recv(10)


def main() -> None:
    random.seed(7)
    stop = threading.Event()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = RunningServer(f"sqlite:///{folder}/speed.db")
        yesterday(server)
        devices = [threading.Thread(target=device, args=(server, source, stop)) for source in DEVICES]
        for each in devices:
            each.start()
        browser = playwright.chromium.launch(**CHROMIUM_OPTIONS)
        pages = {}
        for name, (query, options) in PICTURES.items():
            pages[name] = browser.new_context(**options).new_page()
            pages[name].goto(f"{server.url}/{query}")
        pages["page-light"].wait_for_timeout(DRIVE_S * 1000)
        for name, page in pages.items():
            page.screenshot(path=ROOT / "docs" / f"{name}.png")
        browser.close()
        stop.set()
        for each in devices:
            each.join()
        server.stop()


if __name__ == "__main__":
    main()
