"""The public functions and classes of this package that no pair shows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .definition import full_name
from .pairs import PAIRS

_PACKAGE = Path(__file__).parents[2]


class PythonModule(NamedTuple):
    """A module of this package.

    Attributes:
        name: without the package's name.
        summary: the first paragraph of the module's docstring.
        definitions: the name and the docstring's first line of each function and class.
    """

    name: str
    summary: str
    definitions: list[tuple[str, str]]


def python_only() -> Iterator[PythonModule]:
    """Find the modules with functions or classes that no pair shows."""
    shown = {full_name(definition) for pair in PAIRS for definition in pair.python}
    for path in sorted(_PACKAGE.rglob("*.py")):
        parts = path.relative_to(_PACKAGE).with_suffix("").parts
        if parts[0] in ("assignment", "cli"):
            continue  # the Lua program has nothing like them
        name = ".".join(parts)
        module = ast.parse(path.read_text(encoding="utf-8"))
        definitions = [
            definition
            for definition in _documented(module)
            if not _is_shown(f"{_PACKAGE.name}.{name}.{definition[0]}", shown)
        ]
        if definitions:
            summary = (ast.get_docstring(module) or "").partition("\n\n")[0]
            yield PythonModule(name, summary, definitions)


def _documented(module: ast.Module) -> Iterator[tuple[str, str]]:
    for node in module.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            summary = (ast.get_docstring(node) or "").partition("\n")[0]
            if summary:
                yield node.name, summary


def _is_shown(name: str, shown: set[str]) -> bool:
    return any(other == name or other.startswith(f"{name}.") for other in shown)
