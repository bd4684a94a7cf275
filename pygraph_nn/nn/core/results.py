"""Torch7's fields of a module after a pass: output and gradInput."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from ... import nested
from ...errors import GraphError
from ...nested import Nested
from . import recording
from .base import Base

_ASSIGNED = {"_output", "_gradInput"}  # what a user's methods assigned to Torch7's fields
# The modules whose forward was called, by id.
_recorders: weakref.WeakValueDictionary[int, Results] = weakref.WeakValueDictionary()


class Results(Base):
    """A layer that remembers its last forward pass, of each thread.

    A container's pass has the outputs of the modules inside, so they need not remember theirs.
    """

    def __init__(self) -> None:
        super().__init__()
        self._records = recording.Records()

    def _keep(self, recorded: recording.RecordedPass) -> None:
        self._records.keep(recorded)
        _recorders[id(self)] = self

    @property
    def recorded_pass(self) -> recording.RecordedPass | None:
        """The last `forward` of this thread; None before it and after `clearState`."""
        recorded = self._records.last()
        return recorded if recorded is not None and recorded.gradients else None

    @property
    def output(self) -> Nested:
        """The output of the last `forward`, of this module or of a container that ran it.

        It is outside autograd; None before any `forward`. If `updateOutput` assigned it, it is the
        assigned value.

        Raises:
            GraphError: the last `forward` of a container ran this module and did not keep the value
                (under `torch.no_grad`, or inside a module that is no container).
        """
        if "_output" in self.__dict__:
            inside = recording.is_recording() or recording.inside_a_call()
            assigned: Nested = self.__dict__["_output"]
            return assigned if inside else nested.map_leaves(_outside, assigned)
        recorded, top = self._last_run()
        if recorded is None:
            return None
        if top is self:
            return recorded.detached_output()
        return nested.map_leaves(recording.detached, self._value_in(recorded, top))

    @output.setter
    def output(self, value: Nested) -> None:
        self.__dict__["_output"] = value

    @property
    def gradInput(self) -> Nested:
        """The result of the last backward pass, or what `updateGradInput` assigned; None before.

        Raises:
            GraphError: a container ran this module since.
        """
        if "_gradInput" in self.__dict__:
            return self.__dict__["_gradInput"]
        recorded = self.own_last_pass()
        return None if recorded is None else recorded.grad_input

    @gradInput.setter
    def gradInput(self, value: Nested) -> None:
        self.__dict__["_gradInput"] = value

    def own_last_pass(self) -> recording.RecordedPass | None:
        """Return the last `forward` of this module; None before it.

        Raises:
            GraphError: a container ran this module since.
        """
        recorded, top = self._last_run()
        if recorded is not None and top is not self:
            raise self._not_kept(top)
        return recorded

    def _last_run(self) -> tuple[recording.RecordedPass | None, Results]:
        """Return the last recorded pass in which this module may have run, and whose it is."""
        last, owner = self._records.last(), self
        for reference in _recorders.valuerefs():
            top = reference()
            recorded = None if top is None else top._records.last()
            if top is None or recorded is None or (last and recorded.number < last.number):
                continue
            if any(inner is self for inner in top.modules()):
                last, owner = recorded, top
        return last, owner

    def _value_in(self, recorded: recording.RecordedPass, top: Results) -> Nested:
        """Return the output of this module in a pass of `top`."""
        for container in top.modules():
            values = recorded.values.get(id(container))
            if values is not None and isinstance(container, Results):
                for member, value in container.member_outputs(values):
                    if member is self:
                        return value
        raise self._not_kept(top)

    def _not_kept(self, top: Results) -> GraphError:
        return GraphError(
            f"{self.place()}: the last forward of {top.place()} ran this module, or could have, "
            "and did not keep this value. pygraph_nn.trace(g, input, gradOutput) shows all values "
            "in a gModule; or call forward and backward of this module itself"
        )

    def member_outputs(
        self, values: Sequence[Nested]
    ) -> Iterator[tuple[torch.nn.Module | None, Nested]]:
        """Yield members and their outputs, the last first, from what `recording.keep_values` kept.

        `values` are the outputs in order of `members`.
        """
        yield from reversed(list(zip(self.members(), values, strict=False)))

    def members(self) -> Iterator[torch.nn.Module]:
        """Yield the modules directly inside; only a container has any."""
        return iter(())

    def clearState(self) -> Results:
        """Forget the last forward pass, in this module and all submodules."""
        for module in self.modules():
            if isinstance(module, Results):
                module._records.clear()
                for name in _ASSIGNED & module.__dict__.keys():
                    module.__dict__[name] = nested.map_leaves(_emptied, module.__dict__[name])
        return self

    def __getstate__(self) -> dict[str, Any]:
        # A recorded pass is tied to autograd and belongs to this object, not to its copies.
        state = {**super().__getstate__(), "_records": recording.Records()}
        for name in _ASSIGNED & state.keys():
            state[name] = nested.map_leaves(recording.detached, state[name])
        return state


def _outside(x: Nested) -> Nested:
    """Return `x` outside autograd; the tensor itself if it is already."""
    return x.detach() if isinstance(x, torch.Tensor) and x.requires_grad else x


def _emptied(x: Nested) -> Nested:
    return torch.empty(0, dtype=x.dtype, device=x.device) if isinstance(x, torch.Tensor) else None
