"""Torch7 tables of tensors: Python lists (also tuples and dicts) nested to any depth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from .errors import GraphError, type_name

Nested = Any
"""A tensor, or a list, tuple or dict of `Nested`."""


def leaves(tree: Nested) -> list[Any]:
    """The elements of `tree` that are no tables, in order.

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
    """`tree` with every leaf replaced by ``function(leaf)``; tuples become lists."""
    if isinstance(tree, torch.Tensor):
        return function(tree)
    if isinstance(tree, (list, tuple)):
        return [map_leaves(function, branch) for branch in tree]
    if isinstance(tree, dict):
        return {key: map_leaves(function, branch) for key, branch in tree.items()}
    return function(tree)


def rebuild(tree: Nested, values: Iterator[Any]) -> Nested:
    """A table shaped like `tree` whose leaves are the next ones of `values`."""
    return map_leaves(lambda _: next(values), tree)


def clone(tree: Nested) -> Nested:
    """A copy that shares no storage with `tree` (nngraph's cloneNested)."""
    return map_leaves(lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf, tree)


def copy(to: Nested, source: Nested) -> None:
    """Copy every tensor of `source` into the tensor at its place in `to` (g_replace_table)."""
    with torch.no_grad():
        for a, b in pairs(to, source, "copy"):
            a.copy_(b)


def add(to: Nested, source: Nested) -> None:
    """Add every tensor of `source` to the tensor at its place in `to` (addNestedTo)."""
    with torch.no_grad():
        for a, b in pairs(to, source, "add"):
            a.add_(b)


def pairs(a: Nested, b: Nested, what: str, place: str = "") -> Iterator[tuple[Any, Any]]:
    """The leaves of two tables of the same structure side by side.

    Raises `GraphError` naming the first place where one table has what the other lacks; `what`
    says for which operation.
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
        raise GraphError(f"{what}: {place or 'one side'} is {type_name(a)} against {type_name(b)}")
    else:
        yield a, b


def describe(tree: Nested) -> str:
    """Shapes in the words of an error message: ``[(2, 3), [(4,), 5]]``."""
    if isinstance(tree, torch.Tensor):
        return str(tuple(tree.shape))
    if isinstance(tree, (list, tuple)):
        return "[" + ", ".join(describe(branch) for branch in tree) + "]"
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{k!r}: {describe(v)}" for k, v in tree.items()) + "}"
    return repr(tree) if tree is None or isinstance(tree, (int, float, str)) else type_name(tree)
