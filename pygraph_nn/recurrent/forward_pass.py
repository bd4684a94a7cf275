"""One evaluation of a plan: the values computed so far, and helpers for values over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

import torch

from .. import nested
from ..errors import GraphError, with_place
from ..nested import Nested
from .operations import Operation
from .workspace import Workspace


@dataclass
class ForwardPass:
    """One evaluation of a plan.

    Attributes:
        values: for each operation, by index, its value for all steps, (T, batch, ...), or a table
            of such values. Until its stage has run, a state has its value before the first step,
            (batch, ...).
        steps: T, the number of steps.
        workspace: where buffers come from and gradients go.
        overwritable: operations whose values only one operation reads, which may overwrite them.
    """

    values: dict[int, Nested]
    steps: int
    workspace: Workspace
    overwritable: set[int] = field(default_factory=set)


def raise_at(op: Operation, error: Exception) -> NoReturn:
    """Raise `error` with the node of `op` as its place; see `with_place`."""
    explained = with_place(error, f"  at {op.node!r}, run over time by recurrent", op.node)
    if explained is error:
        raise error
    raise explained from error


def resolve(references: Nested, values: Mapping[int, Nested]) -> Nested:
    """Return the values that a table of `ValueRef` refers to."""
    return nested.map_leaves(lambda reference: values[reference.op], references)


def element(table: Nested, op: Operation) -> Nested:
    """Return the element of `table` that `op`, a "part", takes."""
    if isinstance(table, torch.Tensor):
        raise GraphError(f"expecting a table, to take element {op.part!r} of it, got a tensor")
    return table[op.part]


def at_step(value: Nested, t: int) -> Nested:
    """Return step `t` of a value over time."""
    return nested.map_leaves(lambda x: x[t], value)


def own_step(value: Nested, t: int) -> Nested:
    """Return a copy of step `t` of a value over time, which a layer in place may overwrite.

    To autograd all steps are views of one tensor: if one is overwritten, so are the others.
    """
    return nested.clone(at_step(value, t))


def works_in_place(*modules: torch.nn.Module | None) -> bool:
    """Return whether one of `modules` overwrites its input."""
    return any(getattr(module, "inplace", False) for module in modules)


def stack_steps(values: list[Nested]) -> Nested:
    """Stack values of the same structure, one a step, along a first dimension of time."""
    columns = zip(*(nested.leaves(value) for value in values), strict=True)
    return nested.rebuild(values[0], iter([torch.stack(column) for column in columns]))


def delayed(first: Nested, value: Nested) -> Nested:
    """Return `value` one step later: `first`, then all steps of `value` but the last."""
    pairs = nested.pairs(first, value, "recurrent: a state and what feeds it")
    tensors = [torch.cat([a[None], b[:-1]]) for a, b in pairs]
    return nested.rebuild(first, iter(tensors))
