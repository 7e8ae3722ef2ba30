"""For every hand, ear and eye: what axe finds, what is announced, what moves."""

import itertools

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.page.visit import Visit, drive

STATES = {
    "live": "?mode=simulate",
    "dark": "?mode=simulate&theme=dark",
    "zoomed": "?source=nobody&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&limit=50",
    "watching": "?source=one&source=two",
    "driving": "?mode=simulate&drive=1",
    "kiosk": "?mode=simulate&kiosk=1&theme=dark",
}


@pytest.mark.parametrize(
    ("state", "width"),
    [
        ("live", 1440),
        ("live", 390),
        ("dark", 390),
        ("zoomed", 1440),
        ("watching", 1440),
        ("driving", 390),
        ("kiosk", 1024),
    ],
)
def test_axe_finds_nothing(context, page_server, state, width):
    visit = Visit(context, page_server, STATES[state], status=None)
    visit.page.set_viewport_size({"width": width, "height": 844})
    visit.page.wait_for_selector("#live-graph .xtick", state="attached")
    if state == "live":
        visit.set_limit("1")
        visit.page.click("#show-table")
        visit.page.click("#settings summary")
    found = Axe().run(visit.page).response["violations"]
    assert [f"{each['id']}: {each['nodes'][0]['html'][:120]}" for each in found] == []


PLACES = {
    "trips": "/trips?source=axe-car&from=2026-06-01&to=2026-06-01",
    "no trips": "/trips?source=axe-car&from=2020-01-01&to=2020-01-01",
    "fleet": "/fleet?source=axe-car",
    "wall": "/fleet?source=axe-car&kiosk=1",
    "no source": "/fleet?find=nothing",
    "sources": "/sources?source=axe-car",
    "connect": "/connect",
    "no chosen source": "/sources",
}


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.long)])
def test_axe_finds_nothing_in_any_place(context, page_server, theme):
    drive(page_server, "axe-car", [0.0] + [50.0] * 60 + [0.0], until_ms=1_780_333_200_000)
    found = {}
    for state, address in PLACES.items():
        visit = Visit(context, page_server, address, status=None)
        visit.page.emulate_media(color_scheme=theme)
        expect(visit.page.locator("main.place")).to_be_visible()
        expect(visit.page.get_by_text("Looking for")).to_have_count(0)
        grid = visit.page.locator("main.place .ag-root")
        if "fleet" not in address and state != "connect":
            expect(grid.locator(".ag-header-cell-label").first).to_be_visible()
            expect(grid.locator(".ag-row, .ag-overlay-no-rows-center").first).to_be_visible()
        expect(visit.page.locator("main.place [data-dash-is-loading=true]")).to_have_count(0)
        for each in Axe().run(visit.page).response["violations"]:
            found[state] = f"{each['id']}: {each['nodes'][0]['html'][:120]}"
        visit.page.close()
    assert found == {}


def test_numbers_are_written_as_the_reader_writes_them(browser, page_server):
    drive(page_server, "locale-car", [0.0] + [1234.5] * 60 + [0.0], until_ms=1_780_333_200_000)
    context = browser.new_context(locale="de-DE", timezone_id="Europe/Berlin")
    live = Visit(context, page_server, "?source=locale-car&from=2026-06-01&to=2026-06-02", status=None)
    expect(live.page.locator("#maximum")).to_have_text("1.234,5 km/h")
    trips = Visit(context, page_server, "/trips?source=locale-car&from=2026-06-01&to=2026-06-01", status=None)
    expect(trips.page.locator("#trips-figures")).to_contain_text("1.234,5")
    expect(trips.page.locator(".zone")).to_have_text("Times in Europe/Berlin")
    context.close()


def test_pressed_buttons_and_the_dial_keep_their_state_where_colours_are_forced(own_context, page_server):
    page = Visit(own_context, page_server).page
    page.emulate_media(forced_colors="active")
    pressed, other = (
        page.locator(f"#window button[aria-pressed={state}]").first.evaluate(
            "(e) => getComputedStyle(e).backgroundColor"
        )
        for state in ("true", "false")
    )
    assert pressed != other
    assert page.evaluate("getComputedStyle(document.querySelector('.dial-face')).forcedColorAdjust") == "none"


