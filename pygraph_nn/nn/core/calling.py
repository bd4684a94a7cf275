"""What a call of a module is: of data, which runs it, or of Nodes, which builds a graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from ... import nested
from ...node import Node

_torch_call = torch.nn.Module.__call__
_torch_module = torch.nn.modules.module


def calls_are_watched() -> bool:
    """Whether torch follows the calls of all modules: global hooks, torch.compile, torch.fx."""
    return bool(
        torch.compiler.is_compiling()
        or torch.nn.Module.__call__ is not _torch_call
        or _torch_module._global_forward_hooks
        or _torch_module._global_forward_pre_hooks
        or _torch_module._global_backward_hooks
        or _torch_module._global_backward_pre_hooks
    )


def is_value(input: Any) -> bool:
    """Whether a module called on `input` should run, rather than build a graph or complain.

    Tensors, tables holding any, and the stand-ins of torch's tracers run.
    """
    if isinstance(input, torch.Tensor):
        return True
    if isinstance(input, Node) or input is None or isinstance(input, (torch.nn.Module, int, float)):
        return False
    if isinstance(input, (list, tuple)) and all(isinstance(x, torch.Tensor) for x in input):
        return len(input) > 0
    if isinstance(input, (list, tuple, dict, str)):
        kinds = list(_leaf_kinds(input))
        return "node" not in kinds and "value" in kinds
    return True


def _leaf_kinds(tree: Any) -> Iterator[str]:
    for leaf in nested.leaves(tree):
        if isinstance(leaf, Node):
            yield "node"
        elif leaf is not tree and is_value(leaf):
            yield "value"


def all_plain(input: Any) -> bool:
    """Whether `input` is data outside autograd: what a Torch7 caller passes."""
    for leaf in nested.leaves(input):
        if isinstance(leaf, torch.Tensor):
            if leaf.requires_grad and torch.is_grad_enabled():
                return False
        elif isinstance(leaf, torch.fx.Proxy):
            return False
    return True
