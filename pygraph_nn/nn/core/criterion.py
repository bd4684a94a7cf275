"""Criterion: the base of every loss, and a criterion as a module of a graph."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from ... import nested
from ...errors import type_name
from ...node import Node
from . import flat_parameters, overrides, own_loss
from .calling import calls_are_watched
from .module import Module
from .protocol import detached, or_zeros
from .shapes import expect_pair

_OWN = frozenset({"updateGradInput", "backward", "forward"})


class Criterion(torch.nn.Module):
    """Base of all losses (``nn.Criterion``). A subclass computes in `updateOutput`.

    ``criterion(input, target)`` on tensors is part of autograd. ``criterion()([prediction,
    target])`` on Nodes, spelled as for modules ``nn.MSECriterion()([p, t])``, makes a node. The
    Torch7 pair `forward` and `backward` returns the loss and the gradient of `input`.

    To turn a mean into a sum, set the field `sizeAverage` to False, as in Torch7.

    A class or an object that overrides `updateGradInput` computes its own gradient, also inside
    other criteria and in graphs.

    Attributes:
        output: the last loss, outside autograd; None before it.
        gradInput: the last result of `backward`; None before it.
    """

    output: Any = None
    gradInput: Any = None

    _overrides: frozenset[str] = frozenset()  # the names of methods that a user overrides

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        cls._overrides = overrides.overridden(cls, Criterion, _OWN)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in _OWN:
            self.__dict__["_overrides"] = overrides.overrides_of(self, _OWN)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        if name in _OWN:
            self.__dict__["_overrides"] = overrides.overrides_of(self, _OWN)

    def __call__(self, *args: Any) -> Any:
        if len(args) == 2 and not any(isinstance(argument, Node) for argument in args):
            return super().__call__(*args)
        return ModuleFromCriterion(self)(*args)

    @property
    def runs_directly(self) -> bool:
        """Whether a call comes down to `updateOutput`, and the gradient to autograd."""
        return not (
            self._overrides
            or self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
        )

    def run_as_member(self, input: Any, target: Any) -> torch.Tensor:
        """Return the loss as another criterion, or a graph, takes it: by `updateOutput`."""
        if self.runs_directly and not calls_are_watched():
            return self.updateOutput(input, target)
        ignored = self._overrides & {"forward", "backward"}
        if not ignored or type(self).updateOutput is Criterion.updateOutput:
            loss: torch.Tensor = super().__call__(input, target)
            return loss
        if not self.__dict__.get("_warned"):
            self.__dict__["_warned"] = True
            warnings.warn(
                f"{type_name(self)}: its own {' and '.join(sorted(ignored))} is not called here, "
                "as in Torch7: override updateOutput and updateGradInput",
                RuntimeWarning,
                stacklevel=3,
            )
        return self._loss(input, target)

    def _loss(self, input: Any, target: Any) -> torch.Tensor:
        if "updateGradInput" in self._overrides:
            return own_loss.run_own_loss(self, input, target)
        return self.updateOutput(input, target)

    def __rsub__(self, inputs: Any) -> Node:
        node: Node = self(inputs)
        return node

    def updateOutput(self, input: Any, target: Any) -> torch.Tensor:
        """Compute the loss, a tensor of no dimensions."""
        raise NotImplementedError(f"{type_name(self)} does not define updateOutput")

    def forward(self, input: Any, target: Any = None) -> torch.Tensor:
        """Return the loss of `input` against `target`, a tensor of no dimensions."""
        loss = self._loss(input, target)
        if not torch.compiler.is_compiling():
            self.__dict__["output"] = nested.map_leaves(detached, loss)
        return loss

    def updateGradInput(self, input: Any, target: Any = None) -> Any:
        """Return the gradient of the loss with respect to `input`, shaped like it."""
        with torch.enable_grad():
            entered = nested.map_leaves(lambda x: x.detach().requires_grad_(), input)
            leaves = nested.leaves(entered)
            loss = self.updateOutput(entered, target)
            grads = torch.autograd.grad(loss, leaves, allow_unused=True)
        filled = [or_zeros(grad, x) for x, grad in zip(leaves, grads, strict=True)]
        return nested.rebuild(entered, iter(filled))

    def backward(self, input: Any, target: Any = None) -> Any:
        """Return the gradient of `input`, as `updateGradInput`: a criterion has no parameters."""
        self.gradInput = self.updateGradInput(input, target)
        return self.gradInput

    def clearState(self) -> Criterion:
        """Forget the last `output` and `gradInput`, in this criterion and those inside."""
        for module in self.modules():
            if isinstance(module, Criterion):
                module.__dict__.update(output=None, gradInput=None)
            elif isinstance(module, Module):
                module.clearState()
        return self

    # The same as a layer's

    evaluate = Module.evaluate
    clone = Module.clone
    share = Module.share
    zeroGradParameters = Module.zeroGradParameters
    updateParameters = Module.updateParameters

    def getParameters(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Move all parameters and gradients into two flat tensors; see `Module.getParameters`."""
        return flat_parameters.flatten(self)

    def __getstate__(self) -> dict[str, Any]:
        # The last results belong to this object, not to its copies.
        return {k: v for k, v in self.__dict__.items() if k not in ("output", "gradInput")}

    def __repr__(self) -> str:
        return f"nn.{type(self).__name__}"


class ModuleFromCriterion(Module):
    """A criterion as a module of the table [prediction, target] (``nn.ModuleFromCriterion``).

    Returns the loss, (1,). The gradient of the target is zero.
    """

    def __init__(self, criterion: Criterion) -> None:
        super().__init__()
        self.criterion = criterion

    def updateOutput(self, input: Any) -> torch.Tensor:
        prediction, target = expect_pair(self.criterion, input, "[prediction, target]")
        target = nested.map_leaves(
            lambda x: x.detach() if isinstance(x, torch.Tensor) else x, target
        )
        return self.criterion.run_as_member(prediction, target).reshape(1)

    def title(self) -> str:
        return type(self.criterion).__name__


class CriterionTable(ModuleFromCriterion):
    """`ModuleFromCriterion` with a loss of no dimensions (``nn.CriterionTable``)."""

    def updateOutput(self, input: Any) -> torch.Tensor:
        return super().updateOutput(input).reshape(())
