"""RFC 6455, section 7: close frames."""

import pytest

from tests.network.rfc6455.conversation import BYTEWISE, CONTINUATION, WHOLE, Heard, closing, frame, hear, reading
from tests.rawsocket import CLOSE, PING

CHOPS = pytest.mark.parametrize("chop", [pytest.param(WHOLE, id="whole"), pytest.param(BYTEWISE, id="bytewise")])
VALID_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
INVALID_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 32_768, 65_535]
TEXT_SENT = reading(40)


@CHOPS
@pytest.mark.parametrize("code", VALID_CODES)
def test_close_is_answered_with_its_own_code(chop, code):
    """A close frame with a valid code is answered with the same code."""
    assert hear(closing(code), chop) == Heard(close=code)
    assert hear(closing(code, "gute Nacht, κόσμε".encode()), chop) == Heard(close=code)


@CHOPS
@pytest.mark.parametrize("code", INVALID_CODES)
def test_close_with_an_invalid_code_is_answered_with_1002(chop, code):
    """A close frame with an invalid code is answered with 1002."""
    assert hear(closing(code), chop) == Heard(close=1002)


@CHOPS
def test_empty_close_is_answered_with_an_empty_one(chop):
    """A close frame without a code is answered without one."""
    assert hear(closing(), chop) == Heard(close=0)


WRONG = {
    "half a code": frame(b"\x03", CLOSE),
    "a reason of 124 bytes": closing(1000, b"x" * 124),
    "in parts": frame((1000).to_bytes(2, "big"), CLOSE, final=False),
    "without a mask": frame((1000).to_bytes(2, "big"), CLOSE, masked=False),
    "a reserved bit": frame(b"", CLOSE, reserved=4),
}


@CHOPS
@pytest.mark.parametrize("said", [pytest.param(said, id=name) for name, said in WRONG.items()])
def test_invalid_close_frame_is_answered_with_1002(chop, said):
    """A close frame of one byte, too long, in parts, or without a mask is answered with 1002."""
    assert hear(said, chop) == Heard(close=1002)


@CHOPS
def test_longest_reason_is_accepted(chop):
    """A reason of 123 bytes, the longest possible, is accepted."""
    assert hear(closing(1000, b"x" * 123), chop) == Heard(close=1000)


@CHOPS
@pytest.mark.parametrize(
    "after",
    [frame(TEXT_SENT), frame(b"x", PING), closing(1001), frame(b"x", 3), frame(b"x", final=False)],
    ids=["text", "ping", "close", "reserved", "part"],
)
def test_frames_after_a_close_frame_are_ignored(chop, after):
    """Messages, pings and second close frames after a close frame are not answered."""
    assert hear(closing(1000) + after, chop) == Heard(close=1000)


@CHOPS
def test_messages_before_the_close_are_answered_before_it(chop):
    """Readings right before the close frame are answered before it."""
    said = frame(TEXT_SENT) * 20 + frame(b"x", PING) + closing(1000)
    assert hear(said, chop) == Heard([TEXT_SENT] * 20, [b"x"], 1000)


@CHOPS
def test_close_in_the_middle_of_a_message_ends_it(chop):
    """A close frame between fragments is answered, and the message is dropped."""
    said = frame(TEXT_SENT[:9], final=False) + closing(1000) + frame(TEXT_SENT[9:], CONTINUATION)
    assert hear(said, chop) == Heard(close=1000)
