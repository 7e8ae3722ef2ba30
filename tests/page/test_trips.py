"""The trips place: found, sorted, chosen, compared, described; by hand and by link."""

import json
import re
from datetime import date
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from speeddash.history.performance import Point
from speeddash.history.totals import Total
from speeddash.page.reader import COOKIE, Reader
from speeddash.page.trips.figures import days_figure, trip_figure
from tests.page.visit import drive
from tests.running import wait_for

DAY_MS = 86_400_000
NOON = 1_780_333_200_000  # 2026-06-01 12:00 in Chicago
ROWS = "#trips-grid .ag-center-cols-container .ag-row"


@pytest.fixture(scope="module")
def commuter(page_server):
    """A trip every four days: 100 s of standing, then 20 minutes with a stop in the middle; the speed is that of the trip's number."""
    for n in range(12):
        moving = [0.0] * 10 + [40.0 + n] * 60 + [0.0] + [40.0 + n] * 60
        drive(page_server, "commuter", moving, until_ms=NOON - 4 * DAY_MS * n, step_ms=10_000)
    return "/trips?source=commuter&from=2026-04-01&to=2026-06-01"


def row(page, n):
    return page.locator(f'{ROWS}[row-index="{n}"]')


def texts(page, column):
    cells = page.locator(f'{ROWS} .ag-cell[col-id="{column}"]').all()
    return [cell.inner_text().replace("\u202f", " ") for cell in cells]


def test_all_trips_of_a_range_are_listed_and_sorted_by_a_click(open_page, commuter):
    page = open_page(commuter).page
    expect(page.locator(ROWS)).to_have_count(12)
    figures = page.locator("#trips-figures").inner_text().replace("\u202f", " ").split("\n")
    assert figures[:4] == ["Trips", "12", "Distance", "181.2 km"]
    first = row(page, 0).inner_text().replace("\u202f", " ").split("\n")
    assert first[:5] == ["Mon 2026-06-01 11:39 – 11:59", "13.3", "20 min 10 s", "40.0", "39.3"]
    page.locator("#trips-grid .ag-header-cell[col-id=max]").click()
    expect(row(page, 0).locator("[col-id=max]")).to_have_text("51.0")
    page.locator("#trips-grid .ag-header-cell[col-id=start]").click()
    expect(page.locator("#trips-totals tbody tr")).to_have_count(8)  # weeks
    page.click("#trips-by")
    page.get_by_text("Month", exact=True).click()
    expect(page.locator("#trips-totals tbody tr")).to_have_count(3)
    assert "by=month" in page.url


def test_reload_has_the_place_from_the_beginning(open_page, commuter):
    """The page says who reads it, and asks for the place, at the first visit only; what a cookie says wrongly is corrected."""
    visit = open_page(commuter)
    page, asked = visit.page, []
    expect(page.locator(ROWS)).to_have_count(12)
    page.on("request", lambda request: asked.append(json.loads(request.post_data or "{}").get("output", "")))
    for zone in ("America/Chicago", "Asia/Tokyo", "nowhere"):
        kept = next(each for each in page.context.cookies() if each["name"] == COOKIE)
        page.context.add_cookies([{**kept, "value": kept["value"].replace("America%2FChicago", quote(zone, safe=""))}])
        asked.clear()
        page.reload()
        expect(row(page, 0).locator("[col-id=start]")).to_contain_text("11:39")
        assert "place.children" not in asked
        assert sum("trips-grid.rowData" in each for each in asked) == (1 if zone == "America/Chicago" else 2)
    page.click("#place-fleet")
    expect(page.locator("#fleet-tiles li").first).to_be_visible()
    page.reload()
    expect(page.locator("#fleet-tiles li").first).to_be_visible()
    page.go_back()
    expect(page.locator(ROWS)).to_have_count(12)


def test_link_to_a_trip_that_is_not_stored_says_so(open_page, commuter):
    page = open_page(f"{commuter}&trip=commuter@2020-01-01T00:00:00.000000Z").page
    expect(page.locator(ROWS)).to_have_count(12)
    expect(page.locator("#trips-detail")).to_have_text("That trip is not stored any more.")
    row(page, 1).locator("[col-id=start]").click()
    expect(page.locator("#trips-detail h2")).to_have_text("Thu 2026-05-28 11:39")


