"""The house rule: a file imports only from the rows above it, and an import does nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "speeddash"
ROWS = [
    "errors", "units", "files", "reading", "timerange", "settings", "problem", "segment", "formats", "phones", "sending", "devices", "outgoing", "store", "network", "auth", "live",
    "cluster", "history", "alerts", "command_line", "readiness", "metrics", "api", "page", "app", "cli", "supervisor", "server", "serve", "__main__",
]  # fmt: skip
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def row_of(module: str) -> int:
    return ROWS.index(module.split(".")[1])


def imported(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names += (
                [f"speeddash.{alias.name}" for alias in node.names] if node.module == "speeddash" else [node.module]
            )
    return [name for name in names if name.startswith("speeddash.")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_file_imports_only_from_rows_above(path):
    here = row_of("speeddash." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts))
    for module in imported(path):
        inside = module.split(".")[1] == path.relative_to(PACKAGE).parts[0] and path.parent != PACKAGE
        assert inside or row_of(module) < here, f"imports {module}"


def test_nothing_but_the_server_imports_app():
    assert [path.name for path in FILES if "speeddash.app" in imported(path)] == ["server.py"]


def test_importing_everything_starts_nothing(tmp_path):
    modules = [
        "speeddash." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        for path in FILES
    ]
    code = f"import threading, importlib\nfor m in {modules}: importlib.import_module(m)\nassert threading.active_count() == 1"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_run_py_is_short():
    assert len((PACKAGE.parent / "run.py").read_text().splitlines()) < 20
