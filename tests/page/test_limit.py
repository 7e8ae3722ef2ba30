"""The limit that the server stores, what is above it, and what cannot be true."""

import json
import time

import requests
from playwright.sync_api import expect

from tests.page.visit import Visit, drive

NOON = 1_780_333_200_000


def limit_kmh(server, source):
    return requests.get(f"{server.url}/api/v1/sources/{source}", timeout=5).json()["limit_kmh"]


def test_limit_is_stored_for_everyone_and_a_link_may_bring_its_own(context, page_server):
    drive(page_server, "watched", [50.0] * 20 + [80.0] * 20 + [50.0] * 20, until_ms=NOON)
    link = f"?source=watched&from={NOON - 60_000}&to={NOON}"
    visit = Visit(context, page_server, link, status=None)
    assert limit_kmh(page_server, "watched") is None
    visit.choose("unit", "mph")
    visit.set_limit("40")
    assert round(limit_kmh(page_server, "watched"), 3) == 64.374
    assert "limit=" not in visit.page.url
    # The same value again, and then nothing: neither deletes it.
    visit.set_limit("40")
    assert round(limit_kmh(page_server, "watched"), 3) == 64.374
    visit.page.fill("#limit", "")
    visit.page.click("#limit-set")
    expect(visit.page.locator("#limit-word")).to_contain_text("Not saved: a limit is a speed above 0 in mph")
    assert round(limit_kmh(page_server, "watched"), 3) == 64.374
    other = Visit(context, page_server, link, status=None).page
    expect(other.locator("#limit")).to_have_value("40")  # the unit is the browser's
    # A link's limit is for this view alone.
    linked = Visit(context, page_server, f"{link}&limit=60", status=None).page
    expect(linked.locator("#limit")).to_have_value("60")
    assert round(limit_kmh(page_server, "watched"), 3) == 64.374
    other.click("#limit-remove")
    expect(other.locator("#limit-word")).to_have_text("Limit removed")
    assert limit_kmh(page_server, "watched") is None


def test_each_of_several_sources_has_its_own_limit(context, page_server):
    for source, speed, limit in (("slow-one", 40.0, 30), ("fast-one", 90.0, 100)):
        drive(page_server, source, [speed] * 60, until_ms=NOON)
        requests.patch(
            f"{page_server.url}/api/v1/sources/{source}", json={"limit_kmh": limit}, timeout=5
        ).raise_for_status()
    query = f"?source=slow-one&source=fast-one&from={NOON - 60_000}&to={NOON}"
    visit = Visit(context, page_server, query, status=None)
    limits = "document.querySelector('#live-graph .js-plotly-plot')?.layout.annotations?.map(({text}) => text)"
    visit.wait_until(f"() => {limits}.join() === 'limit slow-one 30,limit fast-one 100'")
    names = "document.querySelector('#live-graph .js-plotly-plot').data.map(({name}) => name)"
    assert visit.page.evaluate(names).count("above the limit") == 2
    expect(visit.page.locator("#limit-row")).to_be_hidden()


def test_violation_is_noticed_in_the_title_and_in_words(context, page_server):
    requests.patch(
        f"{page_server.url}/api/v1/sources/racer", json={"limit_kmh": 60, "display_name": "The · racer"}, timeout=5
    ).raise_for_status()
    with page_server.connect("/ws?source=racer") as socket:
        socket.send('{"speed": 50}')
        socket.recv(5)
        visit = Visit(context, page_server, "?source=racer")
        expect(visit.page.locator("#limit")).to_have_value("60")
        visit.page.evaluate("() => Object.defineProperty(document, 'hidden', {get: () => true})")
        socket.send('{"speed": 90}')
        socket.recv(5)
        visit.wait_until("() => document.title === '⚠ The · racer 90 km/h, limit 60 km/h · SpeedDash'")
        expect(visit.page.locator("#notice")).to_contain_text("Above the limit: The · racer 90 km/h, limit 60 km/h")
        socket.send('{"speed": 55}')
        socket.recv(5)
        visit.wait_until("() => document.title === 'SpeedDash'")


#: What the page asks of the browser beside drawing: sounds that begin, and notifications that are shown.
HEARD = """
window.sounds = 0;
const {start} = OscillatorNode.prototype;
OscillatorNode.prototype.start = function (...given) { window.sounds += 1; return start.apply(this, given); };
window.shown = [];
window.Notification = class {  // Chromium's shell without a user interface shows none
    static permission = 'default';
    static requestPermission() { this.permission = 'granted'; }
    constructor(title, {body}) { window.shown.push(body); }
};
Object.defineProperty(document, 'hidden', {get: () => window.away === true});
"""


