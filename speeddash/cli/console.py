"""Log messages on the console."""

import logging
import re
from typing import Any

#: Control characters, C1 included: a client that sends them could move the cursor, or forge a log line.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class OneLine(logging.Formatter):
    """Formats a message as one line, with control characters escaped; a traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name that logging calls
        """Called by logging for the line itself."""
        return _escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """Called by logging for the traceback."""
        return "\n".join(_escaped(line) for line in super().formatException(ei).split("\n"))


def log_to_console() -> None:
    """Write log messages to the standard error."""
    console = logging.StreamHandler()
    console.setFormatter(OneLine("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[console])


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
