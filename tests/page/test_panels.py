"""Pure functions of the panels: ranges, numbers, views, figures; and who may call the callbacks that change something."""

from datetime import UTC, date, datetime
from itertools import pairwise
from random import Random
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
import requests

from speeddash.app import create_app
from speeddash.errors import InvalidInput
from speeddash.history.performance import Point
from speeddash.history.totals import Total
from speeddash.history.trips import Trip
from speeddash.page.drive import DRIVE_S, drive
from speeddash.page.fleet import FleetView
from speeddash.page.fleet import format_view as format_fleet
from speeddash.page.fleet import parse as parse_fleet
from speeddash.page.limit import speed_of
from speeddash.page.reader import COOKIE, Reader, age, duration, told_before
from speeddash.page.script import joined
from speeddash.page.trips.figures import curve, days_figure
from speeddash.page.trips.view import TripKey, TripsView, format_view, parse
from speeddash.page.when import PRESETS, RangeText, days_of, named, stepped, time_of
from speeddash.reading import rfc3339
from speeddash.settings import Settings
from tests.auth.test_access import READ_TOKEN, TOKEN
from tests.running import RunningServer

BERLIN = Reader(ZoneInfo("Europe/Berlin"), ",", ".")
NOW = datetime(2026, 3, 29, 12, 30, tzinfo=ZoneInfo("Europe/Berlin"))  # the day on which summer time begins


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        (("now/d", "now"), "2026-03-28T23:00:00", "2026-03-29T10:30:00"),
        (("now-1d/d", "now/d"), "2026-03-27T23:00:00", "2026-03-28T23:00:00"),
        (("now-7d", "now"), "2026-03-22T11:30:00", "2026-03-29T10:30:00"),  # the same time of day, in winter time
        (("now-1M/M", "now/M"), "2026-01-31T23:00:00", "2026-02-28T23:00:00"),
        (("2026-03-29", "2026-03-29"), "2026-03-28T23:00:00", "2026-03-29T22:00:00"),  # a day of 23 hours
        (("2026-01-01T00:00:00Z", "now-90m"), "2026-01-01T00:00:00", "2026-03-29T09:00:00"),
        (("now/w", "now"), "2026-03-22T23:00:00", "2026-03-29T10:30:00"),
    ],
)
def test_range_of_an_address_is_that_of_the_readers_calendar(text, begin, end):
    found = time_of(RangeText(*text), BERLIN, NOW)
    assert (rfc3339(found.from_us)[:19], rfc3339(found.to_us)[:19]) == (begin, end)


