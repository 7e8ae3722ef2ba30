"""RFC 6455, sections 5.2 to 5.5: valid frames, fragments, and violations."""

import itertools

import pytest

from tests.network.rfc6455.conversation import BYTEWISE, CONTINUATION, WHOLE, Heard, fragments, frame, hear, reading
from tests.rawsocket import BINARY, PING, PONG, TEXT

CHOPS = [pytest.param(WHOLE, id="whole"), pytest.param(BYTEWISE, id="bytewise")]
SIZES = [0, 1, 22, 125, 126, 127, 128, 65_535, 65_536]
TEXT_SENT = reading(40)


def chops_of(size: int) -> list[int | None]:
    return [WHOLE, BYTEWISE] if size < 1000 else [WHOLE, 997]


@pytest.mark.parametrize(("size", "chop"), [(size, chop) for size in SIZES for chop in chops_of(size)])
def test_text_of_any_size_is_answered_whole_or_chopped(size, chop):
    """A text frame of any size is answered, however TCP divides it."""
    text = reading(size) if size > 22 else b"7" * size
    answer = [text] if size > 22 else ["not_an_object" if size else "not_json"]
    assert hear(frame(text), chop) == Heard(answer)


@pytest.mark.parametrize(("size", "chop"), [(size, chop) for size in SIZES for chop in chops_of(size)])
def test_binary_of_any_size_gets_an_error_and_the_connection_stays_open(size, chop):
    """A binary frame of any size gets an error frame, and the connection stays open."""
    assert hear(frame(b"\xfe" * size, BINARY), chop) == Heard(["not_text"])


@pytest.mark.parametrize("chop", CHOPS)
@pytest.mark.parametrize("payload", [b"", b"hello", b"\x00\xff\xfe\xfd", b"x" * 124, b"\xfe" * 125])
def test_ping_is_answered_with_its_own_payload(payload, chop):
    """A ping of up to 125 bytes comes back as a pong with the same bytes."""
    assert hear(frame(payload, PING), chop) == Heard(pongs=[payload])


@pytest.mark.parametrize("chop", CHOPS)
def test_every_ping_is_answered_in_order_and_pongs_are_not(chop):
    """Ten pings in a row get ten pongs in order; unsolicited pongs are ignored."""
    pings = [b"ping-%d" % n for n in range(10)]
    said = frame(b"unasked", PONG) + b"".join(frame(each, PING) + frame(b"", PONG) for each in pings)
    assert hear(said + frame(TEXT_SENT), chop) == Heard([TEXT_SENT], pings)


WRONG = {
    **{f"reserved bits {bits:03b}, opcode {code}": frame(b"x", code, reserved=bits)
       for bits, code in itertools.product(range(1, 8), (TEXT, BINARY, PING, 8))},
    **{f"opcode {code} of {len(payload)} bytes": frame(payload, code)
       for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15) for payload in (b"", b"x" * 64)},
    "ping of 126 bytes": frame(b"x" * 126, PING),
    "pong of 126 bytes": frame(b"x" * 126, PONG),
    "ping of 2^63-1 bytes": frame(b"", PING, width=8, size=(1 << 63) - 1),
    "ping in parts": frame(b"x", PING, final=False) + frame(b"y", CONTINUATION),
    "pong in parts": frame(b"x", PONG, final=False) + frame(b"y", CONTINUATION),
    "text without a mask": frame(TEXT_SENT, masked=False),
    "empty text without a mask": frame(b"", masked=False),
    "ping without a mask": frame(b"x", PING, masked=False),
    "continuation without a mask": frame(b"x", final=False) + frame(b"y", CONTINUATION, masked=False),
    "7-bit size in 16 bits": frame(TEXT_SENT, width=2),
    "no size in 16 bits": frame(b"", width=2),
    "7-bit size in 64 bits": frame(TEXT_SENT, width=8),
    "16-bit size in 64 bits": frame(b"x" * 65_535, width=8),
    "binary with a 7-bit size in 16 bits": frame(b"x", BINARY, width=2),
    "64-bit size with the highest bit": frame(b"", width=8, size=1 << 63),
    "all bits of a 64-bit size": frame(b"", width=8, size=(1 << 64) - 1),
    "continuation of nothing": frame(b"x", CONTINUATION),
    "unfinished continuation of nothing": frame(b"x", CONTINUATION, final=False),
    "continuation of a whole message": frame(b"", CONTINUATION),
    "text in a text": frame(b"x", final=False) + frame(b"y"),
    "unfinished text in a text": frame(b"x", final=False) + frame(b"y", final=False),
    "binary in a text": frame(b"x", final=False) + frame(b"y", BINARY),
    "text in a binary": frame(b"x", BINARY, final=False) + frame(b"y"),
    "text in an empty fragment": frame(b"", final=False) + frame(b"y"),
    "reserved bits in a continuation": frame(b"x", final=False) + frame(b"y", CONTINUATION, reserved=4),
}  # fmt: skip


