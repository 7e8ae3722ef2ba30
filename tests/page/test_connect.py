"""The connect place: ready lines and addresses for this server, which work."""

import re

import pytest
import requests
from playwright.sync_api import expect

from speeddash.page.connect.ways import TOKEN, ways
from tests.page.visit import Visit


def test_lines_follow_the_source_and_the_address(open_page, page_server):
    page = open_page("/connect").page
    expect(page.locator("#connect-ways")).to_contain_text(
        f"gpsd://localhost' --source car --server ws://localhost:{page_server.port}/ws"
    )
    expect(page.locator(".hint")).to_contain_text("This server answers this machine alone")
    page.fill("#connect-source", "bus:7")
    page.press("#connect-source", "Enter")
    expect(page.locator("#connect-ways")).to_contain_text("--source bus:7")
    page.fill("#connect-address", "https://speed.example.com/")
    page.press("#connect-address", "Enter")
    expect(page.locator("#connect-ways")).to_contain_text("--server wss://speed.example.com/ws")
    page.fill("#connect-source", "a b")
    page.press("#connect-source", "Enter")
    expect(page.locator("#connect-ways [role=alert]")).to_contain_text("source must be 1 to 64 characters")


def test_address_for_owntracks_works_as_it_is_shown(open_page, page_server):
    page = open_page("/connect").page
    section = page.locator("section", has=page.get_by_role("heading", name="OwnTracks", exact=True))
    address = section.locator("code").first.inner_text().replace("\n", "")
    body = {"_type": "location", "tst": 1_795_000_000, "vel": 61, "lat": 1, "lon": 2}
    assert requests.post(address.replace("source=car", "source=shown"), json=body, timeout=10).json() == []
    assert [each["speed"] for each in page_server.readings("shown")] == [61]
    assert section.locator("img").get_attribute("alt") == "QR code: Configures OwnTracks, but for the password"


def test_line_is_copied_by_keyboard(own_context, page_server):
    own_context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = Visit(own_context, page_server, "/connect", status=None).page
    section = page.locator("section", has=page.get_by_role("heading", name="GPS receiver", exact=False)).first
    line = section.locator("code").first.inner_text().replace("\n", "")
    section.get_by_role("button", name="Copy").first.focus()
    page.keyboard.press("Enter")
    expect(section.get_by_role("status").first).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == line


@pytest.mark.parametrize("token", [True, False])
def test_token_stands_in_every_way_that_needs_one_and_in_no_other(token):
    for way in ways("http://10.0.0.5:8765", "car", token=token):
        text = way.line + "".join(f"{name} {value}" for name, value in way.settings)
        needs = way.name not in {"This page", "Bluetooth sensor", "WebSocket", "Recordings"} and (
            token or way.name == "OsmAnd"
        )
        assert (TOKEN in text) == needs, way
        assert not re.search(r"\s--source\s*--", text)


def test_connect_fits_a_phone(context, page_server):
    visit = Visit(context, page_server, "/connect", status=None)
    visit.page.wait_for_selector("#connect-ways .card")
    visit.page.set_viewport_size({"width": 320, "height": 700})
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 320
    visit.page.set_viewport_size({"width": 1440, "height": 900})
    assert visit.problems == []
