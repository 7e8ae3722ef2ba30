"""What a process holds: descriptors, memory and sockets."""

import os
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.running import RunningServer, wait_for

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Footprint:
    files: int
    sockets: int
    memory_mib: float


def footprint(server: RunningServer) -> Footprint:
    with requests.get(f"{server.url}/metrics", timeout=5) as answer:
        counts = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    pid = server.process.pid
    return Footprint(
        files=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        sockets=sum(int(float(value)) for name, value in counts.items() if name.startswith("speeddash_sockets_open")),
        memory_mib=int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES / (1 << 20),
    )


def assert_back(server: RunningServer, before: Footprint, *, files: int = 4, memory_mib: float = 24) -> Footprint:
    """Within 10 s nothing of the fault is left: neither descriptors nor sockets, and no memory that counts.

    A pool of database connections and the threads of a thread pool may have grown by a few.
    """

    def back() -> bool:
        now = footprint(server)
        return (
            now.files <= before.files + files
            and now.sockets <= before.sockets
            and now.memory_mib <= before.memory_mib + memory_mib
        )

    try:
        wait_for(back)
    except AssertionError:
        raise AssertionError(f"{footprint(server)} after {before}") from None
    return footprint(server)
