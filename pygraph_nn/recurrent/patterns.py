"""Loops of a recurrence plan that are known, recognised by their graph: LSTM and GRU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import nn
from .plan import Operation, Plan, Stage, Wire, wires


@dataclass(frozen=True)
class LstmLoop:
    """The operations of a loop that is a long short-term memory.

    Attributes:
        c, h: the states. next_c, next_h: the values that feed them.
        linear: the operation that takes the h of the step before.
        externals: what else adds up to the gates, operations outside the loop.
        slots: which of the four slices of the gates is in, transform, forget and out.
        all: every operation of the loop.
    """

    c: int
    h: int
    next_c: int
    next_h: int
    linear: int
    externals: tuple[int, ...]
    slots: tuple[int, int, int, int]
    all: tuple[int, ...]


@dataclass(frozen=True)
class GruLoop:
    """The operations of a loop that is a gated recurrent unit; see `GruSteps`.

    Attributes:
        h, next_h: the state, and the value that feeds it.
        gates, candidate: the operations of the linear layers that take h and r * h.
        externals: what comes from outside to update gate, reset gate and candidate.
        slots: which of the two slices is the update gate, and which the reset gate.
        all: every operation of the loop.
    """

    h: int
    next_h: int
    gates: int
    candidate: int
    externals: tuple[int, int, int]
    slots: tuple[int, int]
    all: tuple[int, ...]


def known_loop(plan: Plan, stage: Stage) -> LstmLoop | GruLoop | None:
    """How `stage` is the loop of an LSTM or GRU; None if it is neither."""
    return lstm_loop(plan, stage) or gru_loop(plan, stage)


def gru_loop(plan: Plan, stage: Stage) -> GruLoop | None:
    """How `stage` is the loop of a GRU, whatever the order of gates, factors and terms."""
    if not stage.loop or len(stage.states) != 1:
        return None
    try:
        return _Match(plan, stage, stage.states[0], stage.states[0]).gru()
    except _Differs:
        return None


def lstm_loop(plan: Plan, stage: Stage) -> LstmLoop | None:
    """How `stage` is the loop of an LSTM, whatever the order of gates, factors and terms.

    None if it is not one, or if it has operations beyond those of an LSTM.
    """
    if not stage.loop or len(stage.states) != 2:
        return None
    for h in stage.states:
        (c,) = (state for state in stage.states if state != h)
        try:
            return _Match(plan, stage, c, h).loop()
        except _Differs:
            continue
    return None


class _Differs(Exception):
    """The loop is not of the form looked for."""


class _Match:
    """Follows the wires of a loop back from the next h."""

    def __init__(self, plan: Plan, stage: Stage, c: int, h: int) -> None:
        self.ops = plan.ops
        self.stage = stage
        self.c, self.h = c, h
        self.seen = {c, h}

    def loop(self) -> LstmLoop:
        next_c, next_h = (self._fed_by(state) for state in (self.c, self.h))
        out, squashed = self._product(next_h, nn.Sigmoid, nn.Tanh)
        if self._input(squashed) != next_c:
            raise _Differs
        kept = new = None
        for term in self._operands(next_c, nn.CAddTable, 2):
            if self.c in wires(self.ops[term].input):
                kept = term
            else:
                new = term
        if kept is None or new is None:
            raise _Differs
        forget = self._other(self._operands(kept, nn.CMulTable, 2), self.c)
        self._expect(forget, nn.Sigmoid)
        into, transform = self._product(new, nn.Sigmoid, nn.Tanh)
        slices = [self._slice(gate) for gate in (into, transform, forget, out)]
        split = slices[0][0]
        slots = tuple(slot for _, slot in slices)
        if any(source != split for source, _ in slices) or sorted(slots) != [0, 1, 2, 3]:
            raise _Differs
        linear, externals = self._gates(self._reshaped(split, 4))
        if self.seen != set(self.stage.ops):
            raise _Differs
        into, transform, forget, out = slots
        return LstmLoop(
            self.c,
            self.h,
            next_c,
            next_h,
            linear,
            tuple(externals),
            (into, transform, forget, out),
            tuple(self.stage.ops),
        )

    def gru(self) -> GruLoop:
        h, next_h = self.h, self._fed_by(self.h)
        first, second = self._operands(next_h, nn.CAddTable, 2)
        if h in wires(self.ops[first].input):
            first, second = second, first
        update, tanh = self._product(first, nn.Sigmoid, nn.Tanh)
        keep = self._other(self._operands(second, nn.CMulTable, 2), h)
        one_more: Any = self._expect(keep, nn.AddConstant).module
        negated = self._input(keep)
        minus: Any = self._expect(negated, nn.MulConstant).module
        if one_more.constant_scalar != 1 or minus.constant_scalar != -1:
            raise _Differs
        if self._input(negated) != update:
            raise _Differs
        candidate, x_candidate = self._linear_and_external(self._input(tanh))
        reset = self._other(self._operands(self._input(candidate), nn.CMulTable, 2), h)
        self._expect(reset, nn.Sigmoid)
        sums = [self._slice_and_external(gate) for gate in (update, reset)]
        (split, update_slot, x_update), (other, reset_slot, x_reset) = sums
        gates = self._reshaped(split, 2)
        self._expect(gates, nn.Linear)
        if other != split or {update_slot, reset_slot} != {0, 1} or self._input(gates) != h:
            raise _Differs
        if self.seen != set(self.stage.ops):
            raise _Differs
        slots, externals = (update_slot, reset_slot), (x_update, x_reset, x_candidate)
        return GruLoop(h, next_h, gates, candidate, externals, slots, tuple(self.stage.ops))

    def _linear_and_external(self, i: int) -> tuple[int, int]:
        """The terms of the sum `i`: a linear layer in the loop, and a value from outside."""
        inside, outside = self._terms(i)
        self._expect(inside, nn.Linear)
        return inside, outside

    def _slice_and_external(self, gate: int) -> tuple[int, int, int]:
        """The split that the sum in `gate` takes a slice of, which, and the value from outside."""
        inside, outside = self._terms(self._input(gate))
        return *self._slice_of(inside, 2), outside

    def _terms(self, i: int) -> tuple[int, int]:
        terms = self._operands(i, nn.CAddTable, 2)
        inside = [term for term in terms if term in self.stage.ops]
        outside = [term for term in terms if term not in self.stage.ops]
        if len(inside) != 1:
            raise _Differs
        return inside[0], outside[0]

    def _other(self, operands: list[int], known: int) -> int:
        """The one of two operands that is not `known`, which is the other."""
        others = [i for i in operands if i != known]
        if len(others) != 1:
            raise _Differs
        return others[0]

    def _fed_by(self, state: int) -> int:
        source = self.ops[state].input
        if not isinstance(source, Wire) or source.op not in self.stage.ops:
            raise _Differs
        return source.op

    def _expect(self, i: int, kind: type) -> Operation:
        """Operation `i`, which must be in the loop and of a module of `kind`."""
        op = self.ops[i]
        if i not in self.stage.ops or type(op.module) is not kind:
            raise _Differs
        self.seen.add(i)
        return op

    def _operands(self, i: int, kind: type, count: int | None = None) -> list[int]:
        operands = self._expect(i, kind).input
        if not isinstance(operands, list) or not all(isinstance(w, Wire) for w in operands):
            raise _Differs
        if count is not None and len(operands) != count:
            raise _Differs
        return [wire.op for wire in operands]

    def _product(self, i: int, *kinds: type) -> list[int]:
        """The factors of `i`, one of each kind, in this order."""
        factors = self._operands(i, nn.CMulTable, len(kinds))
        found = []
        for kind in kinds:
            of_kind = [factor for factor in factors if type(self.ops[factor].module) is kind]
            if len(of_kind) != 1:
                raise _Differs
            self._expect(of_kind[0], kind)
            found += of_kind
        return found

    def _input(self, i: int) -> int:
        source = self.ops[i].input
        if not isinstance(source, Wire):
            raise _Differs
        return source.op

    def _slice(self, gate: int) -> tuple[int, int]:
        """The split that `gate` is computed from, and which slice it takes."""
        return self._slice_of(self._input(gate), 4)

    def _slice_of(self, i: int, count: int) -> tuple[int, int]:
        op = self.ops[i]
        if i not in self.stage.ops:
            raise _Differs
        index: Any = op.part if op.kind == "part" else getattr(op.module, "index", None)
        if op.kind != "part" and type(op.module) is not nn.SelectTable:
            raise _Differs
        if not isinstance(index, int) or not -count <= index < count:
            raise _Differs
        self.seen.add(i)
        return self._input(i), index % count

    def _reshaped(self, split: int, count: int) -> int:
        """What is reshaped to (batch, count, size) and then split."""
        table: Any = self._expect(split, nn.SplitTable).module
        if (table.dimension, table.nInputDims) not in ((1, None), (-2, None), (0, 2), (-2, 2)):
            raise _Differs
        reshape = self._input(split)
        module: Any = self._expect(reshape, nn.Reshape).module
        if len(module.size) != 2 or module.size[0] != count or module.batchMode is False:
            raise _Differs
        return self._input(reshape)

    def _gates(self, i: int) -> tuple[int, list[int]]:
        """The product with h among the terms of `i`, and those from outside the loop."""
        terms = [i]
        if i in self.stage.ops and type(self.ops[i].module) is nn.CAddTable:
            terms = self._operands(i, nn.CAddTable)
        linear, externals = None, []
        for term in terms:
            if term not in self.stage.ops:
                externals.append(term)
            elif linear is None and type(self.ops[term].module) is nn.Linear:
                self._expect(term, nn.Linear)
                linear = term
            elif type(self.ops[term].module) is nn.CAddTable:
                inner, more = self._gates(term)
                if linear is not None:
                    raise _Differs
                linear, externals = inner, [*externals, *more]
            else:
                raise _Differs
        if linear is None or self._input(linear) != self.h or not externals:
            raise _Differs
        return linear, externals
