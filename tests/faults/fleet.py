"""Senders and a checker: whatever happens between them, what was echoed is stored once, and nothing else is."""

import json
import random
import select
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass

from tests.faults.stored import stored_rows
from tests.rawsocket import CLOSE, PING, PONG, TEXT, RawSocket
from tests.running import wait_for

HEAL_DEADLINE_S = 10.0
#: An echo that is on its way takes a few ms, and on a busy machine some more.
SILENCE_S = 0.5
MINUTE_MS = 60_000
Row = tuple[str, int, int, float]


@dataclass(frozen=True)
class Account:
    """What became of all readings; `lost` to `wrong` must be 0."""

    sent: int
    echoed: int
    stored: int
    lost: int
    foreign: int
    doubled: int
    wrong: int

    @property
    def kept(self) -> bool:
        return not (self.lost or self.foreign or self.doubled or self.wrong)


@dataclass(frozen=True)
class Habits:
    """How a client behaves: frames in flight at once, and its back-off, of which it waits a random share."""

    in_flight: int = 16
    first_retry_s: float = 0.05
    last_retry_s: float = 0.5
    shortest_share: float = 1.0

    def wait_s(self, failures: int, chance: random.Random) -> float:
        backoff_s = min(self.last_retry_s, self.first_retry_s * 2 ** min(failures, 20))
        return backoff_s * chance.uniform(self.shortest_share, 1)


#: What a device's program would do, and what the page does (assets/app/state/link.mjs, assets/app/state/outbox.mjs).
DEVICE = Habits()
PAGE = Habits(in_flight=1, first_retry_s=0.5, last_retry_s=15.0, shortest_share=0.5)


@dataclass
class Frame:
    text: bytes
    rows: list[Row]


