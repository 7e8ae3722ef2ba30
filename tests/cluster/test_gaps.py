"""What did not arrive from other servers is noticed, once, and nothing that did arrive is called missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speeddash.cluster.gaps import Gaps
from speeddash.store.nodes import NodeRow


def rows(**committed):
    return [NodeRow(node, "http://x", count) for node, count in committed.items()]


@pytest.fixture
def gaps():
    """Server a is known, with 10 readings."""
    gaps = Gaps()
    gaps.look(rows(a=10), bus=True)
    gaps.look(rows(a=10), bus=True)
    return gaps


def test_new_server_is_a_gap_once():
    gaps = Gaps()
    assert not gaps.look([], bus=True)
    assert gaps.look(rows(a=10), bus=True)
    assert not gaps.look(rows(a=10), bus=True)
    assert gaps.look(rows(a=10, b=0), bus=True)


def test_messages_in_order_are_no_gap(gaps):
    assert not gaps.message("a", 10, 5)
    assert not gaps.look(rows(a=15), bus=True)
    assert not gaps.message("a", 15, 1)
    assert not gaps.look(rows(a=16), bus=True)
    assert not gaps.look(rows(a=16), bus=True)


def test_missing_message_shows_with_the_next_one(gaps):
    assert not gaps.message("a", 10, 5)
    assert gaps.message("a", 16, 1)
    assert not gaps.message("a", 17, 1)


def test_missing_last_message_shows_with_the_look_after_the_next(gaps):
    assert not gaps.look(rows(a=11), bus=True)  # it may be on its way
    assert gaps.look(rows(a=11), bus=True)
    assert not gaps.look(rows(a=11), bus=True)


def test_without_a_bus_each_progress_is_a_gap(gaps):
    assert gaps.look(rows(a=11), bus=False)
    assert not gaps.look(rows(a=11), bus=False)
    assert gaps.look(rows(a=12), bus=False)


def test_server_that_is_gone_is_a_gap_once(gaps):
    assert gaps.look([], bus=True)
    assert not gaps.look([], bus=True)


def test_message_of_a_server_before_its_first_look_is_no_gap_if_it_is_the_first(gaps):
    assert not gaps.message("b", 0, 3)
    assert gaps.message("c", 3, 3)


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=30), st.integers(0, 40))
def test_a_message_that_is_lost_is_always_noticed(messages, look_every):
    """Whatever is lost of a server's messages, and whenever one looks: two looks after the last one everything missing was reported."""
    gaps = Gaps()
    gaps.look(rows(a=0), bus=True)
    committed, missing = 0, False
    for at, (count, lost) in enumerate(messages):
        if lost:
            missing = True
        elif gaps.message("a", committed, count):
            missing = False
        committed += count
        if look_every and at % look_every == 0 and gaps.look(rows(a=committed), bus=True):
            missing = False
    found = [gaps.look(rows(a=committed), bus=True) for _ in range(2)]
    assert any(found) or not missing
    assert not gaps.look(rows(a=committed), bus=True)
