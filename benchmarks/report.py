"""What a benchmark found: the machine, every run, and a table of medians and ratios."""

import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Target:
    """A promise, and what became of it."""

    name: str
    at_least: float | None = None
    at_most: float | None = None
    runs: Sequence[float] = ()
    unit: str = "x"

    @property
    def median(self) -> float:
        """The middle one of the runs."""
        return statistics.median(self.runs)

    @property
    def met(self) -> bool:
        """The median keeps the promise."""
        return (self.at_least is None or self.median >= self.at_least) and (
            self.at_most is None or self.median <= self.at_most
        )


@dataclass
class Report:
    """Everything of one benchmark, for a person and for a file."""

    benchmark: str
    machine: dict[str, str]
    figures: dict[str, list[float]] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)

    def add(self, name: str, value: float) -> None:
        """One run's figure."""
        self.figures.setdefault(name, []).append(value)

    def ratios(self, name: str, other: str) -> list[float]:
        """Run by run, because the runs of one round stand side by side in time."""
        return [one / two for one, two in zip(self.figures[name], self.figures[other], strict=True)]

    def text(self) -> str:
        """A Markdown table of the figures, and one of the targets."""
        about = ", ".join(f"{name} {value}" for name, value in self.machine.items())
        lines = [
            f"## {self.benchmark}",
            "",
            about,
            "",
            "| | median | lowest | highest | runs |",
            "|---|---:|---:|---:|---:|",
        ]
        for name, values in self.figures.items():
            row = (statistics.median(values), min(values), max(values))
            lines.append(f"| {name} | {' | '.join(_number(each) for each in row)} | {len(values)} |")
        lines += ["", "| target | asked | found | |", "|---|---:|---:|---|"]
        for target in self.targets:
            asked = f"at least {target.at_least:g}" if target.at_least is not None else f"at most {target.at_most:g}"
            verdict = "met" if target.met else "MISSED"
            lines.append(
                f"| {target.name} | {asked} {target.unit} | {_number(target.median)} {target.unit} | {verdict} |"
            )
        return "\n".join(lines) + "\n"

    def write(self, path: Path) -> None:
        """Keep every run."""
        targets = [
            {"name": each.name, "at_least": each.at_least, "at_most": each.at_most, "unit": each.unit, "runs": list(each.runs),
             "median": each.median, "met": each.met}
            for each in self.targets
        ]  # fmt: skip
        content: dict[str, Any] = {
            "benchmark": self.benchmark,
            "machine": self.machine,
            "figures": self.figures,
            "targets": targets,
        }
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def machine() -> dict[str, str]:
    """What the figures were measured on and with."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    versions = {name: importlib.metadata.version(name) for name in ("gevent", "pymysql", "websockets", "orjson")}
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cpu": f"{cpu} x {os.cpu_count()}",
        "kernel": platform.release().split("-")[0],
        "Python": platform.python_version(),
        "MariaDB": _version(["mariadbd", "--version"], "Ver "),
        "Node": _version(["node", "--version"], "v"),
        **versions,
    }


def _version(command: list[str], before: str) -> str:
    program = shutil.which(command[0]) or shutil.which(command[0], path="/usr/sbin")
    if not program:
        return "none"
    said = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=True).stdout
    return said.split(before, 1)[-1].split()[0]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