class Sender(threading.Thread):
    """One client: makes a frame every `pace_s`, and keeps it until its echo is there. Sends again, in order, on a new connection."""

    def __init__(
        self,
        source: str,
        port: int,
        pace_s: float,
        step_ms: int,
        echo_deadline_s: float,
        habits: Habits,
        headers: str = "",
    ) -> None:
        super().__init__(name=source, daemon=True)
        self.source, self._port, self._pace_s, self._step_ms = source, port, pace_s, step_ms
        self._echo_deadline_s, self._habits, self._headers = echo_deadline_s, habits, headers
        self._random = random.Random(source)
        self._first_ms = int(time.time() * 1000) // MINUTE_MS * MINUTE_MS
        self.outbox: deque[Frame] = deque()
        self.made: list[Row] = []
        self.echoed: list[Row] = []
        self.refused: list[Row] = []
        self.wrong: list[bytes] = []
        self.codes: Counter[int] = Counter()
        self.connections = 0
        self.last_echo_at = 0.0
        self.making, self.ending = threading.Event(), threading.Event()
        self.making.set()

    def run(self) -> None:
        self._next_at = time.monotonic()
        failures = 0
        while not self.ending.is_set():
            before = len(self.echoed)
            try:
                # A network that swallows an echo swallows a handshake.
                self._socket = RawSocket(
                    self._port, f"/ws?source={self.source}", self._headers, timeout_s=self._echo_deadline_s
                )
            except (OSError, EOFError):
                pass
            else:
                with self._socket:
                    self._talk()
            failures = 0 if len(self.echoed) > before else failures + 1
            self._make_due()
            self.ending.wait(self._habits.wait_s(failures, self._random))

    def put(self, *speeds: float) -> Frame:
        """Make one frame of so many readings."""
        rows = []
        for speed in speeds:
            seq = len(self.made)
            rows.append((self.source, (self._first_ms + seq * self._step_ms) * 1000, seq, speed))
            self.made.append(rows[-1])
        shown = [
            {"speed": speed, "timestamp": at_us // 1000, "seq": seq, "n\u00e4me": "\u00fc"}
            for _, at_us, seq, speed in rows
        ]
        text = json.dumps(shown[0] if len(shown) == 1 else shown, ensure_ascii=self._random.random() < 0.5)
        self.outbox.append(Frame((" " * self._random.randrange(3) + text).encode(), rows))
        return self.outbox[-1]

    def _make_due(self) -> None:
        while self.making.is_set() and time.monotonic() >= self._next_at:
            self._next_at += self._pace_s
            self.put(*[self._random.randrange(200_000) / 1000 for _ in range(self._random.choice((1, 1, 1, 3)))])

    def _talk(self) -> None:
        """Until the connection ends, or owes an echo for too long."""
        self.connections += 1
        flying, received, heard_at = 0, b"", time.monotonic()
        try:
            while not self.ending.is_set():
                self._make_due()
                waiting = list(self.outbox)[flying : self._habits.in_flight]
                if waiting:
                    heard_at = heard_at if flying else time.monotonic()
                    self._socket.socket.sendall(b"".join(self._socket.frame(each.text) for each in waiting))
                    flying += len(waiting)
                due_s = max(0.0, self._next_at - time.monotonic()) if self.making.is_set() else 0.05
                if select.select([self._socket.socket], [], [], min(due_s, 0.05))[0]:
                    data = self._socket.socket.recv(1 << 16)
                    if not data:
                        return
                    heard_at = time.monotonic()
                    frames, received = take_frames(received + data)
                    for opcode, payload in frames:
                        flying -= self._take(opcode, payload)
                elif flying and time.monotonic() - heard_at > self._echo_deadline_s:
                    return
        except OSError:
            return

    def _take(self, opcode: int, payload: bytes) -> int:
        """How many frames of the outbox it settles."""
        if opcode == PING:
            self._socket.send(payload, PONG)
        elif opcode == CLOSE:
            self.codes[int.from_bytes(payload[:2], "big")] += 1
        if opcode != TEXT:
            return 0
        if not self.outbox:
            self.wrong.append(payload)
            return 0
        if payload == self.outbox[0].text:
            self.last_echo_at = time.monotonic()
            self.echoed += self.outbox[0].rows
        elif payload.startswith(b'{"error"'):
            self.refused += self.outbox[0].rows
        else:
            self.wrong.append(payload)
            return 0
        self.outbox.popleft()
        return 1


class Fleet:
    """Several senders at once, each with a source of its own."""

    def __init__(
        self,
        port: int,
        *,
        senders: int = 8,
        pace_s: float = 0.02,
        step_ms: int = 1,
        echo_deadline_s: float = 30.0,
        habits: Habits = DEVICE,
        name: str = "fleet",
        token: str = "",
    ) -> None:
        headers = f"Authorization: Bearer {token}\r\n" if token else ""
        self.senders = [
            Sender(f"{name}-{at}", port, pace_s, step_ms, echo_deadline_s, habits, headers) for at in range(senders)
        ]

    def __enter__(self) -> "Fleet":
        for each in self.senders:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.senders:
            each.ending.set()
        for each in self.senders:
            each.join(15)

    @property
    def echoed(self) -> int:
        return sum(len(each.echoed) for each in self.senders)

    @property
    def waiting(self) -> int:
        return sum(len(each.outbox) for each in self.senders)

    @property
    def silent_s(self) -> float:
        """Time since the last echo."""
        return time.monotonic() - max(each.last_echo_at for each in self.senders)

    def halt(self) -> int:
        """Wait until echoes that were on their way are here, and no more come; how many there are."""
        wait_for(lambda: self.waiting > 3 * len(self.senders) and self.silent_s > SILENCE_S)
        return self.echoed

    def under_way(self, readings: int = 5) -> None:
        """Wait until everybody has echoes for so many readings more."""
        before = [len(each.echoed) for each in self.senders]
        wait_for(
            lambda: all(len(each.echoed) - was >= readings for each, was in zip(self.senders, before, strict=True)), 30
        )

    def heal(self, deadline_s: float = HEAL_DEADLINE_S) -> float:
        """Wait until everything that was made up to now has its answer; the seconds until then."""
        began = time.monotonic()
        made = [len(each.made) for each in self.senders]
        wait_for(
            lambda: all(
                len(each.echoed) + len(each.refused) >= count for each, count in zip(self.senders, made, strict=True)
            ),
            deadline_s,
        )
        return time.monotonic() - began

    def rest(self, deadline_s: float = HEAL_DEADLINE_S) -> None:
        """Make no more; wait until nothing waits. The connections stay."""
        for each in self.senders:
            each.making.clear()
        wait_for(lambda: not self.waiting, deadline_s)

    def resume(self) -> None:
        for each in self.senders:
            each._next_at = time.monotonic()
            each.making.set()

    def verify(self, database_url: str) -> Account:
        """Ask the database itself what it has of these senders; see `Account`."""
        names = {each.source for each in self.senders}
        stored = [row for row in stored_rows(database_url) if row[0] in names]
        made = {row for each in self.senders for row in each.made}
        echoed = [row for each in self.senders for row in each.echoed]
        refused = {row for each in self.senders for row in each.refused}
        kept = set(stored)
        identities = Counter((source, seq) for source, _, seq, _ in stored)
        return Account(
            sent=len(made),
            echoed=len(echoed),
            stored=len(stored),
            lost=len(set(echoed) - kept),
            foreign=len(kept - made) + len(kept & refused),
            doubled=sum(count - 1 for count in identities.values()) + len(echoed) - len(set(echoed)),
            wrong=sum(len(each.wrong) for each in self.senders),
        )

    def settle(
        self, database_url: str, record: Callable[[str, object], None], deadline_s: float = HEAL_DEADLINE_S
    ) -> Account:
        """The end of a test: nothing waits any more, and the promise was kept."""
        self.rest(deadline_s)
        account = self.verify(database_url)
        for name, value in asdict(account).items():
            record(name, value)
        assert account.kept, account
        assert account.echoed + sum(len(each.refused) for each in self.senders) == account.sent, account
        return account


def take_frames(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The server's frames that are whole, and the rest."""
    frames = []
    at = 0
    while len(data) - at >= 2:
        size, start = data[at + 1] & 0x7F, at + 2
        if size >= 126:
            wide = 2 if size == 126 else 8
            if len(data) < start + wide:
                break
            size, start = int.from_bytes(data[start : start + wide], "big"), start + wide
        if len(data) < start + size:
            break
        frames.append((data[at] & 0x0F, data[start : start + size]))
        at = start + size
    return frames, data[at:]
