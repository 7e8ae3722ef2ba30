"""The access log: a line for each request that has been answered, without anything secret."""

import logging
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

log: Final = logging.getLogger(__name__)


class AccessLog:
    """Logs the requests of a WSGI application. A socket is one request, logged when it closes.

    Queries are left out: a token may stand in them.
    """

    def __init__(self, application: Any) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Called by the server for each request."""
        began = time.monotonic()
        members: dict[str, Any] = {
            "address": environ.get("REMOTE_ADDR", ""),
            "method": environ["REQUEST_METHOD"],
            "path": environ.get("PATH_INFO", "").encode("latin-1").decode(errors="replace"),
            # A socket answers by itself.
            "status": 101,
            "bytes": 0,
        }

        def started(status: str, *rest: Any) -> Any:
            members["status"] = int(status[:3])
            return start_response(status, *rest)

        try:
            return _Answer(self._application(environ, started), members, began)
        except BaseException:
            _write(members, began)
            raise


class _Answer:
    """The body of an answer, and its line in the log when it has been sent."""

    def __init__(self, parts: Iterable[bytes], members: dict[str, Any], began: float) -> None:
        self._parts, self._members, self._began = parts, members, began

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            self._members["bytes"] += len(part)
            yield part

    def close(self) -> None:
        """Called by the server at the end, also where the client has gone."""
        try:
            if close := getattr(self._parts, "close", None):
                close()
        finally:
            _write(self._members, self._began)


def _write(members: dict[str, Any], began: float) -> None:
    members["seconds"] = round(time.monotonic() - began, 4)
    log.info(
        "%(address)s %(method)s %(path)s %(status)d, %(bytes)d bytes, %(seconds).3f s",
        members,
        extra={"members": members},
    )
