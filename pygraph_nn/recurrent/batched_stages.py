"""Stages outside loops: every operation runs once, for all time steps."""

from __future__ import annotations

from collections import Counter

import torch
import torch.nn.functional as F

from .. import nested, nn
from ..nested import Nested
from ..nn.core import run_module
from .batching import row_wise
from .dispatch import fused_layer, fused_loss, runs_directly
from .forward_pass import (
    ForwardPass,
    at_step,
    delayed,
    element,
    own_step,
    raise_at,
    resolve,
    stack_steps,
    works_in_place,
)
from .functions import in_range
from .loss_chains import LossChain, nll_criterion
from .operations import Operation
from .plan import Plan
from .stages import Stage

Tensor = torch.Tensor


class BatchedStage:
    """Runs the operations of a stage outside loops.

    Under a workspace that fuses layers, a layer or loss chain runs as the function that `dispatch`
    chooses. Everything else runs by calls of its modules.

    Args:
        plan, stage: the plan and one of its stages.
        uses: how many operations and outputs take each operation's value.
        chains: the loss chains of the plan, by their loss.
    """

    def __init__(
        self, plan: Plan, stage: Stage, uses: Counter[int], chains: dict[int, LossChain]
    ) -> None:
        self._ops = plan.ops
        self._uses = uses
        self._chains = chains
        with_their_loss = {i for chain in chains.values() for i in (chain.linear, chain.softmax)}
        self._order = [i for i in stage.ops if i not in with_their_loss]

    def run(self, forward: ForwardPass) -> None:
        """Compute the values of the stage's operations.

        Raises:
            GraphError: a module refuses its input.
        """
        for i in self._order:
            chain = self._chains.get(i)
            if chain is None:
                self._run_layer(i, forward)
            elif not self._run_chain(chain, forward):
                for layer in (chain.linear, chain.softmax, chain.loss):
                    self._run_layer(layer, forward)

    def _run_layer(self, i: int, forward: ForwardPass) -> None:
        op, workspace, value = self._ops[i], forward.workspace, None
        try:
            input = resolve(op.input, forward.values)
            if workspace.fuses_layers:
                value = fused_layer(op.module, input, i, workspace)
                if value is not None and type(op.module) is nn.Linear and self._uses[i] == 1:
                    forward.overwritable.add(i)
            if value is None:
                value = _call(op, input, forward, forward.values.get(i))
        except Exception as error:
            raise_at(op, error)
        forward.values[i] = value

    def _run_chain(self, chain: LossChain, forward: ForwardPass) -> bool:
        """Run a loss chain by `SoftmaxLoss`; return False if it does not fit the input."""
        linear, softmax, loss = (self._ops[i] for i in (chain.linear, chain.softmax, chain.loss))
        criterion = nll_criterion(loss.module)
        if not forward.workspace.fuses_layers or not isinstance(linear.module, nn.Linear):
            return False
        if criterion is None or not runs_directly(linear.module, softmax.module, loss.module):
            return False
        try:
            losses = fused_loss(chain, linear.module, criterion, forward)
        except Exception as error:
            raise_at(loss, error)
        if losses is not None:
            forward.values[chain.loss] = losses
        return losses is not None


def _call(op: Operation, input: Nested, forward: ForwardPass, first: Nested) -> Nested:
    """Return the value of an operation for all steps, each tensor (T, batch, ...).

    A module whose rows are independent takes all steps as one batch; others are called for each
    step. `first` is the value of a state before the first step.
    """
    if op.kind == "state":
        return delayed(first, input)
    if op.module is None:
        return element(input, op)
    forward.workspace.leave_to_autograd(op.module)
    if row_wise(op.module, input):
        rows = nested.map_leaves(lambda x: x.flatten(0, 1), input)
        return nested.map_leaves(
            lambda x: x.unflatten(0, (forward.steps, -1)), run_module(op.module, rows, apart=True)
        )
    if runs_directly(op.module):
        losses = _losses_of_steps(nll_criterion(op.module), input)
        if losses is not None:
            return losses
    step = own_step if works_in_place(*op.module.modules()) else at_step
    return stack_steps(
        [run_module(op.module, step(input, t), apart=True) for t in range(forward.steps)]
    )


def _losses_of_steps(criterion: nn.ClassNLLCriterion | None, input: Nested) -> Tensor | None:
    """Return the losses of all steps, (T, 1); None where `criterion` must see each step itself.

    `input` is the table of log-probabilities, (T, batch, classes), and targets, (T, batch).
    """
    if criterion is None or not isinstance(input, list) or len(input) != 2:
        return None
    log_p, target = input
    if not isinstance(log_p, Tensor) or not isinstance(target, Tensor) or not target.numel():
        return None
    if log_p.dim() != 3 or target.shape != log_p.shape[:2]:
        return None
    ignored = target == criterion.ignoreIndex
    if not in_range(target.masked_fill(ignored, 0), log_p.shape[2]):
        return None  # step by step, the criterion names the wrong target
    rows = F.nll_loss(
        log_p.flatten(0, 1),
        target.flatten().long(),
        ignore_index=criterion.ignoreIndex,
        reduction="none",
    ).view(target.shape)
    if not criterion.sizeAverage:
        return rows.sum(1, keepdim=True)
    counted = (~ignored).sum(1, keepdim=True)
    return rows.sum(1, keepdim=True) / counted.clamp(min=1)
