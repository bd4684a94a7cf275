"""Dispatch: choose the hand-written function for a layer, a loss chain or the loop of a cell.

The choice depends on the modules and on the shapes, dtypes and devices of the tensors. A result of
None means that no function fits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from .. import nn
from ..nested import Nested
from ..nn.core import in_reference_mode
from . import native as kernels
from .bfloat16 import Bfloat16Workspace
from .bfloat16_loss import Bfloat16SoftmaxLoss
from .forward_pass import ForwardPass
from .functions import Affine, Dropout, Lookup, SoftmaxLoss, TargetOutOfRange, in_range
from .gru import GruSteps
from .loss_chains import LossChain
from .lstm import CudaLstmSteps, LstmCall, LstmSteps, NativeLstmSteps
from .overrides import computes_as_its_class
from .patterns import GruLoop, LstmLoop
from .workspace import Slot, Workspace

Tensor = torch.Tensor


def runs_directly(*modules: torch.nn.Module | None) -> bool:
    """Return whether all modules compute as their classes do; see `computes_as_its_class`."""
    return all(module is None or computes_as_its_class(module) for module in modules)


def fused_layer(
    module: torch.nn.Module | None, x: Nested, key: int, workspace: Workspace
) -> Tensor | None:
    """Return the value of a layer for all steps of `x`, computed by one of `functions`."""
    function = _FUSED_LAYERS.get(type(module))
    if function is None or not isinstance(x, Tensor) or not runs_directly(module):
        return None
    return function(module, x, key, workspace)


def fused_loss(
    chain: LossChain, linear: nn.Linear, criterion: nn.ClassNLLCriterion, forward: ForwardPass
) -> Tensor | None:
    """Return the losses of all steps, (T, 1), of a loss chain, computed by `SoftmaxLoss`."""
    workspace = forward.workspace
    slot = workspace.slot(linear)
    x, target = forward.values[chain.x], forward.values[chain.target]
    if slot is None or not _is_input(x, slot) or not isinstance(target, Tensor):
        return None
    if target.shape != x.shape[:2] or not target.numel() or criterion.ignoreIndex >= 0:
        return None
    average, gradient = criterion.sizeAverage, torch.is_grad_enabled()
    try:
        in_bfloat16 = gradient and isinstance(workspace, Bfloat16Workspace)
        function = Bfloat16SoftmaxLoss if in_bfloat16 else SoftmaxLoss
        losses: Tensor = function.apply(
            workspace, chain.loss, slot, x, target.long(), slot.values, average, gradient
        )
    except TargetOutOfRange:
        return None  # the criterion ignores or refuses it
    return losses


def lstm_loop(
    lstm: LstmLoop, linear: nn.Linear, forward: ForwardPass
) -> tuple[Tensor, Tensor] | None:
    """Return all c and h, (T, batch, size), of the loop of an LSTM; see `LstmSteps`."""
    values, workspace = forward.values, forward.workspace
    width, size = linear.weight.shape
    states = values[lstm.c], values[lstm.h]
    externals = [values[i] for i in lstm.externals]
    if width != 4 * size or not _fit_loop(linear.weight, size, width, states, externals):
        return None
    slot = workspace.block(linear)
    overwrite = lstm.externals[0] in forward.overwritable
    call = LstmCall(workspace, lstm.next_h, slot, lstm.gate_slices, overwrite)
    tensors = (*states, slot.values, *externals)
    results: tuple[Tensor, Tensor] = _lstm_steps(workspace, tensors).apply(call, *tensors)
    return results


def _lstm_steps(
    workspace: Workspace, tensors: Sequence[Tensor]
) -> type[CudaLstmSteps | NativeLstmSteps | LstmSteps]:
    if tensors[0].device.type in ("cuda", "meta"):  # on meta, these kernels compute shapes
        return CudaLstmSteps
    compiled = workspace.exact or isinstance(workspace, Bfloat16Workspace)
    if compiled and kernels.kernels_accept(*tensors):
        return NativeLstmSteps
    return LstmSteps


def gru_loop(
    gru: GruLoop, gates: nn.Linear, candidate: nn.Linear, forward: ForwardPass
) -> Tensor | None:
    """Return all h, (T, batch, size), of the loop of a GRU; see `GruSteps`."""
    values, workspace = forward.values, forward.workspace
    size = len(candidate.weight)
    h, externals = values[gru.h], [values[i] for i in gru.externals]
    if not _fit_loop(candidate.weight, size, size, [h], externals):
        return None
    slots = workspace.block(gates), workspace.block(candidate)
    blocks = [slot.values for slot in slots]
    all_h: Tensor = GruSteps.apply(
        workspace, gru.next_h, slots, gru.gate_slices, h, *blocks, *externals
    )
    return all_h


def _fit_loop(
    weight: Tensor, size: int, width: int, states: Sequence[Nested], externals: Sequence[Nested]
) -> bool:
    """Return whether states are (batch, size) and sums from outside (T, batch, width).

    All must be tensors of the dtype of `weight`, on its device.
    """
    for x in (*states, *externals):
        if not isinstance(x, Tensor) or x.dtype != weight.dtype or x.device != weight.device:
            return False
    steps_and_batch = externals[0].shape[:2]
    return all(x.shape == (*steps_and_batch[1:], size) for x in states) and all(
        x.shape == (*steps_and_batch, width) for x in externals
    )


def _is_input(x: Nested, slot: Slot) -> bool:
    """Return whether `x` is (T, batch, inputs), as the linear layer of `slot` takes it."""
    return (
        isinstance(x, Tensor)
        and x.dim() == 3
        and x.shape[2] == len(slot.values) - 1
        and x.dtype == slot.values.dtype
        and x.device == slot.values.device
    )


def _affine(linear: nn.Linear, x: Tensor, key: int, workspace: Workspace) -> Tensor | None:
    slot = workspace.slot(linear)
    if slot is None or not _is_input(x, slot):
        return None
    y: Tensor = Affine.apply(workspace, key, slot, x, slot.values)
    return y


def _lookup(table: nn.LookupTable, x: Tensor, key: int, workspace: Workspace) -> Tensor | None:
    slot = workspace.slot(table)
    if slot is None or x.dim() != 2 or not in_range(x, len(slot.values)):
        return None
    rows: Tensor = Lookup.apply(workspace, key, slot, x.long(), slot.values)
    return rows


def _dropout(dropout: nn.Dropout, x: Tensor, key: int, workspace: Workspace) -> Tensor | None:
    if not dropout.v2 or dropout.inplace or dropout.stochastic_inference or in_reference_mode():
        return None
    if not dropout.training or dropout.p == 0:
        return x
    dropout.drop_noise()
    y: Tensor = Dropout.apply(workspace, key, x, dropout.p)
    return y


_FUSED_LAYERS: dict[type, Callable[..., Tensor | None]] = {
    nn.Dropout: _dropout,
    nn.Linear: _affine,
    nn.LookupTable: _lookup,
}
