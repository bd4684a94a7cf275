"""Decides whether a call runs a module on data or builds a graph of Nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch

from ... import nested
from ...node import Node

_torch_call = torch.nn.Module.__call__
_torch_module = torch.nn.modules.module


class ArrayError(TypeError):
    """An array of numpy, or the like, is in the place of a tensor."""


def calls_are_watched() -> bool:
    """Return whether torch watches all module calls: global hooks, torch.compile, torch.fx."""
    return bool(
        torch.compiler.is_compiling()
        or torch.nn.Module.__call__ is not _torch_call
        or _torch_module._global_forward_hooks
        or _torch_module._global_forward_pre_hooks
        or _torch_module._global_backward_hooks
        or _torch_module._global_backward_pre_hooks
    )


def is_value(input: Any) -> bool:
    """Return whether a module called on `input` should run, not build a graph or refuse.

    It runs on tensors, on tables with tensors, and on the proxies of torch's tracers, but not on
    arrays of numpy and iterators.
    """
    if isinstance(input, torch.Tensor):
        return True
    if isinstance(input, Node) or input is None or isinstance(input, (torch.nn.Module, int, float)):
        return False
    if isinstance(input, (list, tuple)) and all(isinstance(x, torch.Tensor) for x in input):
        return len(input) > 0
    if isinstance(input, (list, tuple, dict, str)):
        kinds = set(_leaf_kinds(input))
        return "value" in kinds and kinds.isdisjoint(("node", "array"))
    is_collection = nested.is_array(input) or isinstance(input, Iterable)
    return hasattr(type(input), "__torch_function__") or not is_collection


def _leaf_kinds(tree: Any) -> Iterator[str]:
    for leaf in nested.leaves(tree):
        if isinstance(leaf, Node):
            yield "node"
        elif nested.is_array(leaf):
            yield "array"
        elif leaf is not tree and is_value(leaf):
            yield "value"


def all_plain(input: Any) -> bool:
    """Return whether `input` is data outside autograd, as a Torch7 caller passes it.

    Raises:
        ArrayError: it holds an array of numpy, or the like, through which no gradient would go.
    """
    for leaf in nested.leaves(input):
        if isinstance(leaf, torch.Tensor):
            if leaf.requires_grad and torch.is_grad_enabled():
                return False
        elif isinstance(leaf, torch.fx.Proxy):
            return False
        elif nested.is_array(leaf):
            raise ArrayError
    return True
