"""For every hand, ear and eye: what axe finds, what is announced, what moves."""

import itertools

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.page.visit import Visit

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
