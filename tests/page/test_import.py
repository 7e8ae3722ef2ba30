"""A recorded drive as a file: dropped or chosen, sent, stored, shown. And everything that may go wrong on the way."""

import re

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from speeddash.formats import source_of
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
    assert page.locator("#import-format").input_value() == "csv"
    page.get_by_label("Stored as").fill("dropped")
    page.click("#import-start")
    words = page.locator("#import-box")
    expect(words).to_contain_text("Meine Fahrt 3.csv: 575 readings stored as dropped. 25 lines could not be read.")
    lines = page.locator("#import tbody tr")
    expect(lines).to_have_count(20)
    expect(lines.first).to_contain_text("102")
    expect(words).to_contain_text("The first 20 of 25.")
    assert Axe().run(page, context="#import").response["violations"] == []
    page.click("text=Show in Live")
    expect(page.locator("#import")).to_be_hidden()
    assert "source=dropped" in page.url
    visit.wait_until("() => document.querySelector('#shown').textContent.startsWith('57')")
    expect(page.locator("#maximum")).to_have_text("57.9 km/h")  # 36 mph
    # What is exported of that range is what was imported; the last reading is where the range ends.
    for kind, count in (("csv", 575), ("ndjson", 574), ("gpx", 574)):
        with page.expect_download() as download:
            page.click(f"#readings-{kind}")
        assert download.value.suggested_filename == f"speeddash_dropped.{kind}"
        text = download.value.path().read_text()
        assert (text.count("<trkpt") if kind == "gpx" else len(text.splitlines())) == count
    assert visit.problems == []


def test_several_files_are_stored_each_under_its_name(context, page_server):
    visit = Visit(context, page_server, "/sources", status=None)
    page = visit.page
    page.click("#open-import-here")
    with page.expect_file_chooser() as chooser:
        page.click("#import-choose")
    files = [{"name": f"many-{n}.csv", "mimeType": "", "buffer": drive_csv().encode()} for n in (1, 2)]
    chooser.value.set_files(files)
    expect(page.locator("#import h2")).to_have_text("Import 2 files")
    page.click("#import-start")
    for n in (1, 2):
        expect(page.locator("#import-box")).to_contain_text(f"many-{n}.csv: 60 readings stored as many-{n}.")
    page.click("#import-close")
    assert len(page_server.readings("many-2")) == 60
    assert visit.problems == []


def test_file_that_cannot_be_imported_is_explained(context, page_server):
    visit = Visit(context, page_server)
    page = visit.page
    page.keyboard.press("i")
    expect(page.locator("#import-start")).to_be_hidden()
    words = page.locator("#import")
    page.evaluate(DROP, [[["empty.csv", ""]], False])
    expect(words).to_contain_text("empty.csv is empty.")
    page.evaluate(DROP, [[["a.txt", "no,drive\n1,2\n"]], False])
    expect(words).to_contain_text("Import a.txt")
    page.click("#import-start")
    expect(words).to_contain_text("a.txt: not imported: a.txt")
    # A second one while the first is on its way; a server that is away.
    page.route("**/api/v1/import*", lambda route: setattr(visit, "held", route))
    page.evaluate(DROP, [[["on-its-way.csv", drive_csv()]], False])
    expect(words).to_contain_text("Import on-its-way.csv")
    page.click("#import-start")
    expect(page.locator("#import-word")).to_contain_text(re.compile("Sending|stores"))
    page.evaluate(DROP, [[["not-taken.csv", drive_csv()]], False])
    expect(words).to_contain_text("Files are being imported. Wait until that is done, or close to cancel.")
    visit.held.abort()
    expect(words).to_contain_text("the server cannot be reached.")
    page.evaluate(DROP, [[["on-its-way.csv", drive_csv()]], False])
    page.click("#import-start")
    page.click("#import-close")
    expect(words).to_contain_text("cancelled.")
    page.unroute("**/api/v1/import*")
    page.evaluate(DROP, [[["on-its-way.csv", drive_csv()]], False])
    page.click("#import-start")
    expect(words).to_contain_text("60 readings stored as on-its-way.")
    page.evaluate(DROP, [[["folder", ""]], True])
    expect(words).to_contain_text("That is a folder. Drop the files that are in it.")
    sources = requests.get(f"{page_server.url}/api/v1/sources", timeout=5).json()["sources"]
    assert not {"a", "not-taken", "empty"} & {each["source"] for each in sources}
    assert visit.problems == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("2007-05-21.csv", "2007-05-21"),
        ("Meine Fahrt (3).gpx", "Meine-Fahrt-3"),
        ("Straße nach Orléans.NMEA", "Stra-e-nach-Orleans"),
        ("..csv", "drive"),
        ("x" * 80 + ".csv", "x" * 64),
    ],
)
def test_name_of_a_source_comes_from_the_files(file, source):
    assert source_of(file) == source