@pytest.mark.parametrize(
    "text",
    [
        ("then", "now"), ("now", "now-1d"), ("now-99999y", "now"), ("", "now"), ("2026-13-01", "now"),
        ("0001-01-01", "now"), ("1000-01-01", "now"), ("now", "9999-12-31"), ("now", "9999-12-31T23:59:59Z"),
        ("now", "now+9999y"), ("9999-12-31", "9999-12-31"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Chicago", "Pacific/Kiritimati"])
def test_range_that_makes_no_sense_is_an_error(text, zone):
    reader = Reader(ZoneInfo(zone))
    with pytest.raises(InvalidInput):
        time_of(RangeText(*text), reader, NOW)
    with pytest.raises(InvalidInput):
        stepped(RangeText(*text), 1, reader, NOW)


def test_step_out_of_the_calendar_is_an_error():
    with pytest.raises(InvalidInput):
        stepped(RangeText("9000-01-01", "9999-11-30"), 1, BERLIN, NOW)


def test_step_moves_a_range_by_its_own_days_and_a_month_by_a_month():
    assert stepped(RangeText("2026-03-01", "2026-03-31"), -1, BERLIN, NOW) == ("2026-02-01", "2026-02-28")
    assert stepped(RangeText("2026-02-01", "2026-02-28"), 1, BERLIN, NOW) == ("2026-03-01", "2026-03-31")
    assert stepped(RangeText("now-1d/d", "now/d"), -1, BERLIN, NOW) == ("2026-03-27", "2026-03-27")
    assert days_of(PRESETS["This month"], BERLIN, NOW) == (date(2026, 3, 1), date(2026, 3, 29))
    assert named(PRESETS["7 d"]) == "7 d"
    assert named(RangeText("now-8d", "now")) is None


@pytest.mark.parametrize("value", ["", "{", "%", "[1]", "7", '"x"', "%7B%22zone%22"])
def test_cookie_that_makes_no_sense_tells_nothing_of_the_reader(value):
    assert told_before({COOKIE: value}) is None


@pytest.mark.parametrize("value", ["{", '{"zone": 7, "decimal": [], "unit": {}}', '{"zone": "../../etc/passwd"}'])
def test_page_comes_whatever_the_cookie_of_the_reader_says(page_server, value):
    for path in ("/trips", "/fleet", "/sources", "/connect", "/nowhere"):
        answer = requests.get(
            f"{page_server.url}/_dash-layout",
            headers={"Referer": f"{page_server.url}{path}?from=then", "Cookie": f"{COOKIE}={quote(value)}"},
            timeout=10,
        )
        assert answer.json()["props"]["id"] == "page"


def test_numbers_and_times_are_the_readers_own():
    assert BERLIN.number(1234567.891, 2) == "1.234.567,89"
    assert BERLIN.moment(1_774_769_400_000_000) == "Sun 2026-03-29 09:30"
    assert Reader(unit="mph").distance_with_unit(160.9344) == "100.0\u202fmi"
    assert duration(45) == "45\u202fs"
    assert duration(3 * 86_400) == "3\u202fd 00\u202fh"
    assert age(90_000) == "25\u202fh"
    assert Reader.of({"zone": "no/where", "unit": "furlong", "decimal": None}) == Reader(decimal="N")


@pytest.mark.parametrize(("typed", "kmh"), [("80", 80), ("80,5", 80.5), ("80.5", 80.5), (" 1.000,5 ", 1000.5)])
def test_limit_is_typed_as_the_reader_writes_numbers(typed, kmh):
    assert speed_of(typed, BERLIN) == kmh


@pytest.mark.parametrize("typed", ["", None, "fast", "-5", "0", "nan", "inf"])
def test_limit_that_is_no_speed_is_an_error(typed):
    with pytest.raises(InvalidInput):
        speed_of(typed, BERLIN)


def test_views_survive_the_way_through_an_address():
    key = TripKey("a:b", "2026-03-01T08:00:00.000000Z")
    for view in (TripsView(), TripsView(("car", "a:b"), RangeText("now-7d", "now"), (key,), "tag", "distance", "x y")):
        assert parse(format_view(view)) == view
    for view in (FleetView(), FleetView(("car",), "speed", "va n", True)):
        assert parse_fleet(format_fleet(view)) == view


def trip(start_us, km):
    return Trip(start_us, start_us + 60_000_000, 60, 50.0, 50.0, 60.0, km, 60.0, 60.0, 0, 0)


def test_short_range_is_bars_and_a_long_one_a_calendar():
    totals = [Total("2026-03-02").plus(trip(0, 12.0)), Total("2026-03-05").plus(trip(0, 3.0))]
    bars = days_figure(totals, date(2026, 3, 1), date(2026, 3, 31), Reader())
    assert bars["data"][0]["type"] == "bar"
    assert bars["data"][0]["y"] == [12.0, 3.0]
    calendar = days_figure(totals, date(2026, 1, 1), date(2026, 12, 31), Reader())
    [days] = calendar["data"]
    assert len(days["x"]) == 365
    assert days["text"][60] == "Mon 2026-03-02: 12.0\u202fkm, 1 trip"
    # No month is named twice.
    quarter = days_figure(totals, date(2026, 1, 1), date(2026, 3, 31), Reader())
    assert quarter["layout"]["xaxis"]["dtick"] == "M1"
    assert "dtick" not in calendar["layout"]["xaxis"]


def test_distance_of_a_curve_is_that_of_the_trip():
    points = [Point(n * 1_000_000, 36.0) for n in range(101)]
    assert curve(points, "distance", Reader())[-1] == (pytest.approx(1.0), 36.0)
    assert curve(points, "time", Reader())[-1] == (pytest.approx(100 / 60), 36.0)


def test_modules_are_joined_once_each_and_a_circle_is_an_error(tmp_path):
    (tmp_path / "a.mjs").write_text(
        "import {two} from './b.mjs';\nimport * as B from './b.mjs';\nexport const one = two + B.two;\n"
    )
    (tmp_path / "b.mjs").write_text("export const two = 2;\n")
    assert joined(tmp_path / "a.mjs").count("const two = 2") == 1
    (tmp_path / "b.mjs").write_text("import {one} from './a.mjs';\nexport const two = one;\n")
    with pytest.raises(ValueError, match="imports itself"):
        joined(tmp_path / "a.mjs")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('panels')}/speed.db"
    tokens = {
        "SPEEDDASH_TOKEN": TOKEN,
        "SPEEDDASH_READ_TOKEN": READ_TOKEN,
        "SPEEDDASH_SOURCE_TOKENS": "car=car-token-0123456789",
    }
    server = RunningServer(url, **tokens)
    yield server
    server.stop()


def bodies(server):
    """The body of a call of each callback, by whether it changes something."""
    page = create_app(Settings(database_url="sqlite:////tmp/unused.db")).page
    headers = {"Authorization": f"Bearer {TOKEN}"}
    dependencies = requests.get(f"{server.url}/_dash-dependencies", headers=headers, timeout=5).json()
    found = {True: [], False: []}
    for each in dependencies:
        if each["clientside_function"] or any(one["id"].startswith("{") for one in each["inputs"]):
            continue
        outputs = [
            {"id": name.rpartition(".")[0], "property": name.rpartition(".")[2].split("@")[0]}
            for name in each["output"].strip(".").split("...")
        ]
        body = {
            "output": each["output"],
            "outputs": outputs if each["output"].startswith("..") else outputs[0],
            "inputs": [{**one, "value": 1} for one in each["inputs"]],
            "state": [{**one, "value": None} for one in each["state"]],
            "changedPropIds": [f"{each['inputs'][0]['id']}.{each['inputs'][0]['property']}"],
        }
        found[each["output"] in page.changing].append(body)
    return found


def test_callbacks_that_change_something_answer_no_one_else(guarded):
    found = bodies(guarded)
    assert len(found[True]) >= 8
    address = f"{guarded.url}/_dash-update-component"
    for body in found[True]:
        for headers, code in (
            ({"Authorization": f"Bearer {READ_TOKEN}"}, "not_allowed"),
            ({"Authorization": "Bearer car-token-0123456789"}, "not_allowed"),
            ({"Authorization": f"Bearer {TOKEN}", "Origin": "https://elsewhere.example"}, "foreign_origin"),
        ):
            answer = requests.post(address, json=body, headers=headers, timeout=10)
            assert (answer.status_code, answer.json()["code"]) == (403, code), body["output"]
        assert requests.post(address, json=body, timeout=10).status_code == 401


def test_reader_may_call_the_callbacks_that_change_nothing(guarded):
    for body in bodies(guarded)[False]:
        answer = requests.post(
            f"{guarded.url}/_dash-update-component",
            json=body,
            headers={"Authorization": f"Bearer {READ_TOKEN}"},
            timeout=10,
        )
        assert answer.status_code != 403, body["output"]


def test_time_without_a_zone_is_utc():
    assert Reader().local(0) == datetime(1970, 1, 1, tzinfo=UTC)


def test_drive_of_the_simulator_is_one_that_a_person_would_believe():
    drives = [drive(Random(seed)) for seed in range(50)]
    assert len({tuple(each) for each in drives}) == 50
    for speeds in drives:
        assert len(speeds) == DRIVE_S
        assert 0 < speeds[0] < 15  # it pulls away at once
        assert speeds[-1] == 0  # and stands when it begins again
        assert all(0 <= each <= 200 for each in speeds)
        changes = [after - before for before, after in pairwise(speeds)]
        assert max(changes) < 15
        assert min(changes) > -15
        assert max(speeds) > 45
