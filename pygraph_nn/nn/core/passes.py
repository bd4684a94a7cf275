"""Torch7's forward and backward of a layer, on recorded passes of autograd."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable

import torch

from ... import nested
from ...errors import GraphError, type_name
from ...nested import Nested
from . import gradient_buffers, own_gradients, protocol, recording, repeat
from .calling import all_plain
from .overrides import GRADIENTS, HALVES, first_class
from .results import Results
from .wrong_input import raise_explained


class _Calls(threading.local):
    module: Passes | None = None  # whose `forward` torch.nn.Module.__call__ is about to call
    apart = False  # see `Module.run_as_member`


_calls = _Calls()


class Passes(Results):
    """A layer that runs forward and backward. A subclass computes in `updateOutput`."""

    # Whether the class that defines updateOutput, or a base of it, defines a gradient of it too.
    _has_own_gradient = False

    @classmethod
    def _note_methods(cls) -> None:
        super()._note_methods()
        cls._has_own_gradient = not cls._plain and any(
            GRADIENTS & base.__dict__.keys()
            for base in cls.__mro__[first_class(cls, {"updateOutput"}) :]
            if base not in Passes.__mro__
        )

    # Forward

    def updateOutput(self, input: Nested) -> Nested:
        """Compute the output from `input`, in operations that autograd can follow."""
        raise NotImplementedError(f"{type_name(self)} does not define updateOutput(input)")

    def forward(self, input: Nested) -> Nested:
        """Return the output for `input`, a tensor or a list, and record the pass for `backward`.

        The output is detached; call ``module(input)`` for one that is part of autograd. Inside
        another module's run, `forward` is part of that run. Under `torch.no_grad` there is nothing
        to go back through.
        """
        try:
            return self._forward(input)
        except Exception as error:
            raise_explained(error, self, input=input)

    def _forward(self, input: Nested) -> Nested:
        if torch.compiler.is_compiling():
            return self._compute(input, apart=False)
        if _calls.module is self:  # torch.nn.Module.__call__ runs module(input)
            _calls.module = None
            return self._compute(input, _calls.apart)
        if recording.is_recording():  # inside another module's forward
            return self._forward_inside(input)
        if not all_plain(input):  # part of autograd already, like module(input)
            return self._compute(input, apart=False)
        if not own_gradients.running() and recording.inside_a_call():  # inside module(input)
            return self._forward_inside(input)
        return self._forward_on_its_own(input)

    def _forward_on_its_own(self, input: Nested) -> Nested:
        """Return the detached output and record the pass: Torch7's forward."""
        if self._guard is not None:
            self._guard.follow()
        if not self._plain:
            own_gradients.keep_fields_of_calls(self)
        # Before the new pass, so that only one of them occupies memory.
        self._records.forget()
        if not torch.is_grad_enabled() and not own_gradients.running():
            return self._without_gradients(input, self.updateOutput)
        recorded = self.record(input)
        self._keep(recorded)
        return recorded.detached_output()

    def _forward_inside(self, input: Nested) -> Nested:
        """Return the output as part of another module's run, and record this part too."""
        if not torch.is_grad_enabled():
            return self._without_gradients(input, lambda x: self._compute(x, apart=False))
        recorded, outer = recording.RecordedPass(input, None), recording.current_pass()
        recorded.inside = True
        if outer is not None:
            recorded.values = outer.values
        recorded.output = self._compute(input, apart=False)
        if outer is not None:
            outer.outputs[id(self)] = recorded.output
        if GRADIENTS.isdisjoint(self._overrides):  # else the call has recorded itself
            self._keep(recorded)
        # A copy, so that nothing computed in place in the output changes the record.
        return nested.clone(recorded.output)

    def _without_gradients(self, input: Nested, compute: Callable[[Nested], Nested]) -> Nested:
        recorded = recording.RecordedPass(input, None)
        recorded.gradients = False
        recorded.output = compute(input)
        self._keep(recorded)
        return recorded.output

    def _compute(self, input: Nested, apart: bool) -> Nested:
        """Return the output by `updateOutput`, with the module's own gradients if it has any.

        `Module.run_as_member` explains `apart`.
        """
        if self._plain or GRADIENTS.isdisjoint(self._overrides):
            return self.updateOutput(input)
        if torch.compiler.is_compiling():
            names = ", ".join(sorted(self._overrides & GRADIENTS))
            raise GraphError(
                f"{self.place()}: torch.compile cannot follow gradient methods of one's own "
                f"({names}); leave this module out of it"
            )
        return _run_own()(self, input, apart)

    def run_by_torch(self, input: Nested, apart: bool) -> Nested:
        """Run through torch.nn.Module.__call__, with its hooks."""
        if torch.compiler.is_compiling():
            return super().__call__(input)
        before = _calls.module, _calls.apart
        _calls.module, _calls.apart = self, apart
        try:
            return super().__call__(input)
        finally:
            _calls.module, _calls.apart = before

    def record(self, input: Nested) -> recording.RecordedPass:
        """Run `updateOutput` on `input` and return the record of the pass."""
        if self._plain or self._leaves_gradients_to_autograd():
            recorded = recording.record(self, self.updateOutput, input)
        else:
            recorded = recording.record_alone(self.updateOutput, input)
        if recorded.output is None:
            raise GraphError(f"{self.place()}: updateOutput returned None; return the output")
        return recorded

    def _leaves_gradients_to_autograd(self) -> bool:
        """Return whether autograd computes the gradient of the input or of a parameter."""
        # A method of an object may call the one that it replaces.
        own = self._has_own_gradient and "updateOutput" not in self.__dict__
        if not own or self._overrides.isdisjoint({"updateGradInput", "backward"}):
            return True
        if not self._overrides.isdisjoint({"accGradParameters", "backward"}):
            return False
        return any(parameter.requires_grad for parameter in self.parameters())

    # Backward

    def backward(self, input: Nested, gradOutput: Nested, scale: float = 1.0) -> Nested:
        """Return the gradient of `input`; add `scale` times the parameters' gradients to ``.grad``.

        `gradOutput` is shaped like the output of the last `forward`. A zero of one element means
        zeros of any shape. If that `forward` ran on other values than `input`, it is repeated.

        Raises:
            GraphError: no `forward` is recorded, the shapes do not fit it, or it would have to be
                repeated and draws random numbers.
        """
        if not self._plain and not HALVES.isdisjoint(self._overrides):
            return self.backward_by_halves(input, gradOutput, scale)
        return self._run_backward(
            input, gradOutput, to_input=True, to_parameters=True, scale=scale, after_forward=True
        )

    def backward_by_halves(self, input: Nested, gradOutput: Nested, scale: float = 1.0) -> Nested:
        """Return the result of `updateGradInput`, and call `accGradParameters`, as in Torch7."""
        gradient_buffers.ensure_gradients(self)
        frozen = [p for p in self.parameters() if not p.requires_grad]
        # A method may also add to the gradient of a frozen parameter, where it is dropped.
        with own_gradients.own_backward(), gradient_buffers.zero_gradients(frozen):
            gradInput, accumulated = gradient_buffers.writes_gradients(
                self.parameters(), lambda: self.updateGradInput(input, gradOutput)
            )
            # One that calls inner.backward has done the work of accGradParameters.
            if "accGradParameters" in self._overrides or not accumulated:
                self.accGradParameters(input, gradOutput, scale)
        gradInput = nested.map_leaves(recording.detached, gradInput)
        recorded = self._records.last()
        if recorded is not None:
            recorded.grad_input = gradInput
        return gradInput

    def updateGradInput(self, input: Nested, gradOutput: Nested) -> Nested:
        """Return the gradient of `input` alone.

        It needs no `forward`, as in Torch7: without a recorded pass of `input`, it makes one.

        Raises:
            GraphError: the shapes do not fit, or the pass draws random numbers, which would differ
                from those of `updateOutput`.
        """
        return self._run_backward(input, gradOutput, to_input=True, to_parameters=False)

    def accGradParameters(self, input: Nested, gradOutput: Nested, scale: float = 1.0) -> None:
        """Add `scale` times the parameters' gradients to ``.grad``; see `updateGradInput`."""
        if not self._plain and not any(p.requires_grad for p in self.parameters()):
            return
        self._run_backward(input, gradOutput, to_input=False, to_parameters=True, scale=scale)

    def _run_backward(
        self,
        input: Nested,
        gradOutput: Nested,
        *,
        to_input: bool,
        to_parameters: bool,
        scale: float = 1.0,
        after_forward: bool = False,
    ) -> Nested:
        recorded = self._pass_of(input, after_forward)
        try:
            return protocol.run_backward(
                recorded,
                input,
                gradOutput,
                self,
                self.place,
                to_input=to_input,
                to_parameters=to_parameters,
                scale=scale,
            )
        except Exception as error:
            raise_explained(error, self, input=input, gradOutput=gradOutput)

    def _pass_of(self, input: Nested, after_forward: bool) -> recording.RecordedPass:
        """Return the recorded pass of `input`; repeat it if the last one is of another input.

        With `after_forward`, there must be a pass already, of the same shapes.
        """
        if "forward" in self._overrides and GRADIENTS.isdisjoint(self._overrides):
            # It may call super().forward, which recorded only a part of the pass.
            return self._record_again(input, self.forward)
        recorded = self.recorded_pass
        if recorded is None and after_forward:
            raise GraphError(
                f"{self.place()}: backward without a forward pass to go back through. Call "
                "forward(input) first (not module(input), not under torch.no_grad(), and not "
                "before clearState)"
            )
        if recorded is not None and recorded.linked:
            if repeat.same_input(recorded.input, input):
                return recorded
            if after_forward and protocol.shapes(recorded.input) != protocol.shapes(input):
                return recorded  # run_backward refuses it
        return self._record_again(input, self.updateOutput)

    def _record_again(
        self, input: Nested, compute: Callable[[Nested], Nested]
    ) -> recording.RecordedPass:
        """Record a pass of `input` by `compute`, as if it had been the last one.

        Raises:
            GraphError: the module draws random numbers, which would differ.
        """
        with repeat.repeated(self, self.place):
            recorded = recording.record(self, compute, input)
        self._keep(recorded)
        return recorded


def _run_own() -> Callable[[Passes, Nested, bool], Nested]:
    """Return `own_gradients.run`, hidden from torch.compile where that is in use."""
    return _hidden_run_own() if "torch._dynamo" in sys.modules else own_gradients.run


@functools.cache
def _hidden_run_own() -> Callable[[Passes, Nested, bool], Nested]:
    hidden: Callable[[Passes, Nested, bool], Nested] = torch.compiler.disable(own_gradients.run)
    return hidden
