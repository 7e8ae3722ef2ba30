"""A recorded drive as a file: dropped or chosen, sent, stored, shown. And everything that may go wrong on the way."""

import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.page.visit import Visit

DROP = """([files, folder]) => {
    const carried = new DataTransfer();
    files.forEach(([name, text]) => carried.items.add(new File([text], name)));
    const event = (kind) => Object.assign(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: carried}));
    document.body.dispatchEvent(event('dragenter'));
    window.hinted = !document.querySelector('#drop').hidden;
    if (folder) {
        DataTransferItem.prototype.webkitGetAsEntry = () => ({isDirectory: true});
    }
    document.body.dispatchEvent(event('drop'));
}"""


def drive_csv(seconds=60, bad=()):
    rows = [f"2026-06-01 12:{n // 60:02}:{n % 60:02},{'fast' if n in bad else 30 + n % 7}" for n in range(seconds)]
    return "\n".join(["timestamp,speed_mph", *rows, ""])


def test_dropped_file_is_stored_reported_and_shown(context, page_server):
    visit = Visit(context, page_server)
    page = visit.page
    page.evaluate(DROP, [[["Meine Fahrt 3.csv", drive_csv(600, bad=range(100, 125))]], False])
    assert page.evaluate("window.hinted")
    assert not page.is_visible("#drop")
    expect(page.get_by_label("Stored as")).to_have_value("Meine-Fahrt-3")
    page.get_by_label("Stored as").fill("dropped")
    page.keyboard.press("Enter")
    status = page.locator("#import [role=status]").first
    expect(status).to_have_text("575 readings stored as dropped. 25 lines could not be read.")
    lines = page.locator("#import tbody tr")
    expect(lines).to_have_count(20)
    expect(lines.first).to_contain_text("102")
    expect(page.locator("#import")).to_contain_text("The first 20 of 25.")
    assert Axe().run(page, context="#import").response["violations"] == []
    page.get_by_role("button", name="Close").click()
    assert "source=dropped" in page.url
    visit.wait_until("() => document.querySelector('#shown').textContent.startsWith('575 readings')")
    expect(page.locator("#maximum")).to_have_text("57.9 km/h")  # 36 mph
    expect(page.locator("#trips tbody tr")).to_have_count(1)
    # What is exported of that range is what was imported.
    for kind, count in (("csv", 576), ("ndjson", 575), ("gpx", 575)):
        with page.expect_download() as download:
            page.click(f"#readings-{kind}")
        assert download.value.suggested_filename == f"speeddash_dropped.{kind}"
        text = download.value.path().read_text()
        assert (text.count("<trkpt") if kind == "gpx" else len(text.splitlines())) == count
    assert visit.problems == []


def test_file_that_cannot_be_imported_is_explained(context, page_server):
    visit = Visit(context, page_server)
    page = visit.page
    page.click("#open-import")
    expect(page.get_by_role("button", name="Import", exact=True).last).to_be_disabled()
    words = page.locator("#import")
    for files, folder, why in (
        ([["a.csv", "x"], ["b.csv", "x"]], False, "Those are 2 files. Drop one at a time."),
        ([["empty.csv", ""]], False, "empty.csv is empty."),
    ):
        page.evaluate(DROP, [files, folder])
        expect(words).to_contain_text(why)
    page.set_input_files("#import input[type=file]", [{"name": "a.txt", "mimeType": "", "buffer": b"no,drive\n1,2\n"}])
    send = page.locator("#import button.main")
    send.click()
    expect(words).to_contain_text("Not imported: a.txt")
    # A second one while the first is on its way; a server that is away.
    page.route("**/api/v1/import*", lambda route: setattr(visit, "held", route))
    page.evaluate(DROP, [[["on-its-way.csv", drive_csv()]], False])
    send.click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    page.evaluate(DROP, [[["not-taken.csv", drive_csv()]], False])
    expect(words).to_contain_text("A file is being imported. Wait until it is done, or cancel it.")
    expect(words).to_contain_text("Import on-its-way.csv")
    visit.held.abort()
    expect(words).to_contain_text("The server cannot be reached.")
    send.click()
    page.get_by_role("button", name="Cancel").click()
    expect(words).to_contain_text("Cancelled.")
    page.unroute("**/api/v1/import*")
    send.click()
    expect(words).to_contain_text("60 readings stored as on-its-way.")
    page.evaluate(DROP, [[["folder", ""]], True])
    expect(words).to_contain_text("That is a folder. Drop the file that is in it.")
    sources = requests.get(f"{page_server.url}/api/v1/sources", timeout=5).json()["sources"]
    assert not {"a", "b", "not-taken", "empty"} & {each["source"] for each in sources}
    assert visit.problems == []
