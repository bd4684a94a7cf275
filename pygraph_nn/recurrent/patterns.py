"""Patterns of loops: an LSTM and a GRU, recognised by the graph of their operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import torch

from .. import nn
from .operations import ValueRef
from .plan import Plan
from .stages import Stage


@dataclass(frozen=True)
class LstmLoop:
    """The operations, by index, of a loop that is a long short-term memory; see `LstmSteps`.

    Attributes:
        c, h: the states. next_c, next_h: the values that feed them.
        linear: the linear layer that takes the h of the step before.
        externals: the other terms of the gates, which are operations outside the loop.
        gate_slices: which of the four slices of the gates are in, transform, forget and out.
        ops: every operation of the loop.
    """

    c: int
    h: int
    next_c: int
    next_h: int
    linear: int
    externals: tuple[int, ...]
    gate_slices: tuple[int, int, int, int]
    ops: tuple[int, ...]


@dataclass(frozen=True)
class GruLoop:
    """The operations, by index, of a loop that is a gated recurrent unit; see `GruSteps`.

    Attributes:
        h, next_h: the state, and the value that feeds it.
        gates, candidate: the linear layers that take h and r * h.
        externals: the terms of update gate, reset gate and candidate from outside the loop.
        gate_slices: which of the two slices of the gates are the update and the reset gate.
        ops: every operation of the loop.
    """

    h: int
    next_h: int
    gates: int
    candidate: int
    externals: tuple[int, int, int]
    gate_slices: tuple[int, int]
    ops: tuple[int, ...]


CellLoop: TypeAlias = LstmLoop | GruLoop

Layer = TypeVar("Layer", bound=torch.nn.Module)


def match_cell(plan: Plan, stage: Stage) -> CellLoop | None:
    """Return the parts of the LSTM or GRU whose loop `stage` is; None if it is neither."""
    return match_lstm(plan, stage) or match_gru(plan, stage)


def match_gru(plan: Plan, stage: Stage) -> GruLoop | None:
    """Return the parts of the GRU whose loop `stage` is, in any order of gates, factors and terms.

    The result is None if it is no GRU, or has further operations.
    """
    if not stage.loop or len(stage.states) != 1:
        return None
    try:
        return _LoopMatcher(plan, stage).gru(stage.states[0])
    except _NoMatch:
        return None


def match_lstm(plan: Plan, stage: Stage) -> LstmLoop | None:
    """Return the parts of the LSTM whose loop `stage` is, in any order of gates, factors and terms.

    The result is None if it is no LSTM, or has further operations.
    """
    if not stage.loop or len(stage.states) != 2:
        return None
    first, second = stage.states
    for c, h in ((second, first), (first, second)):
        try:
            return _LoopMatcher(plan, stage).lstm(c, h)
        except _NoMatch:
            continue
    return None


class _NoMatch(Exception):
    """The loop does not match the pattern."""


class _LoopMatcher:
    """Follows the operations of a loop back from the next h.

    Its methods raise `_NoMatch` where the loop differs from the pattern. `seen` collects the
    operations that the pattern accounts for.
    """

    def __init__(self, plan: Plan, stage: Stage) -> None:
        self.ops, self.uses = plan.ops, plan.uses()
        self.inside = frozenset(stage.ops)
        self.stage = stage
        self.seen = set(stage.states)

    def lstm(self, c: int, h: int) -> LstmLoop:
        next_c, next_h = self._fed_by(c), self._fed_by(h)
        out, tanh_c = self._factors(next_h, nn.Sigmoid, nn.Tanh)
        _require(self._input(tanh_c) == next_c)
        remembered, new = self._term_with(c, self._operands(next_c, nn.CAddTable, 2))
        forget = _other(self._operands(remembered, nn.CMulTable, 2), c)
        self._expect(forget, nn.Sigmoid)
        into, transform = self._factors(new, nn.Sigmoid, nn.Tanh)
        slices = [self._slice(self._input(gate), 4) for gate in (into, transform, forget, out)]
        split, which = slices[0][0], [index for _, index in slices]
        _require(all(source == split for source, _ in slices) and sorted(which) == [0, 1, 2, 3])
        linear, externals = self._gate_sum(self._reshaped(split, 4), h)
        self._require_all_seen()
        gate_slices, ops = (which[0], which[1], which[2], which[3]), tuple(self.stage.ops)
        return LstmLoop(c, h, next_c, next_h, linear, tuple(externals), gate_slices, ops)

    def gru(self, h: int) -> GruLoop:
        next_h = self._fed_by(h)
        remembered, new = self._term_with(h, self._operands(next_h, nn.CAddTable, 2))
        update, tanh = self._factors(new, nn.Sigmoid, nn.Tanh)
        keep = _other(self._operands(remembered, nn.CMulTable, 2), h)
        self._require_one_minus(keep, update)
        candidate, x_candidate = self._inside_and_outside(self._input(tanh))
        self._expect(candidate, nn.Linear)
        reset = _other(self._operands(self._input(candidate), nn.CMulTable, 2), h)
        self._expect(reset, nn.Sigmoid)
        update_part, x_update = self._inside_and_outside(self._input(update))
        reset_part, x_reset = self._inside_and_outside(self._input(reset))
        (split, first), (reset_split, second) = (
            self._slice(part, 2) for part in (update_part, reset_part)
        )
        gates = self._reshaped(split, 2)
        self._expect(gates, nn.Linear)
        _require(reset_split == split and first != second and self._input(gates) == h)
        self._require_all_seen()
        externals, ops = (x_update, x_reset, x_candidate), tuple(self.stage.ops)
        return GruLoop(h, next_h, gates, candidate, externals, (first, second), ops)

    def _require_all_seen(self) -> None:
        _require(self.seen == self.inside)

    def _fed_by(self, state: int) -> int:
        """Return the operation whose value `state` takes in the next step."""
        source = self._input(state)
        _require(source in self.inside)
        return source

    def _expect(self, i: int, kind: type[Layer]) -> Layer:
        """Return the module of operation `i`, which must be in the loop and exactly a `kind`.

        One that works in place does not match if another operation reads what it overwrites.
        """
        module = self.ops[i].module
        if i not in self.inside or not isinstance(module, kind) or type(module) is not kind:
            raise _NoMatch
        if getattr(module, "inplace", False):
            _require(all(self.uses[source] == 1 for source in self.ops[i].sources()))
        self.seen.add(i)
        return module

    def _input(self, i: int) -> int:
        """Return the only operation whose value operation `i` takes."""
        source = self.ops[i].input
        if not isinstance(source, ValueRef):
            raise _NoMatch
        return source.op

    def _operands(self, i: int, kind: type[torch.nn.Module], count: int | None = None) -> list[int]:
        """Return the operations in the table that operation `i`, of `kind`, takes."""
        self._expect(i, kind)
        operands = self.ops[i].input
        if not isinstance(operands, list):
            raise _NoMatch
        _require(all(isinstance(operand, ValueRef) for operand in operands))
        _require(count is None or len(operands) == count)
        return [operand.op for operand in operands]

    def _factors(self, i: int, *kinds: type[torch.nn.Module]) -> list[int]:
        """Return the factors of the product `i`, one of each kind, in this order."""
        factors = self._operands(i, nn.CMulTable, len(kinds))
        ordered = []
        for kind in kinds:
            of_kind = [factor for factor in factors if type(self.ops[factor].module) is kind]
            _require(len(of_kind) == 1)
            self._expect(of_kind[0], kind)
            ordered += of_kind
        return ordered

    def _term_with(self, state: int, terms: Sequence[int]) -> tuple[int, int]:
        """Return the one of two terms that takes `state` directly, and the other."""
        takes = [state in self.ops[term].sources() for term in terms]
        _require(sum(takes) == 1)
        return (terms[0], terms[1]) if takes[0] else (terms[1], terms[0])

    def _inside_and_outside(self, i: int) -> tuple[int, int]:
        """Return the two terms of the sum `i`: first the one in the loop, then the other."""
        terms = self._operands(i, nn.CAddTable, 2)
        inside = [term for term in terms if term in self.inside]
        outside = [term for term in terms if term not in self.inside]
        _require(len(inside) == 1)
        return inside[0], outside[0]

    def _require_one_minus(self, i: int, source: int) -> None:
        """Require operation `i` to compute 1 - `source`, as -1 * source + 1."""
        plus_one = self._expect(i, nn.AddConstant)
        negated = self._input(i)
        times = self._expect(negated, nn.MulConstant)
        one, minus_one = plus_one.constant_scalar, times.constant_scalar
        _require(not isinstance(one, torch.Tensor) and one == 1)
        _require(not isinstance(minus_one, torch.Tensor) and minus_one == -1)
        _require(self._input(negated) == source)

    def _slice(self, i: int, count: int) -> tuple[int, int]:
        """Return the split that operation `i` takes one of `count` slices of, and which one."""
        op = self.ops[i]
        _require(i in self.inside)
        index: object = op.part
        if op.kind != "part":
            _require(type(op.module) is nn.SelectTable)
            index = getattr(op.module, "index", None)
        if not isinstance(index, int) or not -count <= index < count:
            raise _NoMatch
        self.seen.add(i)
        return self._input(i), index % count

    def _reshaped(self, split: int, count: int) -> int:
        """Return the operation whose value is reshaped to (batch, count, size) and then split."""
        table = self._expect(split, nn.SplitTable)
        _require((table.dimension, table.nInputDims) in ((1, None), (-2, None), (0, 2), (-2, 2)))
        reshape = self._input(split)
        module = self._expect(reshape, nn.Reshape)
        _require(len(module.size) == 2 and module.size[0] == count)
        _require(module.batchMode is not False)
        return self._input(reshape)

    def _gate_sum(self, i: int, h: int) -> tuple[int, list[int]]:
        """Return the linear layer that takes `h` among the terms of `i`, and the other terms.

        The other terms come from outside the loop. Sums may be nested.
        """
        terms = [i]
        if i in self.inside and type(self.ops[i].module) is nn.CAddTable:
            terms = self._operands(i, nn.CAddTable)
        linears: list[int] = []
        externals: list[int] = []
        for term in terms:
            if term not in self.inside:
                externals.append(term)
            elif type(self.ops[term].module) is nn.CAddTable:
                inner, more = self._gate_sum(term, h)
                linears.append(inner)
                externals += more
            else:
                self._expect(term, nn.Linear)
                linears.append(term)
        _require(len(linears) == 1 and self._input(linears[0]) == h and bool(externals))
        return linears[0], externals


def _require(condition: bool) -> None:
    if not condition:
        raise _NoMatch


def _other(operands: Sequence[int], one: int) -> int:
    """Return the one of two operands that is not `one`, which is the other."""
    others = [i for i in operands if i != one]
    _require(len(others) == 1)
    return others[0]
