"""The wall clock of one server, by libfaketime."""

import sys
from pathlib import Path

LIBRARIES = [str(each) for each in Path("/usr/lib").glob("**/faketime/libfaketimeMT.so.1")]


class Clock:
    """The wall clock of one server; its monotonic one is left alone, as it is when a person sets a machine's clock."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)
        self.command = [
            "env", f"LD_PRELOAD={LIBRARIES[0]}", f"FAKETIME_TIMESTAMP_FILE={file}", "FAKETIME_CACHE_DURATION=1",
            "DONT_FAKE_MONOTONIC=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", sys.executable, "run.py",
        ]  # fmt: skip

    def set(self, offset_s: int) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset_s:+d}")
        new.rename(self._file)
