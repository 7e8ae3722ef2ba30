"""What stands between a client and a server: accepts connections on a port of its own, and makes one to the server for each."""

import socket
import struct
import threading
from contextlib import suppress
from typing import Self


def reset(sock: socket.socket) -> None:
    """End a connection with RST, as a machine does that knows nothing of it (any more)."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


class Relay:
    """Listens as long as the block; what it does with each pair of connections is `carry`'s."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(5)

    def carry(self, client: socket.socket, server: socket.socket) -> None:
        """Begin to carry what comes; must not wait."""
        raise NotImplementedError

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._target_port))
                except OSError:
                    reset(client)
                    continue
                self.carry(client, server)
