import logging

import pytest

from speeddash.cli.console import OneLine


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
