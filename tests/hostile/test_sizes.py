"""Large messages, to the limit and beyond, and many small ones."""

import pytest

from tests.hostile.conversation import CONTINUATION, Heard, fragments, frame, reading, say
from tests.rawsocket import BINARY, PING, TEXT, RawSocket

LIMIT = 1 << 20


@pytest.mark.parametrize("size", [1 << 16, 1 << 18, LIMIT])
@pytest.mark.parametrize("chop", [1 << 10, 1 << 14, 1 << 24])
def test_large_text_is_echoed_however_tcp_cuts_it(server, size, chop):
    """Texts of 64 KiB to 1 MiB are echoed whole, whatever pieces TCP brings."""
    text = reading(size)
    assert say(server.port, frame(text), chop) == Heard([text])


@pytest.mark.parametrize("size", [64, 256, 1300, 1 << 12, 1 << 16, 1 << 19, LIMIT])
def test_text_at_the_limit_is_echoed_in_fragments_of_any_size(server, size):
    """A text of 1 MiB is echoed, in fragments of 64 bytes to 1 MiB."""
    text = reading(LIMIT)
    assert say(server.port, fragments(text, size)) == Heard([text])


def test_message_cut_as_a_network_cuts_it_is_echoed(server):
    """A message of 65,536 bytes in fragments of 1,300 is echoed."""
    text = reading(65_536)
    assert say(server.port, fragments(text, 1300)) == Heard([text])


TOO_LARGE = {
    "a frame of one byte more": frame(b"x" * (LIMIT + 1)),
    "only its size": frame(b"", size=LIMIT + 1),
    "only a size of 2^63-1": frame(b"", size=(1 << 63) - 1),
    "a binary one": frame(b"", BINARY, size=LIMIT + 1),
    "the last of two fragments": frame(b"x" * LIMIT, final=False) + frame(b"x", CONTINUATION),
    "the size of the last fragment": frame(b"x", final=False) + frame(b"", CONTINUATION, size=LIMIT),
    "fragments that do not end": frame(b"", final=False) + frame(b"x" * 4096, CONTINUATION, final=False) * 257,
    "fewer characters than bytes": frame(b"", final=False)
    + frame("€".encode() * 1000, CONTINUATION, final=False) * 350,
    "binary fragments": fragments(b"\xff" * (LIMIT + 1), 1 << 16, BINARY),
}


@pytest.mark.parametrize("path", ["/ws", "/ws/live"])
@pytest.mark.parametrize("said", [pytest.param(said, id=name) for name, said in TOO_LARGE.items()])
def test_message_above_the_limit_closes_with_1009(server, said, path):
    """A message above 1 MiB closes with 1009, by its announced size alone, and by the sum of its fragments."""
    assert say(server.port, said, path=path) == Heard(close=1009)


@pytest.mark.parametrize("size", [30, 64, 256, 1024, 4096, 16_384])
def test_many_messages_make_the_round_in_order(server, size):
    """A thousand messages in a row are echoed in order, with pings among them."""
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
