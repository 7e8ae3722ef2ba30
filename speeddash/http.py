"""HTTP for strangers: gevent's server with deadlines, and with bounds on heads, bodies and connections."""

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

from speeddash.address import site
from speeddash.allowance import Allowance, Allowances
from speeddash.safe_server import BROKE_A_RULE

#: Of a request without its body: its lines together, and how many. A line that is longer than gevent reads is one too many.
MAX_HEAD_BYTES = 1 << 16
MAX_HEADERS = 100
#: Who sends faster than we read is read for so long, then all that comes from its address rests: a receipt takes several turns of
#: the loop.
RUN_S, REST_S = 0.001, 0.004
#: What gevent takes apart byte by byte comes in such pieces, because it does not look at the time meanwhile.
PIECE_BYTES = 1 << 11
#: After the answer to a bad request: closing on unread data would reset the connection under that answer.
LINGER_S = 1.0
#: So much of what nobody wants is read at once.
DRAIN_BYTES = 1 << 16
#: Connections taken in one turn of the event loop; each costs about 0.1 ms until it is answered.
MAX_ACCEPT = 1
#: Refused ones cost a tenth of it.
MAX_REFUSE = 32
HEADER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")
#: In so long an address may come in vain as often as it may have connections, a tenth of them at once: each costs others time.
RENEWED_S = 10.0
BURST = 0.1
#: SO_LINGER: a reset, which leaves nothing behind; thousands of connections that wait to be forgotten would fill the kernel.
RESET = pack("ii", 1, 0)


class Server(pywsgi.WSGIServer):  # type: ignore[misc, unused-ignore]
    """Serves one application. What is one connection too many is reset at once, before it costs anything.

    Beyond the application's own limits, which are told with a status, this is what nobody gets past.
    """

    max_accept = MAX_ACCEPT

    def __init__(
        self, listener: socket.socket, application: Any, log: Any, timeout_s: float, most: int, most_of_one: int | None
    ) -> None:
        """Serve on a listening socket.

        Args:
            listener: Bound and listening.
            application: For WSGI.
            log: For errors.
            timeout_s: The head of a request must be here within it; no pause of its body, and none in which nothing of
                the answer is taken, may be longer.
            most: Connections open at once.
            most_of_one: Connections of one address, open at once and also made in vain in `RENEWED_S`: without a request, refused, or
                ended because a rule was broken. None if all come from a proxy.
        """
        super().__init__(listener, application, handler_class=Handler, log=None, error_log=log)
        self.timeout_s = timeout_s
        self._most = most
        self._most_of_one = most_of_one
        self._open: Counter[str] = Counter()
        self._total = 0
        self._in_vain = Allowances((most_of_one or 0) / RENEWED_S, BURST * (most_of_one or 0))
        self.runs = Allowances(1 / (RUN_S + REST_S), 1)

    def do_read(self) -> Any:
        """Called by gevent when there may be a connection; None ends the turn."""
        listener: Any = self.socket
        kind = listener.family, listener.type, listener.proto
        for _ in range(MAX_REFUSE):
            try:
                number, address = listener._accept()
            except (BlockingIOError, ConnectionAbortedError):
                return None
            if self._may_come(peer_of(address)):
                return gevent.socket.socket(*kind, fileno=number), address
            refused = _socket.socket(*kind, fileno=number)
            with suppress(OSError):
                refused.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            refused.close()
        return None

    def do_handle(self, *args: Any) -> None:
        """Called by gevent for each connection that may come; `do_close` follows in any case."""
        self._open[peer_of(args[1])] += 1
        self._total += 1
        super().do_handle(*args)

    def handle(self, sock: Any, address: Any) -> None:
        """Called by gevent for each connection, in a greenlet of its own."""
        handler = Handler(sock, address, self)
        handler.handle()
        if not handler.was_served and self._most_of_one is not None:
            self._in_vain.of(peer_of(address)).take(1)

    def do_close(self, *args: Any) -> None:
        """Called by gevent when the connection has been served."""
        peer = peer_of(args[1])
        self._total -= 1
        self._open[peer] -= 1
        if not self._open[peer]:
            del self._open[peer]
        super().do_close(*args)

    def _may_come(self, peer: str) -> bool:
        if self._total >= self._most:
            return False
        if self._most_of_one is None or not peer:
            return True
        return self._open[peer] < self._most_of_one and not self._in_vain.of(peer).wait_s()


