import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from speeddash.errors import NotStored, ReadingsRefused, StoreUnavailable
from speeddash.live.feed import Feed
from speeddash.live.ingest import Ingest
from speeddash.reading import Reading
from tests.running import wait_for

NOON_US = 1_769_860_800_000_000
POISON = Reading("x" * 65, NOON_US, 0, 1.0)


def reading(seq, source="car"):
    return Reading(source, NOON_US, seq, 1.0)


@pytest.fixture
def ingest(store):
    ingest = Ingest(store, Feed(100_000))
    ingest.start()
    yield ingest
    ingest.stop(5)


class Gate:
    """Wraps a store: holds every insert until it is opened, fails the given ones, and records all."""

    def __init__(self, store):
        self.store, self.insert_store = store, store.writer.insert
        self.open, self.reached = threading.Event(), threading.Event()
        self.batches, self.failures = [], []
        store.writer.insert = self.insert

    def insert(self, readings, rows=None):
        self.reached.set()
        assert self.open.wait(10)
        if self.failures:
            raise self.failures.pop()
        self.batches.append(len(readings))
        self.insert_store(readings, rows)


def test_commit_returns_when_the_readings_are_stored(ingest, store):
    assert ingest.commit([[reading(1)], [reading(2), reading(3)]]) == {}
    assert [each.seq for each in store.readings.select(limit=10)] == [1, 2, 3]


def test_request_that_waited_too_long_is_not_kept(ingest, store):
    gate = Gate(store)
    with ThreadPoolExecutor(2) as callers:
        first = callers.submit(ingest.commit, [[reading(0)]])
        assert gate.reached.wait(5)
        with pytest.raises(NotStored):
            ingest.commit([[reading(1)]], 0.1)
        assert ingest.depth() == 0
        gate.open.set()
        assert first.result(5) == {}
    assert [each.seq for each in store.readings.select(limit=10)] == [0]


def test_what_queues_during_a_commit_is_one_batch(ingest, store):
    gate = Gate(store)
    with ThreadPoolExecutor(21) as callers:
        first = callers.submit(ingest.commit, [[reading(0)]])
        assert gate.reached.wait(5)
        rest = [callers.submit(ingest.commit, [[reading(seq)]]) for seq in range(1, 21)]
        wait_for(lambda: len(ingest._queue) == 20)
        assert not first.done()
        gate.open.set()
        assert [each.result(5) for each in [first, *rest]] == [{}] * 21
    assert gate.batches == [1, 20]
    assert len(store.readings.select(limit=100)) == 21


def test_single_readings_and_large_frames_are_one_batch(ingest, store):
    gate = Gate(store)
    large = [reading(seq, "boat") for seq in range(1000)]
    late = [
        Reading("car", NOON_US, seq % 3 + 1, 2.0) for seq in range(30)
    ]  # their keys were sent before, in the same batch
    with ThreadPoolExecutor(6) as callers:
        first = callers.submit(ingest.commit, [[reading(0)]])
        assert gate.reached.wait(5)
        rest = [
            callers.submit(ingest.commit, frames) for frames in ([large], [[reading(1)], [reading(2)]], [[reading(3)]])
        ]
        wait_for(lambda: len(ingest._queue) == 3)
        last = callers.submit(ingest.commit, [late])
        wait_for(lambda: len(ingest._queue) == 4)
        gate.open.set()
        assert [each.result(10) for each in [first, *rest, last]] == [{}] * 5
    assert gate.batches == [1, 1033]
    assert store.readings.select(limit=2000) == [*large, *map(reading, range(4))]


def test_poison_is_refused_alone(ingest, store):
    frames = [[reading(1)], [reading(2)], [reading(3), POISON], [reading(4)], [reading(5)]]
    refused = ingest.commit(frames)
    assert list(refused) == [2]
    assert isinstance(refused[2], ReadingsRefused)
    assert [each.seq for each in store.readings.select(limit=10)] == [1, 2, 4, 5]


def test_failed_commit_is_tried_again_until_it_works(ingest, store):
    gate = Gate(store)
    gate.failures = [StoreUnavailable("gone"), StoreUnavailable("gone")]
    gate.open.set()
    assert ingest.commit([[reading(1)]], timeout_s=10) == {}
    assert ingest.problem is None
    assert len(store.readings.select(limit=10)) == 1


def test_wait_that_is_over_says_why_and_the_reading_is_kept(ingest, store):
    gate = Gate(store)
    with pytest.raises(NotStored, match=r"not committed within 0\.2 s"):
        ingest.commit([[reading(1)]], timeout_s=0.2)
    wait_for(lambda: ingest.stalled_s() > 0.1)
    gate.open.set()
    wait_for(lambda: store.readings.select(limit=10))
    assert wait_for(lambda: ingest.stalled_s() == 0)


def test_stop_commits_what_is_queued_and_refuses_what_comes_after(store):
    ingest = Ingest(store, Feed(100_000))
    ingest.start()
    gate = Gate(store)
    with ThreadPoolExecutor(3) as callers:
        waiting = [callers.submit(ingest.commit, [[reading(seq)]]) for seq in range(2)]
        assert gate.reached.wait(5)
        stopper = callers.submit(ingest.stop, 5)
        gate.open.set()
        assert [each.result(5) for each in waiting] == [{}, {}]
        stopper.result(5)
    with pytest.raises(NotStored):
        ingest.commit([[reading(9)]])
    assert len(store.readings.select(limit=10)) == 2


def test_stop_while_the_database_is_away_notifies_the_callers(store):
    def away():
        raise StoreUnavailable("away")

    store.prepare = away
    ingest = Ingest(store, Feed(100_000))
    ingest.start()
    assert ingest.tried.wait(5)
    with ThreadPoolExecutor(1) as callers:
        waiting = callers.submit(ingest.commit, [[reading(1)]])
        wait_for(lambda: ingest._queue)
        ingest.stop(5)
        with pytest.raises(NotStored):
            waiting.result(5)


def test_bug_in_the_store_reaches_the_caller_and_the_writer_continues(ingest, store):
    gate = Gate(store)
    gate.failures = [ZeroDivisionError()]
    gate.open.set()
    with pytest.raises(ZeroDivisionError):
        ingest.commit([[reading(1)]])
    assert ingest.commit([[reading(2)]]) == {}


def test_seqs_are_distinct_and_held_by_javascript(store):
    made = [next(Ingest(store, Feed(100_000)).seqs) for _ in range(100)]
    assert len(set(made)) == 100
    assert max(made) < 2**53


def test_other_servers_know_of_this_one_before_its_first_commit(store):
    """Otherwise readings of a server that dies in its first second would be missing elsewhere, and nobody would know"""
    ingest = Ingest(store, Feed(100_000))
    stored = []
    failures = [StoreUnavailable("away")]

    def join(_new_connection):
        stored.append(len(list(store.readings.stream())))
        if failures:
            raise failures.pop()

    store.writer.share(join)
    ingest.start()
    ingest.commit([[reading(1)]])
    assert stored == [0, 0]  # the second time after a failure
    ingest.stop(5)
