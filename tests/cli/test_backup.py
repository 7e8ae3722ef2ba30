"""A database is copied while a server writes to it, and brought back."""

import os

import pytest
from click.testing import CliRunner

from speeddash.__main__ import main
from speeddash.history.worker import RollupWorker
from speeddash.store import open_store
from speeddash.timerange import TimeRange
from tests.faults.fleet import Fleet
from tests.faults.stored import stored_rows
from tests.history.test_history import put
from tests.history.test_trips import drive


def speeddash(*words, url):
    return CliRunner().invoke(main, [*map(str, words)], env={"SPEEDDASH_DATABASE_URL": url})


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/speed.db"


def test_copy_of_a_database_in_use_is_one_state_and_restores_to_it(url, run, tmp_path):
    server = run(url)
    with Fleet(server.port, senders=2) as fleet:
        fleet.under_way(20)
        echoed = {(source, seq) for each in fleet.senders for source, _, seq, _ in list(each.echoed)}
        done = speeddash("backup", tmp_path / "copy.db", url=url)
        assert done.exit_code == 0, done.output
        fleet.settle(url, lambda *_: None)
    copied = {(row[0], row[2]) for row in stored_rows(f"sqlite:///{tmp_path}/copy.db")}
    assert echoed <= copied  # what was echoed before is in it
    assert f"{len(copied):,} readings" in done.output
    assert sorted(each.name for each in tmp_path.glob("copy.db*")) == ["copy.db"]
    server.stop()
    refused = speeddash("restore", tmp_path / "copy.db", url=url)
    assert refused.exit_code == 2
    assert "stop the server, then --force replaces it" in refused.output
    assert speeddash("restore", tmp_path / "copy.db", "--force", url=url).exit_code == 0
    assert {(row[0], row[2]) for row in stored_rows(url)} == copied


def test_rollups_and_sums_are_equal(url, tmp_path):
    store = open_store(url)
    store.prepare()
    put(store, *drive([float(n % 100) for n in range(7200)]))
    RollupWorker(store, recheck=lambda *_: None).roll_up(grace_s=-1)
    assert speeddash("backup", tmp_path / "copy.db", url=url).exit_code == 0
    other = open_store(f"sqlite:///{tmp_path}/copy.db")
    other.prepare()
    for each in (store, other):
        assert each.rollups.segments("car", TimeRange()) == store.rollups.segments("car", TimeRange())
    assert list(other.readings.stream()) == list(store.readings.stream())
    store.close()
    other.close()


def test_wrong_files_are_named_and_nothing_is_replaced(url, tmp_path):
    other = tmp_path / "notes.txt"
    other.write_text("no database, and longer than the head of one\n" * 10)
    done = speeddash("restore", other, url=url)
    assert done.exit_code == 1
    assert "notes.txt: file is not a database" in done.output
    assert not (tmp_path / "speed.db").exists()
    assert not list(tmp_path.glob("*.part"))
    done = speeddash("backup", other, url=url)
    assert "exists; --force replaces it" in done.output
    done = speeddash("backup", tmp_path / "x", url="mysql://u:secret@localhost/speed")
    assert done.exit_code == 2
    assert "mysqldump" in done.output
    assert "secret" not in done.output


def test_database_itself_and_what_is_no_file_are_not_replaced(url, tmp_path):
    store = open_store(url)
    store.prepare()
    put(store, *drive([1.0, 2.0]))
    (tmp_path / "link.db").symlink_to(tmp_path / "speed.db")
    (tmp_path / "hard.db").hardlink_to(tmp_path / "speed.db")
    os.mkfifo(tmp_path / "pipe")
    for name, why in (
        ("speed.db", "itself"),
        ("link.db", "itself"),
        ("hard.db", "itself"),
        ("pipe", "not a regular file"),
    ):
        done = speeddash("backup", tmp_path / name, "--force", url=url)
        assert done.exit_code == 1
        assert why in done.output
    put(store, *drive([3.0], after_s=9))
    assert len(list(store.readings.stream())) == 3  # the server's file is still the one at its place
    assert (tmp_path / "pipe").is_fifo()
    store.close()


def test_target_that_cannot_be_written_is_the_one_that_is_named(url, tmp_path):
    open_store(url).prepare()
    missing = speeddash("backup", tmp_path / "nowhere" / "copy.db", url=url)
    assert missing.output == f"Error: {tmp_path}/nowhere/copy.db: unable to open database file\n"
    no_folder = speeddash("backup", tmp_path / "speed.db" / "copy.db", url=url)
    assert no_folder.output == f"Error: {tmp_path}/speed.db/copy.db: Not a directory\n"