class Handler(pywsgi.WSGIHandler):  # type: ignore[misc, unused-ignore]
    """One connection of a client that may be slow, wrong or hostile."""

    #: Something of it was answered as it was meant.
    was_served = False

    def __init__(self, sock: Any, address: Any, server: Server) -> None:
        self._timeout_s = server.timeout_s
        self._reads = _Reads(sock, self._timeout_s, server.runs.of(peer_of(address)))
        super().__init__(sock, address, server, io.BufferedReader(self._reads, PIECE_BYTES))  # type: ignore[call-arg, unused-ignore]

    def handle_one_request(self) -> Any:
        """Called by gevent until the connection ends; what it returns is an answer to a bad request."""
        self._reads.deadline = time.monotonic() + self._timeout_s
        result = super().handle_one_request()
        left_over = isinstance(self.wsgi_input, _Body) and self.wsgi_input.left_over
        if not isinstance(result, tuple) and not left_over:
            return result
        with suppress(OSError):
            if isinstance(result, tuple):
                self.socket.settimeout(self._timeout_s)
                self.socket.sendall(result[1])
            self.socket.shutdown(socket.SHUT_WR)
            self._reads.drain(LINGER_S)
        return None

    def MessageClass(self, *_: Any) -> Any:  # noqa: N802 - gevent's name
        """Called by gevent for the headers, which are checked before anyone makes sense of them."""
        lines = [*self._header_lines()]
        headers = super().MessageClass(io.BytesIO(b"\r\n".join([*lines, b"", b""])))
        lengths, encodings = (headers.get_all(name, []) for name in ("content-length", "transfer-encoding"))
        upgrade = "websocket" in headers.get("upgrade", "").lower()
        if len(lengths) + len(encodings) > 1 or (upgrade and (encodings or lengths not in ([], ["0"]))):
            raise ValueError("where the body ends can be read in two ways")
        if encodings and (encodings[0].lower() != "chunked" or self.request_version != "HTTP/1.1"):
            raise ValueError("the body is encoded as nobody asked for")
        if not all(length.isascii() and length.isdecimal() for length in lengths):
            raise ValueError("the body's length is no number")
        return headers

    def read_request(self, raw_requestline: str) -> Any:
        """Called by gevent once the first line is here."""
        super().read_request(raw_requestline)
        if self.request_version == "HTTP/0.9":
            raise ValueError("HTTP/0.9 has no headers, and nobody speaks it")
        self._reads.deadline = None
        return True

    def get_environ(self) -> Any:
        """Called by gevent for each request."""
        environ = super().get_environ()
        made: Any = self.wsgi_input  # gevent takes no other class for it
        self.wsgi_input = _Body(self.rfile, self.content_length, socket=made.socket, chunked_input=made.chunked_input)
        if environ["wsgi.input"] is made:
            environ["wsgi.input"] = self.wsgi_input
        return environ

    def run_application(self) -> None:
        """Called by gevent for each request."""
        try:
            super().run_application()
            refused = 400 <= (self.code or 0) < 500 or BROKE_A_RULE in (self.environ or {})
            self.was_served = self.was_served or not refused
        finally:
            # What is left of the body is read for so long; what comes behind a handshake is not a request.
            self._reads.deadline = time.monotonic() + self._timeout_s
            if self._connection_upgrade_requested():  # type: ignore[attr-defined, unused-ignore]
                self.close_connection = True

    def log_error(self, msg: str, *args: Any) -> None:
        """Called by gevent for each bad request: who sends ten thousand of them shall not fill the disk."""

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
        for _ in range(MAX_HEADERS + 1):
            line = self.rfile.readline(MAX_HEAD_BYTES)
            size_bytes += len(line)
            if size_bytes > MAX_HEAD_BYTES or len(line) == MAX_HEAD_BYTES:
                break
            if not line.endswith(b"\n"):
                raise ValueError("the head ends in a line")
            line = line[:-1].removesuffix(b"\r")
            if not line:
                return
            if not HEADER.fullmatch(line):
                raise ValueError("not a header")
            yield line
        raise _HeadTooLarge

    def _sendall(self, data: Any) -> None:
        """Each part of an answer must be taken before the timeout; the whole of it may take as long as it does."""
        left = memoryview(data)
        self.socket.settimeout(self._timeout_s)
        try:
            while left:
                left = left[self.socket.send(left) :]
        except TimeoutError:  # to gevent it is as good as gone
            raise ConnectionResetError(errno.ECONNRESET, "nothing of the answer is taken") from None
        finally:
            self.socket.settimeout(None)
        self.response_length += len(data)


