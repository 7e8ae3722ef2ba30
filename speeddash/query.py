"""What the query of a request asks for, checked. Every error names its parameter."""

import base64
import json

from flask import request

from speeddash.errors import FrameError
from speeddash.reading import MAX_SEQ, Reading, parse_source, parse_time, rfc3339
from speeddash.store import Key


def source() -> str | None:
    """`?source=`: None where it is absent, the empty name for readings that were stored without one.

    Raises:
        FrameError: `bad_source`.
    """
    name = request.args.get("source")
    return parse_source(name) if name else name


def moment(name: str) -> int | None:
    """`?from=` or `?to=` in microseconds since the epoch; None where it is absent.

    Raises:
        FrameError: `bad_timestamp`.
    """
    text = request.args.get(name)
    if not text:
        return None
    try:
        # A + in a query that was not escaped arrives as a space.
        return parse_time(float(text) if _is_number(text) else text.replace(" ", "+"))
    except FrameError as bad:
        raise FrameError(bad.code, f"{name}: {bad.message}") from None


def count(name: str, default: int, most: int) -> int:
    """`?limit=` or another number of things.

    Raises:
        FrameError: `bad_NAME`.
    """
    text = request.args.get(name)
    if not text:
        return default
    if not (text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most):
        raise FrameError(f"bad_{name}", f"{name} must be an integer from 1 to {most}")
    return int(text)


def cursor() -> Key | None:
    """`?cursor=`, as `encode_cursor` made it; None where it is absent.

    Raises:
        FrameError: `bad_cursor`.
    """
    text = request.args.get("cursor")
    if not text:
        return None
    try:
        name, at_us, seq = json.loads(base64.urlsafe_b64decode(text))
        if isinstance(name, str) and isinstance(at_us, int) and isinstance(seq, int) and 0 <= seq <= 2 * MAX_SEQ + 1:
            return Key(name, parse_time(rfc3339(at_us)), seq)
    except (ValueError, TypeError, OverflowError):
        pass  # said below, together with a cursor of the right form and wrong types
    raise FrameError("bad_cursor", "cursor must be the next_cursor of an earlier answer")


def encode_cursor(last: Reading) -> str:
    """The place behind a reading."""
    return base64.urlsafe_b64encode(json.dumps([last.source, last.at_us, last.seq]).encode()).decode()


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).removeprefix("-").isdigit()
