"""The script of the live path: the ES modules of `assets/app/`, joined into one file when the server starts.

A browser would fetch each module by a request of its own: 25 more than the page needs, and the first speed half a second later. Each module
becomes a function that is called once and returns its exports, so names stay private to their module. Browsers, editors and type
checkers read the same files as the ES modules that they are.
"""

import re
from pathlib import Path
from typing import Final

IMPORT: Final = re.compile(
    r"^import (?:\* as (?P<namespace>\w+)|\{(?P<names>[\w, ]+)\}) from '(?P<path>[./\w-]+)';\n", re.M
)
EXPORT: Final = re.compile(r"^export (?=(?:async )?(?:const|class|function) (?P<name>\w+))", re.M)


def joined(main: Path) -> str:
    """Return a module and everything that it imports as one classic script.

    Args:
        main: The module that nothing imports. Modules use `import * as X from` and `import {a, b} from` at their head, and `export` before
            a declaration.

    Raises:
        ValueError: Modules import each other in a circle.
    """
    parts: dict[Path, str] = {}
    _add(main.resolve(), parts, ())
    return "'use strict';\n" + "".join(parts.values())


def _add(module: Path, parts: dict[Path, str], importing: tuple[Path, ...]) -> None:
    if module in importing:
        raise ValueError(f"{module.name} imports itself by way of {importing[-1].name}")
    text = module.read_text(encoding="utf-8")
    constants = []
    for found in IMPORT.finditer(text):
        imported = (module.parent / found["path"]).resolve()
        if imported not in parts:
            _add(imported, parts, (*importing, module))
        constants.append(f"const {found['namespace'] or '{' + found['names'] + '}'} = {_name(imported)};\n")
    exports = ", ".join(found["name"] for found in EXPORT.finditer(text))
    body = EXPORT.sub("", IMPORT.sub("", text))
    parts[module] = f"const {_name(module)} = (() => {{\n{''.join(constants)}{body}return {{{exports}}};\n}})();\n"


def _name(module: Path) -> str:
    return f"${module.parent.name}_{module.stem}"
