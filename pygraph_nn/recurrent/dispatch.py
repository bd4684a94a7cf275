"""Loops that are known, run by their own computations, where those fit what arrives."""

from __future__ import annotations

from typing import Any

import torch

from .. import nested
from . import functions as fused
from .gru import GruSteps
from .lstm.cuda import DeviceLstmSteps
from .lstm.native import NativeLstmSteps
from .lstm.torch_ops import LstmRun, LstmSteps
from .native import bindings as kernels
from .patterns import GruLoop, LstmLoop
from .plan import Plan


def run_known_loop(
    plan: Plan,
    known: LstmLoop | GruLoop | None,
    wanted: list[int],
    values: dict[int, Any],
    steps: int,
    work: Any,
    owned: set[int],
) -> bool:
    """Run a loop that is known by its own computation; False if it is not, or does not fit."""
    if known is None:
        return False
    modules: list[Any] = [plan.ops[i].module for i in known.all]
    if not all(module is None or module.runs_directly for module in modules):
        return False
    if isinstance(known, LstmLoop):
        return _lstm(plan, known, wanted, values, steps, work, owned)
    return _gru(plan, known, wanted, values, steps, work)


def _lstm(
    plan: Plan,
    lstm: LstmLoop,
    wanted: list[int],
    values: dict[int, Any],
    steps: int,
    work: Any,
    owned: set[int],
) -> bool:
    """Run the loop of an LSTM by its own computation; False if that does not fit here."""
    if not set(wanted) <= {lstm.c, lstm.h, lstm.next_c, lstm.next_h}:
        return False
    linear: Any = plan.ops[lstm.linear].module
    externals = [values[i] for i in lstm.externals]
    c, h = values[lstm.c], values[lstm.h]
    width, size = linear.weight.shape
    fits = all(isinstance(x, torch.Tensor) and x.shape == (steps, len(c), width) for x in externals)
    if not fits or width != 4 * size or c.shape != h.shape or h.shape != (len(c), size):
        return False
    block = _block(linear, work)
    work_ = work or fused.Workspace()
    steps_of: Any = LstmSteps
    if c.device.type in ("cuda", "meta"):  # the kernels are of CUDA; "meta" knows their shapes
        steps_of = DeviceLstmSteps
    elif work_.exact and kernels.kernels_accept(c, h, block, *externals):
        steps_of = NativeLstmSteps
    may_overwrite = work is not None and lstm.externals[0] in owned
    run = LstmRun(work_, lstm.next_h, lstm.slots, may_overwrite)
    next_c, next_h = steps_of.apply(run, c, h, block, *externals)
    values[lstm.next_c], values[lstm.next_h] = next_c, next_h
    if lstm.c in wanted:
        values[lstm.c] = delayed(c, next_c)
    if lstm.h in wanted:
        values[lstm.h] = delayed(h, next_h)
    return True


def _gru(
    plan: Plan, gru: GruLoop, wanted: list[int], values: dict[int, Any], steps: int, work: Any
) -> bool:
    """The same for the loop of a GRU."""
    if not set(wanted) <= {gru.h, gru.next_h}:
        return False
    gates, candidate = (plan.ops[i].module for i in (gru.gates, gru.candidate))
    externals, h = [values[i] for i in gru.externals], values[gru.h]
    size = candidate.weight.shape[0]  # type: ignore[union-attr, index]
    fits = all(isinstance(x, torch.Tensor) and x.shape == (steps, len(h), size) for x in externals)
    if not fits or h.shape != (len(h), size):
        return False
    values[gru.next_h] = GruSteps.apply(
        work or fused.Workspace(),
        gru.next_h,
        gru.slots,
        h,
        _block(gates, work),
        _block(candidate, work),
        *externals,
    )
    if gru.h in wanted:
        values[gru.h] = delayed(h, values[gru.next_h])
    return True


def _block(linear: Any, work: Any) -> torch.Tensor:
    """A linear layer's block: the one that `work` holds, or one made of its parameters."""
    block = None if work is None else work.block(linear)
    if block is not None:
        return block
    if work is not None:
        work.generic(linear)
    bias = linear.weight.new_zeros(len(linear.weight)) if linear.bias is None else linear.bias
    return torch.cat([linear.weight.t(), bias[None]])


def delayed(first: Any, value: Any) -> Any:
    """`value` one step later: `first`, then all of it but the last step."""
    pairs = nested.pairs(first, value, "recurrent: a state and what feeds it")
    made = [torch.cat([a[None], b[:-1]]) for a, b in pairs]
    return nested.rebuild(first, iter(made))
