"""`python run.py` as a person meets it: what it says, what it refuses, how it stops."""

import contextlib
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
import requests
from websockets.exceptions import ConnectionClosed

from tests.auth.test_access import READ_TOKEN, TOKEN
from tests.auth.test_guard import DISGUISES
from tests.mariadb import free_port
from tests.rawsocket import CLOSE, RawSocket
from tests.running import ROOT, RUN, RunningServer, wait_for


def refused(*options, **settings):
    """Run a start that fails; return its output."""
    done = subprocess.run(
        [sys.executable, "run.py", *options],
        cwd=ROOT,
        env={"PATH": "", "HOME": "/tmp", **settings},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


@pytest.mark.alone
def test_it_is_ready_in_three_seconds_and_says_where(run, tmp_path):
    began = time.monotonic()
    server = run(f"sqlite:///{tmp_path}/speed.db", command=RUN)
    assert time.monotonic() - began < 3
    wait_for(lambda: "commits" in server.output)
    assert f"http://127.0.0.1:{server.port}/" in server.output
    assert f"ws://127.0.0.1:{server.port}/ws" in server.output
    assert f"sqlite:///{tmp_path}/speed.db" in server.output
    assert "durable (journal_mode=wal, synchronous=2)" in server.output


def test_password_is_not_printed(run, mariadb):
    server = run(mariadb.create("speed"), command=RUN)
    wait_for(lambda: "commits" in server.output)
    assert f"mysql://speed:***@127.0.0.1:{mariadb.port}/speed" in server.output
    # A database that answers late, on a busy machine, is reported there only.
    assert "innodb_flush_log_at_trx_commit=1" in server.output + requests.get(f"{server.url}/readyz", timeout=30).text
    assert "word" not in server.output


def test_only_this_machine_is_listened_to(run, tmp_path):
    server = run(f"sqlite:///{tmp_path}/speed.db")
    listening = subprocess.run(["cat", "/proc/net/tcp", "/proc/net/tcp6"], capture_output=True, text=True).stdout
    addresses = re.findall(rf": (\w+):{server.port:04X} \w+:0000 0A", listening)
    assert addresses == ["0100007F"]


def test_taken_port_is_one_clear_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert (
            refused("--port", str(port))
            == f"speeddash: cannot listen on 127.0.0.1 port {port}: address already in use\n"
        )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "192.0.2.1"], "cannot listen on 192.0.2.1 port 8765"),
        (["--host", "nosuch.invalid"], "cannot listen on nosuch.invalid"),
        (["--port", "abc"], "--port: "),
        (["--database-url", "nonsense"], "SPEEDDASH_DATABASE_URL: not a database URL"),
        (["--port", "0", "--database-url", "sqlite:////nowhere/speed.db"], "/nowhere/speed.db"),
        (["--port", "0", "--database-url", "mysql://u@nosuch.invalid/d"], "nosuch.invalid"),
    ],
)
def test_wrong_option_is_one_clear_line(options, said):
    assert said in refused(*options)


def test_unknown_setting_is_one_clear_line():
    assert "SPEEDDASH_PROT" in refused(SPEEDDASH_PROT="1")


def test_wrong_password_is_one_clear_line_without_it(mariadb):
    mariadb.create("speed")
    said = refused("--port", "0", "--database-url", mariadb.url("speed", password="hunter2"))
    assert "Access denied" in said
    assert "hunter2" not in said


