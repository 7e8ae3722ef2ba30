"""What a person looks at: windows, zoom, pause, units, limits, links, keys."""

import re

import pytest
from playwright.sync_api import expect

from tests.page.visit import DRAWN, RANGE, Visit, drive


@pytest.fixture
def visit(context, page_server):
    visit = Visit(context, page_server)
    visit.wait_until_drawn(2)
    yield visit
    assert visit.problems == []


def test_windows_are_as_wide_as_they_say(visit):
    for label, seconds in (("5 m", 300), ("15 m", 900), ("1 h", 3600), ("24 h", 86400), ("1 m", 60)):
        visit.choose("window", label)
        visit.wait_until(
            f"() => {{ const [a, b] = {RANGE}; return Math.abs(new Date(b) - new Date(a) - {seconds}000) < 5; }}", 5
        )


def test_day_is_drawn_from_buckets_that_lose_no_reading(visit, page_server):
    now = visit.page.evaluate("Date.now()")
    speeds = [50.0] * 40_000
    speeds[12_345] = 100.0
    drive(page_server, "day", speeds, until_ms=now)
    other = Visit(visit.page.context, page_server, "?mode=watch&source=day&window=24h")
    other.wait_until(
        "() => document.querySelector('#shown').textContent.startsWith('40,000 readings shown, a point for every')"
    )
    line = other.lines()["day"]
    assert line["readings"] == 40_000
    assert len(line["points"]) < 1_500
    expect(other.page.locator("#maximum")).to_have_text("100.0 km/h")  # without ≈: from the readings, by /summary
    expect(other.page.locator("#average")).to_have_text("50.0 km/h")
    expect(other.page.locator("#distance")).to_have_text("556 km")
    expect(other.page.locator("#moving")).to_have_text("11 h 06 min")


def test_zoom_stays_while_readings_come_and_live_is_one_click_away(visit):
    visit.wait_until_drawn(3)
    visit.drag(0.5, 0.9)
    expect(visit.page.locator("#go-live")).to_be_visible()
    expect(visit.page.locator("#status")).to_have_text("Connected")
    zoomed = visit.range()
    assert 20 < visit.range_s() < 28
    expect(visit.page.locator("#go-live")).to_have_text(re.compile(r"Resume live, \+[3-9] new"), timeout=15_000)
    assert visit.range() == zoomed
    assert "from=" in visit.page.url
    visit.page.click("#go-live")
    visit.wait_until(f"() => {RANGE}.join() !== '{','.join(zoomed)}'")
    expect(visit.page.locator("#go-live")).to_be_hidden()
    assert "from=" not in visit.page.url


def test_zoom_into_a_day_fetches_the_readings_themselves(context, page_server):
    now = 1_790_000_000_000
    drive(page_server, "fine", [float(n % 100) for n in range(30_000)], until_ms=now)
    visit = Visit(context, page_server, f"?source=fine&from={now - 30_000_000}&to={now}", status=None)
    visit.wait_until(f"() => ({DRAWN}).length > 300")
    assert "a point for every" in visit.page.inner_text("#shown")
    visit.drag(0.50, 0.52)
    visit.wait_until("() => !document.querySelector('#shown').textContent.includes('a point for')")
    seconds = visit.range_s()
    visit.wait_until(f"() => Math.abs(parseInt(document.querySelector('#shown').textContent) - {seconds}) <= 2")


def test_pause_freezes_the_view_and_readings_are_still_stored(visit):
    visit.page.click("#pause")
    frozen = visit.drawn()
    expect(visit.page.locator("#go-live")).to_contain_text("+3 new", timeout=15_000)
    assert visit.drawn() == frozen
    assert len(visit.stored()) >= len(frozen) + 3
    visit.page.click("#go-live")
    visit.wait_until_drawn(len(frozen) + 3)
    expect(visit.page.locator("#pause")).to_have_text("Pause")


def test_days_are_chosen_and_an_invalid_range_is_reported(context, page_server):
    noon = 1_780_315_200_000  # 2026-06-01 12:00 UTC, 07:00 in Chicago
    drive(page_server, "june", [42.0] * 60, until_ms=noon)
    visit = Visit(context, page_server, "?source=june&from=2026-05-31&to=2026-06-03", status=None)
    visit.wait_until_drawn(60)
    visit.page.fill("#day-first", "2026-06-01")
    visit.page.fill("#day-last", "2026-06-01")
    visit.page.keyboard.press("Enter")
    # The reader's own day. When only the first field is left, the range still ends with the day of the other.
    visit.wait_until(f"() => {RANGE}.join() === '2026-06-01T00:00:00.000,2026-06-02T00:00:00.000'")
    assert "from=2026-06-01T05:00:00.000Z" in visit.page.url
    visit.page.fill("#day-last", "2026-05-01")
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("#notice")).to_contain_text("From must be before To.")
    visit.page.goto(f"{page_server.url}/?source=june&from=2026-06-03&to=2026-06-01")
    expect(visit.page.locator("#notice")).to_contain_text("from=2026-06-03 is not before to")
    assert visit.problems == []


