"""Chains of linear layer, log-softmax and negative log-likelihood in a plan."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .. import nn
from .operations import ValueRef
from .overrides import computes_as_its_class
from .plan import Plan


@dataclass(frozen=True)
class LossChain:
    """Operations, by index, that `SoftmaxLoss` computes as one.

    Attributes:
        x: the value that the linear layer takes.
        linear, softmax, loss: the layers.
        target: the value that the loss takes as its target.
    """

    x: int
    linear: int
    softmax: int
    loss: int
    target: int


def find_loss_chains(plan: Plan) -> dict[int, LossChain]:
    """Find linear, log-softmax, NLL chains whose intermediate values are not used elsewhere.

    They lie outside the loops of `plan`. The keys of the result are their last operations, the
    losses.
    """
    uses = plan.uses()
    batched = {i for stage in plan.stages if not stage.loop for i in stage.ops}
    chains = {}
    for loss in batched:
        chain = _chain_to(plan, loss)
        if chain is None or not {chain.linear, chain.softmax} <= batched:
            continue
        if uses[chain.linear] == uses[chain.softmax] == 1:
            chains[loss] = chain
    return chains


def _chain_to(plan: Plan, loss: int) -> LossChain | None:
    """Return the chain that ends with operation `loss`, if there is one."""
    op = plan.ops[loss]
    if nll_criterion(op.module) is None or not isinstance(op.input, list) or len(op.input) != 2:
        return None
    prediction, target = op.input
    if not isinstance(prediction, ValueRef) or not isinstance(target, ValueRef):
        return None
    softmax = plan.ops[prediction.op]
    if type(softmax.module) is not nn.LogSoftMax or not isinstance(softmax.input, ValueRef):
        return None
    linear = plan.ops[softmax.input.op]
    if type(linear.module) is not nn.Linear or not isinstance(linear.input, ValueRef):
        return None
    return LossChain(linear.input.op, softmax.input.op, prediction.op, loss, target.op)


def nll_criterion(module: torch.nn.Module | None) -> nn.ClassNLLCriterion | None:
    """Return the criterion that `module` applies, if it is a `ClassNLLCriterion` without weights.

    Its losses over a batch are a sum or a mean over rows, so they can be computed for all steps.
    """
    if type(module) is not nn.ModuleFromCriterion or not module.runs_directly:
        return None
    criterion = module.criterion
    if type(criterion) is not nn.ClassNLLCriterion or not computes_as_its_class(criterion):
        return None
    return criterion if criterion.weights is None else None
