"""Live fan-out: committed readings for those who watch their source.

Design: each watched source has a channel, a buffer of its recent readings that all its watchers share. A watcher holds a position in
each of its channels and no readings: each reading is held once, however many watch it. All buffers together are bounded; a watcher
that falls behind the beginning of a buffer gets the number of readings that it missed, and can read them from the database.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from speeddash.reading import Reading

#: Smallest number of readings that is removed from a buffer at once.
TRIM_READINGS: Final = 1_000


class Channel:
    """The recent readings of one source, or of all sources.

    Attributes:
        source: None stands for all sources.
        watchers: Watchers of it.
        first: Position of the first reading in the buffer; positions count from the channel's beginning.
    """

    def __init__(self, source: str | None) -> None:
        self.source = source
        self.watchers: set[Watcher] = set()
        self.first = 0
        self._readings: list[Reading] = []
        self._trim_at = TRIM_READINGS

    def __len__(self) -> int:
        return len(self._readings)

    @property
    def end(self) -> int:
        """The position of the next reading."""
        return self.first + len(self._readings)

    def read(self, position: int, most: int) -> Sequence[Reading]:
        """Return up to `most` readings from a position on that is not before `first`."""
        return self._readings[position - self.first : position - self.first + most]

    def append(self, readings: Iterable[Reading]) -> None:
        """Add readings. Now and then those that every watcher has taken are removed, at a cost in proportion to their number."""
        self._readings += readings
        if len(self._readings) >= self._trim_at:
            self.trim(min(each.positions[self] for each in self.watchers) - self.first)
            self._trim_at = 2 * len(self._readings) + TRIM_READINGS

    def trim(self, count: int) -> None:
        """Remove the oldest readings."""
        count = min(max(0, count), len(self._readings))
        del self._readings[:count]
        self.first += count


class Watcher:
    """The positions of one client in the channels that it watches.

    Attributes:
        positions: For each channel the position of the next reading to take.
        missed: Readings that were removed before `take` reached them, during its last call.
    """

    def __init__(self, feed: "Feed", channels: Collection[Channel], notify: Callable[[], object]) -> None:
        self.positions = {each: each.end for each in channels}
        self.missed = 0
        self.notify = notify
        self.pending: dict[Channel, None] = {}
        self._feed = feed

    def take(self, most: int) -> list[tuple[Channel, int, Sequence[Reading]]]:
        """Return new readings, the oldest of each channel first, with their channel and position.

        Args:
            most: Readings that are returned at most; the rest stays for the next call.
        """
        self.missed = 0
        taken = []
        while self.pending and most > 0:
            channel = next(iter(self.pending))
            position = self.positions[channel]
            if position < channel.first:
                self.missed += channel.first - position
                position = channel.first
            readings = channel.read(position, most)
            self.positions[channel] = position + len(readings)
            most -= len(readings)
            if readings:
                taken.append((channel, position, readings))
            if position + len(readings) == channel.end:
                del self.pending[channel]
        self._feed.missed += self.missed
        return taken

    def close(self) -> None:
        """Stop watching."""
        self._feed.remove(self)


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
            notify: Called when there is something to take. It must not wait.
        """
        names: list[str | None] = [*dict.fromkeys(sources)] or [None]
        channels = [self._channels.setdefault(name, Channel(name)) for name in names]
        watcher = Watcher(self, channels, notify)
        for each in channels:
            each.watchers.add(watcher)
        self.watchers += 1
        return watcher

    def remove(self, watcher: Watcher) -> None:
        """Forget a watcher, and the channels that nobody else watches."""
        for each in watcher.positions:
            each.watchers.discard(watcher)
            if not each.watchers:
                del self._channels[each.source]
                self._held -= len(each)
        self.watchers -= 1

    def publish(self, readings: Sequence[Reading]) -> None:
        """Add committed readings to the channels of their sources, and notify the watchers of these."""
        by_channel: dict[Channel, list[Reading]] = {}
        everything = self._channels.get(None)
        if everything is not None:
            by_channel[everything] = list(readings)
        for reading in readings:
            channel = self._channels.get(reading.source)
            if channel is not None:
                by_channel.setdefault(channel, []).append(reading)
        for channel, some in by_channel.items():
            before = len(channel)
            channel.append(some)
            self._held += len(channel) - before
        self._trim()
        notified: dict[Watcher, None] = {}
        for channel in by_channel:
            for watcher in channel.watchers:
                watcher.pending[channel] = None
                notified[watcher] = None
        for watcher in notified:
            watcher.notify()

    def _trim(self) -> None:
        """Keep the bound: remove the oldest readings of the longest buffer."""
        while (over := self._held - self._max_readings) > 0:
            longest = max(self._channels.values(), key=len)
            before = len(longest)
            longest.trim(max(over, TRIM_READINGS))
            self._held -= before - len(longest)
