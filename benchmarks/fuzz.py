"""`parse_frame` under atheris, which looks for bytes that reach what no bytes have reached before."""

import itertools
import math
import multiprocessing
import sys
from pathlib import Path

from speeddash.errors import InvalidInput
from speeddash.reading import EARLIEST_US, LATEST_US, MAX_SEQ, parse_frame, parse_source

MAX_SPEED_KMH = 2000.0
#: What the search begins with: one of every kind.
SEEDS = (
    b'{"speed":1}',
    b'[{"speed":1.5,"timestamp":"2026-01-31T12:00:00.5Z","seq":17,"source":"car"},{"speed":0,"timestamp":1769860800}]',
    b'{"speed":1e3,"timestamp":"2026-01-31t12:00:00+01:00","note":{"a":[1,null,true,"\\ud800"]}}',
    b'{"speed":NaN,"timestamp":1769860800123.5}',
)


def check_frame(frame: str | bytes) -> None:
    """Parse a frame as it came from a socket.

    Raises:
        AssertionError: A reading breaks the contract.
        Exception: Anything but the error that the contract knows.
    """
    try:
        readings = parse_frame(frame, "fuzz", 0, itertools.count(), MAX_SPEED_KMH)
    except InvalidInput as refused:
        if not refused.as_dict()["message"]:
            raise AssertionError("an error without a message") from refused
        return
    kept = bool(readings)
    for source, at_us, seq, speed in readings:
        kept = kept and parse_source(source) == source
        kept = kept and type(at_us) is int and EARLIEST_US <= at_us <= LATEST_US
        kept = kept and type(seq) is int and 0 <= seq <= MAX_SEQ
        kept = kept and type(speed) is float and math.isfinite(speed) and 0 <= speed <= MAX_SPEED_KMH
    if not kept:
        raise AssertionError(f"{frame!r} became {readings!r}")


def run(seconds: int, folder: str) -> int:
    """Search for so long; the exit code, 0 where nothing was found.

    Args:
        seconds: For how long.
        folder: Where what was found on the way is kept, and a frame that fails.
    """
    # In a process of its own, because atheris ends its process.
    process = multiprocessing.get_context("spawn").Process(target=_search, args=(seconds, folder))
    process.start()
    process.join()
    return process.exitcode or 0


def _search(seconds: int, folder: str) -> None:
    import atheris

    from speeddash import reading

    atheris.instrument_func(check_frame)
    for name in (
        "parse_frame",
        "decode",
        "parse_reading",
        "parse_source",
        "parse_time",
        "_rfc3339_us",
        "_speed",
        "_kind",
    ):
        setattr(reading, name, atheris.instrument_func(getattr(reading, name)))
    for number, seed in enumerate(SEEDS):
        Path(folder, f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        "-max_len=4096",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    atheris.Setup([sys.argv[0], *options, folder], _one)
    atheris.Fuzz()


def _one(data: bytes) -> None:
    # A text frame is UTF-8 by the time it comes here; what is not is a binary one.
    try:
        frame: str | bytes = data.decode()
    except UnicodeDecodeError:
        frame = data
    check_frame(frame)