def test_one_trip_is_shown_in_full_and_its_neighbours_are_one_click_away(open_page, commuter):
    page = open_page(commuter).page
    row(page, 1).locator("[col-id=start]").click()
    expect(page.locator("#trips-detail h2")).to_have_text("Thu 2026-05-28 11:39")
    assert "trip=commuter@2026-05-28T16:39" in page.url
    expect(page.locator("#trips-detail")).to_contain_text("Maximum")
    page.click("#trips-detail >> text=Previous")
    expect(page.locator("#trips-detail h2")).to_have_text("Sun 2026-05-24 11:39")
    page.go_back()
    expect(page.locator("#trips-detail h2")).to_have_text("Thu 2026-05-28 11:39")
    assert Axe().run(page).response["violations"] == []
    link = page.url.split("/", 3)[3]
    other = open_page(f"/{link}").page
    expect(other.locator("#trips-detail h2")).to_have_text("Thu 2026-05-28 11:39")
    other.click("text=Open in Live")
    expect(other.locator("#maximum")).to_have_text("41.0 km/h")


def test_two_trips_are_compared_over_time_and_over_distance(open_page, commuter):
    page = open_page(commuter).page
    for n in (0, 1):
        page.locator(f'#trips-grid .ag-row[row-index="{n}"] input').first.click()
    expect(page.locator("#trips-detail h2")).to_have_text("2 trips compared")
    names = "document.querySelector('#trip-graph .js-plotly-plot').data.map(({name}) => name)"
    page.wait_for_function(f"() => {names}.length === 3")
    assert page.evaluate(names)[2] == "Difference (second less first)"
    page.get_by_text("Over distance").click()
    page.wait_for_function(
        "() => document.querySelector('#trip-graph .js-plotly-plot').layout.xaxis.ticksuffix === ' km'"
    )
    assert "axis=distance" in page.url
    assert Axe().run(page).response["violations"] == []


def test_trip_is_named_and_tagged_and_the_tags_are_summed(open_page, commuter, page_server):
    page = open_page(commuter).page
    row(page, 2).locator("[col-id=start]").click()
    page.fill("#trip-name", "To the lake")
    page.fill("#trip-tag", "private")
    page.fill("#trip-note", "Wind")
    page.click("#trip-save")
    expect(page.locator("#trip-saved")).to_have_text("Saved")
    expect(row(page, 2)).to_contain_text("To the lake")
    stored = requests.get(f"{page_server.url}/api/v1/trips?source=commuter", timeout=5).json()["trips"]
    assert [each["tag"] for each in stored if each["name"] == "To the lake"] == ["private"]
    page.click("#trips-by")
    page.get_by_role("option", name="Tag", exact=True).click()  # when it has appeared
    expect(page.locator("#trips-totals tbody tr").last).to_contain_text("private")
    page.click("#trips-totals >> text=private")
    expect(page.locator(ROWS)).to_have_count(1)
    page.click("#trips-word >> text=Show all")
    expect(page.locator(ROWS)).to_have_count(12)
    with page.expect_download() as download:
        page.click("#trips-csv")
    assert "To the lake" in download.value.path().read_text()


def test_ranges_are_named_stepped_and_an_empty_one_says_what_there_is(open_page, commuter):
    page = open_page("/trips?source=commuter").page
    expect(page.locator("#trips-csv")).to_have_attribute("href", re.compile("trips.csv[?]source=commuter&from="))
    expect(page.locator("#trips-word")).to_contain_text("commuter has data from 2026-04-18 to 2026-06-01.")
    page.click("#trips-word >> text=Show it")
    expect(page.locator(ROWS)).to_have_count(12)
    page.goto(page.url.split("?")[0] + "?source=commuter&from=2026-05-01&to=2026-05-31")
    expect(page.locator(ROWS)).to_have_count(7)
    page.click("#trips-earlier")
    expect(page.locator(ROWS)).to_have_count(4)
    assert "from=2026-04-01&to=2026-04-30" in page.url
    page.click("text=Yesterday")
    expect(page.locator("#trips-word")).to_contain_text("No trips in this range.")
    assert "from=now-1d/d&to=now/d" in page.url
    page.goto(page.url.split("?")[0] + "?source=commuter&from=then&to=now")
    expect(page.locator("#trips-word")).to_contain_text("from: expected a time such as")


def test_no_trip_is_listed_before_its_hours_are_rolled_up(open_page, page_server):
    for n in range(60):
        drive(page_server, "fresh", [0.0, 30.0, 30.0], until_ms=NOON - 2 * 3_600_000 * n)
    page = open_page("/trips?source=fresh&from=2026-05-01&to=2026-06-01").page
    expect(page.locator("#trips-word")).to_contain_text(
        "History is being prepared: 60 hours of recordings are still to be summed."
    )
    expect(page.locator(ROWS)).to_have_count(0)


