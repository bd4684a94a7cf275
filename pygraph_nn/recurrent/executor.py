"""The executor of a recurrence plan: what loops runs step by step, the rest once for all steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F

from .. import nested, nn
from ..errors import GraphError
from ..graph import gModule
from ..nn.core import in_reference_mode
from . import functions as fused
from .batching import row_wise
from .dispatch import delayed, run_known_loop
from .patterns import known_loop
from .plan import Operation, Plan, Stage, Wire, make_plan, wires


def recurrent(core: gModule, state: Mapping[str | int, str | int]) -> Recurrent:
    """The one-step network `core` run over time, as fast as its graph allows.

    `state` says which outputs feed which inputs of the next step, by the names of their nodes or
    by index::

        net = nngraph.recurrent(core, state={"prev_s": "next_s"})
        err, last_s = net([x, y, first_s])  # x, y: (T, batch); err: (T, 1)

    Raises:
        GraphError: a name is unknown, a state is given back in another structure, or the core
            does not run its nodes as gModule does.
    """
    return Recurrent(core, make_plan(core, state))


class Recurrent(torch.nn.Module):
    """A one-step network run over T steps, part of autograd.

    It takes what the core takes, with a dimension of time before all others, (T, batch, ...), and
    for a state the one to start from, (batch, ...). It gives what the core gives: (T, ...), and
    for a state the last one. The result is that of the core called step after step, up to
    rounding; only what a module draws at random, or gathers over its calls, comes in another order.

    Attributes:
        core: the one-step network.
        plan: the `Plan` that is followed.
    """

    def __init__(self, core: gModule, plan: Plan) -> None:
        super().__init__()
        self.core = core
        self.plan = plan
        self._wanted = _wanted_after(plan)
        self._uses = _uses(plan)
        self._known = [known_loop(plan, stage) for stage in plan.stages]
        self._losses = _softmax_losses(plan, self._uses)
        self._put_off = {i for pair in self._losses.values() for i in pair}

    def forward(self, input: Any) -> Any:
        return self.run(input, None)

    def run(self, input: Any, work: Any) -> Any:
        """The outputs; with `work`, a Descent, on its buffers and its parameters' layout."""
        values, steps = self._enter(input)
        owned: set[int] = set()  # values that nothing else will look at
        for stage, wanted, known in zip(self.plan.stages, self._wanted, self._known, strict=True):
            if stage.loop:
                if not run_known_loop(self.plan, known, wanted, values, steps, work, owned):
                    self._loop(stage, wanted, values, steps, work)
                continue
            for i in stage.ops:
                if work is None:
                    values[i] = self._all_steps(i, values, steps)
                elif i not in self._put_off:
                    values[i] = self._on_buffers(i, values, steps, work, owned)
        outputs = [self._leave(i, output, values) for i, output in enumerate(self.plan.outputs)]
        return outputs if len(outputs) > 1 else outputs[0]

    def _enter(self, input: Any) -> tuple[dict[int, Any], int]:
        """Values of inputs, and of states before the first step; and the number of steps."""
        given = [input] if self.core.nInputs == 1 else input
        if not isinstance(given, (list, tuple)) or len(given) != self.core.nInputs:
            raise GraphError(f"recurrent: expecting a table of {self.core.nInputs} inputs")
        values: dict[int, Any] = {}
        lengths = set()
        for i, (wire, value) in enumerate(zip(self.plan.inputs, given, strict=True)):
            if wire is None:
                states = self.plan.states[i]
                where = f"recurrent: the state inputs[{i}]"
                if isinstance(states, Wire):
                    values[states.op] = value  # a tensor, or a table that nobody takes apart here
                    continue
                for state, first in nested.pairs(states, value, where):
                    values[state.op] = first
            else:
                values[wire.op] = value
                lengths |= {x.shape[0] if x.dim() else 0 for x in nested.leaves(value)}
        if len(lengths) != 1 or not min(lengths):
            raise GraphError(
                f"recurrent: the sequences are of lengths {sorted(lengths)}; all inputs but the "
                "state take the same number of steps, their first dimension, at least one"
            )
        return values, lengths.pop()

    # Stages outside loops

    def _all_steps(self, i: int, values: dict[int, Any], steps: int) -> Any:
        """The values of operation `i` for all steps, with a leading dimension of time."""
        op = self.plan.ops[i]
        input = _resolve(op.input, values)
        try:
            if op.kind == "state":
                return delayed(values[i], input)
            if op.kind == "part":
                return _element(input, op)
            assert op.module is not None
            if row_wise(op.module, input):
                flat = nested.map_leaves(lambda x: x.flatten(0, 1), input)
                made = op.module(flat)
                return nested.map_leaves(lambda x: x.unflatten(0, (steps, -1)), made)
            losses = _losses(op.module, input)
            if losses is not None:
                return losses
            return _stack([op.module(_at(input, t)) for t in range(steps)])
        except (ValueError, RuntimeError, IndexError, TypeError) as error:
            raise _explained(error, op) from error

    def _on_buffers(
        self, i: int, values: dict[int, Any], steps: int, work: Any, owned: set[int]
    ) -> Any:
        """The same by the fused computations, on the buffers of `work`, where there is one."""
        op = self.plan.ops[i]
        module: Any = op.module
        if i in self._losses:
            losses = self._softmax_loss(i, values, work)
            if losses is not None:
                return losses
            for before in self._losses[i]:
                values[before] = self._on_buffers(before, values, steps, work, owned)
        if type(module) in (nn.LookupTable, nn.Dropout, nn.Linear) and module.runs_directly:
            x = _resolve(op.input, values)
            block = work.block(module)
            if type(module) is nn.Dropout:
                if _drops_plainly(module) and isinstance(x, torch.Tensor):
                    if not module.training or module.p == 0:
                        return x
                    return fused.Masked.apply(work, i, x, module.p, 1 / (1 - module.p))
            elif block is None or not isinstance(x, torch.Tensor):
                pass
            elif type(module) is nn.Linear and x.dim() == 3 and x.shape[2] == len(block) - 1:
                if self._uses[i] == 1:
                    owned.add(i)
                return fused.Affine.apply(work, i, x, block)
            elif type(module) is nn.LookupTable and x.dim() == 2 and _within(x, len(block)):
                return fused.Lookup.apply(work, i, x.long(), block)
        if module is not None:
            work.generic(module)
        return self._all_steps(i, values, steps)

    def _softmax_loss(self, i: int, values: dict[int, Any], work: Any) -> torch.Tensor | None:
        """The losses of all steps, (T, 1), from what its linear layer takes; None if it cannot."""
        linear, softmax = (self.plan.ops[before] for before in self._losses[i])
        op = self.plan.ops[i]
        criterion: Any = op.module.criterion  # type: ignore[union-attr]
        x, target = values[linear.input.op], values[op.input[1].op]
        block = work.block(linear.module)
        plain = all(m.runs_directly for m in (op.module, linear.module, softmax.module))  # type: ignore[union-attr]
        fits = isinstance(x, torch.Tensor) and x.dim() == 3 and target.shape == x.shape[:2]
        if block is None or not plain or not fits or x.shape[2] != len(block) - 1:
            return None
        if criterion.ignoreIndex >= 0 or not _within(target, block.shape[1]):
            return None
        average, gradient = criterion.sizeAverage, torch.is_grad_enabled()
        losses: torch.Tensor = fused.SoftmaxLoss.apply(
            work, i, x, target.long(), block, average, gradient
        )
        return losses

    # Loops

    def _loop(
        self, stage: Stage, wanted: list[int], values: dict[int, Any], steps: int, work: Any
    ) -> None:
        """Run the operations of `stage` step after step; keep the values that are `wanted`."""
        ops = self.plan.ops
        if work is not None:
            for i in stage.ops:
                if ops[i].module is not None:
                    work.generic(ops[i].module)
        inside = set(stage.ops)
        outside = {w for i in stage.ops for w in wires(ops[i].input) if w not in inside}
        now = {i: values[i] for i in stage.states}
        kept: dict[int, list[Any]] = {i: [] for i in wanted}
        op = ops[stage.ops[0]]
        try:
            for t in range(steps):
                now |= {i: _at(values[i], t) for i in outside}
                for i in stage.ops:
                    op = ops[i]
                    if op.kind == "part":
                        now[i] = _element(_resolve(op.input, now), op)
                    elif op.kind == "module":
                        assert op.module is not None
                        now[i] = op.module(_resolve(op.input, now))
                for i in wanted:
                    kept[i].append(now[i])
                now |= {i: _resolve(ops[i].input, now) for i in stage.states}
        except (ValueError, RuntimeError, IndexError, TypeError) as error:
            raise _explained(error, op) from error
        values |= {i: _stack(kept[i]) for i in wanted}

    def _leave(self, index: int, output: Any, values: dict[int, Any]) -> Any:
        """An output of the core: over time, or its last value where it is a state."""
        if index in self.plan.fed:
            return nested.map_leaves(lambda wire: _at(values[wire.op], -1), output)
        return _resolve(output, values)

    def extra_repr(self) -> str:
        return str(self.plan)


