"""Criterion, what every loss is; as a module of a graph; and criteria made of criteria."""

from __future__ import annotations

from typing import Any

import torch

from .. import nested
from ..errors import GraphError, type_name
from ..node import Node
from .module import Module
from .shapes import expect_pair, expect_table


class Criterion(torch.nn.Module):
    """Base of all losses (``nn.Criterion``). A subclass computes in `updateOutput`.

    ``criterion(input, target)`` on tensors is part of autograd. ``criterion()([prediction,
    target])`` on Nodes, spelled as for modules ``nn.MSECriterion()([p, t])``, makes a node. The
    Torch7 pair `forward` and `backward` gives the loss and the gradient of `input`.

    A loss that is a mean can be made a sum, as in Torch7, by setting the field `sizeAverage` to
    False.
    """

    def __call__(self, *args: Any) -> Any:
        if len(args) == 2 and not any(isinstance(argument, Node) for argument in args):
            return super().__call__(*args)
        return ModuleFromCriterion(self)(*args)

    def updateOutput(self, input: Any, target: Any) -> torch.Tensor:
        """The loss, a tensor of no dimensions."""
        raise NotImplementedError(f"{type_name(self)} does not define updateOutput")

    def forward(self, input: Any, target: Any = None) -> torch.Tensor:
        """The loss of `input` against `target`, a tensor of no dimensions."""
        return self.updateOutput(input, target)

    def updateGradInput(self, input: Any, target: Any = None) -> Any:
        """The gradient of the loss with respect to `input`, shaped like it."""
        with torch.enable_grad():
            entered = nested.map_leaves(lambda x: x.detach().requires_grad_(), input)
            leaves = nested.leaves(entered)
            loss = self.updateOutput(entered, target)
            found = torch.autograd.grad(loss, leaves, allow_unused=True)
        grads = [
            torch.zeros_like(x, requires_grad=False) if grad is None else grad
            for x, grad in zip(leaves, found, strict=True)
        ]
        return nested.rebuild(entered, iter(grads))

    def backward(self, input: Any, target: Any = None) -> Any:
        """The same as `updateGradInput`: a criterion has no parameters."""
        return self.updateGradInput(input, target)

    def __repr__(self) -> str:
        return f"nn.{type(self).__name__}"


class ModuleFromCriterion(Module):
    """A criterion as a module of the table [prediction, target] (``nn.ModuleFromCriterion``).

    Gives the loss, of shape (1,). The gradient of the target is zero.
    """

    def __init__(self, criterion: Criterion) -> None:
        super().__init__()
        self.criterion = criterion

    def updateOutput(self, input: Any) -> torch.Tensor:
        prediction, target = expect_pair(self.criterion, input, "[prediction, target]")
        target = nested.map_leaves(
            lambda x: x.detach() if isinstance(x, torch.Tensor) else x, target
        )
        return self.criterion.updateOutput(prediction, target).reshape(1)


class CriterionTable(ModuleFromCriterion):
    """The same, giving a tensor of no dimensions (``nn.CriterionTable``)."""

    def updateOutput(self, input: Any) -> torch.Tensor:
        return super().updateOutput(input).reshape(())


class _Weighted(Criterion):
    """Base of the criteria that sum others, each with a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.criterions = torch.nn.ModuleList()
        self.weights: list[float] = []

    def add(self, criterion: Criterion, weight: float = 1) -> Any:
        """Add a criterion with a factor; gives the whole back, for chaining."""
        if not isinstance(criterion, Criterion):
            raise GraphError(f"{self}.add: expecting a criterion, got {type_name(criterion)}")
        self.criterions.append(criterion)
        self.weights.append(1 if weight is None else weight)
        return self

    def total(self, losses: list[torch.Tensor]) -> torch.Tensor:
        if not losses:
            raise GraphError(f"{self} holds no criteria: add() some")
        weighted = [loss * w for loss, w in zip(losses, self.weights, strict=True)]
        return sum(weighted[1:], weighted[0])


class MultiCriterion(_Weighted):
    """A weighted sum of criteria on the same input and target (``nn.MultiCriterion``)."""

    def updateOutput(self, input: Any, target: Any) -> torch.Tensor:
        return self.total([criterion(input, target) for criterion in self.criterions])


class ParallelCriterion(_Weighted):
    """A weighted sum of criteria, the i-th on the i-th input and target (``nn.ParallelCriterion``).

    With `repeatTarget` all have the same target.

    Raises:
        GraphError: at run time, there are fewer inputs or targets than criteria.
    """

    def __init__(self, repeatTarget: bool = False) -> None:
        super().__init__()
        self.repeatTarget = bool(repeatTarget)

    def updateOutput(self, input: Any, target: Any) -> torch.Tensor:
        count = len(self.criterions)
        inputs = expect_table(self, input, count)[:count]
        targets = [target] * count
        if not self.repeatTarget:
            # A tensor of targets is taken apart, as Lua's target[i] did.
            table = list(target) if isinstance(target, torch.Tensor) else target
            targets = expect_table(self, table, count)[:count]
        losses = zip(self.criterions, inputs, targets, strict=True)
        return self.total([criterion(x, t) for criterion, x, t in losses])


class ModuleCriterion(Criterion):
    """A criterion of what modules make of input and target (``nn.ModuleCriterion``).

    `inputModule` and `targetModule` may each be None. `castTarget`, Torch7's conversion of the
    target's type, takes no part: criteria take any.
    """

    def __init__(
        self,
        criterion: Criterion,
        inputModule: torch.nn.Module | None = None,
        targetModule: torch.nn.Module | None = None,
        castTarget: bool = True,
    ) -> None:
        super().__init__()
        self.criterion = criterion
        self.inputModule = inputModule
        self.targetModule = targetModule
        self.castTarget = castTarget

    def updateOutput(self, input: Any, target: Any) -> torch.Tensor:
        if self.inputModule is not None:
            input = self.inputModule(input)
        if self.targetModule is not None:
            target = self.targetModule(target)
        return self.criterion(input, target)


def like_input(criterion: Criterion, input: torch.Tensor, target: Any) -> torch.Tensor:
    """`target` in the type and shape of `input`; Torch7 compares only how many values they hold.

    Raises:
        GraphError: they hold different numbers of values.
    """
    target = torch.as_tensor(target, dtype=input.dtype, device=input.device)
    if input.numel() != target.numel():
        raise GraphError(
            f"{criterion}: input and target size mismatch: input of shape {tuple(input.shape)} "
            f"against a target of shape {tuple(target.shape)}"
        )
    return target if target.shape == input.shape else target.reshape(input.shape)


def reduced(losses: torch.Tensor, sizeAverage: bool) -> torch.Tensor:
    """The mean of all elements, or their sum."""
    return losses.mean() if sizeAverage else losses.sum()


def check_weights(criterion: str, weights: torch.Tensor | None) -> torch.Tensor | None:
    """`weights` if they are a vector or None, else a GraphError."""
    if weights is not None and (not isinstance(weights, torch.Tensor) or weights.dim() != 1):
        raise GraphError(f"nn.{criterion}: weights should be 1-D, got {type_name(weights)}")
    return weights