def test_source_that_does_not_exist_has_no_trips(open_page):
    page = open_page("/trips?source=nobody").page
    expect(page.locator("#trips-word")).to_have_text("Nothing is stored of nobody.")


def test_link_to_compared_trips_keeps_their_order(open_page, commuter):
    page = open_page(commuter).page
    for n in (0, 1):
        page.locator(f'#trips-grid .ag-row[row-index="{n}"] input').first.click()
    expect(page.locator("#trips-detail h2")).to_have_text("2 trips compared")
    address = page.url
    first, second = re.findall("trip=[^&]+", address)
    for trips in (f"{first}&{second}", f"{second}&{first}"):
        link = address.replace(f"{first}&{second}", trips)
        other = open_page("/" + link.split("/", 3)[3]).page
        expect(other.locator("#trips-detail h2")).to_have_text("2 trips compared")
        expect(other.locator("#trips-grid .ag-row-selected").first).to_be_visible()
        other.wait_for_load_state("networkidle")
        assert other.url == link


def test_report_on_paper_has_all_trips_and_says_whose_they_are(open_page, commuter):
    page = open_page(commuter).page
    page.set_viewport_size({"width": 1440, "height": 500})
    expect(page.locator(ROWS).first).to_be_visible()
    page.evaluate(
        "() => { window.print = () => { window.printed = document.querySelectorAll('ROWS').length; }; }".replace(
            "ROWS", ROWS
        )
    )
    page.click("#trips-print")
    page.wait_for_function("() => window.printed === 12")
    page.emulate_media(media="print")
    paper = page.locator("#trips-paper")
    expect(paper).to_have_text("Trips of commuter, 2026-04-01 to 2026-06-01, times in America/Chicago")
    expect(paper).to_be_visible()


def test_bar_is_a_day_wide():
    reader = Reader(ZoneInfo("Europe/Berlin"))
    totals = [Total("2026-05-01", 1, 10.0, 600, 600, 80.0), Total("2026-05-20", 1, 10.0, 600, 600, 80.0)]
    (bars, _) = days_figure(totals, date(2026, 5, 1), date(2026, 5, 30), reader)["data"]
    assert bars["width"] == 0.75 * DAY_MS
    figure = days_figure(totals[:1], date(2026, 5, 1), date(2026, 5, 1), reader)
    assert figure["layout"]["xaxis"]["range"] == ["2026-04-30T12:00:00", "2026-05-01T12:00:00"]
    assert figure["layout"]["xaxis"]["tickvals"] == ["2026-05-01"]


def test_trip_with_a_jump_is_compared_with_one_without(open_page, page_server):
    plain = [40.0] * 60
    drive(page_server, "jumpy-van", plain, until_ms=NOON - 3_600_000, step_ms=1_000)
    drive(page_server, "jumpy-van", [*plain[:30], 300.0, *plain[31:]], until_ms=NOON, step_ms=1_000)
    starts = [
        each["start"]
        for each in requests.get(f"{page_server.url}/api/v1/trips?source=jumpy-van", timeout=5).json()["trips"]
    ]
    link = "/trips?source=jumpy-van&from=2026-06-01&to=2026-06-01" + "".join(
        f"&trip=jumpy-van@{each}" for each in starts[::-1]
    )
    page = open_page(link).page
    expect(page.locator("#trips-detail h2")).to_have_text("2 trips compared")
    page = open_page(f"{link.split('&trip=')[0]}&trip=jumpy-van@{starts[1]}").page
    expect(page.locator("#trips-detail")).to_contain_text("Implausible jumps, left out")


def test_note_takes_back_nothing_that_somebody_else_wrote(open_page, page_server):
    drive(page_server, "shared-van", [40.0] * 60, until_ms=NOON, step_ms=1_000)
    address = f"{page_server.url}/api/v1/trips?source=shared-van"
    (trip,) = requests.get(address, timeout=5).json()["trips"]
    link = f"/trips?source=shared-van&from=2026-06-01&to=2026-06-01&trip=shared-van@{trip['start']}"
    one, other = open_page(link).page, open_page(link).page
    expect(other.locator("#trip-note")).to_be_visible()
    one.fill("#trip-name", "Commute")
    one.fill("#trip-tag", "business")
    one.click("#trip-save")
    expect(one.locator("#trip-saved")).to_have_text("Saved")
    expect(one.locator("#trip-heading")).to_have_text("Commute")
    other.fill("#trip-note", "rain")
    other.click("#trip-save")
    expect(other.locator("#trip-saved")).to_have_text("Saved")
    (trip,) = requests.get(address, timeout=5).json()["trips"]
    assert (trip["name"], trip["tag"], trip["note"]) == ("Commute", "business", "rain")
    other.type("#trip-note", " and wind")
    expect(other.locator("#trip-saved")).to_have_text("")


