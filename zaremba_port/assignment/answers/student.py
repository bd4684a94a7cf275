"""The notebook for a class: the questions, cells to fill in, and the checks of the claims."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from .answer import Answer
from .lab import question_module

_TITLE = "# The assignment's questions\n\n"
_HOW = (
    "For each question, write the answer in a sentence or two, complete the functions in the cell "
    "below it, and run the cell with `check`: your functions run in place of the answer's own, and "
    "every claim that holds is counted. The last cell prints the sum."
)
_OWN = ("answer", "figure", "checks")


def student_notebook(answers: Mapping[str, Answer]) -> str:
    """Return a Jupyter notebook with the questions of `answers`, without their solutions."""
    cells = [_markdown(_TITLE + _HOW), _code(_setup(answers))]
    for name, answer in answers.items():
        cells += [
            _markdown(f"## {answer.title.partition(':')[0]}\n\n{answer.question}"),
            _markdown("*Your answer in words:*"),
            _code("\n\n\n".join(map(stub, answer.exercise)), tags=["answer"]),
            _code(f"check({name!r}, {', '.join(f.__name__ for f in answer.exercise)})"),
        ]
    cells.append(_code("report()"))
    notebook = {
        "cells": [cell | {"id": f"cell-{i}"} for i, cell in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def stub(function: Callable[..., object]) -> str:
    """Return the signature and the docstring of `function`, without its body."""
    source = textwrap.dedent(inspect.getsource(function))
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.FunctionDef)
    documented = ast.get_docstring(definition) is not None
    last = definition.body[0].end_lineno if documented else definition.body[0].lineno - 1
    head = "\n".join(source.splitlines()[:last])
    return f'{head}\n    raise NotImplementedError("write {function.__name__}")'


def _setup(answers: Mapping[str, Answer]) -> str:
    nodes = [node for name in answers for node in _imports(question_module(name))]
    first = "from __future__ import annotations"
    rest = [line for line in _merged(nodes) if line != first]
    lab = [
        f"from {__package__}.checks import *  # helpers: normal, to_numpy, sigm, ...",
        f"from {__package__}.lab import check, report",
    ]
    return "\n".join([first, "", *rest, *lab])


def _imports(module: ModuleType) -> list[ast.Import | ast.ImportFrom]:
    """Return the imports of a question's module, none of them relative."""
    nodes: list[ast.Import | ast.ImportFrom] = []
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            if node.level == 1 and node.module in _OWN:
                continue
            package = (module.__package__ or "").split(".")
            base = package[: len(package) - node.level + 1]
            node = ast.ImportFrom(".".join([*base, *filter(None, [node.module])]), node.names, 0)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            nodes.append(node)
    return nodes


def _merged(nodes: Iterable[ast.Import | ast.ImportFrom]) -> list[str]:
    """Return the imports as a notebook writes them: one line a module, sorted by module."""
    plain, names = set[str](), dict[str, set[str]]()
    for node in nodes:
        if isinstance(node, ast.Import):
            plain.add(ast.unparse(node))
        else:
            names.setdefault(node.module or "", set()).update(map(ast.unparse, node.names))
    both = [f"from {module} import {', '.join(sorted(parts))}" for module, parts in names.items()]
    return sorted(plain) + sorted(both)


def _markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def _code(text: str, tags: list[str] | None = None) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {"tags": tags} if tags else {},
        "outputs": [],
        "source": text,
    }
