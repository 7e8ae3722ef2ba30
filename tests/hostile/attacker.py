"""A stranger in a process of its own: `python -m tests.hostile.attacker KIND PORT SECONDS`.

It attacks this machine alone, comes from an address of its own, says `ready` once the attack is under way, ends by itself,
and tells last how much it did.
"""

import contextlib
import gzip
import itertools
import os
import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable

from tests.network.rfc6455.conversation import CONTINUATION, frame
from tests.rawsocket import PING

#: Another address for each process: the server remembers for a while which addresses connected too often.
ADDRESS = f"127.66.{os.getpid() % 250}.{os.getpid() // 250 % 250 + 1}"
MANY = 800
POURING = 20
#: Twice what the server is asked to bear.
CONNECTS_PER_S = 20_000
HANDSHAKE = (
    b"GET /ws?source=stranger HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
POST = b"POST /api/v1/%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def opened(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 5, (ADDRESS, 0))


def ready() -> None:
    print("ready", flush=True)


def connects(port: int, until: float) -> int:
    """Connect and reset, so many times a second."""
    ready()
    done = 0
    began = time.monotonic()
    while (now := time.monotonic()) < until:
        if done > CONNECTS_PER_S * (now - began):
            time.sleep(0.001)  # the pace of the attack
            continue
        with contextlib.suppress(OSError), socket.socket() as each:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.bind((ADDRESS, 0))
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
            done += 1
    return done


def silent(port: int, until: float) -> int:
    """Connect and never send."""
    return trickle(port, until, b"", iter(lambda: b"", None))


def slow_heads(port: int, until: float) -> int:
    """A byte of a header now and then."""
    return trickle(port, until, b"GET /healthz HTTP/1.1\r\nX: ", itertools.repeat(b"x"))


def slow_bodies(port: int, until: float) -> int:
    """A byte of a body now and then."""
    return trickle(port, until, POST % b"readings" + b"Content-Length: 1000000\r\n\r\n", itertools.repeat(b" "))


def trickle(port: int, until: float, begin: bytes, rest: Iterable[bytes]) -> int:
    held = [opened(port) for _ in range(MANY)]
    for each in held:
        each.sendall(begin)
    ready()
    for piece in rest:
        time.sleep(0.5)  # the slowness is the attack
        for each in held:
            with contextlib.suppress(OSError):
                each.sendall(piece)
        if time.monotonic() > until:
            break
    return len(held)


def frames(data: bytes, begin: bytes = b"") -> Callable[[int, float], int]:
    """Floods of frames; what comes back is read and thrown away."""

    def flood(port: int, until: float) -> int:
        return pour(port, until, HANDSHAKE + begin, data * (65_536 // len(data) + 1))

    return flood


def bodies(begin: bytes, data: bytes) -> Callable[[int, float], int]:
    def flood(port: int, until: float) -> int:
        return pour(port, until, begin, data)

    return flood


def pour(port: int, until: float, begin: bytes, data: bytes) -> int:
    """The same bytes over and over, on some connections; a new one for each that is closed."""
    selector = selectors.DefaultSelector()
    sent = 0

    def connect() -> None:
        while time.monotonic() < until:  # connections above the limit are reset, and opened again
            with contextlib.suppress(OSError):
                each = opened(port)
                each.sendall(begin)
                each.setblocking(False)
                selector.register(each, selectors.EVENT_READ | selectors.EVENT_WRITE, memoryview(data))
                return

    for _ in range(POURING):
        connect()
    ready()
    while time.monotonic() < until:
        for key, events in selector.select(0.1):
            each = key.fileobj
            try:
                if events & selectors.EVENT_READ and not each.recv(1 << 16):
                    raise ConnectionResetError
                if events & selectors.EVENT_WRITE:
                    size = each.send(key.data)
                    sent += size
                    rest = key.data[size:] or memoryview(data)
                    selector.modify(each, selectors.EVENT_READ | selectors.EVENT_WRITE, rest)
            except BlockingIOError:
                continue
            except OSError:
                selector.unregister(each)
                each.close()
                connect()
    return sent


def requests(*lines: str, body: bytes = b"", path: str = "/", method: str = "GET") -> Callable[[int, float], int]:
    """Pipelined requests without credentials; what comes back is read and thrown away."""
    length = [f"Content-Length: {len(body)}"] if body else []
    head = "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *lines, *length, "", ""]).encode()
    request = head + body
    return bodies(b"", request * max(1, 65_536 // len(request)))


def connections(port: int, until: float) -> int:
    """A request on a new connection each, many at once."""
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    ready()
    done = 0
    while time.monotonic() < until:
        held = []
        with contextlib.suppress(OSError):
            for _ in range(POURING):
                held.append(opened(port))
                held[-1].sendall(request)
        for each in held:
            with contextlib.suppress(OSError):
                done += bool(each.recv(65_536))
            each.close()
    return done


def bombs(port: int, until: float) -> int:
    """256 MiB of zeros in a quarter of one, as bodies of readings and of files."""
    bomb = gzip.compress(b"0" * (64 << 20), 6) * 4
    ready()
    done = 0
    head = b"Content-Encoding: gzip\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(bomb)
    while time.monotonic() < until:
        for path in (b"readings", b"import?name=drive.csv"):
            with contextlib.suppress(OSError), opened(port) as each:
                each.sendall(POST % path + head + bomb)
                each.recv(65_536)
                done += 1
    return done


def busy(port: int, until: float) -> int:
    """No attack: the load of one on this machine's cores, for comparison."""
    ready()
    while time.monotonic() < until:
        pass
    return 0


ATTACKS = {
    "connects": connects,
    "silent": silent,
    "slow heads": slow_heads,
    "slow bodies": slow_bodies,
    "tiny frames": frames(frame(b"x")),
    "pings": frames(frame(b"", PING)),
    "empty fragments": frames(frame(b"", CONTINUATION, final=False), frame(b"", final=False)),
    "giant frames": frames(frame(b"", size=(1 << 63) - 1) + b"x" * 65_536),
    "giant body": bodies(POST % b"readings" + b"Content-Length: 1000000000000000000\r\n\r\n", b"x" * 65_536),
    "endless body": bodies(
        POST % b"readings" + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n"
    ),
    "bombs": bombs,
    "busy": busy,
}
#: The longest header that is read, and forms at and beyond their limit.
HEADER_BYTES = 8_000
FORM = "Content-Type: application/x-www-form-urlencoded"
PARTS = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n" * 75 + b"--x--"
UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
#: Requests without a token: all that is parsed before credentials are checked.
STRANGERS = {
    "Accept of 64 KiB": requests("Accept: " + "a/b," * (65_000 // 4)),
    "Accept": requests("Accept: " + "a/b," * (HEADER_BYTES // 4)),
    "Accept-Encoding": requests("Accept-Encoding: " + "gzip;q=0.1," * (HEADER_BYTES // 11), path="/healthz"),
    "Authorization": requests("Authorization: Bearer " + "x" * HEADER_BYTES),
    "Content-Type": requests(
        "Content-Type: multipart/form-data; " + "a=b;" * (HEADER_BYTES // 4), body=b"x", path="/sign-in", method="POST"
    ),
    "Cookie": requests("Cookie: " + f"a={'x' * 30};" * 200),
    "Cookie with 2,600 names": requests("Cookie: " + "a=;" * (HEADER_BYTES // 3)),
    "Forwarded": requests(*["X-Forwarded-For: " + "1.1.1.1," * 900], path="/healthz"),
    "Host": requests("Host: " + "a." * (HEADER_BYTES // 2)),
    "If-None-Match": requests("If-None-Match: " + '"a",' * (HEADER_BYTES // 4), path="/healthz"),
    "Origin": requests("Origin: http://" + "a." * (HEADER_BYTES // 2), path="/sign-in", method="POST"),
    "Range": requests("Range: bytes=" + "0-1," * (HEADER_BYTES // 4), path="/healthz"),
    "a hundred headers": requests(*[f"X-{number}: {'x' * 100}" for number in range(98)], path="/healthz"),
    "query": requests(path="/?" + "a=" * 100 + "a&" * 200),
    "query of 4,000 parameters": requests(path="/?" + "a&" * 4_000),
    "query of the sign-in": requests(path="/sign-in?" + "a&" * 200),
    "handshake": requests("Sec-WebSocket-Key: x", "Sec-WebSocket-Protocol: " + "a," * 3_900, *UPGRADE, path="/ws"),
    "sign-in form of 977 KB": requests(FORM, body=b"a&" * 488_500, path="/sign-in", method="POST"),
    "sign-in form": requests(FORM, body=b"a&" * 2_048, path="/sign-in", method="POST"),
    "sign-in form in parts": requests(
        "Content-Type: multipart/form-data; boundary=x", body=PARTS, path="/sign-in", method="POST"
    ),
    "wrong tokens": requests(FORM, body=b"token=wrong-0123456789ab", path="/sign-in", method="POST"),
    "pipelined health checks": requests(path="/healthz"),
    "pipelined sign-in pages": requests(path="/sign-in"),
    "pipelined page": requests("Accept: text/html"),
    "connections with one health check": connections,
    "two lengths": requests("Content-Length: 1", "Content-Length: 2"),
    "invalid request line": bodies(b"", b"NONSENSE\r\n\r\n" * 5_000),
}
ATTACKS |= STRANGERS

if __name__ == "__main__":
    kind, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    began = time.monotonic()
    amount = ATTACKS[kind](port, began + seconds)
    print(amount / (time.monotonic() - began))
