"""Rollups: whatever happens to readings, they end as a rebuild makes them, and history answers the same with them as without."""

import random
import sqlite3
import time
from functools import reduce

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from speeddash import segment
from speeddash.alerts.alerts import Alerts
from speeddash.errors import RenameUnderWay, StoreUnavailable
from speeddash.history.history import History
from speeddash.history.worker import RollupWorker, rebuild
from speeddash.reading import Reading
from speeddash.segment import GAP_US
from speeddash.store import maintenance, rollups
from speeddash.timerange import HOUR_US, MINUTE_US, SECOND_US, TimeRange
from tests.history.test_history import START, put

HOUR = START // HOUR_US * HOUR_US
EVER = 2**60
TEN_MINUTES = TimeRange(HOUR, HOUR + 10 * MINUTE_US)

speeds = st.sampled_from([0.0, 0.0, 3.5, 50.0, 50.25, 120.0, 700.0])
#: Around the edges of minutes and hours, where mistakes live.
moments = st.builds(
    lambda edge, off: HOUR + edge * MINUTE_US + off,
    st.integers(0, 200),
    st.sampled_from([-GAP_US, -SECOND_US, -1, 0, 1, SECOND_US, 29 * SECOND_US]),
)
readings = st.builds(Reading, st.just("car"), moments, st.integers(0, 3), speeds)
changes = st.one_of(
    st.tuples(st.just("insert"), st.lists(readings, min_size=1, max_size=30)),
    st.tuples(st.just("remove"), st.tuples(moments, moments).map(sorted)),
    st.tuples(st.just("roll up"), st.none()),
)


def rolled(store):
    with store.database.engine.connect() as connection:
        columns = ", ".join(segment.Segment._fields)
        query = f"SELECT width_s, {columns} FROM speed_rollup WHERE source = 'car' ORDER BY width_s, at_us"
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def set_limit(store, source, limit_kmh):
    Alerts(store, None).limits.set_limit(source, limit_kmh, START)


def background(store):
    return RollupWorker(store, recheck=lambda *_: None)


def rebuilt(store):
    for _, hours in rebuild(store):
        list(hours)


