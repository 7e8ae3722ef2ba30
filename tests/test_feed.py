from speeddash.feed import Feed
from speeddash.reading import Reading


def reading(seq, source="car"):
    return Reading(source, 0, seq, 1.0)


def test_watcher_gets_its_sources_alone_and_is_told_once_a_batch():
    feed, told = Feed(), []
    watcher = feed.watch(["car", "boat"], lambda: told.append(1))
    feed.publish([reading(1), reading(2, "bike"), reading(3, "boat")])
    feed.publish([reading(4, "bike")])
    assert watcher.take(100) == [reading(1), reading(3, "boat")]
    assert told == [1]


def test_watcher_of_nothing_in_particular_gets_everything():
    feed = Feed()
    watcher = feed.watch([], lambda: None)
    feed.publish([reading(1), reading(2, "never seen before")])
    assert len(watcher.take(100)) == 2
    assert watcher.take(100) == []


def test_watcher_that_does_not_take_loses_the_oldest_and_it_is_counted():
    feed = Feed(max_waiting=3)
    watcher = feed.watch([], lambda: None)
    feed.publish([reading(seq) for seq in range(2)])
    feed.publish([reading(seq) for seq in range(2, 5)])
    assert (watcher.dropped, feed.dropped) == (2, 2)
    assert [each.seq for each in watcher.take(100)] == [2, 3, 4]
    assert (watcher.dropped, feed.dropped) == (0, 2)


def test_watcher_that_left_is_forgotten():
    feed = Feed()
    feed.watch([], lambda: None).close()
    assert not feed.watchers
