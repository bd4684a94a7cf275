"""Layers that Torch7 does not have: any torch.nn.Module, and plain functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ...errors import GraphError, caller_location, checked_name, type_name
from .criterion import Criterion, ModuleFromCriterion
from .module import Module


class _Foreign(Module):
    """Base of `ForeignModule` and `Function`: an input table becomes positional arguments."""

    takes_integers = True

    table: bool

    @property
    def takes_table(self) -> bool:
        """Whether a table arrives as one list."""
        return self.table

    def _call(self, function: Callable[..., Any], input: Any) -> Any:
        if isinstance(input, (list, tuple)) and not self.table:
            return function(*input)
        return function(input)

    def __call__(self, *args: Any) -> Any:
        # Unlike other layers, take several arguments, as the wrapped module or function does.
        if len(args) > 1:
            return super().__call__(list(args))
        return super().__call__(*args)


class ForeignModule(_Foreign):
    """A PyTorch module as a layer; `module` makes it."""

    def __init__(self, module: torch.nn.Module, table: bool = False) -> None:
        super().__init__()
        self.module = module
        self.table = table

    def updateOutput(self, input: Any) -> Any:
        return self._call(self.module, input)

    def torch7_name(self) -> str:
        return type_name(self.module)

    def __repr__(self) -> str:
        return repr(self.module)


class Function(_Foreign):
    """A function of tensors as a layer; `function` makes it."""

    def __init__(
        self, function: Callable[..., Any], name: str | None = None, table: bool = False
    ) -> None:
        super().__init__()
        self.function = function
        self.function_name = name or getattr(function, "__name__", None) or type_name(function)
        self.table = table

    def updateOutput(self, input: Any) -> Any:
        return self._call(self.function, input)

    def torch7_name(self) -> str:
        return self.function_name

    def title(self) -> str:
        return self.function_name

    def __repr__(self) -> str:
        return self.function_name


def module(m: torch.nn.Module, *, table: bool = False) -> Module:
    """Return a PyTorch module as a layer, to be called on Nodes.

    Several inputs become positional arguments, ``m(a, b)``; with `table` they are one list.

    >>> import torch, pygraph_nn as nngraph
    >>> from pygraph_nn import nn
    >>> a, b = nn.Identity()(), nn.Identity()()
    >>> g = nngraph.gModule([a, b], [nngraph.module(torch.nn.Bilinear(2, 3, 4))([a, b])])
    >>> g.forward([torch.ones(5, 2), torch.ones(5, 3)]).shape
    torch.Size([5, 4])

    Raises:
        GraphError: `m` is not a torch.nn.Module.
    """
    if isinstance(m, Criterion):
        raise GraphError(
            f"nngraph.module({m}): a criterion needs no wrapper, call it on [prediction, target], "
            f"at {caller_location()}"
        )
    if isinstance(m, Module):
        return m
    if not isinstance(m, torch.nn.Module):
        hint = "; a function becomes a layer by nngraph.function(f)" * callable(m)
        raise GraphError(
            f"nngraph.module: expecting a torch.nn.Module, got {type_name(m)}, at "
            f"{caller_location()}{hint}"
        )
    return ForeignModule(m, table)


def function(f: Callable[..., Any], name: str | None = None, *, table: bool = False) -> Module:
    """Return a function of tensors as a layer, to be called on Nodes.

    Several inputs become positional arguments; with `table` they are one list. The layer prints as
    `name`, or by default as the function's own name. A graph with it can be pickled if `f` can:
    if it is defined in a module under its name.

    >>> import torch, pygraph_nn as nngraph
    >>> x = nngraph.nn.Identity()()
    >>> g = nngraph.gModule([x], [x - nngraph.function(torch.exp)])
    >>> g.forward(torch.zeros(2))
    tensor([1., 1.])

    Raises:
        GraphError: `f` is a module, or cannot be called; or `name` is no string.
    """
    if isinstance(f, torch.nn.Module) or not callable(f):
        hint = "; a module becomes a layer by nngraph.module(m)" * isinstance(f, torch.nn.Module)
        raise GraphError(
            f"nngraph.function: expecting a function, got {type_name(f)}, at "
            f"{caller_location()}{hint}"
        )
    return Function(f, None if name is None else checked_name(name, "nngraph.function"), table)


def unwrapped(m: torch.nn.Module) -> torch.nn.Module:
    """Return the PyTorch module that `m` runs as a layer, else `m` itself."""
    return m.module if isinstance(m, ForeignModule) else m


def as_layer(m: torch.nn.Module) -> Module:
    """Return `m` itself if it is a layer, else a layer that runs it."""
    if isinstance(m, Criterion):
        return ModuleFromCriterion(m)
    return m if isinstance(m, Module) else ForeignModule(m)
