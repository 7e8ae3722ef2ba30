"""The page where a token is needed: the form, what a reader sees, and that the browser finds nothing to object to."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.auth.test_access import READ_TOKEN, TOKEN
from tests.page.visit import Visit
from tests.running import RunningServer


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('signin')}/speed.db"
    server = RunningServer(url, SPEEDDASH_TOKEN=TOKEN, SPEEDDASH_READ_TOKEN=READ_TOKEN)
    yield server
    server.stop()


def violations(page):
    """What the browser refuses because of the Content-Security-Policy from now on; a list that grows."""
    found = []
    page.on(
        "console", lambda message: found.append(message.text) if "Content Security Policy" in message.text else None
    )
    return found


def sign_in(page, server, token):
    page.goto(server.url)
    page.fill("#token", token)
    page.click("button")


def test_sign_in_leads_to_the_live_page_and_sign_out_back(own_context, guarded):
    page = own_context.new_page()
    page.goto(f"{guarded.url}/?mode=simulate&unit=mph")
    assert Axe().run(page).response["violations"] == []
    page.fill("#token", "wrong-0123456789")
    page.click("button")
    expect(page.get_by_role("alert")).to_have_text("That is not a token of this server.")
    page.fill("#token", TOKEN)
    page.click("button")
    expect(page.locator("#status")).to_have_text("Connected")
    assert page.url == f"{guarded.url}/?mode=simulate&unit=mph"
    page.click("#settings summary")
    page.click("text=Sign out")
    expect(page.locator("#token")).to_be_visible()
    page.reload()
    expect(page.locator("#token")).to_be_visible()


def test_reader_watches_and_is_offered_nothing_else(own_context, guarded):
    with guarded.connect("/ws?source=car") as car:
        car.send('{"speed": 50}')
        car.recv(5)
        page = own_context.new_page()
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        sign_in(page, guarded, READ_TOKEN)
        expect(page.locator("#status")).to_have_text("Connected")
        page.goto(f"{guarded.url}/?mode=simulate&source=car")
        expect(page.locator("#status")).to_have_text("Connected")
        expect(page.locator("#source button")).to_have_text(["Watch"])
        expect(page.locator("#limit")).to_be_disabled()
        expect(page.locator("#open-import")).to_be_hidden()
        page.keyboard.press("i")
        expect(page.locator("#import")).to_be_hidden()
        car.send('{"speed": 77}')
        car.recv(5)
        expect(page.locator("#speed-now")).to_have_text("77")
        page.goto(f"{guarded.url}/sources?source=car")
        expect(page.locator("#source-detail h2")).to_have_text("car")
        expect(page.locator("#source-delete")).to_have_count(0)
        page.click("#settings summary")
        page.click("text=Sign out")
        expect(page.locator("#token")).to_be_visible()
    assert errors == []


def test_page_shows_that_the_session_has_ended(own_context, run, tmp_path):
    server = run(f"sqlite:///{tmp_path}/speed.db", SPEEDDASH_TOKEN=TOKEN)
    page = own_context.new_page()
    sign_in(page, server, TOKEN)
    expect(page.locator("#status")).to_have_text("Connected")
    own_context.clear_cookies()
    server.stop()
    server.start()
    expect(page.locator("#notice")).to_contain_text("You are signed out.")
    page.reload()
    page.fill("#token", TOKEN)
    page.click("button")
    expect(page.locator("#status")).to_have_text("Connected")
    expect(page.locator("#notice")).not_to_contain_text("signed out")


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.long)])
def test_page_violates_no_content_security_policy(own_context, page_server, theme):
    page = own_context.new_page()
    found = violations(page)
    answer = page.goto(f"{page_server.url}/?mode=simulate&theme={theme}&limit=1")
    assert "unsafe" not in answer.headers["content-security-policy"].split("script-src")[1].split(";")[0]
    expect(page.locator("#status")).to_have_text("Connected")
    with page.expect_download():
        page.click("#export-png")
    for each in (
        "#show-table",
        "#pause",
        "#go-live",
        "#settings summary",
        "#help",
        "#keys button",
        "#settings summary",
        "#open-import",
    ):
        if not page.locator(each).is_visible():
            page.click("#settings summary")
        page.click(each)
    page.locator("#import").get_by_role("button", name="Close").click()
    page.click("#source >> text=Watch")
    expect(page.locator("#watching")).to_be_visible()
    page.click("#watched")
    page.keyboard.press("Escape")
    page.click("#driving")
    page.click("#leave-driving")
    for place in ("trips", "fleet", "sources"):
        page.click(f"#place-{place}")
        expect(page.locator(f"#{place}-place")).to_be_visible()
    expect(page.locator("#sources-grid .ag-row").first).to_be_visible()
    page.goto(f"{page_server.url}/api")
    page.locator("[id$=_sources_get]").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table td.response-col_status").last).to_contain_text("200")
    assert found == []


def test_script_that_is_not_the_pages_own_does_not_run(own_context, page_server):
    page = own_context.new_page()
    found = violations(page)
    page.goto(page_server.url)
    page.evaluate("""() => {
        const script = document.createElement('script');
        script.textContent = 'window.entered = true';
        document.body.append(script);
        const button = document.createElement('button');
        button.setAttribute('onclick', 'window.entered = true');
        document.body.append(button);
        button.click();
    }""")
    assert page.evaluate("window.entered") is None
    assert len(found) == 2


def test_page_cannot_be_framed(own_context, page_server):
    page = own_context.new_page()
    with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
        page.set_content(f"<iframe src='{page_server.url}'></iframe>")
    assert all(not frame.query_selector("#page") for frame in page.frames)


def test_another_sites_page_opens_no_socket_and_writes_nothing(own_context, page_server, tmp_path):
    Visit(own_context, page_server)  # so that the browser knows the server
    page = own_context.new_page()
    page.goto("data:text/html,<p>elsewhere</p>")
    outcome = page.evaluate(
        """async ([http, ws]) => {
            const socket = await new Promise((resolve) => {
                const opened = new WebSocket(ws);
                opened.onopen = () => resolve('open');
                opened.onerror = () => resolve('refused');
            });
            const body = 'time,speed\\n2026-03-01 08:00:00,5\\n';
            const options = {method: 'POST', mode: 'no-cors', headers: {'Content-Type': 'text/plain'}, body};
            await fetch(`${http}/api/v1/import?name=evil.csv`, options).catch(() => null);
            return socket;
        }""",
        [page_server.url, f"ws://localhost:{page_server.port}/ws"],
    )
    assert outcome == "refused"
    assert page_server.readings("evil") == []
