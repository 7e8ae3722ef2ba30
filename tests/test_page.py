"""The page in a real browser, against a real server and database."""

import struct
from collections import Counter
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.mariadb import MariaDB
from tests.running import RunningServer, wait_for

DRAWN = """() => {
    const [line] = document.querySelector('#live-graph .js-plotly-plot')?.data ?? [{x: [], y: []}];
    return Array.from(line.x, (x, n) => [x, line.y[n]]).filter(([, speed]) => speed !== null);
}"""


class Visit:
    """One tab on the page, and what went wrong in it."""

    def __init__(self, context: BrowserContext, server: RunningServer) -> None:
        self.page: Page = context.new_page()
        self.server = server
        self.problems: list[str] = []
        self.hosts: Counter[str] = Counter()
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", lambda request: self.hosts.update([request.url.split("/")[2]]))
        self.page.goto(server.url)
        expect(self.page.locator("#status")).to_have_text("Live", timeout=15_000)

    @property
    def source(self) -> str:
        return self.page.inner_text("#source-name")

    def drawn(self) -> list[list]:
        return self.page.evaluate(DRAWN)

    def stored(self) -> list[dict]:
        return self.server.readings(self.source)

    def wait_until_drawn(self, count: int, deadline_s: float = 30) -> list[list]:
        self.page.wait_for_function(f"({DRAWN})().length >= {count}", timeout=deadline_s * 1000)
        return self.drawn()

    def assert_drawn_is_stored(self) -> None:
        """Every point is a row and the other way round, once. What came between the two looks is let pass."""
        drawn = self.drawn()
        stored = [each["speed"] for each in self.stored()]
        assert [speed for _, speed in drawn] == stored[: len(drawn)]
        assert len(stored) - len(drawn) <= 2
        assert len({x for x, _ in drawn}) == len(drawn)


@pytest.fixture(scope="module")
def server(mariadb: MariaDB) -> Iterator[RunningServer]:
    """One database is enough here: the page does not know which it is."""
    running = RunningServer(mariadb.create("page"))
    yield running
    running.stop()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(
        viewport={"width": 1440, "height": 900}, accept_downloads=True, timezone_id="America/Chicago"
    )
    yield context
    context.close()


@pytest.fixture
def visit(context: BrowserContext, server: RunningServer) -> Iterator[Visit]:
    visit = Visit(context, server)
    yield visit
    assert visit.problems == []


def test_ten_seconds_show_about_ten_points_each_of_them_stored(visit):
    visit.page.wait_for_timeout(10_000)
    assert 8 <= len(visit.drawn()) <= 12
    visit.assert_drawn_is_stored()
    assert all(0 <= speed <= 200 for _, speed in visit.drawn())
    assert visit.page.inner_text("#speed-now").isdigit()
    assert set(visit.hosts) == {f"localhost:{visit.server.port}"}


def test_time_is_the_readers_own(visit):
    (local, _), *_ = visit.wait_until_drawn(1)
    first = visit.stored()[0]["timestamp"]
    assert local == visit.page.evaluate(
        "t => { const d = new Date(t); return new Date(d - d.getTimezoneOffset() * 60000).toISOString().slice(0, -1); }",
        first,
    )
    assert local[:13] != first[:13]


def test_what_is_measured_while_the_server_is_dead_is_drawn_and_stored_once(run, database_url, context):
    server = run(database_url)
    visit = Visit(context, server)
    visit.wait_until_drawn(3)
    before = len(visit.drawn())
    server.stop(9)
    expect(visit.page.locator("#status")).to_contain_text("reconnecting in")
    visit.page.wait_for_function("parseInt(document.querySelector('#waiting').textContent) >= 5", timeout=15_000)
    server.start()
    expect(visit.page.locator("#status")).to_have_text("Live", timeout=30_000)
    visit.wait_until_drawn(before + 6)
    visit.assert_drawn_is_stored()
    seqs = [each["seq"] for each in visit.stored()]
    assert seqs == list(range(len(seqs)))
    assert visit.problems == []


def test_what_waits_survives_a_reload_and_the_tab_keeps_its_source(run, tmp_path, context):
    server = run(f"sqlite:///{tmp_path}/speed.db")
    visit = Visit(context, server)
    visit.wait_until_drawn(2)
    source = visit.source
    # The page goes on measuring while nothing gets through, then it is loaded anew.
    server.stop(9)
    visit.page.wait_for_function("parseInt(document.querySelector('#waiting').textContent) >= 3", timeout=15_000)
    server.start()
    visit.page.reload()
    expect(visit.page.locator("#status")).to_have_text("Live", timeout=15_000)
    assert visit.source == source
    wait_for(lambda: len(visit.stored()) >= 6)
    seqs = [each["seq"] for each in visit.stored()]
    assert seqs == list(range(len(seqs)))


def test_reload_shows_what_is_stored_at_once_and_nothing_twice(visit):
    before = visit.wait_until_drawn(4)
    visit.page.reload()
    expect(visit.page.locator("#status")).to_have_text("Live", timeout=15_000)
    after = visit.wait_until_drawn(len(before) + 2)
    assert after[: len(before)] == before
    visit.assert_drawn_is_stored()


