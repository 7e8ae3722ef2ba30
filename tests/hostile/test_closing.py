"""RFC 6455, section 7: how a connection ends."""

import pytest

from tests.hostile.conversation import BYTEWISE, CONTINUATION, WHOLE, Heard, closing, frame, reading, say
from tests.rawsocket import CLOSE, PING

PATHS = pytest.mark.parametrize("path", ["/ws", "/ws/live"])
CHOPS = pytest.mark.parametrize("chop", [pytest.param(WHOLE, id="whole"), pytest.param(BYTEWISE, id="bytewise")])
VALID_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
INVALID_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 32_768, 65_535]
TEXT_SENT = reading(40)


@PATHS
@CHOPS
@pytest.mark.parametrize("code", VALID_CODES)
def test_close_is_answered_with_its_own_code(server, path, chop, code):
    """A close frame with a valid code is answered with the same code."""
    assert say(server.port, closing(code), chop, path) == Heard(close=code)
    assert say(server.port, closing(code, "gute Nacht, κόσμε".encode()), chop, path) == Heard(close=code)


@PATHS
@CHOPS
@pytest.mark.parametrize("code", INVALID_CODES)
def test_close_with_a_code_that_nobody_may_send_gets_1002(server, path, chop, code):
    """A close frame with a code that must not be sent is answered with 1002."""
    assert say(server.port, closing(code), chop, path) == Heard(close=1002)


@PATHS
@CHOPS
def test_empty_close_is_answered_with_an_empty_one(server, path, chop):
    """A close frame without a code is answered without one."""
    assert say(server.port, closing(), chop, path) == Heard(close=0)


WRONG = {
    "half a code": frame(b"\x03", CLOSE),
    "a reason of 124 bytes": closing(1000, b"x" * 124),
    "in parts": frame((1000).to_bytes(2, "big"), CLOSE, final=False),
    "without a mask": frame((1000).to_bytes(2, "big"), CLOSE, masked=False),
    "a reserved bit": frame(b"", CLOSE, reserved=4),
}


@PATHS
@CHOPS
@pytest.mark.parametrize("said", [pytest.param(said, id=name) for name, said in WRONG.items()])
def test_wrong_close_frame_gets_1002(server, path, chop, said):
    """A close frame of one byte, too long, in parts, or without a mask is answered with 1002."""
    assert say(server.port, said, chop, path) == Heard(close=1002)


@CHOPS
def test_longest_reason_is_taken(server, chop):
    """A reason of 123 bytes, the longest there can be, is taken."""
    assert say(server.port, closing(1000, b"x" * 123), chop) == Heard(close=1000)


@CHOPS
@pytest.mark.parametrize(
    "after",
    [frame(TEXT_SENT), frame(b"x", PING), closing(1001), frame(b"x", 3), frame(b"x", final=False)],
    ids=["text", "ping", "close", "reserved", "part"],
)
def test_nothing_after_a_close_frame_is_heard(server, chop, after):
    """Messages, pings and second closes behind a close frame are not answered."""
    assert say(server.port, closing(1000) + after, chop) == Heard(close=1000)


@CHOPS
def test_what_came_before_the_close_is_answered_before_it(server, chop):
    """A reading that is sent right before the close has its receipt before the close is answered."""
    said = frame(TEXT_SENT) * 20 + frame(b"x", PING) + closing(1000)
    assert say(server.port, said, chop) == Heard([TEXT_SENT] * 20, [b"x"], 1000)


@CHOPS
def test_close_in_the_middle_of_a_message_ends_it(server, chop):
    """A close frame between fragments is answered, and the message is given up."""
    said = frame(TEXT_SENT[:9], final=False) + closing(1000) + frame(TEXT_SENT[9:], CONTINUATION)
    assert say(server.port, said, chop) == Heard(close=1000)
