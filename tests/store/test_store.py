"""One contract, kept by every store."""

import math
import shutil

import pymysql
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import TimeoutError as PoolTimeout

from speeddash.errors import ReadingsRefused, SettingsError, StoreMisconfigured, StoreUnavailable
from speeddash.reading import EARLIEST_US, LATEST_US, MAX_SEQ, Reading
from speeddash.store import Key, open_store
from speeddash.timerange import TimeRange
from tests.conftest import require
from tests.mariadb import free_port, private_mariadb

NOON_US = 1_769_860_800_000_000
readings = st.builds(
    Reading,
    source=st.text("ABZabz019._:-", min_size=1, max_size=64),
    at_us=st.integers(EARLIEST_US, LATEST_US),
    seq=st.integers(0, MAX_SEQ),
    speed=st.floats(0, 2000).map(lambda speed: speed + 0.0),
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(readings, min_size=1, max_size=20, unique_by=lambda reading: reading[:3]))
def test_what_is_inserted_comes_back_to_the_bit(store, batch):
    store.writer.insert(batch)
    for reading in batch:
        stored = store.readings.select(source=reading.source, time=TimeRange(reading.at_us), limit=100)
        assert reading in stored


def test_same_reading_again_is_one_row_and_the_first_stays(store):
    store.writer.insert([Reading("car", NOON_US, 1, 50.0)])
    store.writer.insert(
        [Reading("car", NOON_US, 1, 50.0), Reading("car", NOON_US, 2, 51.0), Reading("car", NOON_US, 1, 99.0)]
    )
    assert store.readings.select(limit=10) == [Reading("car", NOON_US, 1, 50.0), Reading("car", NOON_US, 2, 51.0)]


def test_of_two_readings_with_one_key_in_one_batch_the_first_stays(store):
    store.writer.insert([Reading("car", NOON_US, 1, 99.0), Reading("car", NOON_US, 1, 50.0)])
    assert store.readings.select(limit=10) == [Reading("car", NOON_US, 1, 99.0)]


def test_sources_that_differ_in_case_are_two(store):
    store.writer.insert([Reading("car", NOON_US, 1, 50.0), Reading("Car", NOON_US, 1, 60.0)])
    assert [each.speed for each in store.readings.select(source="Car", limit=10)] == [60.0]
    assert len(store.readings.select(limit=10)) == 2


def test_select_has_a_first_moment_and_a_last_before(store):
    store.writer.insert([Reading("car", NOON_US + n, n, 1.0) for n in range(5)])
    found = store.readings.select(source="car", time=TimeRange(NOON_US + 1, NOON_US + 4), limit=10)
    assert [each.seq for each in found] == [1, 2, 3]


def test_last_speeds_of_many_sources_are_found_without_reading_the_table(store):
    names = [f"van-{n:03d}" for n in range(200)]
    # Three readings at the last moment of each source.
    rows = [Reading(name, NOON_US + min(n, 2), n, 10.0 * n) for name in names for n in range(5)]
    store.writer.insert(rows)
    spans = store.sources.select(limit=1000)
    said = []
    event.listen(store.database.engine, "before_cursor_execute", lambda *given: said.append(given[2:4]))
    assert store.readings.last_speeds(spans) == dict.fromkeys(names, 40.0)
    said = [each for each in said if each[0].startswith("SELECT")]
    assert len(said) == 1
    with store.database.engine.connect() as connection:
        explain = "EXPLAIN QUERY PLAN " if store.database.engine.dialect.name == "sqlite" else "EXPLAIN "
        plan = [tuple(row) for row in connection.exec_driver_sql(explain + said[0][0], said[0][1])]
    assert not any("SCAN speed_data" in str(row) or "ALL" in row for row in plan), plan


