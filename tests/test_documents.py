"""The documents: every link leads somewhere, and every log message is explained."""

import ast
import re

import pytest

from speeddash.cli.commands import main
from speeddash.server import main as serve
from tests.running import ROOT

PAGES = [
    *ROOT.glob("*.md"),
    *(
        path
        for path in ROOT.glob("docs/**/*.md")
        if path.relative_to(ROOT).parts[1] not in ("_build", "reference", "project")
    ),
]
#: What `%s`, `%.1f` and the like stand for in the table of messages.
ANYTHING = "…"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(page):
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    missing = [
        each for each in targets if not each.startswith(("http:", "https:")) and not (page.parent / each).exists()
    ]
    assert missing == []


#: A command in a block or in the text: the words after its name, up to what ends it in a shell or a sentence.
COMMAND = re.compile(r"(?:(?:bin/|\s|`|^)speeddash|-m speeddash)((?: [^\s`|>&;#]+)+)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_their_options_exist(page):
    """Of `speeddash`, and every script that `bash` runs."""
    text = page.read_text()
    code = "\n".join(re.findall(r"^    .+|`[^`\n]+`", text, re.MULTILINE))
    for words in COMMAND.findall(code):
        name, *rest = words.split()
        if not re.fullmatch("[a-z]+", name):
            continue  # an option of the command itself, or another word after a name
        assert name in main.commands, (page, words)
        command = serve if name == "serve" else main.commands[name]
        known = {option for each in command.params for option in each.opts} | {"--help"}
        unknown = [each for each in rest if each.startswith("--") and each.split("=")[0].rstrip(".,)") not in known]
        assert unknown == [], (page, words)
    scripts = re.findall(r"\bbash ((?:tests|docs|deploy)/[\w./-]+)", code)
    assert [each for each in scripts if not (ROOT / each).exists()] == []


def logged():
    """The first argument of every call of a logger, where it is a text of its own."""
    for path in sorted((ROOT / "speeddash").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and ast.unparse(node.func.value) == "log"
            ):
                for part in ast.walk(node.args[0]):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield node.func.attr, part.value


def test_every_log_message_is_explained():
    found = {
        (re.sub(r"%(\(\w+\))?[-+.\d]*[sdrgf]", ANYTHING, text), "ERROR" if level == "exception" else level.upper())
        for level, text in logged()
    }
    found -= {(ANYTHING, "ERROR")}  # an error that names itself
    table = re.findall(r"^\| `(.+?)` \| (\w+) \|", (ROOT / "docs/messages.md").read_text(), re.MULTILINE)
    assert found == set(table)
