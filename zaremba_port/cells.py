"""Recurrent cells that users bring: their names, the states they carry, and how they are imported.

A run records the name of its cell. A built-in cell has a plain name, such as "lstm"; the name of
another one holds a colon: "package.module:function" where it can be imported under that name.
Nothing is imported but what the user names.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from collections.abc import Callable
from typing import Any

from .errors import UserError, did_you_mean

Cell = Callable[..., tuple[Any, ...]]
"""``cell(x, *prev_state, input_size=, rnn_size=)`` returns the next state, its output last."""

SIZES = ("input_size", "rnn_size")
"""What every cell takes by keyword."""


def reference(cell: Cell) -> str:
    """Return the name under which a run records `cell`: where it is defined, with a colon.

    >>> reference(inspect.signature)
    'inspect:signature'
    >>> reference(functools.partial(inspect.signature, follow_wrapped=False))
    'partial(inspect:signature)'
    """
    if isinstance(cell, functools.partial):
        return f"partial({reference(cell.func)})"
    name = getattr(cell, "__qualname__", None)
    if isinstance(name, str):
        return f"{getattr(cell, '__module__', None) or '?'}:{name}"
    return f"{type(cell).__module__}:{type(cell).__qualname__}()"


def is_reference(name: object) -> bool:
    """Return whether `name` may be the name of a cell that is not built in."""
    return isinstance(name, str) and name.isprintable() and all(map(str.strip, _halves(name)))


def _halves(name: str) -> tuple[str, str]:
    module, _, path = name.partition(":")
    return module, path


def is_importable(name: str) -> bool:
    """Return whether another program can import the cell that is recorded as `name`.

    >>> is_importable("my.cells:elman"), is_importable("lstm"), is_importable("__main__:elman")
    (True, False, False)
    """
    return is_reference(name) and not name.startswith("__main__:") and not set(name) & set("<(")


def short_name(name: str) -> str:
    """Return the name that nodes and pictures show for a cell that is recorded as `name`.

    >>> short_name("lstm"), short_name("my.cells:elman"), short_name("partial(cells:Cell.step)")
    ('lstm', 'elman', 'step')
    >>> short_name("__main__:make.<locals>.<lambda>"), short_name("cells:Elman()")
    ('lambda', 'Elman')
    """
    path = name.rpartition(":")[2].rstrip("()")
    return path.rpartition(".")[2].strip("<>")


def import_cell(name: str) -> Cell:
    """Return the cell that ``package.module:function`` names; the import runs the module.

    Raises:
        UserError: the module cannot be imported, or has no such function.
    """
    module_name, path = _halves(name)
    try:
        value: Any = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # in the user's module, anything may go wrong
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        problem = f"{module_name} cannot be imported ({reason})"
        raise UserError(f"cell {name}: {problem}{_file_hint(module_name, path)}") from error
    for part in path.split("."):
        if not hasattr(value, part):
            hint = did_you_mean(part, (n for n in dir(value) if not n.startswith("_")))
            raise UserError(f"cell {name}: {module_name} has no {path}{hint}")
        value = getattr(value, part)
    if not callable(value):
        raise UserError(f"cell {name}: {path} is no function, but of type {type(value).__name__}")
    return value


def _file_hint(module_name: str, path: str) -> str:
    """Return a hint for a file that is named instead of a module.

    >>> _file_hint("./my/cells.py", "elman")
    '; to import a file, write my.cells:elman'
    """
    parts = [part for part in re.split(r"[/\\]", module_name.removesuffix(".py")) if part != "."]
    module = ".".join(parts)
    is_module = all(map(str.isidentifier, module.split(".")))
    if module == module_name or not is_module:
        return ""
    return f"; to import a file, write {module}:{path}"


def state_names(cell: Cell) -> list[str]:
    """Return the names of the state that `cell` carries from step to step, such as ["c", "h"].

    They are the names of its positional parameters after the first, without "prev_". Sizes and
    parameters with a default value are no states.

    Raises:
        UserError: `cell` cannot be called as a cell is.
    """
    where = f"cell {reference(cell)}"
    if not callable(cell):
        raise UserError(f"{where}: expecting a function, got {cell!r}")
    try:
        signature = inspect.signature(cell)
    except (TypeError, ValueError):
        raise UserError(f"{where} tells no names for its state: wrap it in a function") from None
    parameters = signature.parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = [p.name for p in parameters if p.kind in positional and p.default is p.empty]
    names = [name for name in named if name not in SIZES]
    form = "a cell is called as cell(x, prev_h, input_size=..., rnn_size=...)"
    if len(names) < 2:
        raise UserError(f"{where} takes no previous state, its signature is {signature}; {form}")
    try:
        signature.bind(*names, **dict.fromkeys(SIZES))
    except TypeError as error:
        raise UserError(f"{where}{signature} does not fit: {error}; {form}") from None
    return [name.removeprefix("prev_") for name in names[1:]]


def checked_state(cell: Cell, outputs: object, node_type: type) -> tuple[Any, ...]:
    """Return `outputs`, which `cell` returned, if they are its next state.

    Raises:
        UserError: they are not a tuple with one node for each part of the state.
    """
    names = state_names(cell)
    if isinstance(outputs, (tuple, list)):
        nodes = tuple(outputs)
        if len(nodes) == len(names) and all(isinstance(node, node_type) for node in nodes):
            return nodes
        found = "(" + ", ".join(type(node).__name__ for node in nodes) + ")"
    else:
        found = type(outputs).__name__
    expected = ", ".join(f"next_{name}" for name in names) + "," * (len(names) == 1)
    raise UserError(
        f"cell {reference(cell)} returned {found}: it must return a tuple of {len(names)} "
        f"{'nodes' if len(names) > 1 else 'node'}, ({expected})"
    )