def test_page_is_an_app_that_says_offline_what_waits(own_context, run, tmp_path):
    server = run(f"sqlite:///{tmp_path}/speed.db")
    visit = Visit(own_context, server)
    manifest = visit.page.request.get(server.url + visit.page.get_attribute("link[rel=manifest]", "href")).json()
    assert manifest["display"] == "standalone"
    for icon in manifest["icons"]:
        assert visit.page.request.get(server.url + icon["src"]).ok
    visit.page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    visit.wait_until_drawn(1)
    server.stop(9)
    visit.wait_until_waiting(2)
    visit.page.reload()
    expect(visit.page.locator("h1")).to_have_text("The server cannot be reached")
    expect(visit.page.locator("#waiting")).to_contain_text("readings wait in this browser")
    server.start()
    visit.wait_for_status("Connected")


DENIED = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('denied', 'SecurityError'); }})"


def test_browser_without_site_data_is_told_what_to_do(own_context, page_server):
    own_context.add_init_script(DENIED)
    page = own_context.new_page()
    page.goto(page_server.url)
    expect(page.locator("body")).to_contain_text("Allow site data for this address")


def test_browser_without_javascript_is_told_what_to_do(browser, page_server):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_server.url)
    assert "SpeedDash draws with JavaScript" in page.inner_text("body")
    context.close()


def test_help_is_as_good(context, page_server):
    visit = Visit(context, page_server)
    visit.page.click("#settings summary")
    visit.page.click("#help")
    expect(visit.page.locator("#keys")).to_be_visible()
    assert Axe().run(visit.page, context="#keys").response["violations"] == []


def test_every_control_is_reached_by_tab_and_seen(context, page_server):
    visit = Visit(context, page_server)
    visit.page.click("#settings summary")
    visit.page.evaluate("() => document.activeElement.blur()")
    reached = []
    for _ in range(64):
        visit.page.keyboard.press("Tab")
        reached.append(
            visit.page.evaluate(
                """() => {
                    const focused = document.activeElement;
                    const frame = focused.closest('label') ?? focused;
                    const {outlineStyle, outlineWidth} = getComputedStyle(frame);
                    const box = focused.closest('.dash-input-container') ?? frame;
                    const ring = outlineStyle !== 'none' || getComputedStyle(box).outlineStyle !== 'none';
                    return [focused.id || focused.closest('[id]')?.id, ring];
                }"""
            )
        )
    names = [name for name, _ in reached]
    for control in (
        "unit",
        "theme",
        "driving",
        "fullscreen",
        "help",
        "source",
        "window",
        "pause",
        "open-import",
        "settings",
        "day-first",
        "readings-csv",
        "export-png",
        "limit",
    ):
        assert control in names
    assert [name for name, ring in reached if not ring and name not in {None, "page", "react-entry-point"}] == []


@pytest.mark.long
def test_state_is_announced_at_most_every_ten_seconds(run, tmp_path, own_context):
    server = run(f"sqlite:///{tmp_path}/speed.db")
    own_context.clock.install()
    visit = Visit(own_context, server)
    assert visit.page.locator("#announce").get_attribute("aria-live") == "polite"
    visit.page.evaluate(
        "() => { window.said = []; new MutationObserver(() => window.said.push(["
        "Date.now(), document.querySelector('#announce').textContent])).observe(document.querySelector('#announce'), {childList: true}); }"
    )
    server.stop(9)
    for _ in range(45):
        own_context.clock.run_for(1000)
    server.start()
    for _ in range(15):
        own_context.clock.run_for(1000)
    visit.wait_for_status("Connected", 30)
    for _ in range(12):
        own_context.clock.run_for(1000)
    said = visit.page.evaluate("window.said")
    assert said[0][1].startswith("Reconnecting")
    assert said[-1][1].startswith("Connected")
    assert all(after[0] - before[0] >= 10_000 for before, after in itertools.pairwise(said))


def test_page_has_a_title_a_language_and_an_icon(context, page_server):
    visit = Visit(context, page_server)
    assert visit.page.title() == "SpeedDash"
    assert visit.page.get_attribute("html", "lang") == "en"
    icon = visit.page.get_attribute("link[rel=icon]", "href")
    assert visit.page.request.get(page_server.url + icon).ok
    assert "width=device-width" in visit.page.get_attribute("meta[name=viewport]", "content")
    assert visit.page.get_attribute("meta[name=description]", "content")


def test_nothing_moves_by_itself(context, page_server):
    """So that prefers-reduced-motion has nothing left to turn off."""
    visit = Visit(context, page_server)
    visit.page.wait_for_selector("#live-graph .xtick", state="attached")
    assert (
        visit.page.evaluate("document.getAnimations().filter(({effect}) => effect.target.closest('#page')).length") == 0
    )
