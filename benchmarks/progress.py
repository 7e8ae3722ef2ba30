"""One line that says how far a long run is."""

import sys
import time


class Progress:
    """Shows a share of a known number of seconds, on a terminal alone."""

    def __init__(self, label: str, seconds: float) -> None:
        self._label = label
        self._seconds = seconds
        self._shown = 0.0

    def at(self, elapsed_s: float) -> None:
        """Show it, four times a second at the most."""
        now = time.monotonic()
        if sys.stderr.isatty() and now - self._shown > 0.25:
            self._shown = now
            share = min(1.0, elapsed_s / self._seconds)
            sys.stderr.write(f"\r{self._label:60} {'#' * int(20 * share):20} {share:4.0%}\033[K")
            sys.stderr.flush()

    def done(self) -> None:
        """Leave the line to what comes next."""
        if sys.stderr.isatty():
            sys.stderr.write("\r\033[K")
