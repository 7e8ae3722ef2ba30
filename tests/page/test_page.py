"""The page as a sender, in a real browser, against a real server and database: what it draws is stored, once."""

import json
import re
import struct
import time

import pytest
import requests
from playwright.sync_api import expect

from tests.page.visit import DRAWN, Visit, drive
from tests.running import wait_for


@pytest.fixture
def visit(context, page_server):
    visit = Visit(context, page_server)
    yield visit
    assert visit.problems == []


@pytest.mark.long
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


@pytest.mark.long
def test_readings_of_a_minute_without_a_server_are_stored_once(run, mariadb, own_context):
    """The browser's clock is moved, so that the minute does not take one."""
    server = run(mariadb.create("dead"))
    own_context.clock.install()
    visit = Visit(own_context, server, "?mode=simulate&window=5m")
    visit.wait_until_drawn(3)
    server.stop(9)
    expect(visit.page.locator("#status")).to_contain_text("Reconnecting in")
    for _ in range(60):
        own_context.clock.run_for(1000)
    assert visit.waiting() >= 55
    server.start()
    visit.wait_for_status("Connected", 30)
    visit.wait_until("() => document.querySelector('#waiting').textContent === '0 waiting'")
    visit.wait_until_drawn(55)
    visit.assert_drawn_is_stored()
    seqs = [each["seq"] for each in visit.stored()]
    assert seqs == list(range(len(seqs)))
    assert len(seqs) > 60
    assert visit.problems == []


def test_waiting_readings_survive_a_reload_and_the_tab_keeps_its_source(run, tmp_path, context):
    server = run(f"sqlite:///{tmp_path}/speed.db")
    visit = Visit(context, server)
    visit.wait_until_drawn(2)
    source = visit.source
    # The page goes on measuring while nothing gets through, then it is loaded anew.
    server.stop(9)
    visit.wait_until_waiting(3)
    server.start()
    visit.page.reload()
    visit.wait_for_status("Connected")
    assert visit.source == source
    wait_for(lambda: len(visit.stored()) >= 6)
    seqs = [each["seq"] for each in visit.stored()]
    assert seqs == list(range(len(seqs)))


def test_reload_shows_what_is_stored_at_once_and_nothing_twice(visit):
    before = visit.wait_until_drawn(4)
    visit.page.reload()
    after = visit.wait_until_drawn(len(before) + 2)
    assert after[: len(before)] == before
    visit.assert_drawn_is_stored()


def test_reload_fetches_no_script_and_no_style_again(visit):
    visit.wait_until_drawn(1)
    visit.page.reload()
    visit.wait_until_drawn(1)
    fetched = """() => Object.fromEntries(performance.getEntriesByType('resource')
        .filter(({name}) => /[.](js|css)$/.test(new URL(name).pathname))
        .map(({name, transferSize}) => [new URL(name).pathname, transferSize]))"""
    sizes = visit.page.evaluate(fetched)
    assert {"/assets/plotly-basic.min.js", "/assets/page.css", "/live-path.js"} <= sizes.keys()
    # Dash has no version in the address of what a component loads later: 300 bytes are "not modified".
    assert {name for name, size in sizes.items() if size and not (size == 300 and "async-" in name)} == set()


def test_time_without_readings_is_a_gap_in_the_line(visit):
    visit.wait_until_drawn(1)
    source = visit.source
    earlier = visit.page.evaluate("Date.now()") - 50_000
    old = [{"speed": 100, "timestamp": earlier + 1000 * n, "source": source, "seq": 10_000 + n} for n in range(3)]
    requests.post(f"{visit.server.url}/api/v1/readings", json=old, timeout=5).raise_for_status()
    visit.page.reload()
    drawn = visit.wait_until_drawn(5)
    assert [speed for _, speed in drawn[:3]] == [100, 100, 100]
    plotted = "document.querySelector('#live-graph .js-plotly-plot').data.find((each) => each.name === '%s').y"
    speeds = visit.page.evaluate(plotted % source)
    assert speeds[3] is None
    assert speeds.count(None) == 1
    assert visit.page.evaluate(plotted % "area").count(None) == 1


def test_figures_are_of_what_is_shown(visit):
    visit.wait_until_drawn(6)
    visit.page.click("#pause")
    shown = {each["speed"] for each in visit.stored()} & {speed for _, speed in visit.drawn()}
    assert abs(float(visit.page.inner_text("#maximum").split()[0]) - max(shown)) < 0.0501  # one decimal, rounded
    assert abs(float(visit.page.inner_text("#average").split()[0]) - sum(shown) / len(shown)) <= 5
    assert visit.page.inner_text("#distance").endswith(" km")
    assert visit.page.inner_text("#moving").endswith(" s")


