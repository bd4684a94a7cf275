"""Torch7's tables of tensors: Python lists, tuples and dicts, nested to any depth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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


def pairs(
    a: Nested, b: Nested, what: str, place: str = "", *, or_none: bool = False
) -> Iterator[tuple[Any, Any]]:
    """Iterate over pairs of corresponding leaves of two tables.

    With `or_none`, a None in `b` corresponds to every leaf at its place in `a`.

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
            yield from pairs(x, y, what, f"{place}[{i}]", or_none=or_none)
    elif isinstance(a, dict) and isinstance(b, dict):
        if a.keys() != b.keys():
            raise GraphError(
                f"{what}: missing key: {place or 'the table'} has the keys {list(a)} on one side "
                f"and {list(b)} on the other"
            )
        for key in a:
            yield from pairs(a[key], b[key], what, f"{place}[{key!r}]", or_none=or_none)
    elif b is None and or_none:
        yield from ((leaf, None) for leaf in leaves(a))
    elif isinstance(a, (list, tuple, dict)) or isinstance(b, (list, tuple, dict)):
        reason = not_tensors(b, f"the other{place}")
        raise GraphError(
            f"{what}: {place or 'the table'} is {type_name(a)} on one side and {type_name(b)} on "
            "the other" + (f"; {reason}" if reason else "")
        )
    else:
        yield a, b


def not_tensors(tree: Nested, place: str, *, deep: bool = True) -> str | None:
    """Return what in `tree` is neither a tensor nor a table of tensors, and what to write instead.

    Returns None if there is nothing. Without `deep`, tables may hold anything but arrays of numpy.
    """
    if isinstance(tree, torch.Tensor):
        return None
    if isinstance(tree, (list, tuple, dict)):
        elements = leaves(tree)
        if elements and not isinstance(tree, dict) and all(map(_is_number, elements)):
            return f"{place} is a list of numbers: write {_as_tensor_text(tree)}"
        items = tree.items() if isinstance(tree, dict) else enumerate(tree)
        deep = deep or any(map(is_array, elements))
        found = (not_tensors(x, f"{place}[{key!r}]") for key, x in items if deep)
        return next(filter(None, found), None)
    if is_array(tree):
        kind = "a numpy array" if type(tree).__module__ == "numpy" else f"a {type_name(tree)}"
        shape, dtype = tuple(getattr(tree, "shape", ())), getattr(tree, "dtype", "")
        is_float = getattr(dtype, "kind", "f") == "f"
        more = f", dtype={torch.get_default_dtype()}" * is_float
        return f"{place} is {kind} {shape} of {dtype}: write torch.as_tensor(array{more})"
    if _is_number(tree):
        return f"{place} is the number {tree!r}: write {_as_tensor_text([tree])}"
    if tree is None:
        return f"{place} is None, not a tensor"
    if isinstance(tree, Iterable) and not isinstance(tree, (str, bytes)):
        return f"{place} is a {type_name(tree)}: write a list, [...] or list(...)"
    return f"{place} is a {type_name(tree)}, not a tensor"


def is_array(x: object) -> bool:
    """Return whether `x` is an array of numpy or the like, which gradients do not pass."""
    return hasattr(type(x), "__array__") and not isinstance(x, torch.Tensor)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, complex))


def _as_tensor_text(numbers: Any) -> str:
    text = repr(numbers)
    text = text if len(text) <= 40 else "..."
    if any(isinstance(number, (float, complex)) for number in leaves(numbers)):
        return f"torch.tensor({text})"
    as_float = f"torch.tensor({text}, dtype={torch.get_default_dtype()})"
    return f"{as_float}, or for indices torch.tensor({text})"


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
