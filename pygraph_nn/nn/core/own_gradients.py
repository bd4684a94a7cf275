"""Run a layer with gradient methods of its own as one function of autograd.

Torch7's containers call `updateGradInput` and `accGradParameters` of each layer. Here gradients
come from autograd, so a layer that overrides these methods runs inside `_OwnGradients`, whose
backward calls them.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch.autograd.function import once_differentiable

from ... import nested
from ...errors import GraphError, type_name
from ...nested import Nested
from .fields import copies, fields_of, set_fields, set_unchanged_fields, unaliased
from .gradient_buffers import reserved, zero_gradients
from .recording import RecordedPass, Records, Request, current_pass, detached, has_gradient


class _Layer(Protocol):
    """What this file needs of a layer with gradient methods of its own."""

    _records: Records
    _overrides: frozenset[str]

    def modules(self) -> Iterator[torch.nn.Module]: ...
    def parameters(self) -> Iterator[torch.nn.Parameter]: ...
    def place(self) -> str: ...
    def record(self, input: Nested) -> RecordedPass: ...
    def updateOutput(self, input: Nested) -> Nested: ...
    def updateGradInput(self, input: Nested, gradOutput: Nested) -> Nested: ...
    def accGradParameters(self, input: Nested, gradOutput: Nested, scale: float) -> None: ...
    def backward(self, input: Nested, gradOutput: Nested, scale: float) -> Nested: ...
    def backward_by_halves(self, input: Nested, gradOutput: Nested, scale: float) -> Nested: ...


class _Running(threading.local):
    backward = False


_running = _Running()


def running() -> bool:
    """Return whether this thread runs a gradient method that a user wrote.

    These run without autograd, but a `forward` that they call records its pass all the same.
    """
    return _running.backward


def run(layer: _Layer, input: Nested, apart: bool) -> Nested:
    """Return the output of `layer` for `input`, as part of autograd.

    Its backward calls the layer's own `backward`, or with `apart` `updateGradInput` and
    `accGradParameters`, as a gModule does.
    """
    with reserved([layer]):
        keep_fields_of_calls(layer)
        if not torch.is_grad_enabled():
            layer._records.forget()
            return unaliased(layer, input, layer.updateOutput(input))
        call = _Call(layer, input, apart)
        tensors = [x for x in nested.leaves(input) if has_gradient(x)]
        try:
            return call.rebuild(_OwnGradients.apply(call, *tensors, *call.trained))
        except RuntimeError as error:
            if "functorch" not in str(error):
                raise
            raise GraphError(
                f"{layer.place()}: torch.func (grad, vmap, jvp and others) cannot follow gradient "
                "methods of one's own; use backward or torch.autograd.grad"
            ) from error


def keep_fields_of_calls(layer: _Layer) -> None:
    """Copy what the last calls left in `layer`, if their backward may come: the next overwrites it.

    In Torch7's style a layer computes in place in tensors that it keeps. Each thread has a last
    call.
    """
    for last in layer._records.all():
        call = None if last.call is None else last.call()
        if call is not None:
            call.fields = copies(call.fields)


class _OwnGradients(torch.autograd.Function):
    """One call of a layer with gradient methods of its own."""

    @staticmethod
    def forward(ctx: Any, call: _Call, *tensors: torch.Tensor) -> tuple[Any, ...]:
        ctx.call = call
        outputs = call.forward()
        ctx.mark_non_differentiable(*(y for y in outputs if not has_gradient(y)))
        return tuple(outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return (None, *ctx.call.backward(grads, ctx.needs_input_grad[1:]))


class _Call:
    """One call of a layer: what its gradient methods need when autograd comes back.

    The layer may be called again before, in another place of the graph or in the next time step, so
    the call keeps the recorded pass and the fields that `updateOutput` left.
    """

    def __init__(self, layer: _Layer, input: Nested, apart: bool) -> None:
        self.layer, self.input, self.apart = layer, input, apart
        self.trained = {p: None for p in layer.parameters() if p.requires_grad}
        recorded = current_pass()
        self.request: Request | None = None if recorded is None else recorded.request
        self.last: tuple[Nested, Nested] | None = None  # a gradOutput and its gradInput

    def forward(self) -> list[torch.Tensor]:
        self.recorded = self.layer.record(self.input)
        self.recorded.call = weakref.ref(self)
        self.layer._records.keep(self.recorded)
        self.fields = fields_of(self.layer)
        output = self.recorded.detached_output()
        self.output = unaliased(self.layer, self.input, output)
        self.input = nested.map_leaves(detached, self.input)
        self.versions = self._versions()
        return [y for y in nested.leaves(self.output) if isinstance(y, torch.Tensor)]

    def rebuild(self, tensors: Sequence[torch.Tensor]) -> Nested:
        """Return the output with `tensors` in place of its own, which it no longer keeps."""
        following = iter(tensors)
        output = nested.map_leaves(
            lambda y: next(following) if isinstance(y, torch.Tensor) else y, self.output
        )
        self.output = nested.map_leaves(lambda y: isinstance(y, torch.Tensor), self.output)
        return output

    def _versions(self) -> list[int]:
        return [x._version for x in nested.leaves(self.input) if isinstance(x, torch.Tensor)]

    def backward(
        self, grads: Sequence[torch.Tensor], needed: Sequence[bool]
    ) -> list[torch.Tensor | None]:
        """Return the gradients of the input's tensors, and of the parameters.

        `needed` says which of them autograd asks for.
        """
        if self._versions() != self.versions:
            raise GraphError(
                f"{self.layer.place()}: its input was overwritten between forward and backward, "
                "by a layer that works in place. Let that layer work on a copy"
            )
        present = dict.fromkeys(self.layer.parameters())
        if not self.trained.keys() <= present.keys():
            raise GraphError(
                f"{self.layer.place()}: a parameter was replaced between forward and backward, "
                "which a layer with gradient methods of its own cannot follow (as by "
                "torch.func.functional_call)"
            )
        frozen = [p for p in present if p not in self.trained]
        parameters = [*self.trained, *frozen]
        following = iter(grads)
        # A copy: autograd may use the same tensor elsewhere, and a method may work in place.
        gradOutput = nested.map_leaves(
            lambda tensor: next(following).clone() if tensor else 0, self.output
        )
        with (
            reserved([self.layer]),
            self._fields_restored(),
            zero_gradients(parameters) as gradients,
            own_backward(),
        ):
            # A copy, if it is a buffer of the layer, which its next backward would overwrite.
            gradInput = unaliased(self.layer, None, self._gradients(gradOutput))
            place = f"{self.layer.place()}: updateGradInput"
            count = len([x for x in nested.leaves(self.input) if has_gradient(x)])
            if gradInput is None and not any(needed[:count]):
                inputs: list[torch.Tensor | None] = [None] * count
            else:
                inputs = of_input(self.input, gradInput, place)
        pairs = zip(parameters, gradients, strict=True)
        return [*inputs, *(gradient for p, gradient in pairs if p in self.trained)]

    def _gradients(self, gradOutput: Nested) -> Nested:
        """Call the layer's methods, those that the way back asks for; return the gradInput."""
        layer, input, request = self.layer, self.input, self.request
        to_input = request is None or request.to_input
        to_parameters = request is None or request.to_parameters
        if to_input and to_parameters:
            self.last = None
            if "backward" in layer._overrides and not self.apart:
                self.recorded.grad_input = layer.backward(input, gradOutput, 1.0)
                return self.recorded.grad_input
            return layer.backward_by_halves(input, gradOutput, 1.0)
        if to_input:
            gradInput = layer.updateGradInput(input, gradOutput)
            self.last = nested.clone(gradOutput), nested.clone(gradInput)
            return gradInput
        # Torch7's accGradParameters of a container uses the gradInput that it has.
        if self.last is not None and _equal(self.last[0], gradOutput):
            gradInput = self.last[1]
        else:
            gradInput = layer.updateGradInput(input, gradOutput)
        layer.accGradParameters(input, gradOutput, 1.0)
        return gradInput

    @contextlib.contextmanager
    def _fields_restored(self) -> Iterator[None]:
        """Restore what this call left in the layer, unless it is the layer's last call."""
        records = self.layer._records
        if max(records.all(), key=lambda r: r.number, default=None) is self.recorded:
            yield
            return
        now = fields_of(self.layer)
        set_fields(self.fields)
        records.keep(self.recorded)
        before = {id(module): fields for module, fields, _ in self.fields}
        try:
            yield
        finally:
            set_unchanged_fields(now, before)


