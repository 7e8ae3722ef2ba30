import json
import os
import pty
import subprocess
import sys

import pytest
from click.testing import CliRunner

from speeddash.__main__ import main
from speeddash.reading import Reading
from speeddash.store import open_store
from tests.running import ROOT

NOON_US = 1_769_860_800_000_000
ROWS = 100_000
#: Half of what a million rows may take.
MAX_MB = 128

# The most memory that a process had, asked of a small process in between: the tests' own memory would be taken for the child's.
MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, file=sys.stderr)
sys.exit(code)
"""


def speeddash(*words, url=None, stdin=None):
    """As the command line does it, without the second that a process of its own takes to begin."""
    return CliRunner().invoke(main, [*map(str, words)], input=stdin, env={"SPEEDDASH_DATABASE_URL": url})


def write(tmp_path, text, name="morning drive.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_drive_is_stored_once_however_often_it_is_imported(store, database_url, tmp_path):
    path = write(tmp_path, "time,speed_mph\n2026-01-31 12:00:00,10\n2026-01-31 12:00:01,0\n")
    for _ in range(2):
        done = speeddash("import", path, url=database_url)
        assert (done.exit_code, done.stderr) == (0, "")
        assert done.stdout == f"{path}: 2 read, 2 stored, 0 bad\n"
    assert list(store.readings.stream()) == [
        Reading("morning-drive", NOON_US, 1, 16.09344),
        Reading("morning-drive", NOON_US + 1_000_000, 2, 0.0),
    ]


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path}/speed.db"


def stored(url):
    store = open_store(url)
    store.prepare()
    return list(store.readings.stream())


def test_bad_lines_are_reported_the_others_stored_and_the_exit_code_is_1(tmp_path, sqlite_url):
    text = "time,speed_kmh\n0,1\n1,x\n2,9999\n" + "x,1\n" * 30 + "3,2\n"
    good, bad = write(tmp_path, "time,speed_kmh\n0,5\n", "good.csv"), write(tmp_path, text, "bad.csv")
    done = speeddash("import", bad, good, "--start", "2026-01-31T12:00:00Z", url=sqlite_url)
    errors = done.stderr.splitlines()
    assert done.exit_code == 1
    assert errors[:2] == [
        f"{bad}:3: speed must be a number, got 'x'",
        f"{bad}:4: speed must be 0 to 2000 km/h, got 9999.0",
    ]
    assert (len(errors), errors[-1]) == (21, f"{bad}: 12 more bad lines")
    assert done.stdout.splitlines() == [
        f"{bad}: 34 read, 2 stored, 32 bad",
        f"{good}: 1 read, 1 stored, 0 bad",
    ]
    assert stored(sqlite_url) == [
        Reading("bad", NOON_US, 1, 1.0),
        Reading("bad", NOON_US + 3_000_000, 34, 2.0),
        Reading("good", NOON_US, 1, 5.0),
    ]


def test_standard_input_format_unit_and_source_can_be_given(sqlite_url):
    line = b'{"timestamp": "2026-01-31T12:00:00Z", "speed": 10}\n'
    done = speeddash(
        "import",
        "-",
        "--format",
        "ndjson",
        "--unit",
        "mps",
        "--source",
        "pipe",
        "--database-url",
        sqlite_url,
        stdin=line,
    )
    assert (done.exit_code, done.stdout) == (0, "stdin: 1 read, 1 stored, 0 bad\n")
    assert stored(sqlite_url) == [Reading("pipe", NOON_US, 1, 36.0)]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty"),
        (b"a,b\n1,2\n", "no column of times and speeds"),
        (b"<gpx>\n<trk>", ":2: the XML is broken"),
    ],
)
def test_file_that_cannot_be_read_is_one_clear_line_and_the_next_is_taken(tmp_path, sqlite_url, content, problem):
    bad, good = write(tmp_path, content, "bad"), write(tmp_path, "time,speed_kmh\n0,1\n", "good.csv")
    done = speeddash("import", bad, good, url=sqlite_url)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert problem in line
    assert len(stored(sqlite_url)) == 1


@pytest.mark.parametrize("moment", ["01.05.2026 08:00:00", "05/13/2026 08:00:00", "10:00:00", "2026-02-30T12:00:00Z"])
def test_time_that_is_none_is_quoted_with_what_is_expected(tmp_path, sqlite_url, moment):
    done = speeddash("import", write(tmp_path, f"time,speed_kmh\n{moment},5\n"), url=sqlite_url)
    assert "timestamp must be 2026-01-31T12:00:00 (UTC unless a zone follows), epoch seconds" in done.stderr
    assert repr(moment) in done.stderr


def test_header_alone_is_no_success(tmp_path, sqlite_url):
    done = speeddash("import", write(tmp_path, "time,speed_kmh\n"), url=sqlite_url)
    assert (done.exit_code, done.stdout.split(": ")[1]) == (1, "0 read, 0 stored, 0 bad\n")


@pytest.mark.parametrize("words", [["export"], ["rollup"]])
def test_database_that_does_not_exist_is_not_made(tmp_path, words):
    done = speeddash(*words, url=f"sqlite:///{tmp_path}/typo.db")
    assert done.exit_code == 1
    assert "typo.db: there is no such database" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["import", "nowhere.csv"], "does not exist"),
        (["import", "-", "--source", "a b"], "source must be"),
        (["import", "-", "--start", "monday"], "timestamp must be"),
        (["export", "--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"], "--from must be before --to"),
        (["export", "--format", "gpx", "--unit", "mph"], "only CSV"),
        (["export", "--source", "a b"], "source must be"),
        (["export", "--source", ""], "source must be"),
        (["export", "--database-url", "oracle://x"], "sqlite or mysql"),
        (["export", "--database-url", "mysql://u:secret@127.0.0.1:1/x"], "127.0.0.1"),
    ],
)
def test_wrong_option_or_database_is_one_clear_error(sqlite_url, words, problem):
    open_store(sqlite_url).prepare()
    done = speeddash(*words, url=sqlite_url, stdin=b"")
    assert done.exit_code in {1, 2}
    assert problem in done.stderr
    assert isinstance(done.exception, SystemExit)
    assert "secret" not in done.output


CAR = [Reading(source, NOON_US + n * 1_000_000, n, n / 7) for source in ("bus", "car") for n in range(5)]


def filled(url):
    store = open_store(url)
    store.prepare()
    store.writer.insert(CAR)
    store.close()


def test_exactly_the_range_that_is_asked_is_exported(database_url):
    filled(database_url)
    done = speeddash(
        "export", "--source", "car", "--from", "2026-01-31T12:00:01Z", "--to", "2026-01-31T13:00:03+01:00",
        "--format", "ndjson", url=database_url,
    )  # fmt: skip
    assert done.exit_code == 0
    assert [json.loads(line) for line in done.stdout.splitlines()] == [each.as_dict() for each in CAR[6:8]]


def test_file_name_says_the_format_and_what_is_exported_is_imported_again(tmp_path, sqlite_url):
    filled(sqlite_url)
    for ending, start in (("gpx", b"<?xml"), ("csv", b"source,"), ("ndjson", b"{")):
        path = tmp_path / f"all.{ending}"
        assert speeddash("export", "-o", path, url=sqlite_url).exit_code == 0
        assert path.read_bytes().startswith(start)
        other = f"sqlite:///{tmp_path}/{ending}.db"
        assert speeddash("import", path, url=other).exit_code == 0
        assert stored(other) == CAR


def test_pipe_that_closes_early_is_no_traceback(tmp_path, sqlite_url):
    filled(sqlite_url)
    command = f"{sys.executable} -m speeddash export --database-url {sqlite_url} | head -c 1"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, timeout=60)
    assert b"Traceback" not in done.stderr


def test_terminal_sees_a_progress_bar(tmp_path, sqlite_url):
    path = write(tmp_path, "time,speed_kmh\n0,1\n")
    ours, theirs = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "speeddash", "import", str(path), "--database-url", sqlite_url],
        cwd=ROOT, stderr=theirs, stdout=subprocess.PIPE, check=True, timeout=60,
    )  # fmt: skip
    assert b"100%" in os.read(ours, 100_000)
    os.close(theirs)
    os.close(ours)


@pytest.mark.long
def test_many_rows_in_and_out_take_bounded_memory(tmp_path, sqlite_url):
    gpx = tmp_path / "many.gpx"
    store = open_store(sqlite_url)
    store.prepare()
    store.writer.insert(
        [Reading("many", 1_769_860_800_000_000 + n * 1_000_000, n, n % 200 + 0.25) for n in range(ROWS)]
    )
    store.close()
    again = f"sqlite:///{tmp_path}/again.db"
    for words in (
        ["export", "-o", gpx, "--database-url", sqlite_url],
        ["import", gpx, "--database-url", again],
    ):
        command = [sys.executable, "-c", MEASURE, sys.executable, "-m", "speeddash", *map(str, words)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert int(done.stderr.split()[-1]) < MAX_MB
    assert stored(again) == stored(sqlite_url)
