"""RFC 6455 end to end: a sample of the cases of `tests/network/rfc6455`, over a real socket."""

import pytest

from tests.network.rfc6455 import test_closing, test_framing, test_sizes, test_text
from tests.network.rfc6455.conversation import BYTEWISE, WHOLE, Heard, closing, fragments, frame, hear, reading, say
from tests.rawsocket import BINARY, PING, TEXT, RawSocket

ENDPOINTS = pytest.mark.parametrize("path", ["/ws", "/ws/live"])
CHOPS = pytest.mark.parametrize("chop", [pytest.param(WHOLE, id="whole"), pytest.param(BYTEWISE, id="bytewise")])
TEXT_SENT = reading(40)
VIOLATIONS = {
    **{name: (test_framing.WRONG[name], 1002) for name in (
        "reserved bits 100, opcode 1", "opcode 3 of 64 bytes", "ping of 126 bytes", "text without a mask",
        "16-bit size in 64 bits", "continuation of nothing", "text in a text",
    )},
    **{name: (test_closing.WRONG[name], 1002) for name in ("half a code", "in parts")},
    **{name: (frame(test_text.INVALID[name]), 1007) for name in ("surrogate D800", "byte FF")},
    **{name: (test_sizes.TOO_LARGE[name], 1009) for name in ("only its size", "fragments that do not end")},
}  # fmt: skip
ANSWERED = {
    "a short text": frame(TEXT_SENT),
    "a text of 64 KiB": frame(reading(1 << 16)),
    "a text at the limit, in fragments": fragments(reading(1 << 20), 1 << 16),
    "an empty text": frame(b""),
    "a binary message": frame(b"\xfe" * 200, BINARY),
    "a ping": frame(b"x" * 125, PING),
    "a ping between fragments": fragments(TEXT_SENT, 20)[:26] + frame(b"x", PING) + fragments(TEXT_SENT, 20)[26:],
    "a character in two fragments": test_text.in_two(
        test_text.BEFORE + "€".encode() + test_text.AFTER, len(test_text.BEFORE) + 1
    ),
}


@ENDPOINTS
@pytest.mark.parametrize(("said", "code"), [pytest.param(*each, id=name) for name, each in VIOLATIONS.items()])
def test_violation_closes_the_connection(server, path, said, code):
    """A violation of the protocol closes the connection with its code, of a sender and of a watcher."""
    assert say(server.port, said, path=path) == Heard(close=code)


@CHOPS
@pytest.mark.parametrize("said", [pytest.param(said, id=name) for name, said in ANSWERED.items()])
def test_messages_are_answered(server, said, chop):
    """Messages of any size and in any pieces get the answers of the frame reader, in order."""
    heard = hear(said)
    assert heard.texts or heard.pongs
    assert say(server.port, said, 997 if chop and len(said) > 1000 else chop) == heard


@ENDPOINTS
@pytest.mark.parametrize("code", [None, 1000, 1001, 3000, 4999])
def test_close_is_answered_with_its_own_code(server, path, code):
    """A close frame is answered with its own code, of a sender and of a watcher."""
    assert say(server.port, closing(code), path=path) == Heard(close=code or 0)


@CHOPS
def test_readings_before_a_close_or_a_violation_are_stored_first(server, chop):
    """Readings that arrive right before a close frame or a violation have their echo before the connection is closed."""
    said = frame(TEXT_SENT) * 20 + frame(b"x", PING)
    assert say(server.port, said + closing(1000), chop) == Heard([TEXT_SENT] * 20, [b"x"], 1000)
    assert say(server.port, said + frame(b"x", 3), chop) == Heard([TEXT_SENT] * 20, [b"x"], 1002)


def test_message_of_too_many_fragments_closes_with_1008(server):
    """A message of more than 32,768 fragments closes with 1008."""
    said = frame(b"", final=False) + frame(b"", 0, final=False) * (1 << 15)
    assert say(server.port, said) == Heard(close=1008)


@pytest.mark.parametrize("size", [30, 1024, 16_384])
def test_many_messages_are_echoed_in_order(server, size):
    """A thousand messages in a row are echoed in order, and pings among them are answered."""
    texts = [reading(size).replace(b"1", b"%d" % (n % 10), 1) for n in range(1000)]
    said = b"".join(frame(text) + (frame(b"%d" % n, PING) if not n % 100 else b"") for n, text in enumerate(texts))
    with RawSocket(server.port) as raw:
        heard, pongs = [], []
        for at in range(0, len(said), 1 << 16):
            raw.socket.sendall(said[at : at + (1 << 16)])
            while len(heard) * (size + 4) < at - (1 << 16):
                opcode, payload = raw.receive()
                (heard if opcode == TEXT else pongs).append(payload)
        while len(heard) < 1000 or len(pongs) < 10:
            opcode, payload = raw.receive()
            (heard if opcode == TEXT else pongs).append(payload)
    assert heard == texts
    assert pongs == [b"%d" % n for n in range(0, 1000, 100)]
