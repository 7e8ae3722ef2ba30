"""The four cures of `ServerSocket`, against a running server, with a client that misbehaves."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.mariadb import MariaDB
from tests.rawsocket import PING, PONG, RawSocket
from tests.running import RunningServer, wait_for


@pytest.fixture(scope="module")
def server(mariadb: MariaDB) -> Iterator[RunningServer]:
    """One database is enough here: the socket does not know which it is."""
    running = RunningServer(mariadb.create("sockets"), traced=True)
    yield running
    running.stop()


def memory_mb(server: RunningServer) -> float:
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


def connection_of(server: RunningServer, source: str) -> dict | None:
    listed = requests.get(f"{server.url}/api/v1/connections", timeout=5).json()["connections"]
    return next((each for each in listed if each["source"] == source), None)


def fill(socket: RawSocket, data: bytes, most_bytes: int) -> int:
    """Send until the other side takes no more; the bytes that it took."""
    socket.socket.settimeout(0.5)
    sent = 0
    try:
        while sent < most_bytes:
            sent += socket.socket.send(data)
    except TimeoutError:
        socket.socket.settimeout(10)
    return sent


def test_compression_is_offered_and_declined(server):
    with RawSocket(server.port, headers="Sec-WebSocket-Extensions: permessage-deflate\r\n") as socket:
        assert "101" in socket.head
        assert "Extensions" not in socket.head
        socket.send(b'{"speed": 1}')
        assert socket.receive_text() == b'{"speed": 1}'


@pytest.mark.alone
def test_slow_client_gets_every_echo_whole_and_delays_no_other(server):
    frame = json.dumps([{"speed": 1, "pad": "x" * 100}] * 500).encode()
    with (
        RawSocket(server.port, "/ws?source=slow", receive_buffer=4096) as slow,
        server.connect("/ws?source=quick") as quick,
    ):
        sender = threading.Thread(target=lambda: [slow.send(frame) for _ in range(40)])
        sender.start()
        for n in range(8):
            began = time.monotonic()
            quick.send(f'{{"speed": {n}}}')
            quick.recv(5)
            assert time.monotonic() - began < 2
        assert [slow.receive_text() for _ in range(40)] == [frame] * 40
        sender.join()


def test_two_senders_on_one_socket_do_not_mix_their_frames(server):
    count = 200
    with server.connect("/ws?source=shared") as socket:
        identity = wait_for(lambda: connection_of(server, "shared"))["id"]
        pushed = [
            {"connection_id": identity, "speed": n, "timestamp": 1_769_860_800 + n, "pad": "x" * 5000}
            for n in range(count)
        ]
        pusher = threading.Thread(
            target=lambda: [requests.post(f"{server.url}/send", json=each, timeout=10) for each in pushed]
        )
        pusher.start()
        own = [json.dumps({"speed": n, "seq": n, "pad": "y" * 20_000}) for n in range(count)]
        sender = threading.Thread(target=lambda: [socket.send(text) for text in own])
        sender.start()
        received = [socket.recv(10) for _ in range(2 * count)]
        pusher.join()
        sender.join()
    assert [text for text in received if "pad" in text] == own
    assert [json.loads(text)["speed"] for text in received if "pad" not in text] == list(range(count))


@pytest.mark.alone
@pytest.mark.long
def test_client_that_never_reads_costs_under_a_megabyte_and_delays_no_other(server):
    def deaf(number):
        socket = RawSocket(server.port, f"/ws?source=deaf-{number}", receive_buffer=4096)
        # Its answers fill the socket, then nothing more of it is read, and TCP takes nothing more from it. They are errors, because
        # what is stored fills the database's cache, which is no cost of a connection.
        assert fill(socket, socket.frame(b"x") * 1000, 64 << 20) < 4 << 20
        return socket

    with server.connect("/ws?source=quick") as quick:
        first = [deaf(number) for number in range(4)]  # what the server itself grows by under load is no cost of theirs
        before = memory_mb(server)
        more = [deaf(number) for number in range(4, 14)]
        waits = []
        for n in range(50):
            began = time.monotonic()
            quick.send(f'{{"speed": {n}}}')
            quick.recv(5)
            waits.append(time.monotonic() - began)
        assert sorted(waits)[25] < 0.5
        assert memory_mb(server) - before < len(more)
    for socket in first + more:
        socket.close()


@pytest.mark.alone
def test_sender_faster_than_the_database_is_slowed_and_memory_stays_bounded(run, mariadb):
    server = run(mariadb.create("stopped"))
    with RawSocket(server.port, "/ws?source=flood") as flood:
        flood.send(b'{"speed": 1}')
        assert flood.receive_text() == b'{"speed": 1}'
        before = memory_mb(server)
        mariadb.process.send_signal(signal.SIGSTOP)
        try:
            frames = flood.frame(b'{"speed": 1}') * 1000
            sent = fill(flood, frames, 64 << 20)
            assert sent < 32 << 20
            assert memory_mb(server) - before < 8
            assert server.answers("/healthz")
        finally:
            mariadb.process.send_signal(signal.SIGCONT)
        # Whole frames were taken, and each of them gets its echo; the last one may have been cut by the full socket.
        for _ in range(sent // len(frames) * 1000):
            assert flood.receive_text() == b'{"speed": 1}'


@pytest.mark.alone
def test_flood_of_pings_is_slowed_and_memory_stays_bounded(server):
    with server.connect("/ws?source=quick") as quick, RawSocket(server.port, receive_buffer=4096) as flood:
        before = memory_mb(server)
        assert fill(flood, flood.frame(b"x" * 100, PING) * 1000, 64 << 20) < 8 << 20
        assert memory_mb(server) - before < 16
        quick.send('{"speed": 1}')
        assert quick.recv(5) == '{"speed": 1}'


@pytest.mark.alone
def test_ping_is_answered_among_frames(server):
    with RawSocket(server.port) as socket:
        socket.socket.sendall(socket.frame(b"are you there", PING) + socket.frame(b'{"speed": 1}'))
        assert socket.receive() == (PONG, b"are you there")
        assert socket.receive_text() == b'{"speed": 1}'


def test_frame_above_the_limit_closes_with_1009_every_time(server):
    for n in range(8):
        with RawSocket(server.port, f"/ws?source=large-{n}") as socket:
            socket.send(b'"' + b"x" * (1 << 20) + b'"')
            assert socket.receive_close() == 1009
        wait_for(lambda n=n: connection_of(server, f"large-{n}") is None)


def test_frame_at_the_limit_is_taken(server):
    text = b'{"speed": 1, "pad": "' + b"x" * ((1 << 20) - 23) + b'"}'
    assert len(text) == 1 << 20
    with RawSocket(server.port) as socket:
        socket.send(text)
        assert socket.receive_text() == text


def test_silent_client_is_pinged_then_closed(run, tmp_path):
    server = run(f"sqlite:///{tmp_path}/speed.db", SPEEDDASH_PING_INTERVAL_S="0.3")
    with RawSocket(server.port, "/ws?source=silent") as socket:
        assert socket.receive()[0] == PING
        assert socket.receive_close() == 1008
    wait_for(lambda: connection_of(server, "silent") is None)
