"""Stages that loop: step by step, or by the specialised kernel of an LSTM or GRU."""

from __future__ import annotations

from .. import nn
from ..nested import Nested
from ..nn.core import run_module
from .dispatch import gru_loop, lstm_loop, runs_directly
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
from .operations import referenced
from .patterns import GruLoop, LstmLoop, match_cell
from .plan import Plan
from .stages import Stage


class LoopStage:
    """Runs the operations of a loop step by step.

    Args:
        plan, stage: the plan and one of its stages.
        results: the operations whose values a later stage, or an output, needs.
    """

    def __init__(self, plan: Plan, stage: Stage, results: list[int]) -> None:
        self._ops = plan.ops
        self._stage = stage
        self._results = results

    def run(self, forward: ForwardPass) -> None:
        """Compute the values of the results for all steps.

        Raises:
            GraphError: a module refuses its input.
        """
        ops, stage, values = self._ops, self._stage, forward.values
        for i in stage.ops:
            module = ops[i].module
            if module is not None:
                forward.workspace.leave_to_autograd(module)
        inside = set(stage.ops)
        outside = {j for i in stage.ops for j in referenced(ops[i].input) if j not in inside}
        now = {i: values[i] for i in stage.states}
        steps: dict[int, list[Nested]] = {i: [] for i in self._results}
        step = own_step if works_in_place(*(ops[i].module for i in stage.ops)) else at_step
        op = ops[stage.ops[0]]
        try:
            for t in range(forward.steps):
                now |= {i: step(values[i], t) for i in outside}
                for i in stage.ops:
                    op = ops[i]
                    if op.module is not None:
                        now[i] = run_module(op.module, resolve(op.input, now), apart=True)
                    elif op.kind == "part":
                        now[i] = element(resolve(op.input, now), op)
                for i in self._results:
                    steps[i].append(now[i])
                now |= {i: resolve(ops[i].input, now) for i in stage.states}
        except Exception as error:
            raise_at(op, error)
        values |= {i: stack_steps(steps[i]) for i in self._results}


class LstmStage(LoopStage):
    """Runs the loop of an LSTM by its kernel, or step by step where the kernel does not fit.

    Args:
        plan, stage, results: see `LoopStage`.
        cell: the operations of the LSTM.
    """

    def __init__(self, plan: Plan, stage: Stage, results: list[int], cell: LstmLoop) -> None:
        super().__init__(plan, stage, results)
        self.cell = cell
        self._modules = [plan.ops[i].module for i in stage.ops]

    def run(self, forward: ForwardPass) -> None:
        cell, values, linear = self.cell, forward.values, self._ops[self.cell.linear].module
        if not isinstance(linear, nn.Linear) or not runs_directly(*self._modules):
            return super().run(forward)
        try:
            states = lstm_loop(cell, linear, forward)
        except Exception as error:
            raise_at(self._ops[cell.next_h], error)
        if states is None:
            return super().run(forward)
        c, h = states
        values[cell.next_c], values[cell.next_h] = c, h
        if cell.c in self._results:
            values[cell.c] = delayed(values[cell.c], c)
        if cell.h in self._results:
            values[cell.h] = delayed(values[cell.h], h)


class GruStage(LoopStage):
    """Runs the loop of a GRU by its kernel, or step by step where the kernel does not fit.

    Args:
        plan, stage, results: see `LoopStage`.
        cell: the operations of the GRU.
    """

    def __init__(self, plan: Plan, stage: Stage, results: list[int], cell: GruLoop) -> None:
        super().__init__(plan, stage, results)
        self.cell = cell
        self._modules = [plan.ops[i].module for i in stage.ops]

    def run(self, forward: ForwardPass) -> None:
        cell, values = self.cell, forward.values
        gates, candidate = (self._ops[i].module for i in (cell.gates, cell.candidate))
        if not isinstance(gates, nn.Linear) or not isinstance(candidate, nn.Linear):
            return super().run(forward)
        if not runs_directly(*self._modules):
            return super().run(forward)
        try:
            h = gru_loop(cell, gates, candidate, forward)
        except Exception as error:
            raise_at(self._ops[cell.next_h], error)
        if h is None:
            return super().run(forward)
        values[cell.next_h] = h
        if cell.h in self._results:
            values[cell.h] = delayed(values[cell.h], h)


def loop_stage(plan: Plan, stage: Stage, results: list[int]) -> LoopStage:
    """Return the runner of the loop `stage`; see `LoopStage` for the arguments.

    A kernel returns the states only, so the loop of a cell whose gates are used elsewhere runs
    step by step.
    """
    cell = match_cell(plan, stage)
    if isinstance(cell, LstmLoop) and set(results) <= {cell.c, cell.h, cell.next_c, cell.next_h}:
        return LstmStage(plan, stage, results, cell)
    if isinstance(cell, GruLoop) and set(results) <= {cell.h, cell.next_h}:
        return GruStage(plan, stage, results, cell)
    return LoopStage(plan, stage, results)
