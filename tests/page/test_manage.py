"""What is stored of a source: another name for it, or none of it any more."""

import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.page.visit import Visit, drive

NOON = 1_780_333_200_000


def test_source_is_renamed_and_deleted_after_confirmation(context, page_server):
    drive(page_server, "old-name", [50.0] * 60, until_ms=NOON)
    drive(page_server, "taken", [50.0] * 60, until_ms=NOON)
    page = Visit(context, page_server, "?source=old-name").page
    page.click("#manage summary")
    name, word = page.get_by_label("New name"), page.locator("#manage [role=status]")
    for wanted, why in (
        ("no spaces", "A name is 1 to 64 of A-Z a-z 0-9 . _ : -"),
        ("old-name", "That is its name already."),
        ("taken", "Not done: "),
    ):
        name.fill(wanted)
        page.keyboard.press("Enter")
        expect(word).to_contain_text(why)
    assert len(page_server.readings("old-name")) == 60
    assert Axe().run(page, context="#watching").response["violations"] == []
    name.fill("new-name")
    page.keyboard.press("Enter")
    page.wait_for_url("**source=new-name*")
    assert len(page_server.readings("new-name")) == 60
    page.click("#manage summary")
    delete = page.get_by_role("button", name="Delete all of it")
    page.get_by_label("To delete, type new-name").fill("new-nam")
    expect(delete).to_be_disabled()
    page.keyboard.press("Enter")
    page.get_by_label("To delete, type new-name").fill("new-name")
    assert len(page_server.readings("new-name")) == 60
    delete.click()
    page.wait_for_url(lambda url: "source=new-name" not in url)
    assert page_server.readings("new-name") == []
    names = {each["source"] for each in requests.get(f"{page_server.url}/api/v1/sources", timeout=5).json()["sources"]}
    assert "taken" in names
    assert not names & {"old-name", "new-name"}