def test_pages_by_key_meet_every_row_once_while_rows_are_added(store):
    rows = [Reading(source, NOON_US + n // 3, n, 1.0) for source in ("a", "b") for n in range(20)]
    store.writer.insert(rows)
    found, after = [], None
    while page := store.readings.select(after=after, limit=7):
        found += page
        after = Key(*page[-1][:3])
        store.writer.insert([Reading("a", EARLIEST_US, len(found), 1.0)])
    assert found == rows


def test_stream_meets_every_row_of_a_range_once_over_its_pages(store):
    rows = [Reading(source, NOON_US + n // 3, n, 1.0) for source in ("", "a", "b") for n in range(21)]
    store.writer.insert(rows)
    assert list(store.readings.stream(page_readings=7)) == rows
    assert list(store.readings.stream(source="a", page_readings=7)) == rows[21:42]
    assert (
        list(store.readings.stream(source="a", time=TimeRange(NOON_US + 1, NOON_US + 4), page_readings=3))
        == rows[24:33]
    )
    assert list(store.readings.stream(source="c")) == []


def test_row_typed_by_hand_works_twice_and_is_read(store, database_url):
    engine = create_engine(database_url.replace("mysql:", "mysql+pymysql:"))
    when = "'2026-01-31 12:00:00'" if "mysql" in database_url else str(NOON_US)
    with engine.begin() as connection:
        for _ in range(2):
            connection.execute(text(f"INSERT INTO speed_data (speed, timestamp) VALUES (42.5, {when})"))
        connection.execute(text("INSERT INTO speed_data (speed) VALUES (1)"))
    engine.dispose()
    found = store.readings.select(source="", time=TimeRange(to_us=NOON_US + 1), limit=10)
    assert [(each.at_us, each.speed) for each in found] == [(NOON_US, 42.5)] * 2
    assert len(store.readings.select(source="", limit=10)) == 3


def test_row_typed_by_hand_has_a_number_that_can_be_imported_whatever_the_server_id():
    require(shutil.which("mariadb-install-db"), "MariaDB")
    with private_mariadb("--server-id=200") as database:
        store = open_store(database.create("speed"))
        store.prepare()
        with database.connect(database="speed") as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO speed_data (speed) VALUES (1), (2)")
        numbers = [each.seq for each in store.readings.select(limit=10)]
        store.close()
    assert len(set(numbers)) == 2
    assert all(0 <= each <= MAX_SEQ for each in numbers)


def test_snapshot_answers_from_one_state_while_readings_are_stored_and_removed(store):
    put = lambda seq: store.writer.insert([Reading("car", NOON_US + seq, seq, 50.0)])  # noqa: E731
    put(1)
    with store.snapshot() as queries:
        assert queries.sources.span("car").last_us == NOON_US + 1
        put(2)
        store.source_maintenance.remove("car", TimeRange(to_us=NOON_US + 2))
        assert [each.seq for each in queries.readings.select(source="car", limit=9)] == [1]
        assert queries.rollups.buckets("car", TimeRange(NOON_US, NOON_US + 10), 10)[0].n == 1
    assert [each.seq for each in store.readings.select(source="car", limit=9)] == [2]


def test_preparing_again_changes_nothing(store):
    store.writer.insert([Reading("car", NOON_US, 1, 50.0)])
    assert store.prepare().durable
    assert len(store.readings.select(limit=10)) == 1


def test_check_writable_leaves_no_row(store):
    store.check_writable()
    assert store.readings.select(limit=10) == []


def test_refused_batch_leaves_no_row_and_the_next_is_stored(store):
    good, bad = Reading("car", NOON_US, 1, 50.0), Reading("x" * 65, NOON_US, 1, 50.0)
    with pytest.raises(ReadingsRefused):
        store.writer.insert([good, bad])
    assert store.readings.select(limit=10) == []
    store.writer.insert([good])
    assert store.readings.select(limit=10) == [good]


def test_more_rows_than_one_statement_holds(store):
    rows = [Reading("car", NOON_US + n, n, float(n % 200)) for n in range(15_000)]
    store.writer.insert(rows)
    assert store.readings.select(limit=20_000) == rows


def test_table_of_another_shape_is_named(database_url):
    engine = create_engine(database_url.replace("mysql:", "mysql+pymysql:"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE speed_data (id INTEGER PRIMARY KEY, speed FLOAT, timestamp DATETIME)"))
    engine.dispose()
    store = open_store(database_url)
    with pytest.raises(StoreMisconfigured, match="another program: columns id, speed, timestamp"):
        store.prepare()
    store.close()


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "sqlite://", "sqlite:///:memory:", "postgresql://h/d", "mysql://u:hunter2@h", "mysql:///d", "mysql://u:hunter2@h:70000/d",
     "mysql://u:hunter2@h:x/d", "mysql://u:hunter2@h/d?nonsense=1"],
)  # fmt: skip
def test_wrong_url_is_refused_without_its_password(url):
    with pytest.raises(SettingsError, match=r"^SPEEDDASH_DATABASE_URL: ") as refused:
        open_store(url)
    assert "hunter2" not in str(refused.value)


def test_password_is_masked_when_shown():
    store = open_store("mysql://u:hunter2@h:3306/d")
    assert store.shown_url == "mysql://u:***@h:3306/d"


def test_sqlite_folder_that_is_missing_is_named():
    with pytest.raises(StoreMisconfigured, match=r"/nowhere/speed\.db"):
        open_store("sqlite:////nowhere/speed.db").prepare()


def test_mysql_wrong_password_is_for_the_operator(mariadb):
    mariadb.create("speed")
    with pytest.raises(StoreMisconfigured, match="Access denied"):
        open_store(mariadb.url("speed", password="hunter2")).prepare()


def test_mysql_missing_database_is_for_the_operator(mariadb):
    with pytest.raises(StoreMisconfigured, match="Unknown database"):
        open_store(mariadb.url("nowhere")).prepare()


def test_mysql_that_does_not_answer_may_come_later(mariadb):
    with pytest.raises(StoreUnavailable, match="Connection refused"):
        open_store(mariadb.url("speed", port=free_port())).prepare()


def test_mysql_host_that_does_not_exist_is_for_the_operator():
    with pytest.raises(StoreMisconfigured, match=r"nosuch\.invalid"):
        open_store("mysql://u@nosuch.invalid/d").prepare()


def test_mysql_that_does_not_sync_is_not_durable(mariadb):
    store = open_store(mariadb.create("speed"))
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
        lax = store.prepare()
        cursor.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
    assert not lax.durable
    assert lax.detail.startswith("engine=InnoDB, innodb_flush_log_at_trx_commit=2")
    assert store.prepare().durable
    store.close()


def test_mysql_connection_that_was_killed_is_replaced(mariadb):
    store = open_store(mariadb.create("speed"))
    store.prepare()
    store.writer.insert([Reading("car", NOON_US, 1, 1.0)])
    with mariadb.connect("root", "") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE db = 'speed'")
        for (number,) in cursor.fetchall():
            cursor.execute(f"KILL {number}")
    with pytest.raises(StoreUnavailable):
        store.writer.insert([Reading("car", NOON_US, 2, 1.0)])
    store.writer.insert([Reading("car", NOON_US, 2, 1.0)])
    assert len(store.readings.select(limit=10)) == 2
    store.close()


def test_every_error_of_the_driver_becomes_one_of_ours():
    store = open_store("mysql://u@h/d")
    classes = [
        each for each in vars(pymysql.err).values() if isinstance(each, type) and issubclass(each, pymysql.MySQLError)
    ]
    assert len(classes) > 8
    for each in classes:
        ours = store.database.translate(each(2013, "lost"))
        assert type(ours) in {StoreUnavailable, StoreMisconfigured, ReadingsRefused}


def test_speed_that_is_not_a_number_never_reaches_sqlite_as_null(tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/speed.db")
    store.prepare()
    with pytest.raises(ReadingsRefused):
        store.writer.insert([Reading("car", NOON_US, 1, math.nan)])
    store.close()


def test_table_that_lacks_a_column_is_named_at_the_start(store, database_url):
    with store.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE speed_event DROP COLUMN peak")
    again = open_store(database_url)
    with pytest.raises(StoreMisconfigured, match=r"speed_event .* lacks the column peak"):
        again.prepare()
    again.close()


def test_sources_are_listed_over_many_pages(store):
    names = [f"car{number:04}" for number in range(1100)]
    store.writer.insert([Reading(name, 0, 1, 1.0) for name in names])
    assert [each.source for each in store.sources.select(limit=2000)] == names
    assert [each.source for each in store.sources.select(after="car0499", limit=600)] == names[500:]
    assert store.sources.select(after="car1099", limit=5) == []


def test_requests_that_use_up_their_connections_leave_those_of_the_background(store, database_url):
    if not database_url.startswith("mysql"):
        return  # SQLite opens a connection for each question
    held = []
    background = store.with_own_connections()
    try:
        store.database.engine.pool._timeout = 0.1
        with pytest.raises(PoolTimeout):
            held.extend(store.database.engine.connect() for _ in range(100))
        assert background.sources.span("nobody") is None
    finally:
        for each in held:
            each.close()
        background.close()
