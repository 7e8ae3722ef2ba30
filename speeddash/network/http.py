"""HTTP server for untrusted clients: timeouts and size limits on top of gevent's WSGI server."""

import _socket
import errno
import io
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from struct import pack
from typing import Any

import gevent
import gevent.socket
from gevent import pywsgi

from speeddash.network.address import network_of
from speeddash.network.rate_limit import TokenBuckets
from speeddash.network.request_body import PAUSE_S, RUN_S, Body, ConnectionReader
from speeddash.network.turn_gate import TurnGate
from speeddash.network.websocket import PROTOCOL_VIOLATION

#: Limits of a request without its body: all lines, one line, and the number of headers. Parsers of headers take time that grows
#: with the square of a value's length: 8 KiB of `Accept` cost 5 ms, 64 KiB cost 300 ms.
MAX_HEAD_BYTES = 1 << 14
MAX_LINE_BYTES = 1 << 13
MAX_HEADERS = 100
#: Cookies, parameters of a content type and of a query; counted before they are parsed, which takes 10 ms for thousands of them.
MAX_SEMICOLONS = {b"cookie": 200, b"content-type": 16}
MAX_PARAMETERS = 256
#: Largest charge for one request without credentials: waiting for a slow client is not processing time. Also the longest wait of a
#: new connection for the budget.
MAX_CHARGE_S = 0.1
#: Time of a request outside of the application: connection, head and log; it is charged too.
OVERHEAD_S = 0.0006
#: gevent parses chunked bodies byte by byte without yielding; it gets them in pieces of this size.
PIECE_BYTES = 1 << 11
#: How long to read on after the answer to a bad request: closing on unread data would reset the connection under that answer.
LINGER_S = 1.0
#: In the WSGI environment of a request without valid credentials.
UNAUTHENTICATED = "speeddash.unauthenticated"
#: Connections accepted per event-loop turn; each costs about 0.1 ms until it is answered.
MAX_ACCEPTS_PER_TURN = 3
#: Connections refused per event-loop turn; each costs a tenth of an accepted one.
MAX_REFUSALS_PER_TURN = 32
HEADER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")
#: Failed-connection budget of a client network: its connection limit per 10 s, a tenth of that at once.
FAILURES_PERIOD_S = 10.0
FAILURES_BURST = 0.1
#: SO_LINGER value that resets a connection on close: thousands of sockets in TIME_WAIT would fill the kernel's tables.
RESET = pack("ii", 1, 0)


class Server(pywsgi.WSGIServer):  # type: ignore[misc, unused-ignore]
    """Serves one WSGI application. A connection over a limit is reset at accept, before it costs anything.

    The application has limits of its own, which it answers with a status; these here are a little higher and final.
    """

    max_accept = MAX_ACCEPTS_PER_TURN

    def __init__(
        self,
        listener: socket.socket,
        application: Any,
        log: Any,
        timeout_s: float,
        max_connections: int,
        max_per_network: int | None,
    ) -> None:
        """Serve on a listening socket.

        Args:
            listener: Bound and listening.
            application: WSGI application.
            log: Logger for errors.
            timeout_s: Longest time for the head of a request, for a pause in its body, and for a pause in which the client takes
                nothing of the answer.
            max_connections: Connections open at once.
            max_per_network: Connections of one client network: open at once, and failed within `FAILURES_PERIOD_S` (without a request,
                refused, or closed for a protocol error). None if all connections come from a proxy.
        """
        if listener.family in (socket.AF_INET, socket.AF_INET6):
            # Accepted sockets inherit it: an answer in two writes would wait up to 40 ms for the client's delayed ACK.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(listener, application, handler_class=Handler, log=None, error_log=log)
        self.timeout_s = timeout_s
        self._max_connections = max_connections
        self._max_per_network = max_per_network
        self._open: Counter[str] = Counter()
        self._total = 0
        self._failures = TokenBuckets(
            (max_per_network or 0) / FAILURES_PERIOD_S, FAILURES_BURST * (max_per_network or 0)
        )
        self.runs = TokenBuckets(1 / (RUN_S + PAUSE_S), 1)
        self.gate = TurnGate()

    def do_read(self) -> Any:
        """Called by gevent when there may be a connection; None ends the turn."""
        listener: Any = self.socket
        kind = listener.family, listener.type, listener.proto
        for _ in range(MAX_REFUSALS_PER_TURN):
            try:
                number, address = listener._accept()
            except (BlockingIOError, ConnectionAbortedError):
                return None
            if self._accepts(peer_of(address)):
                return gevent.socket.socket(*kind, fileno=number), address
            refused = _socket.socket(*kind, fileno=number)
            with suppress(OSError):
                refused.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            refused.close()
        return None

    def do_handle(self, *args: Any) -> None:
        """Called by gevent for each accepted connection; `do_close` follows in any case."""
        self._open[peer_of(args[1])] += 1
        self._total += 1
        super().do_handle(*args)

    def handle(self, sock: Any, address: Any) -> None:
        """Called by gevent for each connection, in a greenlet of its own."""
        # Only a network that used up its budget for requests without credentials waits.
        if wait_s := self.runs.of(peer_of(address)).wait_s():
            gevent.sleep(min(wait_s, MAX_CHARGE_S))
        handler = Handler(sock, address, self)
        handler.handle()
        if not handler.was_served and self._max_per_network is not None:
            self._failures.of(peer_of(address)).take(1)

    def do_close(self, *args: Any) -> None:
        """Called by gevent when the connection has been served."""
        peer = peer_of(args[1])
        self._total -= 1
        self._open[peer] -= 1
        if not self._open[peer]:
            del self._open[peer]
        super().do_close(*args)

    def _accepts(self, peer: str) -> bool:
        if self._total >= self._max_connections:
            return False
        if self._max_per_network is None or not peer:
            return True
        return self._open[peer] < self._max_per_network and not self._failures.of(peer).wait_s()


