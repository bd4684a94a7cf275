"""Criteria that hold criteria: weighted sums, and modules in front of a criterion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from ...errors import GraphError, type_name
from ..core.criterion import Criterion
from ..core.shapes import expect_table


class _WeightedSum(Criterion):
    """Base of the criteria that add others, each with a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.criterions = torch.nn.ModuleList()
        self.weights: list[float] = []

    def add(self, criterion: Criterion, weight: float = 1) -> Any:
        """Add a criterion with a weight and return the sum, for chaining.

        Raises:
            GraphError: If `criterion` is not a criterion.
        """
        if not isinstance(criterion, Criterion):
            raise GraphError(f"{self}.add: expecting a criterion, got {type_name(criterion)}")
        self.criterions.append(criterion)
        self.weights.append(1 if weight is None else weight)
        return self

    def _criteria(self) -> Iterator[Criterion]:
        return (c for c in self.criterions if isinstance(c, Criterion))

    def total(self, losses: list[torch.Tensor]) -> torch.Tensor:
        """Return the weighted sum of `losses`, one for each criterion.

        Raises:
            GraphError: If there are no criteria.
        """
        if not losses:
            raise GraphError(f"{self} holds no criteria: call add(criterion) first")
        weighted = [loss * w for loss, w in zip(losses, self.weights, strict=True)]
        return sum(weighted[1:], weighted[0])


class MultiCriterion(_WeightedSum):
    """Adds weighted criteria of the same input and target (``nn.MultiCriterion``)."""

    def updateOutput(self, input: Any, target: Any) -> torch.Tensor:
        return self.total([c.run_as_member(input, target) for c in self._criteria()])


class ParallelCriterion(_WeightedSum):
    """Adds weighted criteria, the i-th of the i-th input and target (``nn.ParallelCriterion``).

    With `repeatTarget` all criteria have the same target.

    Raises:
        GraphError: At run time, if there are fewer inputs or targets than criteria.
    """

    def __init__(self, repeatTarget: bool = False) -> None:
        super().__init__()
        self.repeatTarget = bool(repeatTarget)

    def updateOutput(self, input: Any, target: Any) -> torch.Tensor:
        count = len(self.criterions)
        inputs = expect_table(self, input, count)[:count]
        targets = [target] * count
        if not self.repeatTarget:
            # A tensor of targets is split along its first dimension, as by Lua's target[i].
            table = list(target) if isinstance(target, torch.Tensor) else target
            targets = expect_table(self, table, count)[:count]
        triples = zip(self._criteria(), inputs, targets, strict=True)
        return self.total([criterion.run_as_member(x, t) for criterion, x, t in triples])


class ModuleCriterion(Criterion):
    """Applies modules to input and target before a criterion (``nn.ModuleCriterion``).

    `inputModule` and `targetModule` may be None. `castTarget`, Torch7's conversion of the target's
    type, is ignored: criteria accept any type.
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
        return self.criterion.run_as_member(input, target)
