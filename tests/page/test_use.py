"""What people stumbled over when they used the page for hours, each with a test that fails without its mend."""

import signal
import time

import pytest
import requests
from playwright.sync_api import expect

from tests.page.visit import Visit, drive
from tests.running import wait_for

NOON = 1_780_333_200_000
DAY_MS = 86_400_000


def test_server_that_is_frozen_is_not_called_connected(context, run, tmp_path):
    server = run(f"sqlite:///{tmp_path}/speed.db")
    visit = Visit(context, server)
    visit.wait_until_drawn(2)
    server.process.send_signal(signal.SIGSTOP)
    try:
        visit.wait_for_status("Server does not answer", 30)
    finally:
        server.process.send_signal(signal.SIGCONT)
    visit.wait_for_status("Connected", 30)
    visit.assert_drawn_is_stored()


def test_age_belongs_to_the_source_and_the_state_to_the_connection(context, page_server):
    drive(page_server, "three-days", [50.0] * 20, until_ms=time.time() * 1000 - 3 * DAY_MS)
    visit = Visit(context, page_server, "?source=three-days")
    expect(visit.page.locator("#age")).to_have_text("silent for 3 d")
    expect(visit.page.locator("#status")).to_have_text("Connected")


def test_history_shows_its_figures_in_the_place_of_the_dial(context, page_server):
    drive(page_server, "past", [50.0] * 20 + [0.0], until_ms=NOON)
    page = Visit(context, page_server, f"?source=past&from={NOON - 60_000}&to={NOON}", status=None).page
    expect(page.locator("#maximum")).to_have_text("50.0 km/h")
    expect(page.locator("#dial")).to_be_hidden()


def test_first_visit_opens_on_a_real_source(context, run, tmp_path):
    server = run(f"sqlite:///{tmp_path}/speed.db")
    visit = Visit(context, server, "")
    visit.wait_until_drawn(1)  # nothing is stored: it simulates
    assert visit.source.startswith("simulated-")
    visit.page.reload()
    expect(visit.page.locator("#sending")).to_be_visible()  # its own readings are no real source
    drive(server, "van", [50.0] * 5, until_ms=NOON)
    # Lists are read in intervals, longer ones where reading them takes long.
    wait_for(lambda: '"latest":"van"' in requests.get(f"{server.url}/_dash-layout", timeout=5).text, 60)
    again = Visit(context, server, "")
    assert "mode=watch&source=van" in again.page.url


def test_line_is_not_drawn_through_a_night(context, page_server):
    for day in (0, 1):
        drive(page_server, "nights", [50.0] * 600, until_ms=NOON - day * DAY_MS, step_ms=10_000)
    query = f"?source=nights&from={NOON - 3 * DAY_MS}&to={NOON}"
    visit = Visit(context, page_server, query, status=None)
    visit.wait_until("() => document.querySelector('#shown')?.textContent.startsWith('1,200 readings')")
    speeds = "document.querySelector('#live-graph .js-plotly-plot').data.find(({name}) => name === 'nights').y"
    assert visit.page.evaluate(speeds).count(None) == 1


def test_sources_are_chosen_by_keyboard_alone(context, page_server):
    drive(page_server, "keyboard-car", [50.0] * 5, until_ms=time.time() * 1000)
    visit = Visit(context, page_server, "?mode=watch&source=nobody")
    page = visit.page
    page.wait_for_selector("#watched[tabindex='0']")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate(
            "document.activeElement.closest('#watched') !== null || document.activeElement.id === 'watched'"
        ):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_text("keyboard-car (")).to_be_visible()
    page.keyboard.type("keyboard-car")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    visit.wait_until("() => location.search.includes('source=keyboard-car')")


def test_line_has_no_hole_after_a_look_at_the_fleet(context, page_server):
    visit = Visit(context, page_server)
    visit.wait_until_drawn(2)
    visit.page.click("#place-fleet")
    expect(visit.page.locator(".tile").first).to_be_visible()
    stored = len(visit.stored())
    wait_for(lambda: len(visit.stored()) >= stored + 3)
    visit.page.click("#place-live")
    visit.wait_until_drawn(stored + 3)
    visit.assert_drawn_is_stored()


@pytest.mark.parametrize("width", [1440, 1024, 390, 320])
def test_every_place_is_shown_within_the_width(browser, page_server, width):
    phone = width < 560
    context = browser.new_context(viewport={"width": width, "height": 844}, has_touch=phone, is_mobile=phone)
    drive(page_server, "phone-car", [50.0] * 60, until_ms=time.time() * 1000)
    for path in (
        "?source=phone-car&window=5m",
        "/trips?source=phone-car",
        "/fleet?source=phone-car",
        "/sources?source=phone-car",
    ):
        visit = Visit(context, page_server, path, status=None)
        expect(visit.page.locator("main:visible")).to_have_count(1)
        expect(visit.page.locator("main:visible [data-dash-is-loading=true]")).to_have_count(0)
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width, path
    context.close()


def test_driving_mode_is_near_the_dial_and_dark(browser, page_server):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    visit = Visit(context, page_server, "?mode=simulate&theme=light")
    box = visit.page.locator("#driving").bounding_box()
    assert box["y"] + box["height"] < 844
    visit.page.tap("#driving")
    ground = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(int(part) for part in ground.strip("rgb()").split(",")) < 200
    visit.page.go_back()
    expect(visit.page.locator("#leave-driving")).to_be_hidden()
    expect(visit.page.locator("#driving")).to_be_visible()
    context.close()


def test_driving_mode_is_live_also_where_a_link_has_a_range(context, page_server):
    with page_server.connect("/ws?source=driven") as socket:
        socket.send('{"speed": 63}')
        socket.recv(10)
    visit = Visit(context, page_server, "?mode=watch&source=driven&from=now-1h&to=now&drive=1", status=None)
    expect(visit.page.locator("#speed-now")).to_have_text("63")
    expect(visit.page.locator("#speed-now")).to_be_visible()


def test_paper_shows_the_chart_and_no_controls(context, page_server):
    visit = Visit(context, page_server)
    visit.wait_until_drawn(2)
    visit.page.emulate_media(media="print")
    for hidden in ("nav", "#settings", "#window", "#export-png", "#source"):
        assert not visit.page.is_visible(hidden)
    plot = visit.page.locator("#live-graph .main-svg").first.bounding_box()
    assert plot["x"] + plot["width"] <= 1440


def test_another_tab_forgets_what_was_deleted(context, page_server):
    drive(page_server, "short-lived", [50.0] * 20, until_ms=time.time() * 1000)
    visit = Visit(context, page_server, "?source=short-lived&window=15m")
    visit.wait_until_drawn(20)
    requests.delete(f"{page_server.url}/api/v1/sources/short-lived", timeout=5).raise_for_status()
    visit.wait_until("() => document.querySelector('#shown').textContent.startsWith('0 readings')")


@pytest.mark.long
@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("?source=idle", 10),
        ("?source=idle&source=other&source=third", 12),
        ("?source=idle&from=now-1d&to=now", 2),
        ("/fleet", 12),
    ],
)
def test_idle_page_asks_seldom(context, page_server, path, most):
    drive(page_server, "idle", [50.0] * 20, until_ms=time.time() * 1000)
    visit = Visit(context, page_server, path, status=None)
    visit.page.wait_for_timeout(5_000)  # until it has shown itself
    asked = []
    visit.page.on("request", lambda request: asked.append(request.url))
    visit.page.wait_for_timeout(60_000)  # the minute that is counted
    assert len(asked) <= most, asked
