import json
import logging

import pytest

from speeddash.cli.console import JsonLine, OneLine


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\tb\x07", "a\\r\\tb\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u2028b", "a\\u2028b"),
        ("Grüße 50 €", "Grüße 50 €"),
    ],
)
def test_message_is_one_line_of_text(said, shown):
    record = logging.LogRecord("name", logging.INFO, "file", 1, "%s", (said,), None)
    assert OneLine("%(message)s").format(record) == shown


def test_traceback_keeps_its_lines_and_loses_its_escapes():
    failure = ValueError("\x1b[2J")
    record = logging.LogRecord("name", logging.ERROR, "file", 1, "failed", (), (ValueError, failure, None))
    lines = OneLine("%(message)s").format(record).split("\n")
    assert lines == ["failed", "ValueError: \\x1b[2J"]


def test_json_is_one_object_a_line():
    failure = ValueError("no")
    record = logging.LogRecord("speeddash.x", logging.ERROR, "file", 1, "a\n%s", ("é",), (ValueError, failure, None))
    record.created = 1_795_000_000.25
    text = JsonLine().format(record)
    assert "\n" not in text
    assert json.loads(text) == {
        "time": "2026-11-18T11:06:40.250Z",
        "level": "ERROR",
        "logger": "speeddash.x",
        "message": "a\né",
        "traceback": "ValueError: no",
    }
