"""RFC 3629 and RFC 6455, 8.1: text is UTF-8. The sequences are generated from the definition of the encoding."""

import pytest

from tests.network.rfc6455.conversation import BYTEWISE, CONTINUATION, WHOLE, Heard, closing, frame, hear

BEFORE, AFTER = '{"speed": 1, "κόσμε": "'.encode(), '-µ€𝄞"}'.encode()


def coded(point: int, width: int) -> bytes:
    """A code point in `width` bytes, allowed or not."""
    if width == 1:
        return bytes([point])
    tail = [0x80 | point >> 6 * at & 0x3F for at in reversed(range(width - 1))]
    return bytes([(0xFF << (8 - width)) & 0xFF | point >> 6 * (width - 1), *tail])


FIRST_AND_LAST = {1: (0x20, 0x7F), 2: (0x80, 0x7FF), 3: (0x800, 0xFFFF), 4: (0x10000, 0x10FFFF)}
AROUND_SURROGATES = (0xD7FF, 0xE000, 0xFFFD)
NONCHARACTERS = (*range(0xFDD0, 0xFDF0, 5), *(plane << 16 | low for plane in range(17) for low in (0xFFFE, 0xFFFF)))
VALID = {
    **{f"U+{point:04X}": coded(point, width) for width, points in FIRST_AND_LAST.items() for point in points},
    **{f"U+{point:04X}": coded(point, 3) for point in AROUND_SURROGATES},
    **{f"U+{point:04X}": coded(point, 3 if point < 0x10000 else 4) for point in NONCHARACTERS},
}
CUT = {f"{width} bytes cut to {kept}": coded(FIRST_AND_LAST[width][1], width)[:kept]
       for width in (2, 3, 4) for kept in range(1, width)}  # fmt: skip
INVALID = {
    **CUT,
    **{f"byte {byte:02X}": bytes([byte]) for byte in (0x80, 0xBF, 0xC0, 0xC1, 0xF5, 0xF8, 0xFC, 0xFE, 0xFF)},
    **{f"{count} continuation bytes": b"\x80\xbf" * (count // 2) for count in (2, 4, 6, 64)},
    **{f"{point:X} overlong in {width} bytes": coded(point, width)
       for width, point in ((2, 0), (2, 0x2F), (2, 0x7F), (3, 0), (3, 0x2F), (3, 0x7FF), (4, 0), (4, 0x2F), (4, 0xFFFF))},
    **{f"surrogate {point:X}": coded(point, 3) for point in (0xD800, 0xDB7F, 0xDBFF, 0xDC00, 0xDFFF)},
    "a pair of surrogates": coded(0xD834, 3) + coded(0xDD1E, 3),
    **{f"{point:X} above the last": coded(point, 4) for point in (0x110000, 0x13FFFF, 0x1FFFFF)},
    "5 bytes": coded(0x200000, 5), "6 bytes": coded(0x4000000, 6),
    "the last of 6 bytes": coded(0x7FFFFFFF, 6),
    "cut and begun anew": b"\xce\xce\xba", "all cut": b"\xf0\x9d\x84\xe2\x82\xc3",
}  # fmt: skip


def by_name(cases):
    return [pytest.param(sequence, id=name) for name, sequence in cases.items()]


def in_two(text: bytes, cut: int) -> bytes:
    return frame(text[:cut], final=False) + frame(text[cut:], CONTINUATION)


@pytest.mark.parametrize("sequence", by_name(VALID))
def test_valid_text_is_echoed_also_when_a_character_is_cut_between_fragments(sequence):
    """Every valid character, also a noncharacter, is echoed byte for byte, wherever fragments or TCP divide it."""
    text = BEFORE + sequence + AFTER
    cuts = range(len(BEFORE), len(BEFORE) + len(sequence) + 1)
    said = frame(text) + b"".join(in_two(text, cut) for cut in cuts)
    for chop in (WHOLE, BYTEWISE):
        assert hear(said, chop) == Heard([text] * (1 + len(cuts)))


@pytest.mark.parametrize("sequence", by_name(INVALID))
def test_invalid_text_closes_with_1007(sequence):
    """Overlong, truncated, surrogate and too high sequences close with 1007, in one frame or across fragments."""
    for text in (BEFORE + sequence + AFTER, sequence, BEFORE + sequence):
        assert hear(frame(text)) == Heard(close=1007)
        assert hear(frame(text), BYTEWISE) == Heard(close=1007)
        assert hear(in_two(text, len(text) - len(text) // 2)) == Heard(close=1007)


@pytest.mark.parametrize("sequence", by_name({name: each for name, each in INVALID.items() if name not in CUT}))
def test_invalid_fragment_fails_before_the_message_ends(sequence):
    """Invalid text in a fragment closes at once, before the message is complete."""
    assert hear(frame(BEFORE + sequence + b" ", final=False)) == Heard(close=1007)


@pytest.mark.parametrize("sequence", by_name(INVALID))
def test_invalid_text_in_a_close_reason_closes_with_1007(sequence):
    """The reason of a close frame must be UTF-8 too."""
    assert hear(closing(1000, b"bye " + sequence)) == Heard(close=1007)
