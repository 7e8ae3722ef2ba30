"""The one shape of an HTTP error: `application/problem+json` (RFC 9457)."""

import math
from http import HTTPStatus

from flask import Response, json


def problem(status: int, detail: str, **members: str | int) -> Response:
    """An error response.

    Args:
        status: The HTTP status; its phrase becomes the `title`.
        detail: What went wrong this time, for a person.
        members: Extension members for programs, for example `code` and `index`.
    """
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **members}
    return Response(json.dumps(body), status, content_type="application/problem+json")


def too_many(why: str, wait_s: float) -> Response:
    """429, and when to try again.

    Args:
        why: What there is too much of.
        wait_s: Seconds until it is worth another try.
    """
    wait = math.ceil(wait_s)
    answer = problem(429, f"{why}; try again in {wait} s")
    answer.headers["Retry-After"] = str(wait)
    return answer
