"""The executor of a plan: a one-step network run over many time steps."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from .. import nested
from ..errors import GraphError
from ..graph import gModule
from ..nested import Nested
from ..nn.core import ChangeGuard
from .batched_stages import BatchedStage
from .forward_pass import ForwardPass, at_step, resolve
from .loop_stages import LoopStage, loop_stage
from .loss_chains import find_loss_chains
from .operations import ValueRef, referenced
from .plan import Plan, make_plan
from .workspace import Workspace


def recurrent(core: gModule, state: Mapping[str | int, str | int]) -> Recurrent:
    """Return the one-step network `core` run over time, as fast as its graph allows.

    `state` says which outputs feed which inputs of the next step, by the names of their nodes or
    by index::

        net = nngraph.recurrent(core, state={"prev_s": "next_s"})
        err, last_s = net([x, y, first_s])  # x, y: (T, batch); err: (T, 1)

    Raises:
        GraphError: a name is unknown, a state is returned in another structure, or the core does
            not run its nodes as gModule does.
    """
    return Recurrent(core, make_plan(core, state))


class Recurrent(torch.nn.Module):
    """A one-step network run over T steps, as part of autograd.

    Inputs and outputs are like the core's, with a first dimension of time: sequences are
    (T, batch, ...). A state goes in as its first value, (batch, ...), and comes out as its last.
    The results, and the buffers of the core's modules, equal those of calls of the core step after
    step, up to rounding. Only random draws come in another order. When modules of the core were
    replaced, the next run makes a new plan.

    Attributes:
        core: the one-step network.
        plan: the `Plan` that it follows.
        runners: the runner of each stage of the plan, such as an `LstmStage`.

    Raises:
        GraphError: at run time, the input is no table of as many values as the core has inputs,
            sequences differ in length, a module refuses its input, or a module that the plan took
            apart got a hook or another `updateOutput` since. Exceptions of other types
            get the node as a note.
    """

    def __init__(self, core: gModule, plan: Plan) -> None:
        super().__init__()
        self.core = core
        self.plan = plan
        self.runners = _stage_runners(plan)
        self._guard = ChangeGuard(core)
        self._follows_core = True

    def forward(self, input: Nested) -> Nested:
        """Return the outputs of the core for all steps of `input`."""
        return self.run(input, Workspace())

    def run(self, input: Nested, workspace: Workspace) -> Nested:
        """Return the outputs, computed in the buffers of `workspace`; see `FlatSGD`."""
        if not torch.compiler.is_compiling():
            if self.core._guard is not None:  # of getParameters
                self.core._guard.follow()
            if self._guard.changed():
                self._follows_core = False
        if not self._follows_core:
            self.plan = make_plan(self.core, self.plan.state)
            self.runners = _stage_runners(self.plan)
            self._follows_core = True
        self.plan.check_unchanged()
        values, steps = self._input_values(input)
        forward = ForwardPass(values, steps, workspace)
        for runner in self.runners:
            runner.run(forward)
        outputs = [self._output(i, value, values) for i, value in enumerate(self.plan.outputs)]
        return outputs if len(outputs) > 1 else outputs[0]

    def _input_values(self, input: Nested) -> tuple[dict[int, Nested], int]:
        """Return the values of inputs, and of states before the first step; and T."""
        inputs = [input] if self.core.nInputs == 1 else input
        if not isinstance(inputs, (list, tuple)) or len(inputs) != self.core.nInputs:
            raise GraphError(f"recurrent: expecting a table of {self.core.nInputs} inputs")
        values: dict[int, Nested] = {}
        lengths: set[int] = set()
        for i, (sequence, value) in enumerate(zip(self.plan.inputs, inputs, strict=True)):
            if sequence is not None:
                values[sequence.op] = value
                lengths |= {x.shape[0] if x.dim() else 0 for x in nested.leaves(value)}
                continue
            states = self.plan.states[i]
            if isinstance(states, ValueRef):
                values[states.op] = value  # a tensor, or a table that nothing takes apart here
                continue
            for state, first in nested.pairs(states, value, f"recurrent: the state inputs[{i}]"):
                values[state.op] = first
        if len(lengths) != 1 or not min(lengths):
            raise GraphError(
                f"recurrent: the sequences are of lengths {sorted(lengths)}; all inputs but the "
                "state take the same number of steps, their first dimension, at least one"
            )
        return values, lengths.pop()

    def _output(self, index: int, output: Nested, values: dict[int, Nested]) -> Nested:
        """Return an output of the core: over time, or its last value where it is a state."""
        if index in self.plan.fed:
            return nested.map_leaves(lambda ref: at_step(values[ref.op], -1), output)
        return resolve(output, values)

    def extra_repr(self) -> str:
        return str(self.plan)


def _stage_runners(plan: Plan) -> list[BatchedStage | LoopStage]:
    """Return the runners of the stages of `plan`, in their order."""
    uses, chains = plan.uses(), find_loss_chains(plan)
    return [
        loop_stage(plan, stage, results) if stage.loop else BatchedStage(plan, stage, uses, chains)
        for stage, results in zip(plan.stages, _results_of_stages(plan), strict=True)
    ]


def _results_of_stages(plan: Plan) -> list[list[int]]:
    """Return for each stage the operations whose values a later stage, or an output, needs."""
    needed = {i for output in plan.outputs for i in referenced(output)}
    results: list[list[int]] = []
    for stage in reversed(plan.stages):
        results.append([i for i in stage.ops if i in needed])
        inside = set(stage.ops)
        for i in stage.ops:
            needed |= {j for j in plan.ops[i].sources() if j not in inside or not stage.loop}
    return results[::-1]