def computed_by_hand(store, width_us):
    found = store.readings.select(source="car", limit=100_000)
    begins = sorted({each.at_us // width_us * width_us for each in found})
    return [
        segment.of([each for each in found if each.at_us // width_us * width_us == begin])._replace(at_us=begin)
        for begin in begins
    ]


def expected(store, dense):
    """The rollups by hand: seconds of hours with more than `dense` readings, all minutes, all hours."""
    full = {each.at_us for each in computed_by_hand(store, HOUR_US) if each.n > dense}
    seconds = [each for each in computed_by_hand(store, SECOND_US) if each.at_us // HOUR_US * HOUR_US in full]
    return [
        pytest.approx((width_us // SECOND_US, *each))
        for width_us, found in (
            (SECOND_US, seconds),
            *((width_us, computed_by_hand(store, width_us)) for width_us in (MINUTE_US, HOUR_US)),
        )
        for each in found
    ]


@pytest.mark.parametrize("dense", [rollups.MAX_READINGS_PER_STATEMENT, 10])
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(changes, max_size=8))
def test_rollups_end_as_a_rebuild_makes_them_whatever_happens(store, monkeypatch, dense, steps):
    monkeypatch.setattr(rollups, "MAX_READINGS_PER_STATEMENT", dense)
    store.source_maintenance.delete("car")
    store.writer._marked.clear()
    for what, how in steps:
        if what == "insert":
            put(store, *how)
        elif what == "remove":
            while store.source_maintenance.remove("car", TimeRange(*how)):
                pass
        else:
            background(store).roll_up(grace_s=-1)
            store.writer._marked.clear()  # no mark younger than the grace period is renewed
    live = store.rollups.segments("car", TimeRange())
    background(store).roll_up(grace_s=-1)
    kept = rolled(store)
    assert kept == expected(store, dense)
    everything = store.readings.select(source="car", limit=100_000)
    if everything:
        assert tuple(reduce(segment.merge, live))[1:] == pytest.approx(tuple(segment.of(everything))[1:])
    else:
        assert live == []
    rebuilt(store)
    assert rolled(store) == kept


@pytest.mark.parametrize("dense", [rollups.MAX_READINGS_PER_STATEMENT, 10])
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(readings, min_size=1, max_size=60, unique_by=lambda each: each[:3]), st.data())
def test_history_is_the_same_before_and_after_rolling_up(store, monkeypatch, dense, some, data):
    monkeypatch.setattr(rollups, "MAX_READINGS_PER_STATEMENT", dense)
    store.source_maintenance.delete("car")
    store.writer._marked.clear()
    put(store, *some)
    from_us, to_us = sorted([data.draw(moments), data.draw(moments) + 1])
    widths_s = st.sampled_from([1, 5, 30, 60, 120, 1_200, 3_600, 10_800])
    width_us = data.draw(widths_s) * SECOND_US

    def answers():
        history = History(store)
        return (
            store.rollups.buckets("car", TimeRange(from_us, to_us), width_us),
            list(history.trips("car", TimeRange(from_us, to_us))),
            history.summary("car", TimeRange(from_us, to_us)),
        )

    raw = answers()
    background(store).roll_up(grace_s=-1)
    assert not store.rollup_maintenance.dirty_hours(grace_s=-1, limit=1)
    ready = answers()
    assert [tuple(each) for each in ready[0]] == [pytest.approx(tuple(each)) for each in raw[0]]
    assert [tuple(each) for each in ready[1]] == [pytest.approx(tuple(each)) for each in raw[1]]
    assert ready[2] == raw[2] or tuple(ready[2]) == pytest.approx(tuple(raw[2]))


def test_stretches_merge_to_what_their_readings_make():
    chance = random.Random(5)
    for _ in range(300):
        at = sorted(chance.sample(range(1000), 12))
        some = [Reading("car", n * SECOND_US, 0, chance.choice([0.0, 0.0, 20.0, 90.0, 500.0])) for n in at]
        cut = chance.randrange(1, 12)
        whole = segment.of(some)
        parts = segment.merge(segment.of(some[:cut]), segment.of(some[cut:]))
        assert tuple(parts) == pytest.approx(tuple(whole))


def test_hour_that_still_gets_readings_is_left_alone(store):
    put(store, Reading("car", START, 1, 50.0))
    background(store).roll_up()
    assert rolled(store) == []
    assert [each.n for each in store.rollups.segments("car", TimeRange())] == [1]


def test_writer_marks_an_hour_again_once_it_could_have_been_rolled_up(store, monkeypatch):
    put(store, Reading("car", START, 1, 50.0))
    background(store).roll_up(grace_s=-1)
    later = time.time() + 61
    monkeypatch.setattr("speeddash.store.writer.time.time", lambda: later)
    put(store, Reading("car", START + SECOND_US, 2, 70.0))
    assert [hour for _, hour in store.rollup_maintenance.dirty_hours(grace_s=-1, limit=10)] == [
        START // HOUR_US * HOUR_US
    ]
    assert sum(each.n for each in store.rollups.segments("car", TimeRange())) == 2


def test_mark_that_was_renewed_while_an_hour_was_rolled_up_stays(store):
    put(store, Reading("car", START, 1, 50.0))
    store.rollup_maintenance.roll_up("car", START // HOUR_US * HOUR_US, grace_s=3600)
    assert store.rollup_maintenance.dirty_hours(grace_s=-1, limit=10) == [("car", START // HOUR_US * HOUR_US)]


def test_rows_that_others_insert_are_seen_and_rolled_up(store, database_url):
    put(store, Reading("car", START, 1, 50.0))
    background(store).roll_up(grace_s=-1)
    when = "'2026-09-21 20:00:00'" if "mysql" in database_url else str(1_790_020_800 * SECOND_US)
    with store.database.engine.begin() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO speed_data (source, timestamp, seq, speed) VALUES ('car', {when}, 1, 80)"
        )
    assert sum(each.n for each in store.rollups.buckets("car", TimeRange(), HOUR_US)) == 2
    background(store).search()
    background(store).roll_up(grace_s=-1)
    assert sum(each[6] for each in rolled(store) if each[0] == 3600) == 2


def test_hours_are_rolled_up_while_a_search_of_many_sources_goes_on(store, monkeypatch):
    for source in ("a", "b", "car"):
        put(store, Reading(source, START, 1, 50.0))
    with store.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE speed_dirty SET marked_us = 0")
    monkeypatch.setattr("speeddash.history.worker.ROUND_S", 0.0)  # the search takes longer than a round
    background(store).search()
    assert sum(each[6] for each in rolled(store) if each[0] == 3600) == 1


def test_readings_from_before_rollups_are_rolled_up(store):
    for hour in (0, 1, 5):
        put(store, Reading("car", START + hour * HOUR_US, 1, 50.0))
    with store.database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM speed_dirty")
    store.rollup_maintenance.roll_up("car", HOUR + 5 * HOUR_US)
    assert sum(each.n for each in store.rollups.segments("car", TimeRange())) == 3
    background(store).roll_up(grace_s=-1)
    assert sum(each[6] for each in rolled(store) if each[0] == 3600) == 3


def test_readings_that_are_too_old_go_and_their_history_stays(store):
    put(store, *[Reading("car", START + n * MINUTE_US, n, float(n % 60)) for n in range(600)])
    now_us = START + 600 * MINUTE_US
    keeper = RollupWorker(store, keep_raw_days=0, recheck=lambda *_: None)
    keeper.retain(now_us)
    assert len(store.readings.select(source="car", limit=1000)) == 600, "not before their rollups are there"
    before = History(store).summary("car", TimeRange())
    keeper.roll_up(grace_s=-1)
    keeper.retain(now_us)
    left = store.readings.select(source="car", limit=1000)
    assert 0 < len(left) <= 60
    history = History(store)
    assert history.summary("car", TimeRange()) == pytest.approx(before)
    assert sum(history.series("car", TimeRange(), 5000).as_dict()["n"]) == 600
    assert [each.source for each in store.sources.select(limit=10)] == ["car"]
    assert store.sources.span("car").first_us == START
    # A straggler among what is gone changes no history.
    put(store, Reading("car", START + 1, 999, 300.0))
    keeper.roll_up(grace_s=-1)
    rebuilt(store)
    assert history.summary("car", TimeRange()) == pytest.approx(before)


def test_readings_that_are_removed_are_gone_at_once(store):
    put(store, *[Reading("car", START + n * MINUTE_US, n, 50.0) for n in range(300)])
    background(store).roll_up(grace_s=-1)
    remove = store.source_maintenance.remove
    assert remove("car", TimeRange(START + 30 * MINUTE_US, START + 180 * MINUTE_US)) == 150
    assert store.sources.span("car").first_us == START
    assert remove("car", TimeRange(START, START + 200 * MINUTE_US)) == 50
    assert store.sources.span("car")[1:] == (START + 200 * MINUTE_US, START + 299 * MINUTE_US)
    assert remove("car", TimeRange(START, START + 300 * MINUTE_US)) == 100
    assert store.sources.span("car") is None
    background(store).roll_up(grace_s=-1)
    assert rolled(store) == []


def test_source_is_renamed_with_all_it_has(store):
    put(store, *[Reading("old", START + n * MINUTE_US, n, 50.0) for n in range(200)])
    background(store).roll_up(grace_s=-1)
    set_limit(store, "old", 80.0)
    before = [tuple(each) for each in store.rollups.segments("old", TimeRange())]
    store.source_maintenance.rename("old", "new")
    assert [tuple(each) for each in store.rollups.segments("new", TimeRange())] == before
    assert [each.source for each in store.sources.select(limit=10)] == ["new"]
    assert store.sources.settings("new").limit_kmh == 80.0
    assert store.sources.settings("old").limit_kmh is None
    assert len(store.readings.select(source="new", limit=1000)) == 200


def test_source_that_is_deleted_leaves_nothing(store):
    put(store, *[Reading("gone", START + n * MINUTE_US, n, 50.0) for n in range(200)])
    background(store).roll_up(grace_s=-1)
    set_limit(store, "gone", 80.0)
    store.source_maintenance.delete("gone")
    assert store.sources.select(limit=10) == []
    assert store.sources.span("gone") is None
    assert store.rollups.segments("gone", TimeRange()) == []
    assert store.sources.settings("gone").limit_kmh is None


def test_background_leaves_a_source_alone_that_is_being_renamed(store, monkeypatch):
    put(store, *[Reading("car", START + n * SECOND_US, n, 50.0) for n in range(110)])
    background(store).roll_up(grace_s=-1)
    store.writer._marked.clear()
    put(store, *[Reading("car", START + n * SECOND_US, n, 90.0) for n in range(200, 250)])
    move = maintenance._move_readings

    def between(*arguments):
        background(store).roll_up(grace_s=-1)
        RollupWorker(store, keep_raw_days=1, recheck=lambda *_: None).retain(START + 90 * 24 * HOUR_US)
        return move(*arguments)

    monkeypatch.setattr(maintenance, "_move_readings", between)
    store.source_maintenance.rename("car", "van")
    background(store).roll_up(grace_s=-1)
    assert [each.source for each in store.sources.select(limit=9)] == ["van"]
    assert sum(each.n for each in store.rollups.buckets("van", TimeRange(), HOUR_US)) == 160


def test_rename_that_was_cut_off_is_ended_by_the_next_round(store, monkeypatch):
    put(store, *[Reading("car", START + n * SECOND_US, n, 50.0) for n in range(10)])
    set_limit(store, "car", 80.0)
    with monkeypatch.context() as cut:
        cut.setattr(maintenance, "end_rename", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.source_maintenance.rename("car", "van")
    background(store).search()
    assert store.sources.settings("van").limit_kmh == 80
    assert store.sources.renames() == {}
    assert len(store.readings.select(source="van", limit=99)) == 10


def test_old_drive_that_comes_late_is_rolled_up_before_it_is_removed(store):
    keeper = RollupWorker(store, keep_raw_days=30, recheck=lambda *_: None)
    day_us = 24 * HOUR_US
    put(store, Reading("car", START - 90 * day_us, 1, 1.0), Reading("car", START, 1, 1.0))
    keeper.roll_up(grace_s=-1)
    keeper.retain(START + HOUR_US)
    put(store, *[Reading("car", START - 60 * day_us + n * SECOND_US, n, 50.0) for n in range(100)])
    for _ in range(2):
        assert sum(each.n for each in store.rollups.buckets("car", TimeRange(), HOUR_US)) == 102
        keeper.retain(START + HOUR_US)
        keeper.roll_up(grace_s=-1)
    keeper.retain(START + HOUR_US)
    assert len(store.readings.select(source="car", limit=999)) == 1
    assert sum(each.n for each in store.rollups.buckets("car", TimeRange(), HOUR_US)) == 102


def test_readings_that_come_while_others_are_removed_are_rolled_up_first(store, monkeypatch):
    monkeypatch.setattr(maintenance, "STEP_READINGS", 100)
    keeper = RollupWorker(store, keep_raw_days=30, recheck=lambda *_: None)
    put(store, *[Reading("car", START + n * SECOND_US, n, 50.0) for n in range(300)])
    keeper.roll_up(grace_s=-1)
    late = [Reading("car", START - 100 * HOUR_US + n * SECOND_US, n, 60.0) for n in range(50)]
    between = iter([None])

    def paused(_began):
        for _ in between:  # once, after the first step
            put(store, *late)
        return False

    monkeypatch.setattr(keeper, "_interrupted", paused)
    now_us = START + 90 * 24 * HOUR_US
    keeper.retain(now_us)
    assert len(store.readings.select(source="car", limit=999)) == 250
    keeper.roll_up(grace_s=-1)
    keeper.retain(now_us)
    assert store.readings.select(source="car", limit=999) == []
    assert sum(each.n for each in store.rollups.buckets("car", TimeRange(), HOUR_US)) == 350


def test_late_readings_of_an_hour_whose_readings_were_removed_are_in_its_rollups(store):
    keeper = RollupWorker(store, keep_raw_days=0, recheck=lambda *_: None)
    first = [Reading("car", HOUR + n * SECOND_US, n, 50.0) for n in range(600)]
    put(store, *first)
    keeper.roll_up(grace_s=-1)
    keeper.retain(HOUR + 2 * HOUR_US)
    assert store.readings.select(source="car", limit=999) == []
    late = [Reading("car", HOUR + n * SECOND_US, n, 99.0) for n in range(1_800, 2_100)]
    store.writer._marked.clear()  # as two minutes later
    put(store, *first, *late)  # the first drive again: it is not counted twice
    keeper.retain(HOUR + 2 * HOUR_US)
    assert len(store.readings.select(source="car", limit=999)) == 900, "not before their rollups are there"
    keeper.roll_up(grace_s=-1)
    keeper.retain(HOUR + 2 * HOUR_US)
    assert store.readings.select(source="car", limit=999) == []
    summary = History(store).summary("car", TimeRange())
    assert (summary.readings, summary.max_speed) == (900, 99.0)
    assert len(History(store).trips("car", TimeRange())) == 2


def test_source_of_which_nothing_was_removed_can_be_merged(store):
    put(store, Reading("old", START, 1, 1.0), Reading("new", START + SECOND_US, 1, 1.0))
    keeper = RollupWorker(store, keep_raw_days=30, recheck=lambda *_: None)
    keeper.roll_up(grace_s=-1)
    keeper.retain(START + HOUR_US)
    store.source_maintenance.merge("old", "new")
    assert len(store.readings.select(source="new", limit=9)) == 2


def test_frame_whose_readings_are_spread_over_years_is_stored(store):
    if store.shown_url.startswith("sqlite"):  # as SQLite comes; Debian allows more
        limit = sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER
        event.listen(store.database.engine, "connect", lambda connection, _: connection.setlimit(limit, 32_766))
    put(store, *[Reading("car", HOUR + n * HOUR_US, 1, 1.0) for n in range(17_000)])
    assert len(store.rollup_maintenance.dirty_hours(grace_s=-1, limit=20_000)) == 17_000


def test_hour_that_fails_holds_up_no_other(store, monkeypatch):
    for source in ("bad", "good", "other"):
        put(store, Reading(source, START, 1, 50.0))
    roll_up = store.rollup_maintenance.roll_up

    def failing(source, hour_us, **options):
        if source == "bad":
            raise StoreUnavailable("takes longer than the database may")
        roll_up(source, hour_us, **options)

    monkeypatch.setattr(store.rollup_maintenance, "roll_up", failing)
    with pytest.raises(StoreUnavailable):
        background(store).roll_up(grace_s=-1)
    assert [source for source, _ in store.rollup_maintenance.dirty_hours(grace_s=-1, limit=9)] == ["bad"]


@pytest.mark.any_database
def test_hour_with_very_many_readings_is_computed_minute_by_minute(store, monkeypatch):
    some = [Reading("car", START + n * 7 * SECOND_US, n, float((n * 37) % 90)) for n in range(600)]
    put(store, *some)
    whole = store.rollups.segments("car", TimeRange(START, START + 2 * HOUR_US))
    monkeypatch.setattr(rollups, "MAX_READINGS_PER_STATEMENT", 10)
    assert store.rollups.segments("car", TimeRange(START, START + 2 * HOUR_US)) == whole
    background(store).roll_up(grace_s=-1)
    assert sum(each.n for each in store.rollups.buckets("car", TimeRange(), HOUR_US)) == 600


@pytest.fixture
def dense_hour(store, monkeypatch):
    """Ten minutes at four readings a second, rolled up as an hour with very many readings."""
    monkeypatch.setattr(rollups, "MAX_READINGS_PER_STATEMENT", 1_000)
    put(store, *[Reading("car", HOUR + n * SECOND_US // 4, n, float((n * 37) % 90)) for n in range(2_400)])
    raw = store.rollups.buckets("car", TEN_MINUTES, 5 * SECOND_US)
    background(store).roll_up(grace_s=-1)
    store.writer._marked.clear()
    return [tuple(each) for each in raw]


def read_seconds(store):
    """The same buckets as `dense_hour`, and whether any reading was read for them."""
    statements = []
    event.listen(store.database.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    found = store.rollups.buckets("car", TEN_MINUTES, 5 * SECOND_US)
    return [tuple(each) for each in found], any("GROUP BY" in each and "speed_data" in each for each in statements)


@pytest.mark.any_database
def test_seconds_of_an_hour_with_very_many_readings_answer_without_its_readings(store, dense_hour):
    assert read_seconds(store) == (dense_hour, False)
    assert len(rolled(store)) == 600 + 10 + 1


@pytest.mark.any_database
def test_seconds_are_not_used_once_a_reading_came_late_until_they_are_computed_again(store, dense_hour):
    put(store, Reading("car", HOUR + 2 * SECOND_US, 9_999, 300.0))
    late, from_readings = read_seconds(store)
    assert from_readings
    assert late[1:] == dense_hour[1:]
    assert late[0] != dense_hour[0]
    background(store).roll_up(grace_s=-1)
    assert read_seconds(store) == (late, False)


def test_seconds_that_do_not_hold_all_readings_of_their_hour_are_not_used(store, dense_hour):
    with store.database.engine.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM speed_rollup WHERE width_s = 1 AND at_us = {HOUR}")
    assert read_seconds(store) == (dense_hour, True)


def test_seconds_go_with_their_readings(store, dense_hour):
    keeper = RollupWorker(store, keep_raw_days=0, recheck=lambda *_: None)
    keeper.retain(HOUR + 2 * HOUR_US)
    assert {each[0] for each in rolled(store)} == {60, 3600}
    assert sum(each.n for each in store.rollups.buckets("car", TimeRange(), MINUTE_US)) == 2_400


def test_seconds_move_with_a_rename_and_go_with_a_source(store, dense_hour, monkeypatch):
    monkeypatch.setattr(maintenance, "STEP_ROLLUPS", 100)
    store.source_maintenance.rename("car", "van")
    store.source_maintenance.rename("van", "car")
    assert len(rolled(store)) == 600 + 10 + 1
    put(store, Reading("bus", HOUR - HOUR_US, 1, 1.0))
    store.source_maintenance.merge("car", "bus")
    assert rolled(store) == []
    store.source_maintenance.rename("bus", "car")
    background(store).roll_up(grace_s=-1)
    assert sum(each[0] == 1 for each in rolled(store)) == 600
    store.source_maintenance.delete("car")
    assert rolled(store) == []


def test_rename_to_another_name_waits_until_the_first_is_complete(store, monkeypatch):
    put(store, *[Reading("car", START + n * SECOND_US, n, 50.0) for n in range(10)])
    with monkeypatch.context() as cut:
        cut.setattr(maintenance, "end_rename", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.source_maintenance.rename("car", "van")
    with pytest.raises(RenameUnderWay, match="van"):
        store.source_maintenance.rename("car", "lorry")
    store.source_maintenance.rename("car", "van")
    store.source_maintenance.rename("van", "lorry")
    assert [each.source for each in store.sources.select(limit=9)] == ["lorry"]
    assert len(store.readings.select(source="lorry", limit=99)) == 10


def test_rename_that_two_processes_complete_keeps_limit_and_events(store):
    put(store, *[Reading("car", START + n * SECOND_US, n, 50.0) for n in range(10)])
    set_limit(store, "car", 80.0)
    store.source_maintenance.rename("car", "van")
    store.database.change(maintenance.end_rename, store.database, "car", "van")  # the other process comes late
    assert store.sources.settings("van").limit_kmh == 80
