"""Criterion: the base of every loss, and a criterion as a module of a graph."""

from __future__ import annotations

from typing import Any

import torch

from ... import nested
from ...errors import type_name
from ...nested import Nested
from ...node import Node
from . import own_loss
from .base import Base
from .calling import calls_are_watched
from .module import Module
from .protocol import or_zeros
from .recording import cut_off, detached
from .shapes import expect_pair
from .wrong_input import raise_explained


class Criterion(Base, root=True):
    """Base of all losses (``nn.Criterion``). A subclass computes in `updateOutput`.

    ``criterion(input, target)`` on tensors is part of autograd. ``criterion()([prediction,
    target])`` on Nodes, spelled as for modules ``nn.MSECriterion()([p, t])``, makes a node. The
    Torch7 pair `forward` and `backward` returns the loss and the gradient of `input`.

    To turn a mean into a sum, set the field `sizeAverage` to False, as in Torch7.

    A class or an object that overrides `updateGradInput` computes its own gradient, also inside
    other criteria and in graphs.

    Attributes:
        output: the last loss, outside autograd; None before it.
    """

    output: Nested = None

    def __call__(self, *args: Any) -> Any:
        if len(args) == 2 and not any(isinstance(argument, Node) for argument in args):
            return super().__call__(*args)
        return ModuleFromCriterion(self)(*args)

    def run_as_member(self, input: Nested, target: Nested) -> torch.Tensor:
        """Return the loss as other criteria and graphs take it: by `updateOutput`, as in Torch7."""
        if self.runs_directly and not calls_are_watched():
            return self.updateOutput(input, target)
        ignored = self._overrides & {"forward", "backward"}
        if not ignored or type(self).updateOutput is Criterion.updateOutput:
            loss: torch.Tensor = super().__call__(input, target)
            return loss
        self._warn_of(sorted(ignored))
        return self._loss(input, target)

    def _loss(self, input: Nested, target: Nested) -> torch.Tensor:
        if "updateGradInput" in self._overrides:
            return own_loss.run(self, input, target)
        return self.updateOutput(input, target)

    def __rsub__(self, inputs: Any) -> Node:
        node: Node = self(inputs)
        return node

    def updateOutput(self, input: Nested, target: Nested) -> torch.Tensor:
        """Compute the loss, a tensor of no dimensions."""
        raise NotImplementedError(f"{type_name(self)} does not define updateOutput")

    def forward(self, input: Nested, target: Nested = None) -> torch.Tensor:
        """Return the loss of `input` against `target`, a tensor of no dimensions."""
        if self._guard is not None and not torch.compiler.is_compiling():
            self._guard.follow()
        try:
            loss = self._loss(input, target)
        except Exception as error:
            raise_explained(error, self, input=input, target=target)
        if not torch.compiler.is_compiling():
            self.__dict__["output"] = nested.map_leaves(detached, loss)
        return loss

    def updateGradInput(self, input: Nested, target: Nested = None) -> Nested:
        """Return the gradient of the loss with respect to `input`, shaped like it."""
        try:
            with torch.enable_grad():
                entered = nested.map_leaves(cut_off, input)
                leaves = nested.leaves(entered)
                loss = self.updateOutput(entered, target)
                grads = torch.autograd.grad(loss, leaves, allow_unused=True)
        except Exception as error:
            raise_explained(error, self, input=input, target=target)
        gradients = map(or_zeros, grads, leaves)
        return nested.rebuild(entered, gradients)

    def backward(self, input: Nested, target: Nested = None) -> Nested:
        """Return the gradient of `input`, as `updateGradInput`: a criterion has no parameters."""
        self.gradInput = self.updateGradInput(input, target)
        return self.gradInput

    @property
    def gradInput(self) -> Nested:
        """The last result of `backward`; before it None, or in a user's class an empty tensor."""
        value = self.__dict__.get("_gradInput")
        return self._torch7_field("_gradInput") if value is None else value

    @gradInput.setter
    def gradInput(self, value: Nested) -> None:
        self.__dict__["_gradInput"] = value

    def clearState(self) -> Criterion:
        """Forget the last `output` and `gradInput`, in this criterion and those inside."""
        for module in self.modules():
            if isinstance(module, Criterion):
                module.__dict__.pop("_gradInput", None)
                module.__dict__["output"] = None
            elif isinstance(module, Module):
                module.clearState()
        return self

    def __getstate__(self) -> dict[str, Any]:
        # The last results belong to this object, not to its copies.
        state = super().__getstate__()
        return {k: v for k, v in state.items() if k not in ("output", "_gradInput")}

    def __repr__(self) -> str:
        return f"nn.{type(self).__name__}"


class ModuleFromCriterion(Module):
    """A criterion as a module of the table [prediction, target] (``nn.ModuleFromCriterion``).

    Returns the loss, (1,). The gradient of the target is zero.
    """

    takes_integers = True
    takes_table = True

    def __init__(self, criterion: Criterion) -> None:
        super().__init__()
        self.criterion = criterion

    def updateOutput(self, input: Nested) -> torch.Tensor:
        prediction, target = expect_pair(self.criterion, input, "[prediction, target]")
        target = nested.map_leaves(detached, target)
        return self.criterion.run_as_member(prediction, target).reshape(1)

    def place(self) -> str:
        return f"{type_name(self.criterion)} in {type_name(self)}"

    def title(self) -> str:
        return type(self.criterion).__name__


class CriterionTable(ModuleFromCriterion):
    """`ModuleFromCriterion` with a loss of no dimensions (``nn.CriterionTable``)."""

    def updateOutput(self, input: Nested) -> torch.Tensor:
        return super().updateOutput(input).reshape(())
