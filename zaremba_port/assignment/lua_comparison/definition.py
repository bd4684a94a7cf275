"""Python definitions that the page shows: a function, a class, its fields alone, a variable."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Fields:
    """The head of a class: its docstring and its fields, without the methods."""

    of: type


@dataclass(frozen=True)
class Variable:
    """A variable of a module, ``Variable("zaremba_port.config", "PRESETS")``."""

    module: str
    name: str


Definition = Callable[..., object] | Fields | Variable


@dataclass(frozen=True)
class Source:
    """The source of a definition: its name, its module, its lines and the number of the first."""

    name: str
    module: str
    path: str
    lines: list[str]
    first: int


def source_of(definition: Definition) -> Source:
    """Return the current source of `definition`."""
    if isinstance(definition, Variable):
        return _variable(definition)
    thing: Any = definition.of if isinstance(definition, Fields) else definition
    lines, first = inspect.getsourcelines(thing)
    if isinstance(definition, Fields):
        methods = [
            min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            for node in ast.walk(ast.parse("".join(lines)))
            if isinstance(node, ast.FunctionDef)
        ]
        lines = lines[: min(methods) - 1] if methods else lines
    path = inspect.getsourcefile(thing) or ""
    return Source(thing.__qualname__, thing.__module__, path, lines, first)


def _variable(variable: Variable) -> Source:
    module = sys.modules[variable.module]
    text = inspect.getsource(module)
    for node in ast.parse(text).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        if any(isinstance(target, ast.Name) and target.id == variable.name for target in targets):
            lines = text.splitlines(keepends=True)[node.lineno - 1 : node.end_lineno]
            path = inspect.getsourcefile(module) or ""
            return Source(variable.name, variable.module, path, lines, node.lineno)
    raise AttributeError(f"{variable.module} assigns no {variable.name}")


def full_name(definition: Definition) -> str:
    """Return the module and the name of `definition`."""
    if isinstance(definition, Variable):
        return f"{definition.module}.{definition.name}"
    thing: Any = definition.of if isinstance(definition, Fields) else definition
    return f"{thing.__module__}.{thing.__qualname__}"


def docstring_lines(lines: list[str]) -> set[int]:
    """Return the indices of the lines of docstrings after their first lines.

    >>> sorted(docstring_lines(["def f():", '    \"\"\"Do.', "", '    More.\"\"\"', "    pass"]))
    [2, 3]
    """
    try:
        tree = ast.parse("\n".join(lines))
    except SyntaxError:
        return set()
    folded: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
            text = node.body[0]
            folded |= set(range(text.lineno, text.end_lineno or text.lineno))
    return folded