@contextlib.contextmanager
def own_backward() -> Iterator[None]:
    """Run gradient methods that a user wrote: without autograd, as Torch7 has none."""
    before, _running.backward = _running.backward, True
    try:
        with torch.no_grad():
            yield
    finally:
        _running.backward = before


def of_input(input: Nested, gradInput: Nested, place: str) -> list[torch.Tensor | None]:
    """Return the gradients in `gradInput` of the floating-point tensors of `input`.

    Raises:
        GraphError: `gradInput` is not nested like `input`, or a gradient does not fit its tensor.
    """
    if not any(map(has_gradient, nested.leaves(input))):
        return []
    if gradInput is None:
        raise GraphError(f"{place} returned None; return the gradient of the input")
    return [
        _fitting(gradient, x, place)
        for x, gradient in nested.pairs(input, gradInput, f"{place}, the input and its gradient")
        if has_gradient(x)
    ]


def _fitting(gradient: Nested, x: torch.Tensor, place: str) -> torch.Tensor | None:
    """Return `gradient` shaped like `x`; a zero of one element is none."""
    if not isinstance(gradient, torch.Tensor):
        raise GraphError(
            f"{place} returned {type_name(gradient)} for an input of shape {tuple(x.shape)}; "
            "return its gradient"
        )
    if gradient.shape == x.shape:
        return gradient.detach()
    if gradient.numel() == 1 and gradient.item() == 0:
        return torch.zeros_like(x)
    if gradient.numel() != x.numel():
        raise GraphError(
            f"{place} returned a gradient of shape {tuple(gradient.shape)} for an input of shape "
            f"{tuple(x.shape)}"
        )
    return gradient.detach().reshape(x.shape)


def _equal(a: Nested, b: Nested) -> bool:
    pairs = nested.pairs(a, b, "gradOutput")
    return all(torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y for x, y in pairs)
