"""`NonBlockingSocket` by itself; with clients it is tested by `test_websocket.py`."""

import gc
import weakref

from gevent import socket

from speeddash.network.nonblocking import Backlog, NonBlockingSocket


class Owner:
    """Has a socket, whose callbacks are methods of this, as those of `ServerSocket` are."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = NonBlockingSocket(sock, self.received, self.sent, Backlog(0))

    def received(self, data: bytes) -> None:
        """Nothing is to be done."""

    def sent(self) -> None:
        """Nothing is to be done."""


def test_owner_of_a_closed_socket_is_freed_without_the_garbage_collector():
    ours, theirs = socket.socketpair()
    with theirs:
        owner = Owner(ours)
        owner.sock.resume()
        alive = weakref.ref(owner)
        gc.disable()
        try:
            owner.sock.close()
            del owner
            assert alive() is None
        finally:
            gc.enable()
