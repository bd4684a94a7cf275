"""Torch7's tables of tensors: Python lists, tuples and dicts, nested to any depth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from .errors import GraphError, type_name

Nested = Any
"""A tensor, or a list, tuple or dict of `Nested`."""


def leaves(tree: Nested) -> list[Any]:
    """Return the elements of `tree` that are not tables, in order.

    >>> leaves([1, [2, {"a": 3}]])
    [1, 2, 3]
    """
    if isinstance(tree, torch.Tensor):
        return [tree]
    if isinstance(tree, (list, tuple)):
        return [leaf for branch in tree for leaf in leaves(branch)]
    if isinstance(tree, dict):
        return [leaf for branch in tree.values() for leaf in leaves(branch)]
    return [tree]


def map_leaves(function: Callable[[Any], Any], tree: Nested) -> Nested:
    """Return `tree` with ``function(leaf)`` for every leaf; tuples become lists."""
    if isinstance(tree, torch.Tensor):
        return function(tree)
    if isinstance(tree, (list, tuple)):
        return [map_leaves(function, branch) for branch in tree]
    if isinstance(tree, dict):
        return {key: map_leaves(function, branch) for key, branch in tree.items()}
    return function(tree)


def rebuild(tree: Nested, values: Iterator[Any]) -> Nested:
    """Return a table structured like `tree`, whose leaves are the next elements of `values`."""
    return map_leaves(lambda _: next(values), tree)


def clone(tree: Nested) -> Nested:
    """Return a copy that shares no storage with `tree` (nngraph's ``cloneNested``)."""
    return map_leaves(lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf, tree)


def copy(to: Nested, source: Nested) -> None:
    """Copy each tensor of `source` to the corresponding one of `to` (Lua's ``g_replace_table``).

    Raises:
        GraphError: If the tables differ in structure.
    """
    with torch.no_grad():
        for a, b in pairs(to, source, "copy"):
            a.copy_(b)


def add(to: Nested, source: Nested) -> None:
    """Add each tensor of `source` to the corresponding one of `to` (nngraph's ``addNestedTo``).

    Raises:
        GraphError: If the tables differ in structure.
    """
    with torch.no_grad():
        for a, b in pairs(to, source, "add"):
            a.add_(b)


def pairs(a: Nested, b: Nested, what: str, place: str = "") -> Iterator[tuple[Any, Any]]:
    """Iterate over pairs of corresponding leaves of two tables.

    Raises:
        GraphError: If the tables differ in structure. The message names the operation, `what`, and
            the first difference.
    """
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        if len(a) != len(b):
            raise GraphError(
                f"{what}: missing key: {place or 'the table'} has {len(a)} elements on one side "
                f"and {len(b)} on the other"
            )
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from pairs(x, y, what, f"{place}[{i}]")
    elif isinstance(a, dict) and isinstance(b, dict):
        if a.keys() != b.keys():
            raise GraphError(
                f"{what}: missing key: {place or 'the table'} has the keys {list(a)} on one side "
                f"and {list(b)} on the other"
            )
        for key in a:
            yield from pairs(a[key], b[key], what, f"{place}[{key!r}]")
    elif isinstance(a, (list, tuple, dict)) or isinstance(b, (list, tuple, dict)):
        raise GraphError(
            f"{what}: {place or 'the table'} is {type_name(a)} on one side and {type_name(b)} on "
            "the other"
        )
    else:
        yield a, b


def as_table(value: Nested) -> Nested:
    """Return `value` if it is a table, else a table of one element, `value`."""
    return value if isinstance(value, (list, tuple, dict)) else [value]


def describe(tree: Nested) -> str:
    """Return the shapes in `tree` for an error message: ``[(2, 3), [(4,), 5]]``."""
    if isinstance(tree, torch.Tensor):
        return str(tuple(tree.shape))
    if isinstance(tree, (list, tuple)):
        return "[" + ", ".join(describe(branch) for branch in tree) + "]"
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{k!r}: {describe(v)}" for k, v in tree.items()) + "}"
    return repr(tree) if tree is None or isinstance(tree, (int, float, str)) else type_name(tree)
