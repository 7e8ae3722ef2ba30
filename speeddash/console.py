"""What SpeedDash says on the console."""

import logging
import re
from typing import Any

#: Whoever sends it could move the cursor, or write a line that seems to be ours: everything but a line of text, C1 included.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class OneLine(logging.Formatter):
    """A message is one line, whatever is in it; a traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name that logging calls
        """Called by logging for the line itself."""
        return _escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """Called by logging for the traceback."""
        return "\n".join(_escaped(line) for line in super().formatException(ei).split("\n"))


def log_to_console() -> None:
    """Write what is logged to the standard error."""
    console = logging.StreamHandler()
    console.setFormatter(OneLine("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[console])


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
