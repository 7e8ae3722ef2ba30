"""The trips below the chart: found, told in the reader's words, shown by a click."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.page.visit import RANGE, Visit, drive

DAY_MS = 86_400_000
NOON = 1_780_333_200_000  # 2026-06-01 12:00 in Chicago


@pytest.fixture
def visit(context, page_server):
    visits = []

    def open_page(query, status="Live"):
        visits.append(Visit(context, page_server, query, status))
        return visits[-1]

    yield open_page
    for each in visits:
        assert each.problems == []


def test_trips_are_listed_the_newest_first_and_a_click_shows_one(visit, page_server):
    # A trip every four days: 100 s of standing, then 20 minutes with a stop in the middle; the speed tells which one it is.
    for n in range(12):
        moving = [0.0] * 10 + [40.0 + n] * 60 + [0.0] + [40.0 + n] * 60
        drive(page_server, "commuter", moving, until_ms=NOON - 4 * DAY_MS * n, step_ms=10_000)
    page = visit("?source=commuter").page
    rows = page.locator("#trips tbody tr")
    expect(rows).to_have_count(10, timeout=20_000)
    assert page.locator("#trips caption").inner_text() == "Trips, the newest first"
    row = "Mon 1 Jun, 11:39 – 11:59\t13.3 km\t20 min 10 s\t40.0\t39.3\t40.0\t1"
    assert rows.nth(0).inner_text() == row
    page.click("text=Older trips")
    expect(rows).to_have_count(12)
    expect(page.get_by_text("Older trips")).to_be_hidden()
    # By hand, and by keyboard.
    rows.nth(1).click()
    expect(rows.nth(1).locator("button")).to_have_attribute("aria-current", "true")
    assert page.evaluate(RANGE) == ["2026-05-28T11:39:15.800", "2026-05-28T12:00:14.200"]
    assert "from=2026-05-28T16:39:15.800Z" in page.url
    expect(page.locator("#maximum")).to_have_text("41.0 km/h")
    rows.nth(2).locator("button").focus()
    page.keyboard.press("Enter")
    expect(rows.nth(2).locator("button[aria-current]")).to_be_focused()
    expect(page.locator("#trips [aria-current]")).to_have_count(1)
    expect(page.locator("#maximum")).to_have_text("42.0 km/h")
    page.locator("#unit button", has_text="mph").click()
    expect(rows.nth(0)).to_contain_text("8.25 mi")
    expect(page.locator("#trips thead")).to_contain_text("Max., mph")
    assert Axe().run(page).response["violations"] == []
    # A link into the past brings the trips around it.
    other = visit(page.url.split("/", 3)[3].replace("2026-05-24", "2026-04-18"), status=None).page
    expect(other.locator("#trips [aria-current]")).to_contain_text("Sat 18 Apr", timeout=20_000)
    other.click("text=Latest trips")
    expect(other.locator("#trips tbody tr").first).to_contain_text("Mon 1 Jun", timeout=20_000)


def test_trips_of_many_pages_are_all_listed_and_each_page_is_asked_for_once(visit, page_server):
    for n in range(5):
        drive(page_server, "courier", [0.0, 30.0, 30.0], until_ms=NOON - 3_600_000 * n, step_ms=10_000)
    page = visit("?source=courier").page
    expect(page.locator("#trips tbody tr")).to_have_count(5, timeout=20_000)
    found = page.evaluate("""async () => {
        const asked = [];
        const fetched = window.fetch;
        window.fetch = (url, ...rest) => { asked.push(url); return fetched(url, ...rest); };
        const trips = await window.speeddash.rest.all('trips', {source: 'courier', limit: 2});
        window.fetch = fetched;
        return {starts: trips.map(({start}) => start), asked: asked.filter((url) => url.includes('/trips?')).length};
    }""")
    assert len(set(found["starts"])) == len(found["starts"]) == 5
    assert found["asked"] == 3


def test_no_trips_are_reported_and_a_failed_request_is_repeated(visit, page_server):
    page = visit("?source=parked").page
    expect(page.locator("#trips")).to_have_text("No trips yet: a trip begins when something moves.")
    drive(page_server, "parked", [30.0] * 60, until_ms=NOON)
    page.route("**/api/v1/trips*", lambda route: route.abort())
    page.reload()
    expect(page.locator("#trips")).to_contain_text("Trips cannot be read: the server cannot be reached.")
    page.unroute("**/api/v1/trips*")
    page.click("text=Try again")
    expect(page.locator("#trips tbody tr")).to_have_count(1)
