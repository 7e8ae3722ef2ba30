"""The limit that the server keeps, what is above it, and what cannot be true."""

import time

import requests
from playwright.sync_api import expect

from tests.page.visit import DRAWN, Visit, drive

NOON = 1_780_333_200_000


def limit_kmh(server, source):
    return requests.get(f"{server.url}/api/v1/sources/{source}", timeout=5).json()["limit_kmh"]


def test_limit_is_kept_for_everyone_and_a_link_may_bring_its_own(context, page_server):
    drive(page_server, "watched", [50.0] * 20 + [80.0] * 20 + [50.0] * 20, until_ms=NOON)
    link = f"?source=watched&from={NOON - 60_000}&to={NOON}"
    page = Visit(context, page_server, link, status=None).page
    expect(page.locator("#events")).to_contain_text("Set a limit")
    assert limit_kmh(page_server, "watched") is None
    page.locator("#unit button", has_text="mph").click()
    page.fill("#limit", "40")
    page.keyboard.press("Enter")
    expect(page.locator("#events tbody tr")).to_have_count(1)
    assert "limit=" not in page.url
    other = Visit(context, page_server, link, status=None).page
    expect(other.locator("#limit")).to_have_value("40")  # the unit is the browser's
    expect(other.locator("#events tbody tr")).to_contain_text("19 s")
    assert round(limit_kmh(page_server, "watched"), 3) == 64.374
    # A link's limit is for this view alone.
    linked = Visit(context, page_server, f"{link}&limit=60", status=None).page
    expect(linked.locator("#events")).to_contain_text("Never in what is shown.")
    assert linked.input_value("#limit") == "60"
    assert "limit=60" in linked.url
    assert round(limit_kmh(page_server, "watched"), 3) == 64.374
    # What could not be stored is told, and not shown as if it were.
    other.route("**/api/v1/sources/watched", lambda route: route.abort())
    other.fill("#limit", "10")
    other.keyboard.press("Enter")
    expect(other.locator("#notice")).to_have_text("The limit was not stored: the server cannot be reached.")
    expect(other.locator("#limit")).to_have_value("40")


def test_jump_is_drawn_and_listed_and_left_out_of_the_maximum(context, page_server):
    drive(page_server, "jumpy", [50.0] * 30 + [312.0] + [50.0] * 29, until_ms=NOON)
    visit = Visit(context, page_server, f"?source=jumpy&from={NOON - 60_000}&to={NOON}", status=None)
    assert max(speed for _, speed in visit.wait_until_drawn(60)) == 312
    expect(visit.page.locator("#events tbody tr")).to_contain_text(
        "implausible jump to 312.0 km/h, left out of the maximum"
    )
    assert visit.page.inner_text("#maximum") == "50.0 km/h"


def test_event_under_way_is_listed_at_once_and_only_once(context, page_server):
    requests.patch(f"{page_server.url}/api/v1/sources/racer", json={"limit_kmh": 60}, timeout=5).raise_for_status()
    visit = Visit(context, page_server, "?source=racer")
    expect(visit.page.locator("#limit")).to_have_value("60")
    rows, events = visit.page.locator("#events tbody tr"), "**/api/v1/events*"
    began = time.time()
    with page_server.connect("/ws?source=racer") as socket:
        for n, speed in enumerate([50, 70, 80, 90, 75, 50]):
            socket.send(f'{{"speed": {speed}, "timestamp": {began - 6 + n:.3f}, "seq": {n}}}')
            socket.recv(5)
            if speed == 80:
                visit.wait_until(f"() => ({DRAWN}).length === 3")
                expect(rows).to_contain_text("80.0 km/h")
                visit.page.route(events, lambda route: route.fulfill(json={"events": [], "next_cursor": None}))
    # The page sees it end where the line crosses the limit; the server, which has yet to look at it, keeps it from reading to reading.
    expect(rows).to_contain_text("4 s\t90.0 km/h", timeout=15_000, use_inner_text=True)
    visit.wait_until(f"() => ({DRAWN}).length === 6")
    with visit.page.expect_response(events):
        pass
    visit.page.unroute(events)
    expect(rows).to_contain_text("3 s\t90.0 km/h", timeout=15_000, use_inner_text=True)
    expect(rows).to_have_count(1)
