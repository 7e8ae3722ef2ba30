"""Configuration of Sphinx; `bash docs/build.sh` builds the site."""

import re
import sys
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import reference  # noqa: E402 - beside this file

project = "SpeedDash"
copyright = "the SpeedDash maintainers"  # noqa: A001 - Sphinx's name
version = release = installed("speeddash")
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"SpeedDash {version}"
myst_heading_anchors = 4
nitpicky = True
#: Two hyphens of an option stay two hyphens.
smartquotes = False
#: Parts of the running server are named in the first steps.
linkcheck_ignore = [r"http://localhost.*", r"https://SITE"]
#: Where pages are on the site that lie beside the folder of documents in the repository.
PROJECT = {"CHANGELOG.md": "changelog", "CONTRIBUTING.md": "contributing", "SECURITY.md": "security"}


def generate(app: Any) -> None:
    """Write the pages that are made from the code, and those of the project."""
    for folder in ("reference", "project"):
        (HERE / folder).mkdir(exist_ok=True)
    for name, text in reference.pages().items():
        _write(HERE / "reference" / f"{name}.md", text)
    for name, page in PROJECT.items():
        text = (HERE.parent / name).read_text(encoding="utf-8")
        _write(HERE / "project" / f"{page}.md", text.replace("](docs/", "](../"))


def link(app: Any, page: str, source: list[str]) -> None:
    """Let links out of the folder of documents lead somewhere on the site, where it has that file."""
    up = "../" * page.count("/")
    for name, target in PROJECT.items():
        source[0] = re.sub(rf"\]\((?:\.\./)*{re.escape(name)}", f"]({up}project/{target}.md", source[0])
    source[0] = (
        source[0].replace("](../README.md)", f"]({up}index.md)").replace("](../decisions)", "](../decisions/README.md)")
    )
    # In the repository a link is named as the file, on the site as the page.
    source[0] = re.sub(r"\[[\w-]+\.md\]\(([\w/.-]+\.md)\)", r"[](\1)", source[0])
    # A folder is no file that a site could offer.
    source[0] = re.sub(r"\[([^]]+)\]\(\.\./(benchmarks/results|deploy/grafana)\)", r"`\1`", source[0])


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", generate)
    app.connect("source-read", link)


def _write(path: Path, text: str) -> None:
    # Sphinx reads what is new.
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
