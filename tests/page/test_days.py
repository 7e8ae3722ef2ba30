"""A long range of the live place: bars by day."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from speeddash.history.history import History
from speeddash.history.totals import Total
from speeddash.page.chart_table import ChartTable
from speeddash.page.chart_table import period_of as period_of_table
from speeddash.page.days import REFRESH_MS, DaysPanel, days_figure, period_of
from speeddash.page.reader import Reader
from speeddash.page.source_list import SourceList
from speeddash.timerange import TimeRange
from tests.page.test_import import DROP
from tests.page.visit import RANGE, drive

NOON = 1_780_333_200_000  # 2026-06-01 12:00 in Chicago
DAY_MS = 86_400_000
LONG = "?mode=watch&source=seasons&from=2026-02-01T06:00:00Z&to=2026-06-02T05:00:00Z"
BARS = "document.querySelector('#days-graph .js-plotly-plot')"


@pytest.fixture(scope="module")
def seasons(page_server):
    """A trip of 20 minutes every tenth day; the speed is that of the trip's number."""
    for n in range(10):
        drive(page_server, "seasons", [50.0 + n] * 120, until_ms=NOON - 10 * DAY_MS * n, step_ms=10_000)


def test_each_day_has_its_highest_speed_and_its_distance_in_the_unit_of_the_reader():
    reader = Reader(ZoneInfo("America/Chicago"), unit="mph")
    totals = [Total("2026-05-31", 1, 10.0, 600, 600, 80.4672), Total("2026-06-01", 2, 16.09344, 900, 900, 160.9344)]
    time = TimeRange(1_769_925_600_000_000, 1_780_376_400_000_000)
    figure = days_figure([("a<b", 96.56064, totals)], time, "day", reader)
    highest, distance = figure["data"]
    assert highest["x"] == distance["x"] == ["2026-05-31", "2026-06-01"]
    assert figure["layout"]["shapes"][0]["y0"] == pytest.approx(60)
    assert highest["y"] == pytest.approx([50, 100])
    assert distance["y"] == pytest.approx([6.2137, 10], abs=1e-4)
    assert highest["name"] == "a&lt;b"
    assert figure["layout"]["xaxis"]["range"] == ["2026-02-01T00:00:00.000", "2026-06-02T00:00:00.000"]
    assert figure["layout"]["yaxis"]["ticksuffix"] == " mph"
    assert figure["layout"]["yaxis2"]["ticksuffix"] == " mi"


@pytest.mark.parametrize(
    ("days", "narrow", "period", "begin", "last"),
    [
        (800, False, "day", "2026-03-02", "2026-03-02"),
        (900, False, "week", "2026-03-02", "2026-03-08"),
        (9_000, False, "month", "2026-02-01", "2026-02-28"),
        (365, True, "week", "2026-03-02", "2026-03-08"),
    ],
)
def test_years_are_bars_by_week_or_month(days, narrow, period, begin, last):
    time = TimeRange(1_769_925_600_000_000, 1_769_925_600_000_000 + days * 86_400_000_000)
    (bar, _) = days_figure([("car", None, [Total(begin, 1, 1.0, 1, 1, 9.0)])], time, period, Reader())["data"]
    assert period_of(time, narrow=narrow) == period
    assert bar["customdata"] == [[begin, last]]
    assert bar["width"] == pytest.approx([0.85 * {"day": 1, "week": 7, "month": 28}[period] * DAY_MS])


def test_days_at_the_ends_of_the_calendar_are_no_error(store):
    panel = DaysPanel(History(store), SourceList(store))
    asked = {
        "sources": ["nobody"],
        "limits": [None],
        "narrow": False,
        "from": -62_135_596_800_000,
        "to": 253_402_300_800_000,
    }
    assert panel.days(asked, None, {"zone": "Asia/Tokyo"}) == ([], False, REFRESH_MS)


def test_more_sources_than_bars_can_show_stay_lines(store):
    asked = {"sources": list("abcde"), "limits": [None] * 5, "narrow": False, "from": 0, "to": 1_780_333_200_000}
    assert DaysPanel(History(store), SourceList(store)).days(asked, None, None) == ([], True, REFRESH_MS)


