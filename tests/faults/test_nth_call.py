"""Every database call fails once: the first, the second, and so on, until a run needs no more calls."""

import sqlite3
from itertools import count

import pymysql
import pytest
from sqlalchemy import event

from speeddash.errors import StoreError
from speeddash.history.worker import RollupWorker
from speeddash.live import ingest as ingest_module
from speeddash.live.feed import Feed
from speeddash.live.ingest import Ingest
from speeddash.reading import Reading
from speeddash.store import open_store
from speeddash.timerange import TimeRange
from tests.faults.stored import stored_rows

HOUR_US = 3_600_000_000
NOON_US = 1_769_860_800_000_000
TRIES = 5


class Injection:
    """Makes the nth call fail, before it is done or after."""

    def __init__(self, nth, done):
        self._nth, self._done = nth, done
        self.calls = 0
        self.injected = False

    def around(self, call, error, broken=lambda: None):
        self.calls += 1
        if self.calls != self._nth:
            return call()
        self.injected = True
        if self._done:
            call()
        broken()
        raise error


def inject_mysql(patch, injection):
    """A connection that fails is gone, as it is when the network takes it."""

    def failing(original):
        def call(connection, *args, **options):
            lost = pymysql.OperationalError(2013, "Lost connection to MySQL server during query")
            return injection.around(lambda: original(connection, *args, **options), lost, connection._force_close)

        return call

    for name in ("connect", "query", "commit", "rollback"):
        patch.setattr(pymysql.connections.Connection, name, failing(getattr(pymysql.connections.Connection, name)))


def inject_sqlite(store, injection):
    def failing(call):
        return injection.around(call, sqlite3.OperationalError("disk I/O error"))

    class Cursor(sqlite3.Cursor):
        def execute(self, *args):
            return failing(lambda: super(Cursor, self).execute(*args))

    class Connection(sqlite3.Connection):
        def cursor(self, factory=Cursor):
            return super().cursor(factory)

        def execute(self, *args):
            return failing(lambda: super(Connection, self).execute(*args))

        def commit(self):
            return failing(super().commit)

    event.listen(store.database.engine, "do_connect", lambda _d, _r, _a, options: options.update(factory=Connection))


def until_it_works(question):
    """What a person or the next round would do."""
    for _ in range(TRIES - 1):
        try:
            return question()
        except StoreError:
            pass
    return question()


def work(url, patch, injection):
    """Open the store, commit through a real ingest, read back, roll up. What was echoed, and what the rollups tell."""
    store = open_store(url)
    if url.startswith("sqlite"):
        inject_sqlite(store, injection)
    else:
        inject_mysql(patch, injection)
    ingest = Ingest(store, Feed(100_000))
    ingest.start()
    echoed = []
    try:
        for n in range(3):
            frames = [[Reading("car", NOON_US + hour * HOUR_US + n, n, 1.5)] for hour in range(1 + n % 2)]
            assert ingest.commit(frames, timeout_s=20) == {}
            echoed += [row for frame in frames for row in frame]
        assert until_it_works(lambda: store.readings.select(limit=100)) == sorted(echoed)
        until_it_works(lambda: RollupWorker(store, recheck=lambda *_: None).roll_up(grace_s=-3600))
        until_it_works(store.check_writable)
        counted = sum(
            each.n
            for each in until_it_works(lambda: store.rollups.segments("car", TimeRange(NOON_US, NOON_US + 5 * HOUR_US)))
        )
    finally:
        ingest.stop(5)
        store.close()
    return echoed, counted


@pytest.mark.parametrize(
    "done",
    [pytest.param(False, id="before it is done", marks=pytest.mark.long), pytest.param(True, id="after it was done")],
)
def test_nth_call_that_fails_loses_nothing(
    request, tmp_path, database_url, done, monkeypatch, cycles, chance, record_property
):
    """The Nth database call fails, before or after its effect, for each N that a run reaches"""
    stride = 1 if cycles >= 20 else 9  # a short run takes every ninth, others each time
    monkeypatch.setattr(ingest_module, "FIRST_RETRY_S", 0.001)  # time: the back-off is not what is tested
    for nth in count(chance.randint(1, stride), stride):
        is_file = database_url.startswith("sqlite")
        url = f"sqlite:///{tmp_path}/{nth}.db" if is_file else request.getfixturevalue("mariadb").create("speed")
        injection = Injection(nth, done)
        with monkeypatch.context() as patch:
            echoed, counted = work(url, patch, injection)
        assert sorted(stored_rows(url)) == sorted(map(tuple, echoed)), f"call {nth}"
        assert counted == len(echoed), f"call {nth}"
        if not injection.injected:
            break
    record_property("calls", injection.calls)
    record_property("calls_failed", (nth - 1) // stride)
    assert nth > 10
