"""Injection: text stays text in a spreadsheet, a log, a header, a page and SQL."""

import re
import socket

import pytest
import requests

from speeddash.store import open_store
from tests.running import RunningServer, wait_for

ESCAPE = "\x1b[2J\x1b]0;owned\x07"
#: What a spreadsheet runs, as names that a source may have.
FORMULAS = ["-1.cmd", "-2:A1"]
#: What SQL, HTML, a header or a template would run; each in a place that takes free text or refuses it.
STRANGE = [
    "' OR 1=1 --",
    "'; DROP TABLE speed_data; --",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "%0d%0aX-Evil: 1",
    "a\r\nX-Evil: 1",
    "../../etc/passwd",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = RunningServer(f"sqlite:///{tmp_path_factory.mktemp('injection')}/speed.db")
    yield running
    running.stop()


def test_spreadsheet_runs_no_formula_of_an_export(server):
    """CSV injection: a source's name that a spreadsheet would run as a formula"""
    for name in FORMULAS:
        requests.post(f"{server.url}/api/v1/readings", json={"speed": 1, "source": name}, timeout=5).raise_for_status()
        exported = requests.get(f"{server.url}/api/v1/export.csv", {"source": name}, timeout=5)
        cells = [cell.strip('"') for line in exported.text.splitlines() for cell in line.split(",")]
        assert any(name in cell for cell in cells)
        assert not [cell for cell in cells if re.match(r"[=+@\t\r]|-\D|-\d+[^\d.]", cell) or cell == name]


def test_log_shows_control_characters_as_text_on_one_line(server):
    """Log injection: escape sequences and line ends in paths, headers, names and frames"""
    before = len(server.output)
    forged = f"/{ESCAPE}\n2026-01-31 12:00:00,000 INFO forged"
    for raw in (
        f"GET {forged} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        f"{ESCAPE} / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: localhost\r\nX-{ESCAPE}: 1\r\nno colon {ESCAPE}\r\n\r\n",
        f"GET / HTTP/1.1{ESCAPE}\r\nHost: {ESCAPE}\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", server.port), 5) as peer:
            peer.sendall(raw.encode())
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(4096):
                pass
    requests.get(f"{server.url}/api/v1/series", {"source": ESCAPE, "from": ESCAPE}, timeout=5)
    requests.post(f"{server.url}/api/v1/import", data=b"x", params={"name": f"{ESCAPE}\nforged"}, timeout=5)
    assert server.answers("/readyz")
    said = server.output[before:]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", said)
    assert "\n2026-01-31 12:00:00,000 INFO forged" not in said


@pytest.mark.parametrize("text", STRANGE)
def test_header_of_an_answer_holds_nothing_of_another(server, text):
    """Header injection: line ends in names, queries, file names and forwarding addresses"""
    for path, query in (
        ("/api/v1/export.csv", {"source": text}),
        ("/api/v1/import", {"name": text}),
        ("/sign-in", {"next": text}),
        ("/", {"source": text}),
        ("/api/v1/sources", {"after": text}),
    ):
        answer = requests.get(server.url + path, query, timeout=5, allow_redirects=False)
        assert answer.status_code < 500
        assert "X-Evil" not in answer.headers
        assert not any("\r" in value or "\n" in value for value in answer.headers.values())


@pytest.mark.parametrize("text", STRANGE)
def test_name_that_is_code_is_refused_or_kept_as_text(server, text):
    """SQL, HTML and template injection through every text input"""
    refused = requests.post(f"{server.url}/api/v1/readings", json={"speed": 1, "source": text}, timeout=5)
    assert refused.status_code == 422
    drive = f'time,speed,note\n2026-03-01 08:00:00,5,"{text.strip()}"\n'
    kept = requests.post(
        f"{server.url}/api/v1/import", data=drive.encode(), params={"name": text, "source": "note"}, timeout=5
    )
    assert kept.json()["stored"] == 1
    page = requests.get(f"{server.url}/", {"source": text, "unit": text}, timeout=5)
    assert "<script>alert" not in page.text
    assert len(server.readings("note")) == 1


def test_source_that_ends_an_sql_string_is_stored_as_it_is(mariadb):
    """SQL injection behind the checks of a frame: a source with quotes and backslashes passed to the store"""
    from speeddash.reading import Reading

    store = open_store(mariadb.create("injection"))
    store.prepare()
    names = ["'", "\\", "\\'", "');DROP TABLE speed_data;--", '"', "%s", "\x00"]
    store.writer.insert([Reading(name, 1_769_860_800_000_000, 0, 1.0) for name in names])
    assert {each.source for each in store.readings.select(limit=100)} == set(names)
    store.close()


def test_nothing_forged_ends_the_server(server):
    """The server works after all of these"""
    wait_for(lambda: server.answers("/readyz"))
    assert "Traceback" not in server.output