def _wanted_after(plan: Plan) -> list[list[int]]:
    """For each stage the operations whose values something after it, or the caller, needs."""
    needed = {w for output in plan.outputs for w in wires(output)}
    result: list[list[int]] = []
    for stage in reversed(plan.stages):
        result.append([i for i in stage.ops if i in needed])
        inside = set(stage.ops)
        for i in stage.ops:
            needed |= {w for w in wires(plan.ops[i].input) if w not in inside or not stage.loop}
    return result[::-1]


def _uses(plan: Plan) -> Counter[int]:
    """How often each operation's value is taken, by operations and as an output."""
    taken = [w for op in plan.ops for w in wires(op.input)]
    return Counter([*taken, *(w for output in plan.outputs for w in wires(output))])


def _softmax_losses(plan: Plan, uses: Counter[int]) -> dict[int, tuple[int, int]]:
    """Losses of log-softmaxes of linear layers, in between which nobody looks.

    For each the operations of the linear layer and of the softmax.
    """
    found = {}
    batched = {i for stage in plan.stages if not stage.loop for i in stage.ops}
    for i in batched:
        op = plan.ops[i]
        if not _mean_over_classes(op.module) or not isinstance(op.input, list):
            continue
        if len(op.input) != 2 or not all(isinstance(wire, Wire) for wire in op.input):
            continue
        softmax = op.input[0].op
        source = plan.ops[softmax].input
        if type(plan.ops[softmax].module) is not nn.LogSoftMax or not isinstance(source, Wire):
            continue
        linear = plan.ops[source.op]
        if type(linear.module) is not nn.Linear or not isinstance(linear.input, Wire):
            continue
        if {softmax, source.op} <= batched and uses[softmax] == uses[source.op] == 1:
            found[i] = (source.op, softmax)
    return found