class Handler(pywsgi.WSGIHandler):  # type: ignore[misc, unused-ignore]
    """One connection of a client that may be slow, wrong or hostile."""

    #: At least one request was answered successfully.
    was_served = False

    def __init__(self, sock: Any, address: Any, server: Server) -> None:
        self._timeout_s = server.timeout_s
        self._gate = server.gate
        self._peer = peer_of(address)
        self._runs = server.runs.of(self._peer)
        #: When the parsing of the current head began (`time.monotonic`).
        self._head_began: float | None = None
        self._reads = ConnectionReader(sock, self._timeout_s, self._runs)
        super().__init__(sock, address, server, io.BufferedReader(self._reads, PIECE_BYTES))  # type: ignore[call-arg, unused-ignore]

    def handle_one_request(self) -> Any:
        """Called by gevent until the connection ends; what it returns is an answer to a bad request."""
        self._reads.deadline = time.monotonic() + self._timeout_s
        self._head_began = None
        result = super().handle_one_request()
        left_over = isinstance(self.wsgi_input, Body) and self.wsgi_input.left_over
        if not isinstance(result, tuple) and not left_over:
            return result
        if isinstance(result, tuple):
            self._charge(0.0 if self._head_began is None else time.monotonic() - self._head_began)
        with suppress(OSError):
            if isinstance(result, tuple):
                self.socket.settimeout(self._timeout_s)
                self.socket.sendall(result[1])
            self.socket.shutdown(socket.SHUT_WR)
            self._reads.drain(LINGER_S)
        return None

    def MessageClass(self, *_: Any) -> Any:  # noqa: N802 - gevent's name
        """Called by gevent for the headers, which are checked before they are parsed."""
        self._gate.wait(self._peer)  # a head that is rejected never gets to `run_application`
        self._head_began = time.monotonic()
        lines = [*self._header_lines()]
        headers = super().MessageClass(io.BytesIO(b"\r\n".join([*lines, b"", b""])))
        lengths, encodings = (headers.get_all(name, []) for name in ("content-length", "transfer-encoding"))
        upgrade = "websocket" in headers.get("upgrade", "").lower()
        if len(lengths) + len(encodings) > 1 or (upgrade and (encodings or lengths not in ([], ["0"]))):
            raise ValueError("the length of the body is ambiguous")
        if encodings and (encodings[0].lower() != "chunked" or self.request_version != "HTTP/1.1"):
            raise ValueError("unknown transfer encoding")
        if not all(length.isascii() and length.isdecimal() for length in lengths):
            raise ValueError("Content-Length is no number")
        return headers

    def read_request(self, raw_requestline: str) -> Any:
        """Called by gevent once the first line is here."""
        super().read_request(raw_requestline)
        if (self.path or "").count("&") >= MAX_PARAMETERS:
            raise _HeadTooLarge
        if self.request_version == "HTTP/0.9":
            raise ValueError("HTTP/0.9 has no headers")
        self._reads.deadline = None
        return True

    def _connection_upgrade_requested(self) -> bool:
        """Called by gevent. Only WebSockets are served: a client that offers HTTP/2 (`Upgrade: h2c`) gets HTTP/1.1, with its body read."""
        return "websocket" in str(self.headers.get("Upgrade", "")).lower()  # type: ignore[attr-defined, unused-ignore]

    def _charge(self, seconds: float) -> None:
        """Take processing time from the budget of the client network, and wait while it is used up."""
        self._runs.take(min(OVERHEAD_S + seconds, MAX_CHARGE_S) / RUN_S)
        if wait_s := self._runs.wait_s():
            gevent.sleep(wait_s)

    def get_environ(self) -> Any:
        """Called by gevent for each request."""
        environ = super().get_environ()
        made: Any = self.wsgi_input  # gevent takes no other class for it
        self.wsgi_input = Body(self.rfile, self.content_length, socket=made.socket, chunked_input=made.chunked_input)
        if environ["wsgi.input"] is made:
            environ["wsgi.input"] = self.wsgi_input
        return environ

    def run_application(self) -> None:
        """Called by gevent for each request."""
        self._gate.wait(self._peer)
        began = time.monotonic()
        try:
            super().run_application()
            if (self.environ or {}).get(UNAUTHENTICATED):  # it uses no database, so its duration is processing time
                self._charge(time.monotonic() - began)
            refused = 400 <= (self.code or 0) < 500 or PROTOCOL_VIOLATION in (self.environ or {})
            self.was_served = self.was_served or not refused
        finally:
            # The client must send the rest of the body within this time. No request follows a handshake.
            self._reads.deadline = time.monotonic() + self._timeout_s
            if self._connection_upgrade_requested():  # type: ignore[attr-defined, unused-ignore]
                self.close_connection = True

    def log_error(self, msg: str, *args: Any) -> None:
        """Called by gevent for each bad request. Not logged: ten thousand of them would fill the disk."""

    def _handle_client_error(self, ex: Exception) -> tuple[str, bytes]:
        if isinstance(ex, _HeadTooLarge):
            status = "431 Request Header Fields Too Large"
        elif isinstance(ex, TimeoutError):
            status = "408 Request Timeout"
        else:
            status = "400 Bad Request"
        return status[:3], f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()

    def _header_lines(self) -> Iterator[bytes]:
        size_bytes = 0
        semicolons: Counter[bytes] = Counter()
        for _ in range(MAX_HEADERS + 1):
            line = self.rfile.readline(MAX_LINE_BYTES)
            size_bytes += len(line)
            if size_bytes > MAX_HEAD_BYTES or len(line) == MAX_LINE_BYTES:
                break
            if not line.endswith(b"\n"):
                raise ValueError("the head ends within a line")
            line = line[:-1].removesuffix(b"\r")
            if not line:
                return
            if not HEADER.fullmatch(line):
                raise ValueError("not a header")
            name = line.split(b":", 1)[0].lower()
            if name in MAX_SEMICOLONS:
                semicolons[name] += line.count(b";")
                if semicolons[name] >= MAX_SEMICOLONS[name]:
                    break
            yield line
        raise _HeadTooLarge

    def _sendall(self, data: Any) -> None:
        """Send data. The client must accept some of it within the timeout; there is no limit for all of it."""
        left = memoryview(data)
        self.socket.settimeout(self._timeout_s)
        try:
            while left:
                left = left[self.socket.send(left) :]
        except TimeoutError:  # gevent handles it as a closed connection
            raise ConnectionResetError(errno.ECONNRESET, "the client does not read the answer") from None
        finally:
            self.socket.settimeout(None)
        self.response_length += len(data)


class _HeadTooLarge(ValueError):
    pass


def peer_of(address: Any) -> str:
    """Return the client network of an address; empty for a Unix socket."""
    return network_of(str(address[0])) if isinstance(address, tuple) else ""
