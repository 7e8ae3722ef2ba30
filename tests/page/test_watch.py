"""The page as a watcher: any source that sends or has sent, several at once."""

import json
import re
import threading
import time
from contextlib import contextmanager

import pymysql
import pytest
import requests
from playwright.sync_api import expect
from sqlalchemy.engine import make_url

from tests.page.visit import DRAWN, Visit, drive
from tests.running import wait_for


@contextmanager
def device(server, source, *, behind_s=0.0, every_s=0.2):
    """Sends a reading every so often until the block ends; yields what was echoed."""
    echoed, stop = [], threading.Event()

    def send():
        with server.connect(f"/ws?source={source}") as socket:
            while not stop.wait(every_s):
                n = len(echoed)
                socket.send(f'{{"speed": {n % 90}, "timestamp": {time.time() - behind_s:.6f}, "seq": {n}}}')
                socket.recv(5)
                echoed.append(n)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield echoed
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def visit(context, page_server):
    visits = []

    def open_page(query):
        visits.append(Visit(context, page_server, query))
        return visits[-1]

    yield open_page
    for each in visits:
        assert each.problems == []


@pytest.mark.alone
def test_stored_and_new_readings_join_without_gap_or_double(visit, page_server):
    with device(page_server, "seam") as echoed:
        time.sleep(2)
        page = visit("?source=seam")
        page.wait_until(f"() => ({DRAWN}).length > {len(echoed) + 20}")
    page.wait_until(f"() => ({DRAWN}).length === {len(echoed)}")
    assert [speed for _, speed in page.drawn()] == [n % 90 for n in range(len(echoed))]


def test_watching_page_sends_nothing(visit, page_server):
    with device(page_server, "alone"):
        page = visit("?source=alone")
        page.wait_until_drawn(5)
        connections = requests.get(f"{page_server.url}/api/v1/connections", timeout=5).json()["connections"]
    assert page.source not in {each["source"] for each in connections}


def test_several_sources_are_overlaid_in_colours_of_their_own(visit, page_server):
    with device(page_server, "first"), device(page_server, "second"):
        page = visit("?source=first&source=second")
        page.wait_until("() => document.querySelectorAll('#others tbody tr').length === 2")
        page.wait_until_drawn(5)
        lines = page.lines()
    assert list(lines) == ["first", "second"]
    colours = page.page.evaluate(
        "document.querySelector('#live-graph .js-plotly-plot').data.filter(({hoverinfo}) => hoverinfo !== 'skip').map(({line}) => line.color)"
    )
    assert len(set(colours)) == 2


def test_source_that_is_silent_has_no_speed_now_beside_one_that_sends(visit, page_server):
    drive(page_server, "asleep", [70.0] * 20, until_ms=(time.time() - 86_400) * 1000)
    with device(page_server, "awake"):
        page = visit("?source=awake&source=asleep")
        now = page.page.locator("#others tbody td:nth-child(2)")
        expect(now.nth(0)).to_have_text(re.compile(r"\d"))
        expect(now.nth(1)).to_have_text("–")


def test_device_that_starts_to_send_appears_without_reloading(visit, page_server):
    page = visit("?source=before")
    with device(page_server, "newcomer"):
        page.page.click("#watched")
        option = page.page.get_by_text("newcomer (live)")
        expect(option).to_be_visible(timeout=90_000)
        option.click()
        page.page.keyboard.press("Escape")
        page.wait_until("() => location.search.includes('source=newcomer')")
        page.wait_until(
            "() => document.querySelector('#live-graph .js-plotly-plot').data.some(({name, x}) => name === 'newcomer' && x.length > 3)"
        )


def test_source_that_is_named_before_it_ever_sent_is_drawn_when_it_does(visit, page_server):
    page = visit("?source=tomorrow")
    expect(page.page.locator("#message-text")).to_have_text("No data in this window.")
    with device(page_server, "tomorrow"):
        page.wait_until_drawn(3)


def test_watch_alone_shows_what_sent_last(context, run, tmp_path):
    server = run(f"sqlite:///{tmp_path}/empty.db")
    page = Visit(context, server, "?mode=watch", status="Nothing watched")
    expect(page.page.locator("#message-text")).to_contain_text("Nothing stored yet.", timeout=10_000)
    with device(server, "only"):
        page.wait_until_drawn(3, 90)  # two lists that are read every 10 s
        assert "source=only" in page.page.url
    assert page.problems == []


def test_drive_of_last_year_is_followed_on_its_own_clock(visit, page_server):
    with device(page_server, "replayed", behind_s=365 * 86400):
        page = visit("?source=replayed")
        page.wait_until_drawn(5)
        year = page.page.evaluate(
            "new Date(document.querySelector('#live-graph .js-plotly-plot').layout.xaxis.range[1]).getFullYear()"
        )
    assert year == time.gmtime(time.time() - 365 * 86400).tm_year


def test_silent_source_looks_stale(visit, page_server):
    with device(page_server, "fading"):
        page = visit("?source=fading")
        page.wait_until_drawn(3)
        expect(page.page.locator("#speed-now")).to_have_class("")
    expect(page.page.locator("#speed-now")).to_have_class("stale", timeout=10_000)