def test_help_names_options_and_variables():
    done = subprocess.run([sys.executable, "run.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for word in ("--host", "--port", "--database-url", "SPEEDDASH_HOST", "SPEEDDASH_PORT", "SPEEDDASH_DATABASE_URL"):
        assert word in done.stdout


@pytest.mark.alone
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_stop_under_load_echoes_what_is_stored_and_closes_with_1012(run, database_url, number):
    server = run(database_url, command=RUN)
    sockets = [RawSocket(server.port, f"/ws?source=load-{at}") for at in range(20)]
    echoed = [0] * len(sockets)
    codes = []

    def drive(at):
        for seq in range(1_000_000):
            with contextlib.suppress(OSError):  # the server may have closed
                sockets[at].send(f'{{"speed": 1, "timestamp": 1769860800, "seq": {seq}}}'.encode())
            opcode, payload = sockets[at].receive()
            if opcode == CLOSE:
                codes.append(int.from_bytes(payload[:2], "big"))
                return
            echoed[at] += 1

    drivers = [threading.Thread(target=drive, args=(at,), daemon=True) for at in range(len(sockets))]
    for driver in drivers:
        driver.start()
    wait_for(lambda: min(echoed) > 20)
    began = time.monotonic()
    assert server.stop(number) == 0
    assert time.monotonic() - began < 2
    for driver in drivers:
        driver.join(5)
    for each in sockets:
        each.close()
    assert codes == [1012] * len(sockets)
    server.start()
    for at, count in enumerate(echoed):
        assert count <= len(server.readings(f"load-{at}")) <= count + 1


@pytest.mark.alone
def test_stop_while_the_database_is_away_and_a_client_reads_nothing(run):
    server = run(f"mysql://u@127.0.0.1:{free_port()}/d", wait_ready=False)
    with RawSocket(server.port) as waiting, RawSocket(server.port, receive_buffer=4096) as deaf:
        waiting.send(b'{"speed": 1}')
        deaf.socket.sendall(deaf.frame(b"nope" * 1000) * 500)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 2
        assert waiting.receive_close() == 1012


@pytest.mark.alone
def test_stop_while_sqlite_is_locked_by_another_program(run, tmp_path):
    server = run(f"sqlite:///{tmp_path}/speed.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "speed.db")) as other, RawSocket(server.port) as waiting:
        other.execute("BEGIN IMMEDIATE")
        waiting.send(b'{"speed": 1}')
        wait_for(
            lambda: "speeddash_readings_received_total 1.0" in requests.get(f"{server.url}/metrics", timeout=5).text
        )
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 2
        assert waiting.receive_close() == 1012


def test_database_that_comes_later_is_waited_for_while_the_page_is_served(run, mariadb):
    url = mariadb.create("later")
    mariadb.stop()
    try:
        server = run(url, wait_ready=False)
        wait_for(lambda: "waiting for the database" in server.output)
        assert "the page is served meanwhile" in server.output
        assert requests.get(server.url, timeout=5).ok
        readiness = requests.get(f"{server.url}/readyz", timeout=5)
        assert readiness.status_code == 503
        assert "Connection refused" in readiness.json()["detail"]
        with server.connect("/ws?source=early") as early:
            early.send('{"speed": 1}')
            with pytest.raises(TimeoutError):
                early.recv(0.3)
            mariadb.start()
            assert early.recv(15) == '{"speed": 1}'
        assert len(server.readings("early")) == 1
    finally:
        if mariadb.process.poll() is not None:
            mariadb.start()


GUNICORN = [sys.executable, "-m", "gunicorn", "-k", "gevent", "-b", "127.0.0.1:{port}", "run:server"]


@pytest.fixture(scope="module")
def guarded_gunicorn(tmp_path_factory):
    """A server behind gunicorn that asks for tokens and has one reading."""
    server = RunningServer(
        f"sqlite:///{tmp_path_factory.mktemp('gunicorn')}/speed.db",
        command=GUNICORN,
        SPEEDDASH_TOKEN=TOKEN,
        SPEEDDASH_READ_TOKEN=READ_TOKEN,
    )
    reading = {"speed": 1, "source": "car"}
    requests.post(f"{server.url}/api/v1/readings", json=reading, headers=server.headers, timeout=10).raise_for_status()
    yield server
    server.stop()


def test_gunicorn_serves_page_rest_and_sockets_and_stops_with_1012(tmp_path):
    server = RunningServer(f"sqlite:///{tmp_path}/speed.db", command=GUNICORN)
    try:
        assert requests.get(server.url, timeout=5).ok
        with server.connect("/ws?source=gunicorn") as socket:
            socket.send('{"speed": 1}')
            assert socket.recv(5) == '{"speed": 1}'
            assert len(server.readings("gunicorn")) == 1
            server.process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed):
                socket.recv(5)
            assert socket.protocol.close_rcvd.code == 1012
    finally:
        server.stop()


@pytest.mark.parametrize("disguise", DISGUISES)
def test_read_token_changes_nothing_behind_gunicorn(guarded_gunicorn, disguise):
    headers = {"Authorization": f"Bearer {READ_TOKEN}", **disguise}
    for method, path in [
        ("DELETE", "/api/v1/readings?source=car"),
        ("DELETE", "/api/v1/sources/car"),
        ("PATCH", "/api/v1/sources/car"),
        ("POST", "/api/v1/readings"),
        ("POST", "/send"),
    ]:
        answer = requests.request(method, guarded_gunicorn.url + path, json={}, headers=headers, timeout=10)
        assert answer.status_code in {403, 405}, (
            method,
            path,
        )  # 405: the router found a socket, which has no such method
    assert len(guarded_gunicorn.readings("car")) == 1


def test_http_is_served_after_a_bad_websocket(run, tmp_path):
    server = run(f"sqlite:///{tmp_path}/speed.db")
    with RawSocket(server.port) as socket:
        socket.socket.sendall(b"\xff\xff\xff\xff garbage" * 100)
        assert socket.receive_close() == 1002
    assert server.answers("/healthz")
    assert "Traceback" not in server.output
