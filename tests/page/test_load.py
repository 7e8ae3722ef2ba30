"""What the page costs, in short; `python -m benchmarks page` takes the full minutes and hours."""

from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, Playwright
from plotly.offline import get_plotlyjs_version

from benchmarks import page
from tests.conftest import CHROMIUM_OPTIONS
from tests.page.visit import DRAWN, Visit
from tests.running import ROOT


@pytest.fixture
def usual_browser(playwright: Playwright) -> Iterator[Browser]:
    """A browser as people have it, for what is measured."""
    browser = playwright.chromium.launch(**CHROMIUM_OPTIONS)
    yield browser
    browser.close()


def test_first_visit_is_light(usual_browser, page_server):
    found = page.first_visit(usual_browser, page_server)
    assert found["first visit MB"] < 2


@pytest.mark.long
def test_every_reading_of_a_fast_source_is_held_and_drawn(usual_browser, page_server):
    found = page.fast_source(usual_browser, page_server, per_s=1_000, seconds=10)
    assert found["fast source main thread %"] < 90  # half, on a machine that does nothing else


@pytest.mark.long
def test_hours_of_a_drive_do_not_grow_the_heap(usual_browser, page_server):
    found = page.long_drive(usual_browser, page_server, per_s=10, seconds=7_200)
    assert found["two hours heap MB"] < 10


def test_hidden_page_draws_nothing_and_catches_up_at_once(own_context, page_server):
    own_context.add_init_script(
        "window.seen = true;"
        "Object.defineProperty(document, 'hidden', {get: () => !window.seen});"
        "window.show = (seen) => { window.seen = seen; document.dispatchEvent(new Event('visibilitychange')); };"
    )
    visit = Visit(own_context, page_server)
    visit.wait_until_drawn(2)
    visit.page.evaluate("show(false)")
    drawn = len(visit.drawn())
    visit.page.evaluate(
        "() => { window.draws = 0; Plotly.react = ((react) => (...all) => { window.draws += 1; return react(...all); })(Plotly.react); }"
    )
    stored = len(visit.stored())
    visit.page.wait_for_timeout(3000)  # time in which something could be drawn
    assert visit.page.evaluate("window.draws") == 0
    assert len(visit.drawn()) == drawn
    assert len(visit.stored()) >= stored + 2
    visit.page.evaluate("show(true)")
    visit.wait_until(f"() => ({DRAWN}).length >= {stored + 2}", 1)


def test_scripts_are_compressed_and_kept_by_the_browser(page_server):
    page_html = requests.get(page_server.url, timeout=5).text
    script = next(part.split('"')[0] for part in page_html.split('src="') if "dash_renderer" in part.split('"')[0])
    for encoding in ("gzip", "br"):
        answer = requests.get(page_server.url + script, headers={"Accept-Encoding": encoding}, stream=True, timeout=5)
        assert answer.headers["Content-Encoding"] == encoding
        assert int(answer.headers["Content-Length"]) < 70_000
    plain = requests.get(page_server.url + script, headers={"Accept-Encoding": "identity"}, timeout=5)
    assert "Content-Encoding" not in plain.headers
    assert "max-age" in plain.headers["Cache-Control"]


def test_plotly_of_the_page_is_the_version_that_plotly_for_python_brings():
    """The small bundle in `assets/` stands for it: half a megabyte instead of one and a half, a third of the time to start."""
    with (ROOT / "assets" / "plotly-basic.min.js").open() as script:
        assert f"plotly.js (basic - minified) v{get_plotlyjs_version()}" in script.read(200)
