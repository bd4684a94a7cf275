"""Repeat a forward pass, for gradients at an input that is not the last recorded one's.

Torch7's `updateGradInput` and `accGradParameters` need no `forward` before them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

import torch

from ... import nested, torch7_random
from ...errors import GraphError
from ...nested import Nested


@contextlib.contextmanager
def repeated(module: torch.nn.Module, place: Callable[[], str]) -> Iterator[None]:
    """Let a forward pass inside the block repeat an earlier one: buffers stay as they are.

    Raises:
        GraphError: the pass draws random numbers, which would be others; generators are restored.
    """
    owners = [m for m in module.modules() if m._buffers]
    buffers = [(m, dict(m._buffers)) for m in owners]
    for m in owners:
        for name, buffer in m._buffers.items():
            m._buffers[name] = None if buffer is None else buffer.clone()
    devices = {p.device for p in module.parameters() if p.device.type == "cuda"}
    before = _generator_states(devices)
    try:
        yield
    finally:
        for m, originals in buffers:
            m._buffers.update(originals)
    after = _generator_states(devices)
    same = all(torch.equal(a, b) for a, b in zip(before[0], after[0], strict=True))
    if same and before[1] == after[1]:
        return
    torch.set_rng_state(before[0][0])
    for device, state in zip(devices, before[0][1:], strict=True):
        torch.cuda.set_rng_state(state, device)
    torch7_random.setRNGState(before[1])
    raise GraphError(
        f"{place()}: it draws random numbers, so that its gradients need the pass that drew them. "
        "Call forward(input) first, in place of updateOutput"
    )


def _generator_states(
    devices: Iterable[torch.device],
) -> tuple[list[torch.Tensor], torch7_random.RNGState]:
    cuda = [torch.cuda.get_rng_state(device) for device in devices]
    return [torch.get_rng_state(), *cuda], torch7_random.getRNGState()


def same_input(recorded: Nested, passed: Nested) -> bool:
    """Return whether `passed` is the input of a recorded pass, or has the same values."""
    if isinstance(recorded, torch.Tensor) and isinstance(passed, torch.Tensor):
        return _same(recorded, passed)
    mine, theirs = nested.leaves(recorded), nested.leaves(passed)
    return len(mine) == len(theirs) and all(map(_same, mine, theirs))


def _same(a: Nested, b: Nested) -> bool:
    if not isinstance(a, torch.Tensor) or not isinstance(b, torch.Tensor):
        return type(a) is type(b) and bool(a == b)
    if a.shape != b.shape:
        return False
    if a.layout != torch.strided or a.is_meta or b.is_meta:
        return True
    if a.data_ptr() == b.data_ptr() and a.stride() == b.stride():
        return True
    a, b = a.detach(), b.detach()
    if a.device != b.device or a.dtype != b.dtype:
        return False
    return bool(((a == b) | ((a != a) & (b != b))).all())