def test_two_tabs_are_two_sources(visit, context):
    other = Visit(context, visit.server)
    assert other.source != visit.source
    other.wait_until_drawn(2)
    other.assert_drawn_is_stored()


def test_name_in_a_link_is_sent_marked_as_simulated(context, page_server):
    visit = Visit(context, page_server, "?mode=simulate&source=my-bike")
    assert visit.source == "simulated-my-bike"
    visit.wait_until_drawn(2)
    assert len(page_server.readings("simulated-my-bike")) >= 2
    assert "source=my-bike" in visit.page.url


def test_reading_that_is_sent_to_the_page_is_drawn(visit):
    visit.wait_until_drawn(1)
    connections = requests.get(f"{visit.server.url}/api/v1/connections", timeout=5).json()["connections"]
    (identity,) = [each["id"] for each in connections if each["source"] == visit.source]
    requests.post(
        f"{visit.server.url}/send", json={"connection_id": identity, "speed": 199.5}, timeout=5
    ).raise_for_status()
    visit.wait_until(f"() => ({DRAWN}).some(([, speed]) => speed === 199.5)")


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


def test_phone_shows_all_of_it_and_saves_as_large_a_picture(browser, page_server):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    visit = Visit(context, page_server)
    visit.wait_until_drawn(1)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390
    with visit.page.expect_download() as download:
        visit.page.locator("#export-png").tap()
    assert struct.unpack(">I", download.value.path().read_bytes()[16:20])[0] >= 1400
    context.close()


@pytest.mark.parametrize("speed", [188, 1888])
def test_digits_fit_into_the_dial_at_any_width(context, page_server, speed):
    visit = Visit(context, page_server, f"?source=wide-{speed}")
    reading = {"source": f"wide-{speed}", "speed": speed}
    requests.post(f"{page_server.url}/api/v1/readings", json=reading, timeout=5).raise_for_status()
    expect(visit.page.locator("#speed-now")).to_have_text(str(speed))
    fits = """() => {
        const [digits, dial] = ['#speed-now', '#dial'].map((id) => document.querySelector(id).getBoundingClientRect());
        return digits.width < 0.62 * dial.width && document.documentElement.scrollWidth <= window.innerWidth;
    }"""
    for width in (1440, 1024, 861, 390):
        visit.page.set_viewport_size({"width": width, "height": 800})
        visit.wait_until(fits)


def test_rejected_readings_are_reported_and_the_others_are_stored(run, tmp_path, context):
    visit = Visit(context, run(f"sqlite:///{tmp_path}/speed.db", SPEEDDASH_MAX_SPEED_KMH="5"))
    expect(visit.page.locator("#notice")).to_contain_text("refused: speed must be 0 to 5 km/h", timeout=15_000)
    expect(visit.page.locator("#waiting")).to_contain_text("0 waiting", timeout=15_000)


def test_page_shows_that_the_database_does_not_answer_and_nothing_is_lost(run, mariadb, context):
    visit = Visit(context, run(mariadb.create("paused")))
    visit.wait_until_drawn(2)
    mariadb.process.send_signal(19)
    try:
        # The database's own time to answer is 10 s.
        visit.wait_for_status("Storage paused", 30)
        assert "The server cannot store" in visit.page.inner_text("#notice")
        held = len(visit.drawn())
        visit.wait_until_waiting(3)
        assert len(visit.drawn()) == held
        assert "stale" in visit.page.locator("#speed-now").get_attribute("class")
    finally:
        mariadb.process.send_signal(18)
    visit.wait_for_status("Connected", 30)
    expect(visit.page.locator("#notice")).not_to_contain_text("cannot store")
    visit.wait_until_drawn(held + 5)
    visit.assert_drawn_is_stored()


@pytest.mark.long
def test_page_shows_that_the_database_is_not_up_yet(run, context):
    server = run("mysql://u@127.0.0.1:1/d", wait_ready=False)
    visit = Visit(context, server, status=None)  # it asks at once, and need not be "Live" before
    visit.wait_for_status("Storage paused")
    expect(visit.page.locator("#notice")).to_contain_text("Connection refused")
    expect(visit.page.locator("#message-text")).to_contain_text("History cannot be read")


