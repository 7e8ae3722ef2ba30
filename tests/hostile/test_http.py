"""HTTP of untrusted clients: slow, endless, too large, ambiguous, and too frequent requests."""

import contextlib
import gzip
import json
import socket
import time
from pathlib import Path

import pytest
import requests

from tests.rawsocket import RawSocket
from tests.running import RunningServer, wait_for

HOST = b"Host: localhost\r\n"
READING = b'{"speed": 1}'


def answer(port: int, said: bytes, timeout_s: float = 5) -> tuple[int, bytes]:
    """Say it and listen to the end: the status (0 without an answer) and all that came."""
    with socket.create_connection(("127.0.0.1", port), timeout_s) as raw:
        with contextlib.suppress(ConnectionError):
            raw.sendall(said)
        heard = b""
        while data := raw.recv(65_536):
            heard += data
    return int(heard.split(b" ", 2)[1]) if heard else 0, heard


def post(path: bytes, headers: bytes, body: bytes = READING) -> bytes:
    return b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n" + headers + b"\r\n" + body


TOO_LARGE = {
    "a URL of 8 KiB": (b"GET /" + b"x" * 8192 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    "a URL of 10 MB": (b"GET /" + b"x" * 10_000_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    "101 headers": (b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
    "a million headers": (b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 1_000_000 + b"\r\n", 431),
    "a header of 64 KiB": (b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 65_536 + b"\r\n\r\n", 431),
    "a header of 10 MB": (b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 10_000_000 + b"\r\n\r\n", 431),
    "a content type of 100 parameters": (
        b"POST /sign-in HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Type: multipart/form-data" + b";a=b" * 100 + b"\r\n\r\nx",
        431,
    ),
    "201 cookies": (b"GET /healthz HTTP/1.1\r\nCookie: " + b"a=;" * 100 + b"\r\nCookie: " + b"a=;" * 101 + b"\r\n\r\n", 431),
    "headers of 80 KB": (b"GET /healthz HTTP/1.1\r\n" + (b"X: " + b"y" * 1000 + b"\r\n") * 80 + b"\r\n", 431),
    "a body of 10^18 bytes": (post(b"/api/v1/readings", b"Content-Length: 1" + b"0" * 18 + b"\r\nConnection: close\r\n"), 413),
    "a file of 10^18 bytes": (post(b"/api/v1/import?name=a.csv", b"Content-Length: 1" + b"0" * 18 + b"\r\nConnection: close\r\n"), 413),
}  # fmt: skip


@pytest.mark.parametrize(("said", "status"), [pytest.param(*each, id=name) for name, each in TOO_LARGE.items()])
def test_too_large_request_is_rejected_with_its_status(quick, said, status):
    """Too large URLs, headers and announced bodies are answered 414, 431 and 413."""
    assert answer(quick.port, said)[0] == status
    assert quick.answers("/healthz")


TWO_WAYS = {
    "two kinds of length": post(
        b"/api/v1/readings", b"Content-Length: 12\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"
    ),
    "the other way round": post(
        b"/api/v1/readings", b"Transfer-Encoding: chunked\r\nContent-Length: 12\r\n", b"0\r\n\r\n"
    ),
    "two lengths": post(b"/api/v1/readings", b"Content-Length: 12\r\nContent-Length: 13\r\n"),
    "the same length twice": post(b"/api/v1/readings", b"Content-Length: 12\r\nContent-Length: 12\r\n"),
    "a list of lengths": post(b"/api/v1/readings", b"Content-Length: 12, 12\r\n"),
    "a length with a sign": post(b"/api/v1/readings", b"Content-Length: +12\r\n"),
    "a negative length": post(b"/api/v1/readings", b"Content-Length: -1\r\n"),
    "a length with a separator": post(b"/api/v1/readings", b"Content-Length: 1_2\r\n"),
    "a hexadecimal length": post(b"/api/v1/readings", b"Content-Length: 0xc\r\n"),
    "an unknown encoding": post(b"/api/v1/readings", b"Transfer-Encoding: xchunked\r\n"),
    "two encodings": post(b"/api/v1/readings", b"Transfer-Encoding: gzip, chunked\r\n"),
    "chunked twice": post(b"/api/v1/readings", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    "chunked in HTTP/1.0": post(b"/send", b"Transfer-Encoding: chunked\r\n").replace(b"HTTP/1.1", b"HTTP/1.0"),
    "a space before the colon": post(b"/api/v1/readings", b"Content-Length : 12\r\n"),
    "a folded header": post(b"/api/v1/readings", b"X: y\r\n Content-Length: 12\r\n"),
    "a bare carriage return": post(b"/api/v1/readings", b"X: y\rContent-Length: 12\r\n"),
    "a zero byte": post(b"/api/v1/readings", b"X: \x00\r\n"),
    "a handshake with a body": post(b"/ws", b"Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 12\r\n"),
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/9.9": b"GET /healthz HTTP/9.9\r\n\r\n",
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("said", [pytest.param(said, id=name) for name, said in TWO_WAYS.items()])
def test_ambiguous_request_is_rejected_with_everything_after_it(quick, said):
    """Ambiguous lengths and encodings, which a proxy could read differently, are answered 400 once and end the connection."""
    status, heard = answer(quick.port, said + b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
    assert status == 400
    assert heard.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("path", [b"/api/v1/readings?source=bomb", b"/api/v1/import?name=bomb.csv&source=bomb"])
def test_compressed_bomb_is_not_inflated(quick, path, record_property):
    """A gzip body that would inflate to 64 MiB is not inflated, and is rejected."""
    bomb = gzip.compress(b"0" * (64 << 20))
    before_kb = peak_kb(quick)
    head = b"Content-Encoding: gzip\r\nConnection: close\r\nContent-Length: %d\r\n" % len(bomb)
    status, heard = answer(quick.port, post(path, head, bomb))
    assert status in (400, 415, 422) or json.loads(heard.partition(b"\r\n\r\n")[2])["stored"] == 0
    grown_mb = (peak_kb(quick) - before_kb) / 1000
    record_property("memory_grown_mb", grown_mb)
    assert grown_mb < 16


def peak_kb(server: RunningServer) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A server with request timeouts of a second."""
    running = RunningServer(
        f"sqlite:///{tmp_path_factory.mktemp('quick')}/speed.db",
        SPEEDDASH_REQUEST_TIMEOUT_S="1", SPEEDDASH_MAX_ADDRESS_CONNECTIONS="300",
    )  # fmt: skip
    yield running
    assert "Traceback" not in running.output
    running.stop()


STALLED = {
    "nothing": (b"", 0),
    "half a line": (b"GET /heal", 0),
    "half a head": (b"GET /healthz HTTP/1.1\r\nX: ", 408),
    "half a body": (post(b"/api/v1/readings", b"Connection: close\r\nContent-Length: 100\r\n"), 400),
    "half a chunk": (
        post(b"/api/v1/readings", b"Connection: close\r\nTransfer-Encoding: chunked\r\n", b"64\r\nx"),
        400,
    ),
    "a request, then nothing": (b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n", 200),
}


@pytest.mark.parametrize(("said", "status"), [pytest.param(*each, id=name) for name, each in STALLED.items()])
def test_stalled_request_ends_after_the_timeout(quick, said, status):
    """A request that stalls and a connection that stays silent end after the timeout."""
    began = time.monotonic()
    assert answer(quick.port, said, 10)[0] == status
    assert 0.9 < time.monotonic() - began < 5


def test_head_that_trickles_ends_after_the_timeout(quick):
    """A head that arrives byte by byte must be complete within the timeout."""
    with socket.create_connection(("127.0.0.1", quick.port), 5) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
        began = time.monotonic()
        raw.settimeout(0.1)
        heard = b""
        while not heard:
            assert time.monotonic() - began < 5
            with contextlib.suppress(TimeoutError):
                raw.sendall(b"x")
                heard = raw.recv(4096)
    assert heard.startswith(b"HTTP/1.1 408")


@pytest.mark.alone
def test_body_that_trickles_is_taken(quick):
    """A slow body is accepted while it pauses for less than the timeout."""
    with socket.create_connection(("127.0.0.1", quick.port), 5) as raw:
        raw.sendall(post(b"/api/v1/readings?source=slow", b"Content-Length: 12\r\n", b""))
        for at in range(len(READING)):
            raw.sendall(READING[at : at + 1])
            time.sleep(0.15)  # the slowness is what is tested
        assert raw.recv(4096).startswith(b"HTTP/1.1 201")
    assert len(quick.readings("slow")) == 1


def test_trailers_without_end_are_not_read(quick):
    """A chunked body with endless trailers is rejected after a hundred trailers"""
    with socket.create_connection(("127.0.0.1", quick.port), 5) as raw:
        raw.sendall(
            post(
                b"/api/v1/readings?source=trailers",
                b"Transfer-Encoding: chunked\r\n",
                b"c\r\n" + READING + b"\r\n0\r\n",
            )
        )
        sent, deadline = 0, time.monotonic() + 10
        with contextlib.suppress(OSError):
            while time.monotonic() < deadline:
                sent += raw.send(b"X-Trailer: 1\r\n" * 100)
    assert time.monotonic() < deadline
    assert quick.answers("/healthz")
    assert quick.readings("trailers") == []


def test_open_websocket_outlives_the_timeout(quick):
    """A WebSocket that is silent for longer than the request timeout stays open."""
    with RawSocket(quick.port) as raw:
        raw.socket.settimeout(2.5)
        with pytest.raises(TimeoutError):
            raw.receive()
        raw.send(READING)
        assert raw.receive_text() == READING


def test_client_that_does_not_read_its_answer_is_disconnected(quick):
    """A client that does not read a large answer is disconnected after the timeout."""
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", quick.port))
        raw.sendall((b"GET /assets/plotly-basic.min.js HTTP/1.1\r\n" + HOST + b"\r\n") * 50)
        assert raw.recv(1) == b"H"
        before = sockets_of(quick)
        wait_for(lambda: sockets_of(quick) < before, 10)


def sockets_of(server: RunningServer) -> int:
    files = Path(f"/proc/{server.process.pid}/fd").iterdir()
    return sum(1 for each in files if each.is_symlink() and "socket" in str(each.readlink()))


def test_address_with_too_many_connections_gets_no_more_and_others_do(quick, record_property):
    """Connections above the limit of an address are reset at once; another address is served."""
    held = []
    with contextlib.ExitStack() as stack:
        for _ in range(500):
            each = stack.enter_context(socket.create_connection(("127.0.0.1", quick.port), 5, ("127.0.0.9", 0)))
            held.append(each)
        time_out = time.monotonic() + 5
        alive = held
        while len(alive) > 400:
            assert time.monotonic() < time_out
            alive = [each for each in alive if not is_reset(each)]
        assert len(alive) >= 300
        record_property("connections_kept", len(alive))
        assert requests.get(f"http://127.0.0.1:{quick.port}/healthz", timeout=1).ok


def is_reset(raw: socket.socket) -> bool:
    raw.setblocking(False)
    try:
        return raw.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
