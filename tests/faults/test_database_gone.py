"""The database is killed, restarted, or does not answer: readings wait, and nothing is echoed before it is stored."""

import contextlib
import signal
import sqlite3
import time

import pytest
import requests
from playwright.sync_api import expect

from tests.faults.fleet import Fleet
from tests.faults.footprint import assert_back, footprint
from tests.mariadb import MariaDB
from tests.page.visit import Visit
from tests.running import wait_for

#: From the stand-still to the page's word for it.
SAID_WITHIN_S = 8.0


def readiness(server):
    """The status and the words of /readyz, which comes within 2.5 s whatever the database does."""
    began = time.monotonic()
    answer = requests.get(f"{server.url}/readyz", timeout=10)
    assert time.monotonic() - began < 2.5
    return answer.status_code, answer.json().get("detail", "")


def end_again_and_again(run, mariadb, number, cycles, chance, record_property):
    url = mariadb.create("speed")
    server = run(url)
    healed_s = []
    with Fleet(server.port) as fleet:
        fleet.under_way()
        before = footprint(server)
        for _ in range(cycles):
            fleet.under_way()
            time.sleep(chance.uniform(0, 0.3))  # the random moment
            mariadb.stop(number)
            wait_for(lambda: fleet.waiting > len(fleet.senders))
            mariadb.start()
            healed_s.append(fleet.heal())
        account = fleet.settle(url, record_property)
        assert_back(server, before)
    assert account.stored == account.sent
    record_property("cycles", cycles)
    record_property("longest_heal_s", round(max(healed_s), 2))


def test_killed_database_has_every_reading_that_was_echoed(run, mariadb, cycles, chance, record_property):
    """The database is killed with SIGKILL at random moments under load, and started again"""
    end_again_and_again(run, mariadb, signal.SIGKILL, max(1, cycles // 4), chance, record_property)


@pytest.mark.long
def test_restarted_database_has_every_reading_that_was_echoed(run, mariadb, cycles, chance, record_property):
    """The database is restarted with SIGTERM under load"""
    end_again_and_again(run, mariadb, signal.SIGTERM, max(1, cycles // 16), chance, record_property)


@contextlib.contextmanager
def standing_still(database):
    """MariaDB stopped by SIGSTOP, or an SQLite file that another program holds."""
    if isinstance(database, MariaDB):
        database.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            database.process.send_signal(signal.SIGCONT)
    else:
        with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield


def test_nothing_is_echoed_while_the_database_does_not_answer(
    run, database_url, request, pause_s, record_property, tmp_path
):
    """The database does not answer for a while (SIGSTOP; SQLite: another program holds the lock): readings wait, /readyz answers within 2 s"""
    database = tmp_path / "speed.db" if "sqlite" in database_url else request.getfixturevalue("mariadb")
    server = run(database_url)
    with Fleet(server.port) as fleet:
        fleet.under_way()
        before = footprint(server)
        with standing_still(database):
            echoed = fleet.halt()
            began = time.monotonic()
            while time.monotonic() - began < pause_s:
                status, why = readiness(server)
                assert (status, any(word in why for word in ("database", "locked", "MySQL server"))) == (503, True), why
                time.sleep(0.2)  # the pause is what is tested; this asks five times a second meanwhile
            assert fleet.echoed == echoed
        record_property("paused_s", round(time.monotonic() - began, 1))
        record_property("healed_in_s", round(fleet.heal(), 2))
        assert wait_for(lambda: readiness(server)[0] == 200)
        fleet.settle(database_url, record_property)
        assert_back(server, before)


@pytest.mark.alone
@pytest.mark.long
def test_page_says_storage_paused_and_sends_what_waited(run, mariadb, context, record_property):
    """The database does not answer while a page is open: the page shows "Storage paused", holds its readings, and sends them afterwards"""
    server = run(mariadb.create("speed"))
    visit = Visit(context, server)
    visit.wait_until_drawn(2)
    with standing_still(mariadb):
        began = time.monotonic()
        visit.wait_for_status("Storage paused", 20)
        record_property("said_after_s", round(time.monotonic() - began, 1))
        assert time.monotonic() - began < SAID_WITHIN_S
        expect(visit.page.locator("#notice")).to_contain_text("Readings wait here until it can.")
        drawn = len(visit.drawn())
        visit.wait_until_waiting(3)
        assert len(visit.drawn()) == drawn
    began = time.monotonic()
    visit.wait_for_status("Connected", 10)
    visit.wait_until("() => document.querySelector('#waiting').textContent === '0 waiting'", 10)
    record_property("healed_in_s", round(time.monotonic() - began, 2))
    visit.wait_until_drawn(drawn + 3)
    visit.assert_drawn_is_stored()
    assert visit.problems == []


@pytest.mark.long
def test_settings_that_are_not_durable_are_reported_everywhere(run, mariadb, context, record_property):
    """The database's settings do not make a commit durable: shown on the console, by /readyz and on the page, also when they change later"""
    server = run(mariadb.create("speed"))
    with mariadb.connect() as connection, connection.cursor() as cursor:
        visit = Visit(context, server)
        with visit.page.expect_response("**/readyz"):  # a request during another check gets the answer of that check
            visit.page.reload()
        expect(visit.page.locator("#notice")).not_to_contain_text("durable")
        cursor.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
        try:
            assert requests.get(f"{server.url}/readyz", timeout=5).json()["durable"] is False
            wait_for(lambda: "commits are NOT durable now" in server.output)
            visit.page.reload()
            expect(visit.page.locator("#notice")).to_contain_text("an echo is no receipt")
            expect(visit.page.locator("#notice")).to_contain_text("innodb_flush_log_at_trx_commit=2")
            again = run(server.database_url)
            wait_for(lambda: "NOT DURABLE: an echo is no receipt" in again.output)
        finally:
            cursor.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
        assert requests.get(f"{server.url}/readyz", timeout=5).json()["durable"] is True
        visit.page.reload()
        visit.wait_for_status("Connected")
        expect(visit.page.locator("#notice")).not_to_contain_text("durable")
