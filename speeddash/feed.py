"""Live fan-out: what is durable, to those who watch its source."""

from collections import deque
from collections.abc import Callable, Collection, Iterable

from speeddash.reading import Reading

#: Readings kept for a watcher that does not take them; beyond it the oldest are dropped, and counted.
MAX_WAITING = 100_000


class Watcher:
    """What is new for one watcher since it last took.

    Attributes:
        sources: The sources it watches; empty is all of them.
        dropped: Readings dropped since it last took, because it did not take for too long.
    """

    def __init__(self, feed: "Feed", sources: Collection[str], news: Callable[[], object], max_waiting: int) -> None:
        self.sources = frozenset(sources)
        self.dropped = 0
        self._feed = feed
        self._news = news
        self._waiting: deque[Reading] = deque(maxlen=max_waiting)

    def take(self, most: int) -> list[Reading]:
        """What is new, the oldest first, `most` at the most; see `dropped` before, which this sets back."""
        self.dropped = 0
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def close(self) -> None:
        """Watch no longer."""
        self._feed.watchers.discard(self)

    def offer(self, readings: Iterable[Reading]) -> None:
        """Called by the feed; tells the watcher if something is for it."""
        mine = [each for each in readings if each.source in self.sources] if self.sources else list(readings)
        if mine:
            room = (self._waiting.maxlen or 0) - len(self._waiting)
            over = max(0, len(mine) - room)
            self.dropped += over
            self._feed.dropped += over
            self._waiting.extend(mine)
            self._news()


class Feed:
    """The watchers of one process. Everything here runs in the thread or the event loop that settles commits.

    Attributes:
        watchers: Those who watch now.
        dropped: Readings that a watcher did not get since the start; they are stored all the same.
    """

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self.watchers: set[Watcher] = set()
        self.dropped = 0
        self._max_waiting = max_waiting

    def watch(self, sources: Collection[str], news: Callable[[], object]) -> Watcher:
        """Watch sources, from now on.

        Args:
            sources: Their names; none is all of them, those that have yet to appear included.
            news: Called when there is something to take. It must not wait.
        """
        watcher = Watcher(self, sources, news, self._max_waiting)
        self.watchers.add(watcher)
        return watcher

    def publish(self, readings: Collection[Reading]) -> None:
        """Offer readings that are durable now to everyone who watches."""
        for watcher in list(self.watchers):
            watcher.offer(readings)