def test_latest_of_a_silent_source_is_one_click_away(context, page_server):
    drive(page_server, "silent", [30.0] * 20, until_ms=1_785_000_000_000)
    visit = Visit(context, page_server, "?source=silent")
    expect(visit.page.locator("#show-latest")).to_be_visible()
    visit.page.click("#show-latest")
    assert len(visit.wait_until_drawn(20)) == 20


def test_units_are_the_same_everywhere(context, page_server):
    now = 1_781_000_000_000
    drive(page_server, "units", [100.0] * 60, until_ms=now)
    visit = Visit(context, page_server, f"?source=units&from={now - 60_000}&to={now}&limit=50", status=None)
    visit.wait_until_drawn(60)
    for label, factor in (("mph", 1.609344), ("m/s", 3.6), ("kn", 1.852), ("km/h", 1)):
        visit.choose("unit", label)
        visit.wait_until(f"() => Math.abs(({DRAWN})[0][1] - {100 / factor}) < 1e-9")
        assert visit.page.inner_text("#unit-now") == label
        assert visit.page.inner_text("#speed-now") == f"{100 / factor:.0f}"
        assert visit.page.inner_text("#average") == f"{100 / factor:.1f} {label}"
        assert float(visit.page.input_value("#limit")) == pytest.approx(50 / factor, abs=0.01)
        expect(visit.page.locator("#live-graph .ytick").last).to_contain_text(f" {label}")


def test_stretches_above_the_limit_are_listed_with_duration_and_peak(context, page_server):
    now = 1_782_000_000_000
    speeds = [50.0] * 20 + [100.0] * 10 + [50.0] * 20 + [100.0, 130.0, 100.0] + [50.0] * 7
    first = drive(page_server, "fast", speeds, until_ms=now)
    visit = Visit(context, page_server, f"?source=fast&from={first}&to={now}", status=None)
    visit.wait_until_drawn(60)
    visit.set_limit("75")
    visit.wait_until(
        "() => document.querySelector('#live-graph .js-plotly-plot').data.some(({name}) => name === 'above the limit')"
    )
    above = visit.page.evaluate(
        "document.querySelector('#live-graph .js-plotly-plot').data.find(({name}) => name === 'above the limit').y"
    )
    assert max(y for y in above if y is not None) == 130
    assert min(y for y in above if y is not None) == 75


def test_theme_follows_the_system_unless_chosen(visit):
    page = visit.page
    for system, chosen, dark in (
        ("light", "System", False),
        ("dark", "System", True),
        ("dark", "Light", False),
        ("light", "Dark", True),
    ):
        page.emulate_media(color_scheme=system)
        visit.choose("theme", chosen)
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 200) is dark
        font = "document.querySelector('#live-graph .js-plotly-plot').layout.font.color"
        visit.wait_until(f"() => {font} === '{'#a9b4c2' if dark else '#48525f'}'")


def test_link_shows_the_same_view(context, page_server):
    now = 1_783_000_000_000
    drive(page_server, "linked", [20.0] * 120, until_ms=now)
    visit = Visit(
        context, page_server, f"?source=linked&from={now - 60_000}&to={now}&unit=kn&theme=dark&limit=9", status=None
    )
    visit.wait_until_drawn(60)
    other = Visit(context, page_server, visit.page.url.split("/", 3)[3], status=None)
    other.wait_until_drawn(60)
    assert other.drawn() == visit.drawn()
    assert other.range() == visit.range()
    for control in ("#unit-now", "#average", "#distance"):
        assert other.page.inner_text(control) == visit.page.inner_text(control)


def test_invalid_parameters_of_a_link_are_reported(context, page_server):
    visit = Visit(context, page_server, "?window=7m&unit=furlong&from=yesterday&mode=simulate&source=no spaces")
    notice = visit.page.inner_text("#notice")
    assert "window=7m is not one of 1m, 5m, 15m, 1h, 24h" in notice
    assert "unit=furlong is not one of kmh, mph, mps, kn" in notice
    assert "from=yesterday is not a time" in notice
    assert "source=no spaces is not" in notice
    visit.wait_until_drawn(1)


def test_unit_and_theme_are_remembered(context, page_server):
    first = Visit(context, page_server)
    first.choose("unit", "mph")
    first.choose("theme", "Dark")
    again = Visit(context, page_server)
    assert again.page.inner_text("#unit-now") == "mph"
    again.page.emulate_media(color_scheme="light")
    ground = again.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", ground)[:3])) < 200


@pytest.mark.alone
def test_reload_shows_the_same_readings_soon(visit):
    visit.wait_until_drawn(5)
    visit.choose("unit", "mph")
    visit.choose("window", "5 m")
    before = visit.wait_until_drawn(5)
    visit.page.reload(wait_until="commit")
    began = visit.page.evaluate("performance.timeOrigin")
    visit.wait_until(f"() => ({DRAWN}).length >= {len(before)}")
    assert visit.page.evaluate("Date.now()") - began < 3000  # `python -m benchmarks page` measures it
    assert visit.drawn()[: len(before)] == before
    assert 299 < visit.range_s() < 301


