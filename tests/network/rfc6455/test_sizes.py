"""Large messages, up to the limit and above it."""

import pytest

from tests.network.rfc6455.conversation import CONTINUATION, MAX_MESSAGE_BYTES, Heard, fragments, frame, hear, reading
from tests.rawsocket import BINARY


@pytest.mark.parametrize("size", [1 << 16, 1 << 18, MAX_MESSAGE_BYTES])
@pytest.mark.parametrize("chop", [1 << 10, 1 << 14, 1 << 24])
def test_large_text_is_echoed(size, chop):
    """Texts of 64 KiB to 1 MiB are echoed whole, however TCP divides them."""
    text = reading(size)
    assert hear(frame(text), chop) == Heard([text])


@pytest.mark.parametrize("size", [64, 256, 1300, 1 << 12, 1 << 16, 1 << 19, MAX_MESSAGE_BYTES])
def test_text_at_the_limit_is_echoed_in_fragments_of_any_size(size):
    """A text of 1 MiB is echoed, in fragments of 64 bytes to 1 MiB."""
    text = reading(MAX_MESSAGE_BYTES)
    assert hear(fragments(text, size)) == Heard([text])


def test_message_in_fragments_of_a_network_packet_is_echoed():
    """A message of 65,536 bytes in fragments of 1,300 is echoed."""
    text = reading(65_536)
    assert hear(fragments(text, 1300)) == Heard([text])


TOO_LARGE = {
    "a frame of one byte more": frame(b"x" * (MAX_MESSAGE_BYTES + 1)),
    "only its size": frame(b"", size=MAX_MESSAGE_BYTES + 1),
    "only a size of 2^63-1": frame(b"", size=(1 << 63) - 1),
    "a binary one": frame(b"", BINARY, size=MAX_MESSAGE_BYTES + 1),
    "the last of two fragments": frame(b"x" * MAX_MESSAGE_BYTES, final=False) + frame(b"x", CONTINUATION),
    "the size of the last fragment": frame(b"x", final=False) + frame(b"", CONTINUATION, size=MAX_MESSAGE_BYTES),
    "fragments that do not end": frame(b"", final=False) + frame(b"x" * 4096, CONTINUATION, final=False) * 257,
    "fewer characters than bytes": frame(b"", final=False)
    + frame("€".encode() * 1000, CONTINUATION, final=False) * 350,
    "binary fragments": fragments(b"\xff" * (MAX_MESSAGE_BYTES + 1), 1 << 16, BINARY),
}


@pytest.mark.parametrize("said", [pytest.param(said, id=name) for name, said in TOO_LARGE.items()])
def test_message_above_the_limit_closes_with_1009(said):
    """A message above 1 MiB closes with 1009, by its announced size alone, and by the sum of its fragments."""
    assert hear(said) == Heard(close=1009)