def test_late_readings_go_where_they_belong(visit, page_server):
    with device(page_server, "late"):
        page = visit("?source=late&window=5m")
        page.wait_until_drawn(5)
        late = [
            {"source": "late", "timestamp": time.time() - 120 + n, "seq": 10**6 + n, "speed": 77} for n in range(10)
        ]
        requests.post(f"{page_server.url}/api/v1/readings", json=late, timeout=5).raise_for_status()
        page.wait_until(f"() => ({DRAWN}).slice(0, 10).every(([, speed]) => speed === 77)")


def test_page_that_was_busy_shows_every_reading_that_came_meanwhile(visit, page_server):
    with device(page_server, "rushed", every_s=0.05) as echoed:
        page = visit("?source=rushed&window=5m")
        page.wait_until_drawn(5)
        for _ in range(5):  # answers wait in the browser while nothing is taken from it
            page.page.evaluate("() => { const end = performance.now() + 600; while (performance.now() < end); }")
            before = len(echoed)
            wait_for(lambda: len(echoed) > before + 4, 30)  # noqa: B023 - called before the next round
        held = set(echoed)
        page.wait_until(f"() => ({DRAWN}).length >= {len(held)}")
    drawn = page.drawn()
    assert [speed for _, speed in drawn[: len(held)]] == [n % 90 for n in sorted(held)]


@pytest.mark.long
def test_late_reading_changes_its_bucket(visit, page_server):
    now = time.time()
    past = [{"source": "bucketed", "timestamp": now - 80_000 + 10 * n, "seq": n, "speed": 10} for n in range(7000)]
    requests.post(f"{page_server.url}/api/v1/readings", json=past, timeout=30).raise_for_status()
    page = visit("?source=bucketed&window=24h")
    page.wait_until("() => document.querySelector('#shown').textContent.startsWith('7,000 readings')")
    late = {"source": "bucketed", "timestamp": now - 40_003, "seq": 9999, "speed": 250}
    requests.post(f"{page_server.url}/api/v1/readings", json=late, timeout=5).raise_for_status()
    page.wait_until("() => document.querySelector('#maximum').textContent === '250.0 km/h'")
    page.wait_until("() => document.querySelector('#shown').textContent.startsWith('7,001 readings')")


@pytest.fixture
def sql(page_server):
    url = make_url(page_server.database_url)
    with pymysql.connect(
        host=url.host, port=url.port, user=url.username, password=url.password, database=url.database, autocommit=True
    ) as database:
        yield database.cursor().execute


def test_rows_that_others_write_to_the_table_are_drawn(visit, sql):
    sql("INSERT INTO speed_data (source, speed, timestamp) VALUES ('sql', 11, UTC_TIMESTAMP(6) - INTERVAL 5 SECOND)")
    page = visit("?source=sql")
    page.wait_until_drawn(1)
    sql("INSERT INTO speed_data (source, speed, timestamp) VALUES ('sql', 22, UTC_TIMESTAMP(6))")
    page.wait_until(f"() => ({DRAWN}).length === 2")
    assert [speed for _, speed in page.drawn()] == [11, 22]


def test_readings_without_a_source_can_be_watched(visit, sql):
    sql("INSERT INTO speed_data (speed, timestamp) VALUES (33, UTC_TIMESTAMP(6))")
    page = visit("?mode=watch&source=")
    page.wait_until_drawn(1)
    assert list(page.lines()) == ["(unnamed)"]


@pytest.mark.long
def test_server_that_restarts_leaves_no_hole(run, mariadb, context):
    server = run(mariadb.create("watch_restart"))
    page = Visit(context, server, "?source=car")
    with device(server, "car") as before:
        page.wait_until_drawn(5)
    server.stop()
    expect(page.page.locator("#status")).to_contain_text("Reconnecting in")
    server.start()
    with server.connect("/ws?source=car") as socket:
        socket.send(f'{{"speed": 99, "timestamp": {time.time()}, "seq": 5000}}')
        socket.recv(5)
    page.wait_for_status("Connected", 30)
    page.wait_until(f"() => ({DRAWN}).length === {len(before) + 1}")
    assert page.problems == []


def test_page_that_draws_slowly_asks_for_fewer_answers(visit, page_server):
    intervals_ms = []

    def sent(event):
        intervals_ms.append(json.loads(event["response"]["payloadData"])["interval_ms"])

    with device(page_server, "slow", every_s=0.05):
        page = visit("?source=slow").page
        protocol = page.context.new_cdp_session(page)
        protocol.send("Network.enable")
        protocol.on("Network.webSocketFrameSent", sent)
        wait_for(lambda: page.evaluate("1") and len(intervals_ms) > 5, 30)
        protocol.send("Emulation.setCPUThrottlingRate", {"rate": 20})
        wait_for(lambda: page.evaluate("1") and intervals_ms[-1] == 1_000, 60)
    assert min(intervals_ms) >= 100
