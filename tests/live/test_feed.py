import gc
import weakref

from speeddash.live.feed import TRIM_READINGS, Feed
from speeddash.reading import Reading


def reading(seq, source="car"):
    return Reading(source, 0, seq, 1.0)


def seqs(taken):
    return [each.seq for batch in taken for each in batch.readings]


def held(feed):
    size = sum(map(len, feed._channels.values()))
    assert feed._held == size
    return size


def test_watcher_gets_its_sources_only_and_is_notified_once_a_batch():
    feed, notified = Feed(1000), []
    watcher = feed.watch(["car", "boat"], lambda: notified.append(1))
    feed.publish([reading(1), reading(2, "bike"), reading(3, "boat")])
    feed.publish([reading(4, "bike")])
    assert seqs(watcher.take(100)) == [1, 3]
    assert notified == [1]


def test_watcher_without_sources_gets_everything_in_order():
    feed = Feed(1000)
    watcher = feed.watch([], lambda: None)
    feed.publish([reading(1), reading(2, "never seen before"), reading(3)])
    assert seqs(watcher.take(100)) == [1, 2, 3]
    assert watcher.take(100) == []


def test_take_is_limited_to_whole_batches_and_the_rest_stays():
    feed = Feed(1000)
    watcher = feed.watch(["car", "bike"], lambda: None)
    for at in range(0, 20, 4):
        feed.publish([reading(seq, ("car", "bike")[seq % 2]) for seq in range(at, at + 4)])
    parts = [seqs(watcher.take(5)) for _ in range(6)]
    assert [len(part) for part in parts] == [6, 6, 6, 2, 0, 0]  # batches of 2
    assert sorted(seq for part in parts for seq in part) == list(range(20))


def test_watcher_is_notified_once_until_it_has_taken_everything():
    feed, notified = Feed(1000), []
    watcher = feed.watch(["car"], lambda: notified.append(1))
    feed.publish([reading(1)])
    feed.publish([reading(2)])
    assert notified == [1]
    assert seqs(watcher.take(1)) == [1]
    feed.publish([reading(3)])
    assert notified == [1]
    assert seqs(watcher.take(10)) == [2, 3]
    feed.publish([reading(4)])
    assert notified == [1, 1]


def test_large_commit_becomes_batches_of_a_bounded_size():
    feed = Feed(10_000)
    first, second = (feed.watch(["car"], lambda: None) for _ in range(2))
    feed.publish([reading(seq) for seq in range(2_500)])
    taken = first.take(5_000)
    assert [len(batch.readings) for batch in taken] == [1_000, 1_000, 500]
    assert second.take(5_000) == taken  # the very same: each is encoded once


def test_sources_that_nobody_else_watches_are_one_batch():
    feed = Feed(10_000)
    wall, car = feed.watch(["boat", "car", "bike"], lambda: None), feed.watch(["car"], lambda: None)
    for seq in (1, 2):
        feed.publish([reading(seq, source) for source in ("bike", "boat", "car")])
    batches = [[(each.source, each.seq) for each in batch.readings] for batch in wall.take(100)]
    assert batches == [[("car", 1)], [("car", 2)], [("bike", 1), ("bike", 2), ("boat", 1), ("boat", 2)]]
    assert seqs(car.take(100)) == [1, 2]


def test_watchers_share_one_buffer_and_a_slow_one_is_given_the_number_of_readings_it_missed():
    feed = Feed(3 * TRIM_READINGS)
    slow, slower, fast = (feed.watch(["car"], lambda: None) for _ in range(3))
    for at in range(0, 10 * TRIM_READINGS, 10):
        feed.publish([reading(seq) for seq in range(at, at + 10)])
        fast.take(100)
        assert held(feed) <= 3 * TRIM_READINGS
    for watcher in (slow, slower):
        found = seqs(watcher.take(10 * TRIM_READINGS))
        assert found[-1] == 10 * TRIM_READINGS - 1
        assert watcher.missed == found[0] == 10 * TRIM_READINGS - len(found)
        assert watcher.take(1) == []
        assert watcher.missed == 0
    assert fast.missed == 0
    assert feed.missed == 2 * (10 * TRIM_READINGS - len(found))


def test_bound_holds_over_all_channels_and_costs_the_longest_one_first():
    feed = Feed(2 * TRIM_READINGS)
    quiet, busy = feed.watch(["quiet"], lambda: None), feed.watch(["busy"], lambda: None)
    feed.publish([reading(0, "quiet")])
    for seq in range(5 * TRIM_READINGS):
        feed.publish([reading(seq, "busy")])
    assert held(feed) <= 2 * TRIM_READINGS
    assert seqs(quiet.take(10)) == [0]
    busy.take(1)
    assert quiet.missed == 0 < busy.missed


def test_readings_that_everyone_has_taken_are_removed():
    feed = Feed(100 * TRIM_READINGS)
    watcher = feed.watch(["car"], lambda: None)
    for seq in range(20 * TRIM_READINGS):
        feed.publish([reading(seq)])
        watcher.take(10)
    assert held(feed) == 1


def test_readings_that_everyone_has_taken_are_removed_also_while_one_is_always_a_little_behind():
    feed = Feed(100 * TRIM_READINGS)
    behind, prompt = feed.watch(["car"], lambda: None), feed.watch(["car"], lambda: None)
    for seq in range(20 * TRIM_READINGS):
        feed.publish([reading(seq)])
        prompt.take(10)
        if seq:
            assert seqs(behind.take(1)) == [seq - 1]
    assert held(feed) <= 2 * TRIM_READINGS


def test_what_nobody_watches_any_more_is_freed_at_once():
    feed = Feed(1000)
    watcher = feed.watch(["car"], lambda: None)
    feed.publish([reading(1)])
    (channel,) = map(weakref.ref, watcher.positions)
    gc.disable()
    try:
        watcher.close()
        assert channel() is None
    finally:
        gc.enable()


def test_channel_goes_with_its_last_watcher():
    feed = Feed(1000)
    first, second = feed.watch(["car"], lambda: None), feed.watch(["car"], lambda: None)
    first.close()
    feed.publish([reading(1)])
    assert seqs(second.take(10)) == [1]
    second.close()
    assert feed.watchers == 0
    assert held(feed) == 0
    feed.publish([reading(2)])
    assert held(feed) == 0