def test_time_without_readings_is_a_gap_in_the_line(visit):
    visit.wait_until_drawn(1)
    source = visit.source
    earlier = visit.page.evaluate("Date.now()") - 60_000
    old = [{"speed": 100, "timestamp": earlier + 1000 * n, "source": source, "seq": 10_000 + n} for n in range(3)]
    requests.post(f"{visit.server.url}/api/v1/readings", json=old, timeout=5).raise_for_status()
    visit.page.reload()
    drawn = visit.wait_until_drawn(5)
    assert [speed for _, speed in drawn[:3]] == [100, 100, 100]
    speeds = visit.page.evaluate("document.querySelector('#live-graph .js-plotly-plot').data[0].y")
    assert speeds[3] is None
    assert speeds.count(None) == 1


def test_average_and_maximum_are_of_what_is_shown(visit):
    visit.wait_until_drawn(4)
    speeds = [each["speed"] for each in visit.stored()]
    highest = float(visit.page.inner_text("#maximum").split()[0])
    assert max(speeds[:4]) <= highest <= max(each["speed"] for each in visit.stored())
    assert 0 <= float(visit.page.inner_text("#average").split()[0]) <= highest


def test_two_tabs_are_two_sources(visit, context):
    other = Visit(context, visit.server)
    assert other.source != visit.source
    other.wait_until_drawn(2)
    other.assert_drawn_is_stored()


def test_png_is_large_and_named_by_source_and_range(visit):
    visit.wait_until_drawn(2)
    with visit.page.expect_download() as download:
        visit.page.click("#export-png")
    name = download.value.suggested_filename
    assert name.startswith(f"speeddash_{visit.source}_20")
    assert name.endswith(".png")
    png = download.value.path().read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">I", png[16:20])[0] >= 1400


def test_png_from_a_phone_is_as_large(browser, server):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    visit = Visit(context, server)
    visit.wait_until_drawn(1)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390
    with visit.page.expect_download() as download:
        visit.page.click("#export-png")
    assert struct.unpack(">I", download.value.path().read_bytes()[16:20])[0] >= 1400
    context.close()


def test_zoom_stays_while_readings_come_and_live_is_one_click_away(visit):
    visit.wait_until_drawn(3)
    plot = visit.page.locator("#live-graph .nsewdrag").bounding_box()
    y = plot["y"] + plot["height"] / 2
    visit.page.mouse.move(plot["x"] + plot["width"] * 0.5, y)
    visit.page.mouse.down()
    visit.page.mouse.move(plot["x"] + plot["width"] * 0.9, y, steps=5)
    visit.page.mouse.up()
    expect(visit.page.locator("#go-live")).to_be_visible()
    shown = "document.querySelector('#live-graph .js-plotly-plot').layout.xaxis.range.join()"
    zoomed = visit.page.evaluate(shown)
    visit.wait_until_drawn(len(visit.drawn()) + 3)
    assert visit.page.evaluate(shown) == zoomed
    visit.page.click("#go-live")
    visit.page.wait_for_function(f"{shown} !== '{zoomed}'")
    expect(visit.page.locator("#go-live")).to_be_hidden()


def test_reading_that_is_sent_to_the_page_is_drawn(visit):
    visit.wait_until_drawn(1)
    connections = requests.get(f"{visit.server.url}/api/v1/connections", timeout=5).json()["connections"]
    (identity,) = [each["id"] for each in connections if each["source"] == visit.source]
    requests.post(
        f"{visit.server.url}/send", json={"connection_id": identity, "speed": 199.5}, timeout=5
    ).raise_for_status()
    visit.page.wait_for_function(f"({DRAWN})().some(([, speed]) => speed === 199.5)")


def test_three_digits_fit_into_their_card_at_any_width(visit):
    visit.wait_until_drawn(1)
    fits = """() => {
        document.querySelector('#speed-now').textContent = '188';
        const card = document.querySelector('.now').getBoundingClientRect();
        return document.querySelector('.unit').getBoundingClientRect().right < card.right
            && document.documentElement.scrollWidth <= window.innerWidth;
    }"""
    for width in (1440, 1024, 801, 390):
        visit.page.set_viewport_size({"width": width, "height": 800})
        visit.page.wait_for_function(fits, timeout=5_000)  # the chart takes a moment to shrink


def test_refused_readings_are_told_and_the_others_go_on(run, tmp_path, context):
    visit = Visit(context, run(f"sqlite:///{tmp_path}/speed.db", SPEEDDASH_MAX_SPEED_KMH="5"))
    expect(visit.page.locator("#waiting")).to_contain_text("refused: speed must be 0 to 5 km/h", timeout=15_000)
    expect(visit.page.locator("#waiting")).to_contain_text("0 waiting", timeout=15_000)


def test_database_that_stands_still_is_told_and_nothing_is_lost(run, mariadb, context):
    visit = Visit(context, run(mariadb.create("paused")))
    visit.wait_until_drawn(2)
    mariadb.process.send_signal(19)
    try:
        expect(visit.page.locator("#status")).to_contain_text("Storage paused", timeout=15_000)
        held = len(visit.drawn())
        visit.page.wait_for_function("parseInt(document.querySelector('#waiting').textContent) >= 3", timeout=15_000)
        assert len(visit.drawn()) == held
    finally:
        mariadb.process.send_signal(18)
    expect(visit.page.locator("#status")).to_have_text("Live", timeout=30_000)
    visit.wait_until_drawn(held + 5)
    visit.assert_drawn_is_stored()


def test_database_that_is_not_up_yet_is_said_on_the_page(run, context):
    server = run("mysql://u@127.0.0.1:1/d", wait_ready=False)
    visit = Visit(context, server)
    expect(visit.page.locator("#status")).to_contain_text("Connection refused", timeout=15_000)
    assert visit.page.locator("text=Waiting for the first stored reading").is_visible()
