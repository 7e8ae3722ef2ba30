"""The outbox of `connect` and its delivery, on a real server."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from speeddash.devices import stream
from speeddash.errors import DeviceAway
from speeddash.reading import Reading
from speeddash.sending import outbox
from speeddash.sending.delivery import Delivery
from speeddash.sending.outbox import Entry, Outbox
from tests.running import wait_for

NOON_US = 1_769_860_800_000_000
#: Instead of 30 s.
SILENCE_S = 0.1


@pytest.fixture
def box(tmp_path, monkeypatch) -> Iterator[Outbox]:
    monkeypatch.setattr(outbox, "BUSY_TIMEOUT_S", 0.1)
    with closing(Outbox(tmp_path / "outbox.db")) as opened:
        yield opened


@contextmanager
def delivered(box: Outbox, server) -> Iterator[Delivery]:
    delivery = Delivery(f"ws://localhost:{server.port}/ws", box, patience_s=None)
    sending = threading.Thread(target=delivery.run, daemon=True)
    sending.start()
    yield delivery
    delivery.stop()
    sending.join(30)


def add(box: Outbox, count: int) -> None:
    box.add([Entry(Reading("boat", NOON_US + n, n, 9.5)) for n in range(count)])


def test_file_that_is_locked_for_long_delays_the_delivery_and_does_not_end_it(box, server):
    add(box, 3)
    with closing(sqlite3.connect(box.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with delivered(box, server) as delivery:
            wait_for(lambda: "database is locked" in (delivery.trouble or ""), 30)
            other.execute("COMMIT")
            wait_for(lambda: box.waiting == 0, 30)
    assert [each["seq"] for each in server.readings("boat")] == [0, 1, 2]


def test_frames_are_as_small_as_the_server_wants_them(box, run, tmp_path):
    server = run(f"sqlite:///{tmp_path}/speed.db", SPEEDDASH_MAX_FRAME_BYTES="1024")
    add(box, 100)
    with delivered(box, server):
        wait_for(lambda: box.waiting == 0, 60)
    assert len(server.readings("boat")) == 100


class Silent:
    """A stream on which nothing comes for a while, then a line."""

    def __init__(self) -> None:
        self.speaks_at = time.monotonic() + 3 * SILENCE_S

    def read(self, timeout_s: float) -> bytes:
        time.sleep(min(timeout_s, SILENCE_S))
        return b"word\n" if time.monotonic() > self.speaks_at else b""


def test_silence_ends_a_connection_and_not_a_port_that_listens(monkeypatch):
    monkeypatch.setattr(stream, "MAX_SILENCE_S", SILENCE_S)
    assert next(stream.lines(Silent(), has_peer=False)) == b"word"
    with pytest.raises(DeviceAway, match="nothing comes"):
        next(stream.lines(Silent()))
