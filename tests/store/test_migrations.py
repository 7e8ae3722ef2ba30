"""Databases of earlier schemas become those of today; newer ones are refused."""

import multiprocessing
import sqlite3
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import inspect

from speeddash.__main__ import main
from speeddash.errors import StoreMisconfigured
from speeddash.store import migrations, open_store
from speeddash.store.migrations import VERSION
from speeddash.store.tables import TABLES

SCHEMAS = Path(__file__).parent / "schemas"


def shape(store):
    found = inspect(store.database.engine)
    return {
        table.name: (
            [
                (each["name"], str(each["type"]), each["nullable"], each["default"])
                for each in found.get_columns(table.name)
            ],
            found.get_pk_constraint(table.name)["constrained_columns"],
            sorted((each["name"], each["column_names"]) for each in found.get_indexes(table.name)),
        )
        for table in TABLES
    }


def execute(store, script):
    with store.database.engine.begin() as connection:
        lines = [line for line in script.splitlines() if not line.startswith("--")]
        for statement in "\n".join(lines).split(";"):
            if statement.strip():
                connection.exec_driver_sql(statement)


@pytest.fixture
def old(database_url):
    """A store of schema version 1 with one event, not prepared."""
    store = open_store(database_url)
    if database_url.startswith("sqlite"):  # a connection of today would create what is missing
        connection = sqlite3.connect(database_url.removeprefix("sqlite:///"))
        connection.executescript((SCHEMAS / "1_sqlite.sql").read_text())
        connection.execute("INSERT INTO speed_event VALUES ('car', 1, 2, 3.0, 2.0, 0, 1, 0, 0)")
        connection.commit()
        connection.close()
    else:
        execute(store, (SCHEMAS / "1_mysql.sql").read_text())
        execute(store, "INSERT INTO speed_event VALUES ('car', 1, 2, 3.0, 2.0, 0, 1, 0, 0)")
    yield store
    store.close()


def test_command_migrates_and_names_each_step(old, database_url):
    done = CliRunner().invoke(main, ["migrate"], env={"SPEEDDASH_DATABASE_URL": database_url})
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, f"{old.shown_url}: schema version {VERSION}")
    for each in migrations.MIGRATIONS:
        assert f"schema version {each.version}: {each.what}" in done.output
    assert "schema version 2" not in CliRunner().invoke(main, ["migrate", "--database-url", database_url]).output
    wrong = CliRunner().invoke(main, ["migrate", "--database-url", "sqlite:////nowhere/speed.db"])
    assert wrong.exit_code == 1


def new_shape(database_url, tmp_path, request):
    sqlite = database_url.startswith("sqlite")
    store = open_store(f"sqlite:///{tmp_path}/new.db" if sqlite else request.getfixturevalue("mariadb").create("new"))
    store.prepare()
    found = shape(store)
    store.close()
    return found


def test_old_database_becomes_that_of_today_and_keeps_its_rows(old, database_url, tmp_path, request):
    old.prepare()
    old.prepare()
    assert shape(old) == new_shape(database_url, tmp_path, request)
    assert [each.source for each in old.events.undelivered(10, 9)] == ["car"]


def test_two_servers_that_start_at_once_both_find_the_schema_of_today(old, database_url):
    stores = [open_store(database_url) for _ in range(4)]
    failed = []

    def prepare(store):
        try:
            store.prepare()
        except Exception as problem:
            failed.append(problem)

    threads = [threading.Thread(target=prepare, args=(each,)) for each in stores]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    for each in stores:
        each.close()
    assert failed == []


def _prepare_at(barrier, url):
    store = open_store(url)
    barrier.wait(60)
    store.prepare()
    store.close()


def test_processes_that_start_at_once_on_a_new_file_all_succeed(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    url = f"sqlite:///{tmp_path}/new.db"
    processes = [context.Process(target=_prepare_at, args=(barrier, url), daemon=True) for _ in range(4)]
    for each in processes:
        each.start()
    for each in processes:
        each.join(90)
    assert [each.exitcode for each in processes] == [0] * 4


def test_migration_that_was_interrupted_is_repeated(old):
    old.prepare()
    execute(old, "DELETE FROM speed_schema")
    old.prepare()
    with old.database.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT MAX(version) FROM speed_schema").scalar() == VERSION


@pytest.fixture
def next_version(monkeypatch):
    """A program of the next version, in which the column `renamed_to` of `speed_source` is new."""
    column = {"mysql": "VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL", "sqlite": "TEXT"}
    added = {name: [f"ALTER TABLE speed_source ADD COLUMN renamed_to {each}"] for name, each in column.items()}
    migration = migrations.Migration(VERSION + 1, "new column; instant", **added)
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, migration))
    monkeypatch.setattr(migrations, "VERSION", VERSION + 1)


def version_of(store):
    with store.database.engine.connect() as connection:
        return connection.exec_driver_sql("SELECT MAX(version) FROM speed_schema").scalar()


def test_new_column_is_added_to_an_old_database(store, database_url, request):
    execute(store, "ALTER TABLE speed_source DROP COLUMN renamed_to")
    store.close()
    request.getfixturevalue("next_version")
    for _ in range(2):
        again = open_store(database_url)
        again.prepare()
        assert again.sources.renames() == {}
        assert version_of(again) == VERSION + 1
        execute(again, f"DELETE FROM speed_schema WHERE version = {VERSION + 1}")  # interrupted before it was noted
        again.close()


def test_new_database_has_nothing_to_migrate(next_version, database_url):
    store = open_store(database_url)
    store.prepare()
    assert version_of(store) == VERSION + 1
    store.close()


def test_newer_database_is_refused_and_left_as_it_is(store, database_url):
    execute(store, f"INSERT INTO speed_schema VALUES ({VERSION + 1})")
    again = open_store(database_url)
    with pytest.raises(StoreMisconfigured, match=f"schema version {VERSION + 1}.*newer SpeedDash"):
        again.prepare()
    again.close()
