"""Runs the tests of faults and hostile input, and writes their results as tables."""

import json
import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parent.parent
#: The folders that are run, and what their section is called.
FAULTS: Final = "Faults"
CLUSTER: Final = "Several servers"
HOSTILE: Final = "Hostile input"
SECTIONS: Final = {
    "tests/faults": FAULTS,
    "tests/cluster": CLUSTER,
    "tests/network/rfc6455": HOSTILE,
    "tests/hostile": HOSTILE,
}
HEADING: Final = re.compile(r"^(?=## )", re.MULTILINE)
PARAMETERS: Final = re.compile(r"\[(.*)\]$")
#: The databases come from a fixture's parameters; every other parameter is a case of the same row.
DATABASES: Final = {"mysql": "MariaDB", "sqlite": "SQLite"}
#: The others have one column: a socket does not know its database, and several servers have MySQL.
RESULT: Final = {"": "result"}


@dataclass
class Case:
    """One test that was run: a function with its parameters."""

    name: str
    outcome: str
    reason: str = ""
    seconds: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass
class Row:
    """One fault: a test function, and its cases by database."""

    section: str
    group: str
    fault: str
    cases: dict[str, list[Case]] = field(default_factory=dict)

    def verdict(self, database: str) -> str:
        """What became of it there; a failure is never hidden behind a success."""
        cases = self.cases.get(database, [])
        outcomes = Counter(each.outcome for each in cases)
        if outcomes["failed"]:
            return f"**FAILED** {outcomes['failed']} of {len(cases)}"
        if outcomes["skipped"]:
            why = next(each.reason for each in cases if each.outcome == "skipped")
            return f"skipped {outcomes['skipped']} of {len(cases)}: {why}"
        return "" if not cases else "passed" if len(cases) == 1 else f"{len(cases)} of {len(cases)} passed"

    def figures(self) -> str:
        """What was counted, the databases one after the other."""
        parts = []
        for database in sorted(self.cases):
            figures = joined([each.figures for each in self.cases[database]])
            if figures:
                label = f"{DATABASES[database]}: " if len(self.cases) > 1 else ""
                parts.append(label + ", ".join(_figure(name, value) for name, value in figures.items()))
        return "; ".join(parts)


class Collector:
    """A plugin of pytest that keeps what became of every test."""

    def __init__(self, said: Callable[[str], None]) -> None:
        self._said = said
        self._rows: dict[str, Row] = {}
        self._described: dict[str, tuple[str, str]] = {}

    @property
    def rows(self) -> list[Row]:
        """In the order in which they ran."""
        return list(self._rows.values())

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            test = getattr(item, "function", None)
            module = getattr(item, "module", None)
            first, *_ = (test.__doc__ or test.__name__.replace("_", " ")).strip().splitlines()
            group = (module.__doc__ or item.path.stem).strip().splitlines()[0]
            self._described[item.nodeid] = (group.rstrip("."), first.rstrip("."))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.outcome == "passed":
            return
        case = Case(
            report.nodeid, report.outcome, _reason(report), round(report.duration, 2), dict(report.user_properties)
        )
        section = next((title for folder, title in SECTIONS.items() if report.nodeid.startswith(folder)), "")
        group, fault = self._described[report.nodeid]
        key, column = PARAMETERS.sub("", report.nodeid), _database(report.nodeid)
        if section != FAULTS:
            column = ""
            kind = PARAMETERS.search(report.nodeid)
            if kind and case.figures:  # those of different attacks say nothing together
                key, fault = report.nodeid, f"{fault}: {kind.group(1)}"
        row = self._rows.setdefault(key, Row(section, group, fault))
        row.cases.setdefault(column, []).append(case)
        self._said(f"{case.outcome:8} {case.seconds:7.1f} s  {report.nodeid}")


def run(
    sections: Collection[str], cycles: int, seed: int | None, said: Callable[[str], None]
) -> tuple[list[Row], bool]:
    """Run the tests of sections, one after the other; the rows, and whether everything passed or was skipped with a reason."""
    folders = [str(ROOT / each) for each, section in SECTIONS.items() if section in sections]
    collector = Collector(said)
    options = [*folders, f"--rootdir={ROOT}", "-q", "--no-header", f"--cycles={cycles}", "-o", "faulthandler_timeout=0"]
    options += [] if seed is None else [f"--seed={seed}"]
    code = pytest.main(options, plugins=[collector])
    return collector.rows, code in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}


def text(rows: list[Row], machine: dict[str, str], command: str) -> str:
    """The sections that were run: by which command and on which machine, then a table for each group."""
    about = ", ".join(f"{name} {value}" for name, value in machine.items())
    lines: list[str] = []
    for section in dict.fromkeys(row.section for row in rows):
        mine = [row for row in rows if row.section == section]
        lines += ["", f"## {section}", "", f"Made by `{command}` on: {about}.", ""]
        lines += _table(mine, DATABASES if section == FAULTS else RESULT)
    return "\n".join(lines[1:]) + "\n"


def write(path: Path, document: str) -> None:
    """Put sections in the place of those of the same names in a file, or at its end; everything else there stays."""
    whole = HEADING.split(path.read_text(encoding="utf-8"))
    for section in HEADING.split(document)[1:]:
        heading = section.splitlines()[0]
        at = next((at for at, each in enumerate(whole) if each.startswith(heading + "\n")), len(whole))
        whole[at : at + 1] = [section.rstrip() + "\n" + ("\n" if at < len(whole) - 1 else "")]
    path.write_text("".join(whole), encoding="utf-8")


def write_json(path: Path, rows: list[Row], machine: dict[str, str], cycles: int) -> None:
    """Keep every case with all its figures."""
    content = {"machine": machine, "cycles": cycles, "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")


def joined(all_figures: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of several cases of a row: counts are added up, times are the longest."""
    found: dict[str, Any] = {}
    for figures in all_figures:
        for name, value in figures.items():
            if name == "seed" and len(all_figures) > 1:
                continue
            before = found.get(name)
            if before is None or not isinstance(value, int | float):
                found[name] = value
            else:
                found[name] = max(before, value) if name.endswith(("_s", "_ms", "_mb")) else before + value
    for name in ("foreign", "wrong"):  # the checker fails the test over them; nothing to be read
        if not found.get(name):
            found.pop(name, None)
    return found


def _table(rows: list[Row], columns: dict[str, str]) -> list[str]:
    lines = []
    group = ""
    for row in rows:
        if row.group != group:
            group = row.group
            head = ["", *columns.values(), "figures"]
            lines += ["", f"### {group}", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
        cells = [row.fault, *map(row.verdict, columns), row.figures()]
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return lines[1:]


def _figure(name: str, value: Any) -> str:
    words, _, last = name.rpartition("_")
    unit = {"s": " s", "ms": " ms", "mb": " MB"}.get(last, "")
    if not unit or name.endswith("per_s"):
        words, unit = name, ""
    return f"{words.replace('_', ' ')} {value}{unit}"


def _cell(words: str) -> str:
    return words.replace("|", "\\|").replace("\n", " ")


def _database(nodeid: str) -> str:
    found = PARAMETERS.search(nodeid)
    words = found.group(1).split("-") if found else []
    # One without parameters is about the database in its name, or else about MariaDB.
    return next((each for each in DATABASES if each in words), "sqlite" if "sqlite" in nodeid else "mysql")


def _reason(report: pytest.TestReport) -> str:
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    if report.outcome == "failed":
        return str(report.longreprtext).strip().splitlines()[-1][:200]
    return ""