def _mean_over_classes(module: Any) -> bool:
    if type(module) is not nn.ModuleFromCriterion:
        return False
    criterion: Any = module.criterion
    return type(criterion) is nn.ClassNLLCriterion and criterion.weights is None


def _drops_plainly(module: nn.Dropout) -> bool:
    return module.v2 and not (module.inplace or module.stochastic_inference or in_reference_mode())


def _within(index: torch.Tensor, size: int) -> bool:
    """Whether all of `index` is in 0..size - 1; on a device it is not waited for."""
    if not index.is_cpu:
        return True
    low, high = index.aminmax()
    return low.item() >= 0 and high.item() < size


def _explained(error: Exception, op: Operation) -> GraphError:
    if isinstance(error, GraphError) and getattr(error, "_has_node", False):
        return error
    made = GraphError(f"{error}\n  at {op.node!r}, run over time by recurrent")
    made._has_node = True  # type: ignore[attr-defined]
    return made


def _resolve(value: Any, values: Mapping[int, Any]) -> Any:
    return nested.map_leaves(lambda wire: values[wire.op], value)


def _at(value: Any, t: int) -> Any:
    return nested.map_leaves(lambda x: x[t], value)


def _stack(values: list[Any]) -> Any:
    """Values of the same structure, one a step, with a leading dimension of time."""
    columns = zip(*(nested.leaves(value) for value in values), strict=True)
    return nested.rebuild(values[0], iter([torch.stack(column) for column in columns]))


def _element(table: Any, op: Operation) -> Any:
    if isinstance(table, torch.Tensor):
        raise GraphError(f"expecting a table, to take element {op.part!r} of it, got a tensor")
    return table[op.part]


def _losses(module: torch.nn.Module, input: Any) -> torch.Tensor | None:
    """The losses of all steps, (T, 1), where a criterion averages over a batch of rows."""
    if not _mean_over_classes(module):
        return None
    criterion: Any = module.criterion
    log_p, target = input
    if log_p.dim() != 3 or target.shape != log_p.shape[:2]:
        return None
    if not _within(target[target != criterion.ignoreIndex], log_p.shape[2]):
        return None  # step by step, the criterion says what is wrong
    rows = F.nll_loss(
        log_p.flatten(0, 1),
        target.flatten().long(),
        ignore_index=criterion.ignoreIndex,
        reduction="none",
    ).view(target.shape)
    if not criterion.sizeAverage:
        return rows.sum(1, keepdim=True)
    counted = (target != criterion.ignoreIndex).sum(1, keepdim=True)
    return rows.sum(1, keepdim=True) / counted.clamp(min=1)