def test_kiosk_shows_dial_and_chart_alone(context, page_server):
    visit = Visit(context, page_server, "?mode=simulate&kiosk=1")
    visit.wait_until_drawn(1)
    for hidden in ("#status", "#window", "#source", "#export-png", "#average"):
        assert not visit.page.is_visible(hidden)
    for shown in ("#dial", "#speed-now", "#live-graph"):
        assert visit.page.is_visible(shown)
    visit.wait_until("() => document.documentElement.scrollHeight <= 900", 20)


def test_driving_mode_has_huge_digits_and_a_mirror(visit):
    visit.page.click("#driving")
    size = visit.page.evaluate("parseFloat(getComputedStyle(document.querySelector('#speed-now')).fontSize)")
    assert size > 500
    assert not visit.page.is_visible("#live-graph")
    visit.page.click("#mirror")
    visit.page.wait_for_function(
        "() => getComputedStyle(document.querySelector('.digits')).transform.startsWith('matrix(-1')"
    )
    visit.page.wait_for_url("**drive=1&mirror=1**")
    visit.page.keyboard.press("Escape")
    assert visit.page.is_visible("#live-graph")


def test_keys_do_what_the_help_says(visit):
    press = visit.page.keyboard.press
    press("Space")
    expect(visit.page.locator("#go-live")).to_be_visible()
    press("l")
    expect(visit.page.locator("#go-live")).to_be_hidden()
    press("3")
    visit.wait_until(f"() => {{ const [a, b] = {RANGE}; return Math.abs(new Date(b) - new Date(a) - 900000) < 5; }}")
    press("u")
    expect(visit.page.locator("#unit-now")).to_have_text("mph")
    press("t")
    assert "theme=light" in visit.page.url
    press("ArrowLeft")
    expect(visit.page.locator("#go-live")).to_be_visible()
    press("d")
    assert visit.page.is_visible("#driving-bar")
    press("d")
    press("f")
    visit.wait_until("() => document.fullscreenElement !== null")
    press("f")
    press("?")
    expect(visit.page.locator("#keys")).to_be_visible()
    assert "pause and resume" in visit.page.inner_text("#keys")
    press("Escape")
    expect(visit.page.locator("#keys")).to_be_hidden()


def test_quick_changes_of_the_range_raise_no_error(visit):
    for _ in range(30):
        visit.page.keyboard.press("ArrowLeft")
        visit.page.keyboard.press("ArrowRight")
    expect(visit.page.locator("#go-live")).to_be_visible()
    # The fixture checks for errors of the page: let what the last change started come to its end.
    visit.page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
    )


def test_keys_typed_into_a_field_stay_there(visit):
    visit.page.fill("#limit", "")
    visit.page.focus("#limit")
    visit.page.keyboard.type("15")
    assert visit.page.input_value("#limit") == "15"
    assert 59 < visit.range_s() < 61
    visit.page.focus("#pause")
    visit.page.keyboard.press("Space")
    expect(visit.page.locator("#go-live")).to_be_visible()


def test_shortcuts_of_one_character_can_be_switched_off(visit):
    visit.choose("shortcuts", "Off")
    visit.page.keyboard.press("Escape")
    visit.page.locator("h1").first.evaluate("() => document.activeElement.blur()")
    visit.page.keyboard.press("3")
    visit.page.keyboard.press("d")
    assert not visit.page.is_visible("#driving-bar")
    assert 59 < visit.range_s() < 61


def test_table_says_what_the_chart_shows(context, page_server):
    now = 1_784_000_000_000
    drive(page_server, "told", [float(n) for n in range(60)], until_ms=now)
    visit = Visit(context, page_server, f"?source=told&from={now - 60_000}&to={now}", status=None)
    visit.wait_until_drawn(60)
    visit.page.click("#show-table")
    rows = visit.page.locator("#table tbody tr")
    expect(rows).to_have_count(60)
    assert rows.first.inner_text().split("\t")[1:] == ["59.0", "59.0", "59.0", "1"]
    visit.page.click("#earlier")  # by half of the range
    expect(rows).to_have_count(30)
    visit.page.click("#show-table")
    expect(visit.page.locator("#table")).to_be_hidden()


@pytest.mark.parametrize("width", [1280, 1440])
def test_buttons_below_the_chart_are_in_one_row(context, page_server, width):
    visit = Visit(context, page_server)
    visit.page.set_viewport_size({"width": width, "height": 900})
    expect(visit.page.locator("#readings")).to_be_visible()
    tops = [visit.page.locator(f"#{each}").bounding_box()["y"] for each in ("show-table", "export-png")]
    assert tops[0] == tops[1]


def test_back_returns_to_the_view_before(visit):
    visit.page.click("#pause")
    expect(visit.page.locator("#go-live")).to_be_visible()
    visit.page.click("#place-trips")
    expect(visit.page.locator("#trips-place")).to_be_visible()
    expect(visit.page.locator("#live")).to_be_hidden()
    visit.page.go_back()
    expect(visit.page.locator("#go-live")).to_be_visible()
    assert "from=" in visit.page.url
    visit.page.go_back()
    expect(visit.page.locator("#go-live")).to_be_hidden()
    assert "from=" not in visit.page.url
