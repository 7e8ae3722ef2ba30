"""The one shape of an HTTP error: `application/problem+json` (RFC 9457)."""

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
