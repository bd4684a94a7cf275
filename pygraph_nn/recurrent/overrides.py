"""The check that nothing changes what a module's class computes: the engine relies on classes."""

from __future__ import annotations

import torch

from ..graph import gModule


def computes_as_its_class(module: torch.nn.Module) -> bool:
    """Return whether a call of `module` comes down to the `updateOutput` of its class.

    It does unless the module has hooks, a `forward` or gradient methods that a user wrote, or an
    `updateOutput` of its own object.
    """
    return getattr(module, "runs_directly", False) and "updateOutput" not in module.__dict__


def runs_plainly(module: torch.nn.Module) -> bool:
    """Return whether `module` computes as its class and, if it is a graph, as every gModule."""
    if isinstance(module, gModule) and (
        module.overrides_run_node or type(module).updateOutput is not gModule.updateOutput
    ):
        return False
    return computes_as_its_class(module)
