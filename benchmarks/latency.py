"""How long one sender waits for one receipt."""

import statistics

from benchmarks import servers
from benchmarks.load import Frames, latency, percentile
from benchmarks.report import Report, Target

FRAMES = 2_000
WARM_UP = 200


def run(report: Report, runs: int) -> None:
    """SpeedDash beside the least there is: one thread that inserts, commits and echoes."""
    frames = Frames(FRAMES, 1)
    with servers.mariadb() as database:
        for _ in range(runs):
            with servers.speeddash(database.create("speeddash")) as (port, _pid):
                _add(report, "SpeedDash", latency(port, "/ws?source=car", count=FRAMES, frames=frames))
            with servers.peer("bare.py", database) as (port, _):
                _add(report, "bare INSERT + COMMIT + echo", latency(port, "/", count=FRAMES, frames=frames))
    ratios = report.ratios("SpeedDash: median ms", "bare INSERT + COMMIT + echo: median ms")
    report.targets.append(
        Target("one client, median latency, against a bare INSERT + COMMIT + echo", at_most=1.3, runs=ratios)
    )


def _add(report: Report, name: str, times_s: list[float]) -> None:
    times_ms = [1000 * each for each in times_s[WARM_UP:]]
    report.add(f"{name}: median ms", statistics.median(times_ms))
    report.add(f"{name}: 99 % ms", percentile(times_ms, 99))
