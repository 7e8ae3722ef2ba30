"""The fleet place: a tile for each source, live, for a wall."""

import re

import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from speeddash.page.fleet import FleetView, shown_sources
from speeddash.page.source_list import ListedSource
from speeddash.store import SourceSettings, Span
from tests.page.visit import Visit, drive

NOON = 1_780_333_200_000


def tile(page, name):
    return page.locator(".tile", has=page.get_by_text(name, exact=True))


def test_tiles_show_values_names_limits_and_ages_of_one_link(context, page_server):
    drive(page_server, "van-old", [50.0] * 20, until_ms=NOON)
    requests.patch(
        f"{page_server.url}/api/v1/sources/van-1", json={"limit_kmh": 80, "display_name": "Van one"}, timeout=5
    ).raise_for_status()
    with page_server.connect("/ws?source=van-1") as socket:
        socket.send('{"speed": 33}')
        socket.recv(5)
        visit = Visit(context, page_server, "/fleet?source=van-1&source=van-old&kiosk=1")
        page = visit.page
        expect(page.locator(".tile")).to_have_count(2)
        socket.send('{"speed": 92}')
        socket.recv(5)
        expect(tile(page, "Van one")).to_contain_text("92")
        expect(tile(page, "Van one")).to_contain_text("above 80 km/h")
        socket.send('{"speed": 70}')
        socket.recv(5)
        expect(tile(page, "Van one")).to_contain_text("live")
    expect(tile(page, "van-old")).to_contain_text("silent for")
    for hidden in ("nav", "#settings", "#fleet-sort-choice"):
        assert not page.is_visible(hidden)
    assert page.inner_text("#fleet-clock")
    page.click("#fleet-leave")
    expect(page.locator("nav")).to_be_visible()
    assert Axe().run(page).response["violations"] == []
    assert visit.problems == []


def test_sources_are_found_by_a_part_of_their_name(context, page_server):
    for n in range(3):
        drive(page_server, f"lorry-{n}", [50.0] * 5, until_ms=NOON)
    page = Visit(context, page_server, "/fleet", status=None).page
    page.fill("#fleet-find", "LORRY")
    expect(page).to_have_url(re.compile("find=LORRY"))
    expect(page.locator(".tile")).to_have_count(3)
    page.fill("#fleet-find", "nothing of the kind")
    expect(page.locator("#fleet-word")).to_have_text("No source of that name.")
    page.go_back()
    expect(page.locator("#fleet-find")).to_have_value("LORRY")
    expect(page.locator(".tile")).to_have_count(3)
    page.go_forward()
    expect(page.locator("#fleet-find")).to_have_value("nothing of the kind")
    page.click("nav >> text=Fleet")
    expect(page.locator("#fleet-find")).to_have_value("")
    expect(page.locator("#fleet-word")).to_be_empty()


def test_what_is_typed_while_the_place_appears_is_found(page_server):
    """Dash then reports all controls as changed at once, and the buttons of the order, which appear anew, as pressed `None` times."""
    dependencies = requests.get(f"{page_server.url}/_dash-dependencies", timeout=5).json()
    output = next(each["output"] for each in dependencies if "fleet-find" in str(each["inputs"]))
    order = [
        {"id": {"type": "fleet-sort", "value": each}, "property": "n_clicks", "value": None}
        for each in ("name", "last")
    ]
    body = {
        "output": output,
        "outputs": [{"id": "address", "property": "search"}, {"id": "fleet-picked", "property": "data"}],
        "inputs": [
            {"id": "fleet-source", "property": "value", "value": []},
            order,
            {"id": "fleet-find", "property": "value", "value": "BARGE"},
        ],
        "state": [{"id": "address", "property": "search", "value": ""}],
        "changedPropIds": [
            "fleet-source.value",
            "fleet-find.value",
            *(f'{{"type":"fleet-sort","value":"{each["id"]["value"]}"}}.n_clicks' for each in order),
        ],
    }
    answer = requests.post(f"{page_server.url}/_dash-update-component", json=body, timeout=10)
    assert answer.json()["response"]["address"]["search"] == "?find=BARGE"


def test_dial_of_a_tile_has_a_scale_for_each_unit(context, page_server):
    drive(page_server, "scaled", [50.0] * 5, until_ms=NOON)
    requests.patch(f"{page_server.url}/api/v1/sources/scaled", json={"limit_kmh": 72}, timeout=5).raise_for_status()
    page = Visit(context, page_server, "/fleet?source=scaled", status=None).page
    dial = tile(page, "scaled").locator(".dial")
    expect(dial).to_have_attribute("style", re.compile(r"--limit: 0\.72\b"))  # of 100 km/h
    page.keyboard.press("u")
    expect(dial).to_have_attribute("style", re.compile(r"--limit: 0\.8948"))  # 44.74 of 50 mph


def test_chosen_sources_are_found_and_ordered_like_all():
    listed = [
        ListedSource(Span(name, 0, last), SourceSettings()) for name, last in (("van-b", 3), ("lorry", 2), ("van-a", 1))
    ]
    view = FleetView(("lorry", "van-a", "van-b"))
    assert [each.source for each in shown_sources(listed, view)] == ["lorry", "van-a", "van-b"]
    assert [each.source for each in shown_sources(listed, view._replace(sort="last"))] == ["van-b", "lorry", "van-a"]
    assert [each.source for each in shown_sources(listed, view._replace(find="van"))] == ["van-a", "van-b"]
