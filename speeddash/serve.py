"""`speeddash serve`: starts the server in a process of its own, as `python run.py` does."""

import gc
from types import ModuleType

from gevent import monkey


def patched_server() -> ModuleType:
    """Return `speeddash.server`. gevent patches the standard library first, so nothing of it may have been imported before."""
    # What is imported stays: looking through it for garbage would take a fifth of the start. The server enables the collector.
    gc.disable()
    monkey.patch_all()
    from speeddash import server

    return server


if __name__ == "__main__":
    patched_server().main(prog_name="speeddash serve")
