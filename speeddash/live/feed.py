"""Live fan-out: committed readings for those who watch their source.

Design: each watched source has a channel, a buffer of its recent readings that all its watchers share, in the batches in which they were
committed. A watcher holds a position in each of its channels and no readings: each reading is held once and encoded once, however many
watch it. A commit costs work in proportion to the watchers that wait for one of its sources. All buffers together are bounded; a watcher
that falls behind the beginning of a buffer gets the number of readings that it missed, and can read them from the database.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from operator import attrgetter
from typing import Final

import orjson

from speeddash.reading import Reading, rfc3339

#: Smallest number of readings that is removed from a buffer at once while a watcher is behind.
TRIM_READINGS: Final = 1_000
#: Readings in one batch at most: an answer holds whole batches.
MAX_BATCH_READINGS: Final = 1_000

#: The members `source`, `timestamp`, `seq` and `speed` of an answer, each without its brackets.
Columns = tuple[bytes, bytes, bytes, bytes]


class Batch:
    """Readings of one channel that were committed together.

    Attributes:
        first: Position of the first of them; positions count from the channel's beginning.
        readings: In the order of their commit.
    """

    __slots__ = ("_columns", "first", "readings")

    def __init__(self, first: int, readings: Sequence[Reading]) -> None:
        self.first = first
        self.readings = readings
        self._columns: Columns | None = None

    @property
    def end(self) -> int:
        """The position after the last of them."""
        return self.first + len(self.readings)

    @property
    def columns(self) -> Columns:
        """The readings as JSON, encoded when somebody first asks."""
        if self._columns is None:
            source, at_us, seq, speed = zip(*self.readings, strict=True)
            lists = source, list(map(rfc3339, at_us)), seq, speed
            one, two, three, four = (orjson.dumps(each)[1:-1] for each in lists)
            self._columns = one, two, three, four
        return self._columns


class Channel:
    """The recent readings of one source, or of all sources.

    Attributes:
        source: None stands for all sources.
        watchers: Watchers of it.
        idle: Those of them that have taken everything.
        first: Position of the first reading in the buffer.
        end: Position of the next reading.
    """

    def __init__(self, source: str | None) -> None:
        self.source = source
        self.watchers: set[Watcher] = set()
        self.idle: set[Watcher] = set()
        self.first = 0
        self.end = 0
        self._batches: list[Batch] = []
        self._trim_at = TRIM_READINGS

    def __len__(self) -> int:
        return self.end - self.first

    def read(self, position: int, most: int) -> Sequence[Batch]:
        """Return batches from a position on: the first one, and more while they hold up to `most` readings together."""
        newest = self._batches[-1:]
        if newest and position >= newest[0].first:  # what a watcher takes that is not behind
            return newest
        begin = end = bisect_left(self._batches, position, key=attrgetter("first"))
        while end < len(self._batches) and (end == begin or self._batches[end].end - position <= most):
            end += 1
        return self._batches[begin:end]

    def append(self, readings: Sequence[Reading]) -> int:
        """Add readings, and remove those that every watcher has taken: at once, or now and then while a watcher is behind.

        Returns:
            How many readings the buffer holds more than before.
        """
        before = self.first
        if len(self.idle) == len(self.watchers):
            self._batches.clear()
            self.first = self.end
            self._trim_at = TRIM_READINGS
        for at in range(0, len(readings), MAX_BATCH_READINGS):
            some = readings[at : at + MAX_BATCH_READINGS]
            self._batches.append(Batch(self.end, some))
            self.end += len(some)
        if self.end - self.first >= self._trim_at:  # the cost is in proportion to the number of watchers
            self.trim(min(each.positions[self] for each in self.watchers) - self.first)
            self._trim_at = 2 * len(self) + TRIM_READINGS
        return len(readings) - (self.first - before)

    def trim(self, count: int) -> None:
        """Remove the oldest batches, until at least `count` readings are gone."""
        gone = bisect_left(self._batches, self.first + count, key=attrgetter("first"))
        del self._batches[:gone]
        self.first = self._batches[0].first if self._batches else self.end


class Watcher:
    """The positions of one client in the channels that it watches.

    Attributes:
        positions: For each channel the position of the next reading to take.
        pending: Channels that have something to take.
        missed: Readings that were removed before `take` reached them, during its last call; at least 1 after `Feed.invalidate`.
        outdated: The next call of `take` says that something was missed.
    """

    def __init__(self, feed: "Feed", channels: Collection[Channel], notify: Callable[[], object]) -> None:
        self.positions = {each: each.end for each in channels}
        self.missed = 0
        self.outdated = False
        self.notify = notify
        self.pending: dict[Channel, None] = {}
        self._feed = feed

    @property
    def has_news(self) -> bool:
        """Whether there is something to take."""
        return bool(self.pending) or self.outdated

    def take(self, most: int) -> list[Batch]:
        """Return new batches, the oldest of each channel first.

        Args:
            most: Readings after which no other batch is added; the rest stays for the next call.
        """
        self.missed = 0
        taken: list[Batch] = []
        unshared: list[Reading] = []
        while self.pending and most > 0:
            channel = next(iter(self.pending))
            position = self.positions[channel]
            if position < channel.first:
                self.missed += channel.first - position
                position = channel.first
            batches = channel.read(position, most)
            end = batches[-1].end if batches else position
            if len(channel.watchers) == 1:  # one batch of many sources is encoded faster than one of each
                for each in batches:
                    unshared += each.readings
            else:
                taken += batches
            most -= end - position
            self.positions[channel] = end
            if end == channel.end:
                del self.pending[channel]
                channel.idle.add(self)
        if unshared:
            taken.append(Batch(0, unshared))
        self._feed.missed += self.missed
        if self.outdated:
            self.outdated = False
            self.missed = max(1, self.missed)
        return taken

    def close(self) -> None:
        """Stop watching."""
        self._feed.remove(self)
        # This object lives on until the garbage collector runs; what its channels hold does not.
        self.positions.clear()
        self.pending.clear()


class Feed:
    """The channels of one process. Everything here runs in the thread or the event loop that acknowledges commits.

    Attributes:
        watchers: How many watch now.
        missed: Readings that watchers did not get since the start, because they fell behind; they are stored all the same.
    """

    def __init__(self, max_readings: int) -> None:
        """Create a feed without channels.

        Args:
            max_readings: Readings that all buffers hold together.
        """
        self.watchers = 0
        self.missed = 0
        self._max_readings = max_readings
        self._channels: dict[str | None, Channel] = {}
        self._held = 0

    def watch(self, sources: Collection[str], notify: Callable[[], object]) -> Watcher:
        """Watch sources from now on.

        Args:
            sources: Their names; an empty collection watches all sources, also those that appear later.
            notify: Called when there is something to take, and not again before that is taken. It must not wait.
        """
        names: list[str | None] = [*dict.fromkeys(sources)] or [None]
        channels = [self._channels.setdefault(name, Channel(name)) for name in names]
        watcher = Watcher(self, channels, notify)
        for each in channels:
            each.watchers.add(watcher)
            each.idle.add(watcher)
        self.watchers += 1
        return watcher

    def remove(self, watcher: Watcher) -> None:
        """Forget a watcher, and the channels that nobody else watches."""
        for each in watcher.positions:
            each.watchers.discard(watcher)
            each.idle.discard(watcher)
            if not each.watchers:
                del self._channels[each.source]
                self._held -= len(each)
        self.watchers -= 1

    def publish(self, readings: Sequence[Reading]) -> None:
        """Add committed readings to the channels of their sources, and notify the watchers that wait for one of these."""
        by_source: dict[str | None, list[Reading]] = {}
        for reading in readings:
            if reading.source in self._channels:
                by_source.setdefault(reading.source, []).append(reading)
        if None in self._channels:
            by_source[None] = list(readings)
        notified: dict[Watcher, None] = {}
        for source, some in by_source.items():
            channel = self._channels[source]
            self._held += channel.append(some)
            for watcher in channel.idle:
                watcher.pending[channel] = None
                notified[watcher] = None
            channel.idle.clear()
        self._trim()
        for watcher in notified:
            watcher.notify()

    def invalidate(self) -> None:
        """Tell every watcher that it may have missed readings, and should read its sources again from the database."""
        everyone = {watcher for channel in self._channels.values() for watcher in channel.watchers}
        for watcher in everyone:
            if not watcher.outdated:
                watcher.outdated = True
                watcher.notify()

    def _trim(self) -> None:
        """Keep the bound: remove the oldest readings of the longest buffer."""
        while (over := self._held - self._max_readings) > 0:
            longest = max(self._channels.values(), key=len)
            before = len(longest)
            longest.trim(max(over, TRIM_READINGS))
            self._held -= before - len(longest)
