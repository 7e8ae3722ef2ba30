"""Readings on their way from one server to the watchers of the others, by Redis or Valkey.

A message is a hint: the database decides what was committed, and `cluster.gaps` finds out what is missing. So messages may be lost: a bus
that is slow, full or away never holds up a commit. Each message is signed with the token that all servers have: another program
can show nothing to watchers, but for what a server has published before.
"""

import hashlib
import hmac
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from speeddash.errors import SettingsError
from speeddash.reading import Reading

log = logging.getLogger(__name__)

SETTING: Final = "SPEEDDASH_BUS_URL"
TIMEOUT_S: Final = 1.0
#: After so long without a message a subscription asks whether the bus is there, and after so long without any answer it is made anew.
#: A subscriber that sends nothing would never notice a network that lost its connection.
PING_AFTER_S: Final = 2.0
MAX_SILENCE_S: Final = 5.0
FIRST_RETRY_S: Final = 0.1
MAX_RETRY_S: Final = 2.0
#: After a message the next one waits this many times as long as that took, and what is committed meanwhile shares it: a message costs
#: redis-py, Redis and each receiver far more than a reading. Under load, when all are slow, messages get fewer and longer.
IDLE_SHARE: Final = 20
MAX_INTERVAL_S: Final = 0.05
#: Readings that wait to be sent; further ones are dropped, which the other servers notice.
MAX_QUEUED: Final = 50_000
#: Readings in one message at most.
MAX_MESSAGE: Final = 5_000
#: Version of the messages, in the name of the channel: servers of two versions do not hear each other during an upgrade, and read again.
VERSION: Final = 2
SIGNATURE_BYTES: Final = 32