def test_no_network_is_called_offline(visit, context):
    visit.wait_until_drawn(1)
    context.set_offline(True)
    visit.page.evaluate("window.dispatchEvent(new Event('offline'))")
    visit.wait_until_waiting(2)
    context.set_offline(False)
    visit.wait_for_status("Connected", 40)
    visit.wait_until("() => document.querySelector('#waiting').textContent === '0 waiting'")
    visit.assert_drawn_is_stored()


@pytest.mark.parametrize("mode", ["GPS", "Bluetooth"])
def test_no_made_up_speed_is_stored_under_the_name_of_a_device(visit, mode):
    visit.wait_until_drawn(1)
    visit.choose("source", mode)
    expect(visit.page.locator("#source-name")).to_have_text(re.compile("^page-"))
    visit.page.wait_for_timeout(2_000)  # two more speeds of the simulator
    assert visit.stored() == []


@pytest.fixture
def stranded(run, tmp_path, context):
    """A visit of *Trips* whose server is away."""
    visit = Visit(context, run(f"sqlite:///{tmp_path}/speed.db"), "/trips", status=None)
    visit.page.wait_for_load_state("networkidle")
    expect(visit.page.locator("#trips-place")).to_be_visible()
    visit.server.stop(9)
    return visit


def test_place_comes_when_the_server_is_back(stranded):
    stranded.page.click("#place-connect")
    stranded.wait_for_status("Server cannot be reached")
    stranded.server.start()
    expect(stranded.page.locator(".connect-place")).to_be_visible(timeout=30_000)
    expect(stranded.page.locator("#status")).to_be_hidden()


def test_place_that_was_left_while_the_server_was_away_does_not_stay(stranded):
    trips = stranded.page.locator("#trips-place")
    stranded.page.click("#place-live")
    expect(trips).to_be_hidden()
    stranded.server.start()
    stranded.wait_for_status("Connected", 60)
    expect(trips).to_have_count(0, timeout=30_000)
    stranded.page.click("#place-trips")
    expect(trips).to_be_visible()


def test_readings_of_a_tab_that_is_gone_are_sent_by_the_next_one(run, tmp_path, own_context):
    server = run(f"sqlite:///{tmp_path}/speed.db")
    left = {"source": "page-gone", "timestamp": "2026-11-27T12:00:00.000Z", "seq": 7, "speed": 33.5}
    kept = json.dumps({"nextSeq": 8, "waiting": [left]})
    own_context.add_init_script(f"localStorage.setItem('speeddash.outbox.page-gone', {json.dumps(kept)})")
    visit = Visit(own_context, server)
    wait_for(lambda: server.readings("page-gone"), 30)
    assert server.readings("page-gone")[0]["speed"] == 33.5
    visit.wait_until("() => document.querySelector('#waiting').textContent === '0 waiting'")


def test_page_of_which_a_part_did_not_come_is_loaded_again_when_the_server_is_back(run, tmp_path, own_context):
    own_context.route("**/async-graph*", lambda route: route.abort())
    visit = Visit(own_context, run(f"sqlite:///{tmp_path}/speed.db"))
    notice = visit.page.locator("#notice")
    expect(notice).to_contain_text("A part of the page could not be loaded. Reload the page.")
    own_context.unroute_all()
    visit.server.stop(9)
    visit.wait_until_waiting(5)  # the page, which asks once a second, has found it away
    visit.server.start()
    visit.wait_until_drawn(3)
    expect(notice).to_be_hidden()
    visit.assert_drawn_is_stored()


def test_change_that_does_not_reach_the_server_is_said_not_to_have_happened(run, tmp_path, context):
    server = run(f"sqlite:///{tmp_path}/speed.db")
    drive(server, "car", [50.0] * 5, until_ms=time.time() * 1000)
    page = Visit(context, server, "/sources?source=car", status=None).page
    page.fill("#source-limit", "80")
    server.stop(9)
    page.click("#source-limit-set")
    expect(page.locator("#notice")).to_contain_text("nothing was changed. Try again.")
    server.start()
    page.click("#source-limit-set")
    expect(page.locator("#source-word")).to_have_text("Limit saved", timeout=30_000)
    expect(page.locator("#notice")).to_be_hidden()


def test_back_from_a_place_is_one_step(visit):
    visit.page.click("#place-trips")
    expect(visit.page.locator("#trips-place")).to_be_visible()
    visit.page.click("#place-live")
    expect(visit.page.locator("#live")).to_be_visible()
    visit.page.go_back()
    expect(visit.page.locator("#trips-place")).to_be_visible()
