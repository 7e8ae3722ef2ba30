"""Log messages on the console."""

import json
import logging
import re
from datetime import UTC, datetime
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


class JsonLine(logging.Formatter):
    """Formats a message as one JSON object: `time` (RFC 3339), `level`, `logger`, `message`.

    With `traceback` where there is one, and with the members of a request in the access log.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Called by logging for each message."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        members = {"time": time, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        members |= getattr(record, "members", {})
        if record.exc_info:
            members["traceback"] = self.formatException(record.exc_info)
        return json.dumps(members, ensure_ascii=False)


def log_to_console(form: str = "text") -> None:
    """Write log messages to the standard error, as `text` or as `json`."""
    console = logging.StreamHandler()
    console.setFormatter(JsonLine() if form == "json" else OneLine("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[console], force=True)


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
