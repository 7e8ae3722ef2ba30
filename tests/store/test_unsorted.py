"""SQLite: readings of many sources are durable before they are in `speed_data`, and nobody sees a difference."""

import sqlite3
from contextlib import closing

import pytest

from speeddash.reading import Reading
from speeddash.store import open_store, unsorted
from speeddash.store.backup import copy
from speeddash.timerange import TimeRange

NOON_US = 1_769_860_800_000_000
SOURCES = [f"car-{at:02}" for at in range(3 * unsorted.MIN_SOURCES)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "speed.db"


@pytest.fixture
def store(path):
    opened = open_store(f"sqlite:///{path}")
    opened.prepare()
    opened.writer.insert([Reading("first", NOON_US, 0, 1.0)])
    yield opened
    opened.close()


def batch(seq: int = 0, speed: float = 10.0) -> list[Reading]:
    return [Reading(source, NOON_US + seq, seq, speed) for source in SOURCES]


def names(store) -> list[str]:
    return [each.source for each in store.sources.select(limit=100)]


def counts(path) -> tuple[int, int]:
    """Return how many readings another program finds in each of the tables."""
    with closing(sqlite3.connect(path)) as other:
        return tuple(other.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("speed_data", "speed_unsorted"))  # fmt: skip


def test_batch_of_many_sources_is_appended_and_read_at_once(store, path):
    store.writer.insert(batch())
    assert counts(path) == (1, len(SOURCES))
    assert names(store) == [*SOURCES, "first"]
    assert counts(path) == (1 + len(SOURCES), 0)


def test_batch_of_few_sources_is_not(store, path):
    store.writer.insert([Reading("car", NOON_US + n, n, 1.0) for n in range(100)])
    assert counts(path) == (101, 0)


def test_of_readings_with_one_key_the_first_stays(store, monkeypatch):
    store.writer.insert(batch(speed=1.0))
    store.writer.insert(batch(speed=2.0))
    monkeypatch.setattr(unsorted, "SCATTERED_S", 0.0)
    store.writer.insert([Reading(SOURCES[0], NOON_US, 0, 3.0)])  # into the table itself
    assert {each.speed for each in store.readings.select(time=TimeRange(), limit=100) if each.source != "first"} == {
        1.0
    }


def test_few_sources_are_merged_with_what_came_before(store, path, monkeypatch):
    store.writer.insert(batch())
    store.writer.insert([Reading("car", NOON_US, 0, 1.0)])
    assert counts(path) == (1, len(SOURCES) + 1)
    monkeypatch.setattr(unsorted, "SCATTERED_S", 0.0)
    store.writer.insert([Reading("car", NOON_US, 1, 1.0)])
    assert counts(path) == (len(SOURCES) + 3, 0)


def test_many_batches_are_merged_together(store, path, monkeypatch):
    monkeypatch.setattr(unsorted, "MAX_UNSORTED", 2 * len(SOURCES))
    for seq in range(3):
        store.writer.insert(batch(seq))
    assert counts(path) == (1 + 2 * len(SOURCES), len(SOURCES))


def test_removed_source_does_not_come_back(store):
    store.writer.insert(batch())
    store.source_maintenance.delete(SOURCES[0])
    assert names(store) == [*SOURCES[1:], "first"]


def test_snapshot_begins_with_them(store):
    store.writer.insert(batch())
    with store.snapshot() as snapshot:
        assert len(snapshot.readings.select(limit=100)) == len(SOURCES) + 1
        store.writer.insert(batch(1))
        assert len(snapshot.readings.select(limit=100)) == len(SOURCES) + 1
    assert len(store.readings.select(limit=100)) == 2 * len(SOURCES) + 1


def test_close_and_backup_merge(store, path, tmp_path):
    store.writer.insert(batch())
    assert copy(path, tmp_path / "copy.db") == 1 + len(SOURCES)
    assert counts(tmp_path / "copy.db") == (1 + len(SOURCES), 0)
    store.close()
    assert counts(path) == (1 + len(SOURCES), 0)


def test_table_with_a_trigger_takes_every_reading_itself(path):
    first = open_store(f"sqlite:///{path}")
    first.prepare()
    first.close()
    with closing(sqlite3.connect(path)) as other:
        other.execute(
            "CREATE TRIGGER plausible BEFORE INSERT ON speed_data WHEN NEW.speed > 1500"
            " BEGIN SELECT RAISE(ABORT, 'too fast'); END"
        )
    store = open_store(f"sqlite:///{path}")
    store.prepare()
    for seq in range(3):
        store.writer.insert(batch(seq))
        assert counts(path) == ((1 + seq) * len(SOURCES), 0)
    store.close()