class Bus:
    """The bus of one server: a thread that sends, and one that receives while somebody watches.

    Attributes:
        dropped: Readings that were not sent.
        rejected: Messages of something else than servers with the same token. The first one is logged.
        connected: The last message was sent, or received, without an error; None before the first one.
    """

    def __init__(self, url: str, secret: str, node: str, receive: Callable[[str, int, list[Reading]], object]) -> None:
        """Prepare, without connecting.

        Args:
            url: `redis://` or `rediss://`, with password and number of the database if there are some.
            secret: What all servers have in common: it decides which of them hear each other.
            node: Name of this server.
            receive: Called with the server, its count before them, and readings that it has committed.

        Raises:
            SettingsError: The package is not installed, or the URL is none.
        """
        try:
            import redis
        except ImportError:
            raise SettingsError(SETTING, "needs the package redis: pip install 'speeddash[cluster]'") from None
        # By default it tries ten times, for minutes.
        retry = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
        options = {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S, "retry": retry}
        try:
            self._redis = redis.Redis.from_url(url, **options)
        except ValueError:
            # Without its reason, which may hold part of a password.
            raise SettingsError(
                SETTING, "not the URL of a Redis; / # ? and @ in a password are written %2F %23 %3F %40"
            ) from None
        self._errors = (redis.RedisError, OSError)
        self._channel = f"speeddash:{VERSION}:{hashlib.sha256(secret.encode()).hexdigest()[:16]}"
        self._key = secret.encode()
        self._node = node
        self._receive = receive
        self._queue: deque[tuple[int, Sequence[Reading]]] = deque()
        self._queued = 0
        self._to_send = threading.Event()
        self._to_receive = threading.Event()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, name="bus", daemon=True),
            threading.Thread(target=self._listen, name="bus-receiver", daemon=True),
        ]
        self.dropped = 0
        self.rejected = 0
        self.connected: bool | None = None

    def start(self) -> None:
        """Begin in the background."""
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """Send what is queued, if that takes no longer than a timeout, and end."""
        self._stopping.set()
        self._to_send.set()
        self._to_receive.set()
        self._threads[0].join(TIMEOUT_S / 2)

    def listen(self, *, on: bool) -> None:
        """Receive or do not: without a watcher nobody needs it."""
        (self._to_receive.set if on else self._to_receive.clear)()

    def publish(self, first: int, readings: Sequence[Reading]) -> None:
        """Send readings that were committed, soon. It does not wait.

        Args:
            first: Readings that this server had committed before them.
            readings: In the order of their commit.
        """
        if self._queued + len(readings) > MAX_QUEUED:
            self.dropped += len(readings)
            return
        self._queue.append((first, readings))
        self._queued += len(readings)
        self._to_send.set()

    def _send(self) -> None:
        retry_s = FIRST_RETRY_S
        while self._queue or not self._stopping.is_set():
            if not self._queue:
                self._to_send.wait()
                self._to_send.clear()
                continue
            first, readings = self._take()
            began = time.monotonic()
            try:
                self._redis.publish(self._channel, encode(self._key, self._node, first, readings))
            except self._errors as problem:
                self._failed("readings do not reach the other servers' watchers at once", problem)
                self.dropped += len(readings)
                if self._stopping.wait(retry_s):
                    return
                retry_s = min(2 * retry_s, MAX_RETRY_S)
            else:
                self._worked()
                retry_s = FIRST_RETRY_S
                if self._queued < MAX_MESSAGE:
                    self._stopping.wait(min(MAX_INTERVAL_S, IDLE_SHARE * (time.monotonic() - began)))

    def _take(self) -> tuple[int, list[Reading]]:
        """Return the next readings; what was committed in many transactions is one message."""
        first, some = self._queue.popleft()
        readings = list(some)
        while self._queue and len(readings) + len(self._queue[0][1]) <= MAX_MESSAGE:
            if self._queue[0][0] != first + len(readings):  # dropped ones are missing between them
                break
            readings += self._queue.popleft()[1]
        self._queued -= len(readings)
        return first, readings

    def _listen(self) -> None:
        while not self._stopping.is_set():
            self._to_receive.wait()
            if self._stopping.is_set():
                return
            subscription = self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
            try:
                subscription.subscribe(self._channel)
                self._follow(subscription)
            except self._errors as problem:
                self._failed("readings of other servers arrive late", problem)
                self._stopping.wait(MAX_RETRY_S)
            finally:
                subscription.close()

    def _follow(self, subscription: Any) -> None:
        """Receive until nobody watches.

        Raises:
            TimeoutError: The bus is silent; also an error of the package's own.
        """
        heard_at = asked_at = time.monotonic()
        while self._to_receive.is_set() and not self._stopping.is_set():
            message = subscription.get_message(timeout=TIMEOUT_S / 2)
            now = time.monotonic()
            if message is not None:
                heard_at = now
                self._worked()
                if message["type"] == "message":
                    self._received(message["data"])
            elif now - heard_at > MAX_SILENCE_S:
                raise TimeoutError(f"no answer for {MAX_SILENCE_S:g} s")
            elif now - max(heard_at, asked_at) > PING_AFTER_S:
                asked_at = now
                subscription.ping()

    def _received(self, data: bytes) -> None:
        try:
            node, first, readings = decode(self._key, data)
        except (ValueError, KeyError, TypeError) as problem:
            self.rejected += 1
            if self.rejected == 1:
                log.warning("the bus brought something else than readings of our servers: %s", problem)
            return
        if node != self._node:
            self._receive(node, first, readings)

    def _failed(self, what: str, problem: Exception) -> None:
        if self.connected is not False:
            log.warning("%s, until the bus answers: %s", what, problem)
        self.connected = False

    def _worked(self) -> None:
        if self.connected is False:
            log.warning("the bus answers again")
        self.connected = True


def encode(key: bytes, node: str, first: int, readings: Sequence[Reading]) -> bytes:
    """Return a message: an HMAC-SHA256 with a key, then JSON."""
    source, at_us, seq, speed = zip(*readings, strict=True)
    message: dict[str, Any] = {
        "node": node,
        "first": first,
        "source": source,
        "at_us": at_us,
        "seq": seq,
        "speed": speed,
    }
    text = orjson.dumps(message)
    return hmac.digest(key, text, "sha256") + text


def decode(key: bytes, data: bytes) -> tuple[str, int, list[Reading]]:
    """Return the server, its count before them, and the readings of a message.

    Raises:
        ValueError: Not a message, or not signed with this key; also `KeyError` and `TypeError`.
    """
    signature, text = data[:SIGNATURE_BYTES], data[SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, hmac.digest(key, text, "sha256")):
        raise ValueError("the signature is wrong")
    message = orjson.loads(text)
    columns = (message["source"], message["at_us"], message["seq"], message["speed"])
    return message["node"], int(message["first"]), list(map(Reading._make, zip(*columns, strict=True)))
