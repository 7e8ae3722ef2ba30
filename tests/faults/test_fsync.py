"""Order of write, fsync and echo, as seen by `strace`."""

import re
import shutil
import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.conftest import require
from tests.running import wait_for

READINGS = 10
CALLS = "fsync,fdatasync,pwrite64,write,sendto,sendmsg,writev"
#: `PID TIME CALL(ARGUMENTS) = RESULT <SECONDS>`, or the two halves of one that another thread's came between.
WHOLE = re.compile(r"(\d+) +([\d.]+) (\w+)\((.*)\) += (-?\d+).*<([\d.]+)>$")
BEGUN = re.compile(r"(\d+) +([\d.]+) (\w+)\((.*) <unfinished \.\.\.>$")
ENDED = re.compile(r"(\d+) +([\d.]+) <\.\.\. (\w+) resumed>(.*)\) += (-?\d+).*<([\d.]+)>$")


@dataclass(frozen=True)
class Call:
    name: str
    arguments: str
    began: float
    ended: float


class Trace:
    """The system calls of a process, while the block lasts."""

    def __init__(self, pid, file):
        self._pid, self._file = pid, file

    def __enter__(self):
        self._process = subprocess.Popen(
            ["strace", "-f", "-ttt", "-T", "-yy", "-s", "300", "-e", f"trace={CALLS}", "-o", self._file, "-p", str(self._pid)],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        said = self._process.stderr.readline()
        if "attached" not in said:
            self._process.wait(10)
            self._process.stderr.close()
            pytest.skip(f"strace may not look here: {said.strip()}")
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGINT)
        self._process.wait(10)
        self._process.stderr.close()

    def calls(self):
        """In the order in which they began."""
        found, begun = [], {}
        for line in self._file.read_text(errors="replace").splitlines():
            if whole := WHOLE.match(line):
                _, at, name, arguments, _, took = whole.groups()
                found.append(Call(name, arguments, float(at), float(at) + float(took)))
            elif half := BEGUN.match(line):
                thread, at, name, arguments = half.groups()
                begun[thread] = (name, arguments, float(at))
            elif (rest := ENDED.match(line)) and rest.group(1) in begun:
                name, arguments, at = begun.pop(rest.group(1))
                found.append(Call(name, arguments + rest.group(4), at, at + float(rest.group(6))))
        return sorted(found, key=lambda call: call.began)


@contextmanager
def one_after_the_other(server, source):
    """A socket on which each reading is sent when the one before is echoed; the first ones make the tables and hours known."""
    with server.connect(f"/ws?source={source}") as socket:
        for seq in range(3):
            send(socket, 1_000 + seq)
        yield socket


def send(socket, seq):
    text = f'{{"speed": 1, "timestamp": 1769860800, "seq": {seq}, "mark": "{mark(seq)}"}}'
    socket.send(text)
    assert socket.recv(30) == text


def mark(seq):
    return f"receipt-{seq:04}"


def echoes(calls):
    """The write of each echo, in order."""
    found = [
        next(call for call in calls if call.name == "write" and mark(seq) in call.arguments) for seq in range(READINGS)
    ]
    assert [each.began for each in found] == sorted(each.began for each in found)
    return found


def synced(calls, log, after, before):
    """The write of the log in a span and the sync after it, both completed before the span ends."""
    inside = [
        call for call in calls if after <= call.began and call.ended <= before and log in call.arguments.split(",")[0]
    ]
    for sync in (call for call in inside if call.name in {"fsync", "fdatasync"}):
        written = [call for call in inside if call.name == "pwrite64" and call.ended <= sync.began]
        if written:
            return written[-1], sync
    raise AssertionError(f"no sync of {log} behind a write of it: {inside}")


def test_sqlite_syncs_its_log_between_write_and_echo(run, tmp_path, record_property):
    """SQLite: an fsync of the log begins after the reading was written to it, and returns before the echo is sent"""
    require(shutil.which("strace"), "strace")
    server = run(f"sqlite:///{tmp_path}/speed.db")
    trace = Trace(server.process.pid, tmp_path / "trace")
    with one_after_the_other(server, "traced") as socket, trace:
        for seq in range(READINGS):
            send(socket, seq)
    calls = trace.calls()
    before = 0.0
    for echo in echoes(calls):
        written, sync = synced(calls, "-wal", before, echo.began)
        assert written.ended <= sync.began <= sync.ended <= echo.began
        before = echo.began
    record_property("readings", READINGS)


def test_mariadb_syncs_its_log_before_it_answers_and_the_echo_comes_after(run, mariadb, tmp_path, record_property):
    """MariaDB: an fsync of the log begins after the write and returns before its OK; the echo is sent after that"""
    require(shutil.which("strace"), "strace")
    server = run(mariadb.create("speed"))
    database = Trace(mariadb.process.pid, tmp_path / "database")
    trace = Trace(server.process.pid, tmp_path / "trace")
    with one_after_the_other(server, "traced") as socket, database, trace:
        for seq in range(READINGS):
            send(socket, seq)
    calls = database.calls()
    before = 0.0
    for echo in echoes(trace.calls()):
        answers = [
            call for call in calls
            if call.name in {"sendto", "write", "sendmsg"} and f"127.0.0.1:{mariadb.port}->" in call.arguments
            and before <= call.began <= echo.began
        ]  # fmt: skip
        written, sync = synced(calls, "ib_logfile", before, answers[-1].began)
        assert written.ended <= sync.began <= sync.ended <= answers[-1].began <= echo.began
        before = echo.began
    record_property("readings", READINGS)
    wait_for(lambda: len(server.readings("traced")) == READINGS + 3)