def test_long_range_is_bars_by_day_and_a_click_shows_that_day(open_page, seasons):
    visit = open_page(LONG)
    visit.wait_until(f"() => {BARS}?.data?.length === 2")
    days = [(date(2026, 6, 1) - timedelta(days=10 * n)).isoformat() for n in reversed(range(10))]
    assert visit.page.evaluate(f"{BARS}.data[0].x") == days
    assert visit.page.evaluate(f"{BARS}.data[0].y") == pytest.approx([50.0 + n for n in reversed(range(10))])
    expect(visit.page.locator("#live-graph")).to_be_hidden()
    # The last bar: its middle is 12 hours before the end of the range.
    plot = visit.page.locator("#days-graph .nsewdrag").first.bounding_box()
    visit.page.mouse.click(plot["x"] + plot["width"] * (1 - 0.5 / 121), plot["y"] + plot["height"] * 0.9)
    visit.wait_until(f"() => {RANGE}[0].startsWith('2026-06-01T00:00') && !{BARS}")
    expect(visit.page.locator("#live-graph")).to_be_visible()
    visit.wait_until_drawn(100)
    visit.page.go_back()
    visit.wait_until(f"() => {BARS}?.data?.length === 2")


def test_bars_follow_the_unit_and_are_saved_as_they_are_seen(open_page, seasons):
    visit = open_page(LONG)
    visit.wait_until(f"() => {BARS}?.data?.length === 2")
    visit.page.keyboard.press("u")
    visit.wait_until(f"() => {BARS}?.layout?.yaxis?.ticksuffix === ' mph'")
    visit.page.evaluate("() => { window.Plotly.downloadImage = (figure) => { window.saved = figure; }; }")
    visit.page.click("#export-png")
    visit.wait_until("() => window.saved")
    assert visit.page.evaluate("window.saved.data.map(({type}) => type)") == ["bar", "bar"]
    assert "seasons in mph" in visit.page.evaluate("window.saved.layout.title.text")


def test_a_range_without_a_trip_keeps_the_line(open_page, page_server):
    visit = open_page("?mode=watch&source=nothing-yet&from=2026-02-01T06:00:00Z&to=2026-06-02T05:00:00Z")
    expect(visit.page.locator("#live-graph")).to_be_visible()
    expect(visit.page.locator("#days-graph")).to_have_count(0)


def test_table_of_bars_has_their_weeks(open_page, seasons):
    visit = open_page(LONG)
    visit.wait_until(f"() => {BARS}?.data?.length === 2")
    visit.page.click("#show-table")
    rows = visit.page.locator("#table tbody tr")
    expect(rows).to_have_count(10)
    week, trips, _, moving, highest = rows.first.inner_text().split("\t")
    assert (week, trips, moving.replace("\u202f", " "), highest) == ("2026-06-01", "1", "19 min 50 s", "50.0")


def test_table_has_months_where_weeks_would_be_too_many(store):
    table = ChartTable(History(store), SourceList(store), DaysPanel(History(store), SourceList(store)))
    day = TimeRange(0, DAY_MS * 1000)
    assert period_of_table(day._replace(to_us=59 * 7 * DAY_MS * 1000)) == "week"
    assert period_of_table(day._replace(to_us=60 * 7 * DAY_MS * 1000)) == "month"
    assert table.tables(None, None, None) == []


def test_import_changes_the_bars_that_are_shown(open_page, page_server):
    """Also in a range that is over, which is not asked for again otherwise."""
    drive(page_server, "added", [50.0] * 120, until_ms=NOON, step_ms=10_000)
    visit = open_page(LONG.replace("seasons", "added"))
    visit.wait_until(f"() => {BARS}?.data?.length === 2 && {BARS}.data[0].x.length === 1")
    lines = [f"2026-04-01 12:{n // 60:02}:{n % 60:02},90" for n in range(600)]
    visit.page.evaluate(DROP, [[["more.csv", "\n".join(["timestamp,speed_kmh", *lines, ""])]], False])
    visit.page.get_by_label("Stored as").fill("added")
    visit.page.click("#import-start")
    expect(visit.page.locator("#import-box")).to_contain_text("600 readings stored")
    visit.page.click("#import-close")
    visit.wait_until(f"() => {BARS}?.data?.length === 2 && {BARS}.data[0].x.length === 2")
