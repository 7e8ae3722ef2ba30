"""This device's GPS as a source: Chromium's own emulation of it, with and without a speed."""

import pytest
from playwright.sync_api import expect

from tests.page.visit import Visit
from tests.running import wait_for

PLACE = {"latitude": 41.8781, "longitude": -87.6298, "accuracy": 5}
METRES_IN_A_DEGREE_OF_LATITUDE = 111_195.08


class Phone:
    """A phone with GPS on the page."""

    def __init__(self, browser, server, *, permissions=("geolocation",), query="?mode=gps"):
        self.context = browser.new_context(
            viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True, permissions=list(permissions)
        )
        self.visit = Visit(self.context, server, query)
        self.protocol = self.context.new_cdp_session(self.visit.page)

    def fix(self, **place):
        self.protocol.send("Emulation.setGeolocationOverride", {**PLACE, **place})


@pytest.fixture
def phone(browser, page_server):
    phones = []

    def make(**options):
        phones.append(Phone(browser, page_server, **options))
        return phones[-1]

    yield make
    for each in phones:
        each.context.close()


def test_speeds_of_a_gps_drive_are_shown_and_stored(phone):
    drive = phone()
    speeds_mps = [0, 3.5, 8.25, 13.9, 13.9, 20]
    for n, speed in enumerate(speeds_mps):
        drive.fix(latitude=PLACE["latitude"] + n / 1000, speed=speed, heading=0)
        wait_for(lambda count=n + 1: len(drive.visit.stored()) >= count)
    stored = [each["speed"] for each in drive.visit.stored()]
    assert stored == [round(speed * 3.6, 2) for speed in speeds_mps]
    expect(drive.visit.page.locator("#speed-now")).to_have_text("72")
    assert [speed for _, speed in drive.visit.wait_until_drawn(len(stored))] == stored


def test_speed_comes_from_two_fixes_where_the_device_gives_none(phone):
    drive = phone()
    for n in range(4):
        drive.fix(latitude=PLACE["latitude"] + n * 40 / METRES_IN_A_DEGREE_OF_LATITUDE)
        drive.visit.page.wait_for_timeout(1000)  # the time between two fixes is what is measured
    stored = wait_for(lambda: drive.visit.stored())
    assert len(stored) >= 3
    for reading in stored:
        assert 40 / 1.5 * 3.6 < reading["speed"] < 40 / 0.9 * 3.6


def test_drive_continues_after_a_reload(phone):
    drive = phone()
    drive.fix(speed=5)
    wait_for(lambda: drive.visit.stored())
    drive.visit.page.reload()
    drive.fix(speed=10)
    expect(drive.visit.page.locator("#speed-now")).to_have_text("36", timeout=10_000)
    assert {each["speed"] for each in drive.visit.stored()} >= {18, 36}


def test_screen_stays_on_while_gps_sends(phone):
    drive = phone()
    drive.visit.page.evaluate(
        "() => { window.locks = 0; const ask = navigator.wakeLock.request.bind(navigator.wakeLock);"
        " navigator.wakeLock.request = (kind) => { window.locks += 1; return ask(kind); }; }"
    )
    drive.visit.choose("source", "Simulate")
    drive.visit.choose("source", "GPS")
    drive.visit.wait_until("() => window.locks === 1")


def test_blocked_location_is_explained(phone):
    drive = phone(permissions=())
    drive.visit.page.context.clear_permissions()
    drive.protocol.send("Browser.setPermission", {"permission": {"name": "geolocation"}, "setting": "denied"})
    drive.visit.page.reload()
    expect(drive.visit.page.locator("#notice")).to_contain_text("Location is blocked", timeout=10_000)


def test_page_without_https_says_that_gps_needs_it(browser, page_server):
    context = browser.new_context()
    context.add_init_script("Object.defineProperty(window, 'isSecureContext', {get: () => false})")
    visit = Visit(context, page_server, "?mode=gps")
    expect(visit.page.locator("#notice")).to_contain_text("GPS needs HTTPS")
    expect(visit.page.locator("#message-text")).to_have_text("No speed from this device.")
    context.close()
