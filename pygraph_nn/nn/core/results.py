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
_EMPTY = torch.empty(0)
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
        if not self._records.listed:
            _recorders[id(self)] = self
            self._records.listed = True

    @property
    def recorded_pass(self) -> recording.RecordedPass | None:
        """The last `forward` of this thread; None before it and after `clearState`."""
        recorded = self._records.last()
        return recorded if recorded is not None and recorded.gradients else None

    @property
    def output(self) -> Nested:
        """The output of the last `forward`, of this module or of a container that ran it.

        It is outside autograd, except inside the run that computes it. If `updateOutput` assigned
        it, it is the assigned value. Before any `forward` it is None, or in a class of the user's
        an empty tensor, as in Torch7.

        Raises:
            GraphError: the last `forward` of a container ran this module and did not keep the value
                (under `torch.no_grad`, or inside a module that is no container).
        """
        if recording.is_recording() or recording.inside_a_call():
            return self._output_inside()
        return nested.map_leaves(_outside, self._last_output())

    @output.setter
    def output(self, value: Nested) -> None:
        self.__dict__["_output"] = value

    def _output_inside(self) -> Nested:
        """Return the output as a part of the run that this thread is in.

        Raises:
            GraphError: the layer computes its own gradients, so that what it assigned is outside
                autograd, and the run does not keep its output.
        """
        running, top = recording.current_pass(), recording.current_module()
        assigned = not _is_empty(self.__dict__.get("_output", _EMPTY))
        if top is not self and not (self._plain and assigned):
            if running is not None and top is not None:
                if id(self) in running.outputs:
                    return running.outputs[id(self)]
                kept = self._kept_in(running, top)
                if kept:
                    return kept[0]
            last = self._records.last()
            older = running is not None and last is not None and last.number < running.number
            if torch.is_grad_enabled() and last and last.call is not None and not older:
                raise GraphError(
                    f"{self.place()}.output, inside the run of another module: use the value that "
                    "forward(input) returned, which is part of autograd"
                )
        return self._last_output()

    def _last_output(self) -> Nested:
        assigned: Nested = self.__dict__.get("_output", _EMPTY)
        if not _is_empty(assigned):
            return assigned
        recorded, top = self._last_run()
        if recorded is None:
            return self._torch7_field("_output")
        if top is self:
            return recorded.output if recorded.inside else recorded.detached_output()
        kept = self._kept_in(recorded, top)
        if not kept:
            raise self._not_kept(top)
        return nested.map_leaves(recording.detached, kept[0])

    @property
    def gradInput(self) -> Nested:
        """The result of the last backward pass, or what `updateGradInput` assigned.

        Before that it is None, or in a class of the user's an empty tensor.

        Raises:
            GraphError: a container ran this module since.
        """
        assigned: Nested = self.__dict__.get("_gradInput", _EMPTY)
        if not _is_empty(assigned):
            return assigned
        recorded, top = self._last_run()
        if recorded is not None and top is not self and self._plain:
            raise self._not_kept(top)
        if recorded is None or top is not self or recorded.grad_input is None:
            return self._torch7_field("_gradInput")
        return recorded.grad_input

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
            if _holds(top, self):
                last, owner = recorded, top
        return last, owner

    def _kept_in(
        self, recorded: recording.RecordedPass, container: torch.nn.Module
    ) -> tuple[Nested, ...]:
        """Return the last output of this module in a run of `container`; nothing if it is unknown.

        A module may have several places. The last one in order of the members is the one that ran
        last.
        """
        values = recorded.values.get(id(container))
        if values is None or not isinstance(container, Results):
            inside = [member for member in container.children() if _holds(member, self)]
            if len(inside) != 1 or inside[0] is self:
                return ()
            return self._kept_in(recorded, inside[0])
        for member, value in container.member_outputs(values):
            if member is self:
                return (value,)
            if member is not None and _holds(member, self):
                return self._kept_in(recorded, member)
        return ()

    def _not_kept(self, top: Results) -> GraphError:
        return GraphError(
            f"{self.place()}: the last forward of {top.place()} ran this module, or could have, "
            "and did not keep this value. pygraph_nn.trace(g, input, gradOutput) shows all values "
            "in a gModule; or call forward, not updateOutput, and backward of this module itself"
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


def _holds(container: torch.nn.Module, module: torch.nn.Module) -> bool:
    return any(inner is module for inner in container.modules())


def _outside(x: Nested) -> Nested:
    """Return `x` outside autograd; the tensor itself if it is already."""
    return x.detach() if isinstance(x, torch.Tensor) and x.requires_grad else x


def _is_empty(x: Nested) -> bool:
    return isinstance(x, torch.Tensor) and x.numel() == 0


def _emptied(x: Nested) -> Nested:
    return torch.empty(0, dtype=x.dtype, device=x.device) if isinstance(x, torch.Tensor) else None