def test_text_that_was_typed_and_not_saved_is_there_again(open_page, page_server):
    drive(page_server, "draft-van", [40.0] * 60, until_ms=NOON, step_ms=1_000)
    page = open_page("/trips?source=draft-van&from=2026-06-01&to=2026-06-01").page
    row(page, 0).locator("[col-id=start]").click()
    page.fill("#trip-note", "icy road")
    page.click("#place-sources")
    expect(page.locator("#sources-place")).to_be_visible()
    page.go_back()
    expect(page.locator("#trip-note")).to_have_value("icy road")


def test_sources_are_called_by_their_names_for_people(open_page, commuter, page_server):
    drive(page_server, "other-car", [40.0] * 120, until_ms=NOON, step_ms=10_000)
    address = f"{page_server.url}/api/v1/sources/other-car"
    requests.patch(address, json={"display_name": "The red one"}, timeout=5).raise_for_status()
    page = open_page("/trips?source=other-car&source=commuter&from=2026-06-01&to=2026-06-01").page

    def named():  # the list of sources is read every 10 s
        page.reload()
        expect(page.locator(ROWS).first).to_be_visible()
        return page.locator(ROWS, has_text="The red one").count() == 1

    wait_for(named, 30)
    page.locator(ROWS, has_text="The red one").locator("[col-id=start]").click()
    expect(page.locator("#trips-detail")).to_contain_text("The red one, ")
    visit = open_page("/?source=other-car&source=commuter&from=2026-06-01&to=2026-06-02")
    visit.wait_until(
        "() => document.querySelector('#live-graph .js-plotly-plot')?.data?.some(({name}) => name === 'The red one')"
    )
    expect(visit.page.locator("#others")).to_contain_text("The red one")


def test_list_is_one_stop_for_the_tab_key_and_a_tap_beside_a_box_picks(open_page, commuter):
    page = open_page(commuter).page
    row(page, 0).locator("[col-id=start]").click()
    expect(page.locator("#trips-detail h2")).to_be_visible()
    page.keyboard.press("Tab")
    assert not page.evaluate("document.activeElement.closest('#trips-grid') !== null")
    for n in (1, 2):
        page.locator(f'#trips-grid .ag-row[row-index="{n}"] [col-id="ag-Grid-SelectionColumn"]').click(
            position={"x": 50, "y": 28}
        )
        expect(page.locator("#trips-detail h2").first).to_have_text(f"{n + 1} trips compared")


def test_range_that_makes_no_sense_stays_in_the_fields(open_page, commuter):
    page = open_page("/trips?source=commuter&from=2026-06-09&to=2026-06-01").page
    expect(page.locator("#trips-word")).to_contain_text("Trips cannot be read")
    assert [page.input_value(f"#trips-day-{end}") for end in ("first", "last")] == ["2026-06-09", "2026-06-01"]


def test_line_of_a_trip_goes_on_where_an_hour_comes_twice():
    reader = Reader(ZoneInfo("Europe/Berlin"))
    first = 1_792_886_400_000_000  # 2026-10-25 02:00 in summer time
    points = [Point(first + n * 600_000_000, 50.0) for n in range(10)]
    [trace] = trip_figure(points, None, reader)["data"]
    assert trace["x"] == sorted(trace["x"])
    assert len(set(trace["x"])) == 10


def test_reading_that_is_a_jump_and_above_the_limit_is_listed_as_both(open_page, page_server):
    drive(page_server, "glitch", [40.0] * 60 + [260.0] + [40.0] * 60, until_ms=NOON)
    address = f"{page_server.url}/api/v1/sources/glitch"
    requests.patch(address, json={"limit_kmh": 120}, timeout=5).raise_for_status()
    events = f"{page_server.url}/api/v1/events?source=glitch"
    wait_for(lambda: len(requests.get(events, timeout=5).json()["events"]) == 2)
    page = open_page("/trips?source=glitch&from=2026-06-01&to=2026-06-01").page
    expect(page.locator(ROWS)).to_have_count(1)
    expect(page.locator("#trips-events tbody tr")).to_have_count(2)
