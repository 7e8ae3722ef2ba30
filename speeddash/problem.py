"""HTTP errors as `application/problem+json` (RFC 9457)."""

import math
from http import HTTPStatus

from flask import Response, json


def problem(status: int, detail: str, **members: str | int) -> Response:
    """Return an error response.

    Args:
        status: The HTTP status; its phrase becomes the `title`.
        detail: Message for a person.
        members: Extension members for programs, for example `code` and `index`.
    """
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **members}
    return Response(json.dumps(body), status, content_type="application/problem+json")


def too_many(why: str, wait_s: float) -> Response:
    """Return 429 with the time to wait.

    Args:
        why: Message for a person.
        wait_s: Seconds until the next try.
    """
    wait = math.ceil(wait_s)
    answer = problem(429, f"{why}; try again in {wait} s")
    answer.headers["Retry-After"] = str(wait)
    return answer
