"""Criteria made of criteria: weighted sums, and modules in front of a criterion."""

from __future__ import annotations

from typing import Any

import torch

from ...errors import GraphError, type_name
from ..core.criterion import Criterion
from ..core.shapes import expect_table


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
