"""The list of sources that the page offers, and the place that manages them."""

import threading
import time

import pytest
import requests
from playwright.sync_api import expect

from speeddash.page import source_list
from speeddash.page.source_list import SourceList
from speeddash.reading import Reading
from tests.history.test_history import START, put
from tests.page.visit import Visit, drive
from tests.running import wait_for

NOON = 1_780_333_200_000


@pytest.mark.any_database
def test_latest_of_many_sources_are_listed(store, monkeypatch):
    monkeypatch.setattr(source_list, "MAX_LISTED", 3)
    put(store, *[Reading(f"car-{n}", START + n * 7 % 20, 1, 50.0) for n in range(20)])
    # 7 n modulo 20 is highest for 17 (19), 14 (18) and 11 (17).
    assert [each["value"] for each in SourceList(store).options()] == ["car-17", "car-14", "car-11"]


@pytest.mark.any_database
def test_first_visit_opens_on_a_real_source(store):
    put(store, Reading("car", START, 1, 50.0), Reading("simulated-x", START + 9, 1, 50.0))
    assert SourceList(store).latest_real() == SourceList(store).latest() == "car"


@pytest.mark.any_database
def test_first_visit_opens_on_no_source_of_the_future_while_there_is_another(store):
    put(store, Reading("wrong-clock", 4_923_000_000_000_000, 1, 50.0))  # the year 2126
    assert SourceList(store).latest_real() == "wrong-clock"
    put(store, Reading("car", START, 1, 50.0))
    assert SourceList(store).latest_real() == "car"


@pytest.mark.any_database
def test_list_that_was_changed_while_it_was_read_is_read_again(store, monkeypatch):
    put(store, Reading("car", START, 1, 50.0))
    sources = SourceList(store)
    select = store.sources.select

    def changed_meanwhile(**given):
        found = select(**given)
        put(store, Reading("bike", START, 1, 50.0))
        sources.forget()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(store.sources, "select", changed_meanwhile)
        assert [each.source for each in sources.read()] == ["car"]
    assert [each.source for each in sources.read()] == ["bike", "car"]


@pytest.mark.any_database
def test_first_source_is_listed_at_once_however_long_the_empty_list_took(store, monkeypatch):
    monkeypatch.setattr(source_list, "READ_INTERVAL", 1e9)
    sources = SourceList(store)
    assert sources.read() == []
    put(store, Reading("car", START, 1, 50.0))
    assert [each.source for each in sources.read()] == ["car"]


@pytest.mark.any_database
def test_several_who_ask_at_once_share_a_read(store, monkeypatch):
    put(store, Reading("car", START, 1, 50.0))
    sources, reads, second = SourceList(store), [], []
    other = threading.Thread(target=lambda: second.extend(sources.read()))
    select = store.sources.select

    def read_by_both(**given):
        reads.append(given)
        if len(reads) == 1:
            other.start()
            other.join(0.2)  # it waits for this read; otherwise it would be done
        return select(**given)

    monkeypatch.setattr(store.sources, "select", read_by_both)
    first = sources.read()
    other.join(10)
    assert (first, len(reads)) == (second, 1)


def whole(server, source):
    return requests.get(f"{server.url}/api/v1/sources/{source}", timeout=5).json()


def test_source_gets_a_name_for_people_and_a_limit(open_page, page_server):
    drive(page_server, "bus-7", [50.0] * 20, until_ms=NOON)
    page = open_page("/sources?source=bus-7").page
    page.fill("#source-display", "Grüner Bus")
    page.click("#source-describe")
    expect(page.locator("#source-word")).to_have_text("Saved")
    expect(page.locator("#source-detail h2")).to_have_text("Grüner Bus")
    page.fill("#source-limit", "fast")
    page.click("#source-limit-set")
    expect(page.locator("#source-word")).to_contain_text("a limit is a speed above 0 in km/h, got 'fast'")
    page.fill("#source-limit", "80,5")
    page.click("#source-limit-set")
    expect(page.locator("#source-word")).to_have_text("Limit saved")
    assert (whole(page_server, "bus-7")["limit_kmh"], whole(page_server, "bus-7")["display_name"]) == (
        80.5,
        "Grüner Bus",
    )
    page.click("#source-limit-remove")
    expect(page.locator("#source-word")).to_have_text("Limit removed")
    page.reload()
    expect(page.locator("#source-detail h2")).to_have_text("Grüner Bus")
    assert whole(page_server, "bus-7")["limit_kmh"] is None