def test_violation_is_heard_and_notified_while_nobody_looks(own_context, page_server):
    own_context.add_init_script(HEARD)
    requests.patch(f"{page_server.url}/api/v1/sources/siren", json={"limit_kmh": 60}, timeout=5).raise_for_status()
    with page_server.connect("/ws?source=siren") as socket:

        def send(speed):
            socket.send(f'{{"speed": {speed}}}')
            socket.recv(5)

        send(50)
        visit = Visit(own_context, page_server, "?source=siren")
        expect(visit.page.locator("#limit")).to_have_value("60")
        send(90)
        visit.wait_until("() => document.title.startsWith('⚠')")
        assert visit.page.evaluate("[window.sounds, window.shown]") == [0, []]  # nobody asked for it
        send(50)
        visit.wait_until("() => document.title === 'SpeedDash'")
        visit.choose("sound", "On")
        visit.choose("notify", "On")
        visit.wait_until("() => window.sounds === 1")  # how it sounds
        visit.page.evaluate("window.away = true")
        send(91)
        visit.wait_until("() => window.sounds === 2")
        visit.wait_until("() => window.shown.length === 1")
        assert visit.page.evaluate("window.shown") == ["Above the limit: siren 91 km/h, limit 60 km/h"]
        send(92)  # still the same violation: one notification
        visit.wait_until("() => document.title.includes('92 km/h')")
        assert visit.page.evaluate("window.shown.length") == 1
        visit.page.click("nav >> text=Trips")  # another place: the alarm goes on
        expect(visit.page.locator("#trips-source")).to_be_visible()
        send(50)
        visit.wait_until("() => document.title === 'Trips – SpeedDash'")
        send(93)
        visit.wait_until("() => document.title === '⚠ siren 93 km/h, limit 60 km/h · Trips – SpeedDash'")
        visit.wait_until("() => window.shown.length === 2")
    assert visit.problems == []


def test_late_reading_and_one_of_the_future_change_nothing_of_now(context, page_server):
    with page_server.connect("/ws?source=mixed") as socket:

        def send(speed, seconds):
            reading = {"speed": speed, "timestamp": time.time() + seconds, "seq": round(1000 * time.time())}
            socket.send(json.dumps(reading))
            socket.recv(10)

        send(10, 0)
        requests.patch(f"{page_server.url}/api/v1/sources/mixed", json={"limit_kmh": 40}, timeout=5).raise_for_status()
        visit = Visit(context, page_server, "?mode=watch&source=mixed")
        send(11, 0)
        expect(visit.page.locator("#speed-now")).to_have_text("11")
        send(120, -3600)
        send(222, 7 * 86_400)
        send(12, 0)
        expect(visit.page.locator("#speed-now")).to_have_text("12")
        assert visit.page.title() == "SpeedDash"


def test_jump_is_drawn_and_listed_and_left_out_of_the_maximum(context, page_server):
    drive(page_server, "jumpy", [0.0] + [50.0] * 30 + [312.0] + [50.0] * 29, until_ms=NOON)
    visit = Visit(context, page_server, f"?source=jumpy&from={NOON - 62_000}&to={NOON}", status=None)
    assert max(speed for _, speed in visit.wait_until_drawn(60)) == 312
    assert visit.page.inner_text("#maximum") == "50.0 km/h"
    trips = Visit(context, page_server, "/trips?source=jumpy&from=2026-06-01&to=2026-06-01", status=None).page
    expect(trips.locator("#trips-events tbody tr").first).to_contain_text("implausible jump, left out of the maximum")


def test_field_shows_the_limit_of_the_source_that_is_shown(context, page_server):
    for source in ("unlimited", "limited"):
        drive(page_server, source, [50.0] * 20, until_ms=NOON)
    page = Visit(context, page_server, "?source=limited", status=None).page
    page.fill("#limit", "30")
    page.keyboard.press("Enter")
    expect(page.locator("#limit-word")).to_have_text("Limit saved")
    page.click("#limit-remove")
    expect(page.locator("#limit-word")).to_have_text("Limit removed")
    expect(page.locator("#limit")).to_have_value("")
    page.fill("#limit", "40")
    page.keyboard.press("Enter")
    expect(page.locator("#limit-word")).to_have_text("Limit saved")
    page.evaluate("() => history.pushState(null, '', '?source=unlimited')")
    page.evaluate("() => window.dispatchEvent(new PopStateEvent('popstate'))")
    expect(page.locator("#limit")).to_have_value("")
    expect(page.locator("#limit-word")).to_have_text("")
