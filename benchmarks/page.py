"""What the page costs the browser: the first visit, an idle page, a fast source, hours of a drive."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, CDPSession, sync_playwright

from benchmarks import servers
from benchmarks.report import Report, Target
from tests.conftest import CHROMIUM_OPTIONS
from tests.page.visit import DRAWN, LINES, Visit
from tests.running import RunningServer

IDLE_S = 30
FAST_PER_S = 1_000
FAST_S = 60
LONG_PER_S = 10
LONG_S = 7_200


def run(report: Report, runs: int) -> None:
    """Measure a page in Chromium, `runs` times.

    Raises:
        AssertionError: A reading that was sent is not on the page.
    """
    with servers.mariadb() as database, sync_playwright() as playwright:
        for _ in range(runs):
            server = RunningServer(database.create("page"))
            browser = playwright.chromium.launch(**CHROMIUM_OPTIONS)
            try:
                for name, value in (
                    *first_visit(browser, server).items(),
                    *idle(browser, server, IDLE_S).items(),
                    *fast_source(browser, server, FAST_PER_S, FAST_S).items(),
                    *long_drive(browser, server, LONG_PER_S, LONG_S).items(),
                ):
                    report.add(name, value)
            finally:
                browser.close()
                server.stop()
    for name, most, unit in (
        ("first visit MB", 2, "MB"),
        ("first visit, speed s", 2, "s"),
        ("first visit, chart s", 2, "s"),
        ("reload s", 1, "s"),
        ("idle main thread %", 5, "%"),
        ("fast source main thread %", 50, "%"),
        ("two hours heap MB", 10, "MB"),
    ):
        report.targets.append(Target(name, at_most=most, runs=report.figures[name], unit=unit))


def first_visit(browser: Browser, server: RunningServer) -> dict[str, float]:
    """Megabytes over the wire, and seconds until a stored speed is shown, and until it is drawn; then of a reload."""
    with _context(browser) as context:
        page = context.new_page()
        protocol = context.new_cdp_session(page)
        sizes: list[float] = []
        protocol.send("Network.enable")
        protocol.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
        began = time.perf_counter()
        page.goto(f"{server.url}/?mode=simulate", wait_until="commit")
        page.wait_for_function("() => /\\d/.test(document.querySelector('#speed-now')?.textContent)", polling=20)
        speed_s = time.perf_counter() - began
        page.wait_for_function(f"() => ({DRAWN}).length > 0", polling=20)
        chart_s = time.perf_counter() - began
        page.wait_for_function(f"() => ({DRAWN}).length > 3")
        drawn = len(page.evaluate(f"() => {DRAWN}"))
        began = time.perf_counter()
        page.reload(wait_until="commit")
        page.wait_for_function(f"() => ({DRAWN}).length >= {drawn}", polling=20)
        return {
            "first visit MB": sum(sizes) / 1e6,
            "first visit, speed s": speed_s,
            "first visit, chart s": chart_s,
            "reload s": time.perf_counter() - began,
        }


def idle(browser: Browser, server: RunningServer, seconds: float) -> dict[str, float]:
    """The share of the page's main thread at one reading a second."""
    with _context(browser) as context:
        visit = Visit(context, server)
        protocol = context.new_cdp_session(visit.page)
        visit.wait_until_drawn(10)
        with _busy(protocol) as busy:
            visit.page.wait_for_timeout(seconds * 1000)
        return {"idle main thread %": busy["share"]}


def fast_source(browser: Browser, server: RunningServer, per_s: int, seconds: int) -> dict[str, float]:
    """The share of the main thread, and the longest answer to a question, while a device sends that fast.

    Raises:
        AssertionError: A reading is not held, or not drawn.
    """
    source = f"fast-{time.time_ns()}"
    with _context(browser) as context, server.connect(f"/ws?source={source}") as device:
        visit = Visit(context, server, f"?source={source}&window=5m")
        protocol = context.new_cdp_session(visit.page)
        first = time.time()
        sending = threading.Thread(target=_send, args=(device, first, per_s, seconds))
        answers = []
        with _busy(protocol) as busy:
            sending.start()
            while sending.is_alive():
                asked = time.perf_counter()
                visit.page.evaluate("document.querySelector('#speed-now').textContent")
                answers.append(time.perf_counter() - asked)
                visit.page.wait_for_timeout(500)
        sending.join()
        count = per_s * seconds
        visit.wait_until(f"() => document.querySelector('#shown').textContent.startsWith('{count:,} readings')")
        visit.wait_until(f"() => ({LINES})()[0].readings === {count}")
        assert visit.problems == []
        return {"fast source main thread %": busy["share"], "fast source answer ms": max(answers) * 1000}


def long_drive(browser: Browser, server: RunningServer, per_s: int, seconds: int) -> dict[str, float]:
    """How much the JavaScript heap grows while a watching page takes hours of a drive, replayed fast.

    Raises:
        AssertionError: A reading is not on the page.
    """
    source = f"long-{time.time_ns()}"
    with _context(browser) as context, server.connect(f"/ws?source={source}") as device:
        visit = Visit(context, server, f"?source={source}&window=24h")
        protocol = context.new_cdp_session(visit.page)
        first = time.time() - 86_400 * 30
        _send(device, first, per_s, seconds // 100, fast=True)
        _wait_for_readings(visit, per_s * (seconds // 100))
        before = _heap_bytes(protocol)
        _send(device, first, per_s, seconds, fast=True, begin=per_s * (seconds // 100))
        _wait_for_readings(visit, per_s * seconds)
        assert visit.problems == []
        return {"two hours heap MB": (_heap_bytes(protocol) - before) / 1e6}


def _wait_for_readings(visit: Visit, count: int) -> None:
    visit.wait_until(f"() => document.querySelector('#shown').textContent.startsWith('{count:,} readings')", 60)


def _send(device: Any, first: float, per_s: int, seconds: int, *, fast: bool = False, begin: int = 0) -> None:
    """Frames of a twentieth of a second, or of a thousand readings; the next one when the echo is back."""
    step = 1_000 if fast else max(1, per_s // 20)
    for n in range(begin, per_s * seconds, step):
        until = min(n + step, per_s * seconds)
        device.send(json.dumps([{"timestamp": first + k / per_s, "seq": k, "speed": k % 200} for k in range(n, until)]))
        device.recv(30)
        if not fast:
            time.sleep(max(0.0, first + until / per_s - time.time()))


def _heap_bytes(protocol: CDPSession) -> float:
    protocol.send("HeapProfiler.enable")
    protocol.send("HeapProfiler.collectGarbage")
    return _metrics(protocol)["JSHeapUsedSize"]


def _metrics(protocol: CDPSession) -> dict[str, float]:
    protocol.send("Performance.enable")
    return {each["name"]: each["value"] for each in protocol.send("Performance.getMetrics")["metrics"]}


@contextmanager
def _busy(protocol: CDPSession) -> Iterator[dict[str, float]]:
    """Per cent of the time inside in which the main thread had work; `share`, after the block."""
    busy: dict[str, float] = {}
    before, began = _metrics(protocol), time.perf_counter()
    yield busy
    worked = _metrics(protocol)["TaskDuration"] - before["TaskDuration"]
    busy["share"] = 100 * worked / (time.perf_counter() - began)


@contextmanager
def _context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield context
    context.close()