def test_source_is_renamed_and_deleted_and_the_list_follows(open_page, page_server):
    # Of now, so that it is the first row: the list draws only what is in sight.
    drive(page_server, "wrong-name", [50.0] * 20, until_ms=time.time() * 1000)
    page = open_page("/sources?source=wrong-name").page
    page.click("text=Rename, merge or delete")
    page.fill("#source-new-name", "no spaces")
    page.click("#source-rename")
    expect(page.locator("#source-word")).to_contain_text("Not renamed:")
    page.fill("#source-new-name", "right-name")
    page.click("#source-rename")
    expect(page.locator("#source-detail h2")).to_have_text("right-name")
    assert page.url.endswith("/sources?source=right-name")
    expect(page.locator("#sources-word")).to_have_text("wrong-name is right-name now.")
    expect(page.locator("#sources-grid .ag-row-selected")).to_contain_text("right-name")
    assert len(page_server.readings("right-name")) == 20
    page.click("text=Rename, merge or delete")
    page.click("#source-delete")
    expect(page.locator("#source-word")).to_have_text("Not deleted: type right-name to confirm.")
    page.fill("#source-again", "right-name")
    page.click("#source-delete")
    expect(page.locator("#sources-word")).to_have_text("right-name is deleted.")
    expect(page.locator("#source-detail")).to_contain_text("Choose a source")
    assert page_server.readings("right-name") == []


def test_source_is_merged_into_one_that_has_a_name_for_people(open_page, page_server):
    drive(page_server, "typo", [50.0] * 20, until_ms=time.time() * 1000)
    drive(page_server, "van-7", [60.0] * 20, until_ms=time.time() * 1000)
    address = f"{page_server.url}/api/v1/sources/van-7"
    requests.patch(address, json={"display_name": "The green one"}, timeout=5).raise_for_status()
    page = open_page("/sources").page
    rows = page.locator("#sources-grid .ag-row")
    expect(rows.filter(has_text="The green one (van-7)")).to_be_visible(timeout=30_000)  # the list is read every 10 s
    rows.filter(has_text="typo").click()
    page.click("text=Rename, merge or delete")
    page.click("#source-into")
    page.get_by_role("option", name="The green one (van-7)").click()  # the row of the list has the same text
    page.click("#source-merge")
    expect(page.locator("#source-heading")).to_have_text("The green one")
    expect(page.locator("#sources-word")).to_have_text("typo is part of van-7 now.")
    expect(page.locator("#sources-grid .ag-row-selected")).to_contain_text("The green one")
    assert len(page_server.readings("van-7")) == 40
    assert page_server.readings("typo") == []


def test_simulated_sources_are_deleted_with_one_button(context, run, tmp_path):
    server = run(f"sqlite:///{tmp_path}/speed.db")
    drive(server, "simulated-a", [50.0] * 5, until_ms=NOON)
    drive(server, "simulated-b", [50.0] * 5, until_ms=NOON)
    drive(server, "car", [50.0] * 5, until_ms=NOON)
    page = Visit(context, server, "/sources", status=None).page
    page.click("#delete-simulated")
    expect(page.locator("#sources-word")).to_have_text("2 simulated sources are deleted.")
    wait_for(lambda: not server.readings("simulated-a"))
    assert len(server.readings("car")) == 5
    expect(page.locator("#delete-simulated")).to_be_disabled()


def test_back_marks_the_source_that_is_shown(open_page, page_server):
    for name in ("tram-1", "tram-2"):
        drive(page_server, name, [50.0] * 20, until_ms=time.time() * 1000)
    page = open_page("/sources").page
    marked = page.locator("#sources-grid .ag-row-selected")
    for name in ("tram-1", "tram-2"):
        page.locator("#sources-grid .ag-row", has_text=name).click()
        expect(page.locator("#source-detail h2")).to_have_text(name)
        expect(marked).to_contain_text(name)
    page.go_back()
    expect(page.locator("#source-detail h2")).to_have_text("tram-1")
    expect(marked).to_contain_text("tram-1")
