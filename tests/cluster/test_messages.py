"""Messages of the bus: what a server with the same token has signed arrives whole, and nothing else is taken for readings."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speeddash.cluster.bus import decode, encode
from speeddash.reading import MAX_SEQ, Reading

KEY = b"a-token-for-all-servers"
READINGS = [Reading("car", 1_800_000_000_000_000, 7, 88.5), Reading("", -1, MAX_SEQ, 0.1)]


def test_message_arrives_as_it_was_sent():
    assert decode(KEY, encode(KEY, "node", 41, READINGS)) == ("node", 41, READINGS)


@given(st.data())
def test_changed_message_is_no_message(data):
    message = bytearray(encode(KEY, "node", 41, READINGS))
    at = data.draw(st.integers(0, len(message) - 1))
    message[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match="signature"):
        decode(KEY, bytes(message))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"hello",
        encode(b"another-token-of-16", "node", 41, READINGS),
        encode(KEY, "node", 41, READINGS)[32:],
    ],
    ids=["nothing", "short", "another token", "not signed"],
)
def test_message_of_another_program_is_no_message(message):
    with pytest.raises(ValueError, match="signature"):
        decode(KEY, message)


@pytest.mark.parametrize("text", [b"[]", b"{}", b'{"node":"a","first":"x","source":[],"at_us":[],"seq":[],"speed":[]}'])
def test_signed_nonsense_is_no_message(text):
    with pytest.raises((ValueError, KeyError, TypeError)):
        decode(KEY, hmac.digest(KEY, text, "sha256") + text)