class _HeadTooLarge(ValueError):
    pass


class _Body(pywsgi.Input):  # type: ignore[misc, unused-ignore]
    """A body that ends: gevent would take apart what nobody wants, and read trailers byte by byte, for as long as they come.

    Attributes:
        left_over: The request was answered, and more of its body comes than is worth reading.
    """

    left_over = False
    _trailers = 0

    def _discard(self) -> None:
        left_bytes = (self.content_length or 0) - self.position
        self.left_over = self.chunk_length != 0 if self.chunked_input else left_bytes > MAX_HEAD_BYTES
        if not self.left_over:
            super()._discard()  # type: ignore[misc, unused-ignore]

    def _Input__read_chunk_trailer(self, rfile: Any) -> Any:  # noqa: N802 - gevent's private name
        self._trailers += 1
        if self._trailers > MAX_HEADERS:
            self._chunked_input_error = True
            raise OSError(f"more than {MAX_HEADERS} trailers")
        return super()._Input__read_chunk_trailer(rfile)  # type: ignore[misc, unused-ignore]


class _Reads(io.RawIOBase):
    """What a connection receives, with a deadline: the head's, or else one for each pause."""

    def __init__(self, sock: Any, pause_s: float, runs: Allowance) -> None:
        self.deadline: float | None = None
        self._sock = sock  # simple-websocket looks for it under this name
        self._pause_s = pause_s
        self._runs = runs
        self._run_until = time.monotonic() + RUN_S

    def readable(self) -> bool:
        """It is."""
        return True

    def drain(self, seconds: float) -> None:
        """Read and forget what still comes, for so long: closing on it would reset the connection under the answer."""
        until = time.monotonic() + seconds
        self._sock.settimeout(seconds)
        while self._sock.recv(DRAIN_BYTES) and time.monotonic() < until:
            self._rest()

    def readinto(self, buffer: Any) -> int:
        """Wait for bytes.

        Raises:
            TimeoutError: They are not here in time.
        """
        left_s = self._pause_s if self.deadline is None else self.deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        try:
            self._sock.settimeout(0)
            size = self._sock.recv_into(buffer)
        except BlockingIOError:
            self._sock.settimeout(left_s)
            size = self._sock.recv_into(buffer)
            self._run_until = time.monotonic() + RUN_S
        finally:
            self._sock.settimeout(None)
        if time.monotonic() > self._run_until:
            self._rest()
        return int(size)

    def _rest(self) -> None:
        self._runs.take(1)
        gevent.sleep(self._runs.wait_s())
        self._run_until = time.monotonic() + RUN_S


def peer_of(address: Any) -> str:
    """Who counts as one; nothing on a Unix socket."""
    return site(str(address[0])) if isinstance(address, tuple) else ""