@pytest.mark.parametrize("chop", CHOPS)
@pytest.mark.parametrize("said", [pytest.param(said, id=name) for name, said in WRONG.items()])
def test_violation_of_framing_closes_with_1002(said, chop):
    """Reserved bits and opcodes, wrong sizes, missing masks and misplaced fragments close with 1002."""
    if chop == BYTEWISE and len(said) > 1000:
        chop = 997
    assert hear(said, chop) == Heard(close=1002)


@pytest.mark.parametrize("chop", CHOPS)
@pytest.mark.parametrize("name", ["text in a text", "continuation of nothing", "opcode 3 of 0 bytes"])
def test_message_before_a_violation_is_answered_before_the_close(name, chop):
    """A reading before a violation is answered before the connection is closed."""
    assert hear(frame(TEXT_SENT) + WRONG[name], chop) == Heard([TEXT_SENT], close=1002)


PARTED = {
    "two fragments": fragments(TEXT_SENT, 20),
    "a byte each": fragments(TEXT_SENT, 1),
    "an empty first": frame(b"", final=False) + frame(TEXT_SENT, CONTINUATION),
    "an empty last": frame(TEXT_SENT, final=False) + frame(b"", CONTINUATION),
    "an empty middle": frame(TEXT_SENT[:9], final=False) + frame(b"", CONTINUATION, final=False)
    + frame(TEXT_SENT[9:], CONTINUATION),
}  # fmt: skip


@pytest.mark.parametrize("chop", CHOPS)
@pytest.mark.parametrize("said", [pytest.param(said, id=name) for name, said in PARTED.items()])
def test_fragments_are_one_message(said, chop):
    """Fragments, also empty ones, are one message."""
    assert hear(said + frame(TEXT_SENT), chop) == Heard([TEXT_SENT] * 2)


@pytest.mark.parametrize("chop", CHOPS)
def test_binary_in_fragments_is_one_error(chop):
    """A binary message in fragments gets one error frame."""
    assert hear(fragments(b"\xff" * 40, 7, BINARY), chop) == Heard(["not_text"])


@pytest.mark.parametrize("chop", CHOPS)
def test_empty_fragments_are_an_empty_text(chop):
    """Three empty fragments are an empty text, which gets an error frame."""
    said = frame(final=False) + frame(b"", CONTINUATION, final=False) + frame(b"", CONTINUATION)
    assert hear(said, chop) == Heard(["not_json"])


@pytest.mark.parametrize("chop", CHOPS)
def test_control_frames_between_fragments_are_answered_at_once(chop):
    """Pings between the fragments of a message are answered, and the message stays whole."""
    said = b"".join(
        frame(TEXT_SENT[at : at + 1], CONTINUATION if at else TEXT, final=at == len(TEXT_SENT) - 1)
        + (frame(b"%d" % at, PING) + frame(b"", PONG) if at < len(TEXT_SENT) - 1 else b"")
        for at in range(len(TEXT_SENT))
    )
    assert hear(said, chop) == Heard([TEXT_SENT], [b"%d" % at for at in range(len(TEXT_SENT) - 1)])


def test_message_of_too_many_fragments_closes_with_1008():
    """A message of more than 32,768 fragments closes with 1008."""
    said = frame(b"", final=False) + frame(b"", CONTINUATION, final=False) * (1 << 15)
    assert hear(said) == Heard(close=1008)
