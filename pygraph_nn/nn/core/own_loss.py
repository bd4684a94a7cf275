"""A criterion with an `updateGradInput` of its own, as one function of autograd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch.autograd.function import once_differentiable

from ... import nested
from ...errors import type_name
from ...nested import Nested
from .fields import copies, fields_of, set_fields, set_unchanged_fields
from .own_gradients import of_input, own_backward
from .recording import current_pass, detached, has_gradient


class _Loss(Protocol):
    """What this file needs of a criterion with an `updateGradInput` of its own."""

    def modules(self) -> Iterator[torch.nn.Module]: ...
    def updateOutput(self, input: Nested, target: Nested) -> torch.Tensor: ...
    def updateGradInput(self, input: Nested, target: Nested) -> Nested: ...


def run(criterion: _Loss, input: Nested, target: Nested) -> torch.Tensor:
    """Return the loss of `criterion`, as part of autograd, with its own `updateGradInput`."""
    tensors = [x for x in nested.leaves(input) if has_gradient(x)]
    if not torch.is_grad_enabled() or not tensors:
        return criterion.updateOutput(input, target)
    loss: torch.Tensor = _OwnLoss.apply(criterion, input, target, *tensors)
    return loss


class _OwnLoss(torch.autograd.Function):
    """One call of a criterion with an `updateGradInput` of its own."""

    @staticmethod
    def forward(
        ctx: Any, criterion: _Loss, input: Nested, target: Nested, *tensors: torch.Tensor
    ) -> torch.Tensor:
        ctx.criterion = criterion
        ctx.input = nested.map_leaves(detached, input)
        ctx.target = nested.map_leaves(detached, target)
        with torch.enable_grad():
            loss: Any = criterion.updateOutput(ctx.input, ctx.target)
        ctx.fields = copies(fields_of(criterion))
        recorded = current_pass()
        ctx.request = None if recorded is None else recorded.request
        ctx.gradient = None
        if not isinstance(loss, torch.Tensor):
            loss = tensors[0].new_tensor(loss)
        return loss.detach().clone()  # the criterion may keep its loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gradients = of_input(
            ctx.input, _OwnLoss._gradient(ctx), f"{type_name(ctx.criterion)}: updateGradInput"
        )
        return None, None, None, *(None if g is None else g * grads[0] for g in gradients)

    @staticmethod
    def _gradient(ctx: Any) -> Nested:
        """Call the criterion's updateGradInput, or return what it returned to updateGradInput."""
        request = ctx.request
        if request is not None and not request.to_input and ctx.gradient is not None:
            return ctx.gradient
        now = fields_of(ctx.criterion)
        before = {id(module): fields for module, fields, _ in ctx.fields}
        set_fields(ctx.fields)
        try:
            with own_backward():
                gradient = ctx.criterion.updateGradInput(ctx.input, ctx.target)
        finally:
            set_unchanged_fields(now, before)
        ctx.gradient = None
        if request is not None and not request.to_parameters:
            ctx.gradient = nested.clone(gradient)
        return gradient
