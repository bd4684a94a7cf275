"""The loops of an LSTM, each way to compute them, against the same formulas in double precision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from helpers import cpu_capabilities, use_compiled

from pygraph_nn.recurrent import Slot, Workspace
from pygraph_nn.recurrent.lstm import CudaLstmSteps, LstmCall, LstmSteps, NativeLstmSteps

# Relative error of a float32 computation: some roundings of 6e-8 in each of some steps.
EXACT = 2e-6
GATE_SLICES = [(0, 1, 2, 3), (0, 3, 1, 2), (2, 0, 3, 1), (0, 2, 1, 3)]


def fused_cell(
    outside: Any, sums: Any, c: Any, bias: Any = None, other: Any = None
) -> tuple[Any, ...]:
    """What PyTorch's CUDA kernel computes, for the CPU, which has none."""
    gates = outside + sums + bias + other
    into, forget, transform, out = gates.chunk(4, 1)
    into, forget, out = into.sigmoid(), forget.sigmoid(), out.sigmoid()
    transform = transform.tanh()
    next_c = forget * c + into * transform
    return out * next_c.tanh(), next_c, torch.cat([into, forget, transform, out], 1)


def fused_cell_backward(
    dh: Any, dc: Any, c: Any, next_c: Any, kept: Any, has_bias: bool
) -> tuple[Any, ...]:
    """Its backward; a gradient that is None is zero."""
    assert not has_bias
    into, forget, transform, out = kept.chunk(4, 1)
    dh, dc = (torch.zeros_like(c) if grad is None else grad for grad in (dh, dc))
    dc = dc + dh * out * (1 - next_c.tanh() ** 2)
    gates = [
        dc * transform * into * (1 - into),
        dc * c * forget * (1 - forget),
        dc * into * (1 - transform**2),
        dh * next_c.tanh() * out * (1 - out),
    ]
    return torch.cat(gates, 1), dc * forget, None


@pytest.fixture(scope="module")
def device_kernels() -> Iterator[None]:
    library = torch.library.Library("aten", "IMPL")
    library.impl("_thnn_fused_lstm_cell", fused_cell, "CPU")
    library.impl("_thnn_fused_lstm_cell_backward_impl", fused_cell_backward, "CPU")
    yield
    library._destroy()


@pytest.fixture(params=["PyTorch's operations", "device", *cpu_capabilities()])
def Steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param == "device":
        request.getfixturevalue("device_kernels")
        return CudaLstmSteps
    if request.param == "PyTorch's operations":
        return LstmSteps
    use_compiled(request.param, monkeypatch)
    return NativeLstmSteps


def in_double(
    slices: tuple[int, ...], c: Any, h: Any, block: Any, *externals: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loop as its formulas stand in the paper; autograd does the rest."""
    all_c, all_h = [], []
    for sums in sum(externals):
        gates = (sums + h @ block[:-1] + block[-1]).chunk(4, 1)
        into, transform, forget, out = (gates[i] for i in slices)
        c = forget.sigmoid() * c + into.sigmoid() * transform.tanh()
        h = out.sigmoid() * c.tanh()
        all_c.append(c)
        all_h.append(h)
    return torch.stack(all_c), torch.stack(all_h)


def arguments(steps: int, batch: int, size: int, externals: int = 1) -> list[torch.Tensor]:
    """First c and h, block and sums from outside, in float32; large sums among them."""
    generator = torch.Generator().manual_seed(steps * 10_000 + batch * 100 + size)
    shapes = [(batch, size)] * 2 + [(size + 1, 4 * size)] + [(steps, batch, 4 * size)] * externals
    made = [torch.randn(shape, generator=generator) for shape in shapes]
    made[2] /= size**0.5
    made[3] *= 3
    return [x.requires_grad_() for x in made]


def call_of(block: torch.Tensor, slices: tuple[int, int, int, int]) -> LstmCall:
    """A call on a block whose gradient goes to autograd."""
    return LstmCall(Workspace(), 0, Slot(block), slices)


def run(
    Steps: Any, slices: tuple[int, ...], given: list[torch.Tensor], to_c: bool = True
) -> list[torch.Tensor]:
    """c and h, and the gradients of everything given; without Steps, the oracle's."""
    if Steps is None:
        c, h = in_double(slices, *given)
    else:
        c, h = Steps.apply(call_of(given[2], slices), *given)
    weights = torch.linspace(-1, 1, h.numel(), dtype=h.dtype).view(h.shape)
    loss = (h * weights.cos()).sum() + (c * weights.sin()).sum() * to_c
    return [c, h, *torch.autograd.grad(loss, given)]


@pytest.mark.parametrize("slices", GATE_SLICES)
@pytest.mark.parametrize(
    ("steps", "batch", "size"),
    # A tile that is full, cut off at rows, at units, at both, and smaller than a vector.
    [(4, 20, 64), (3, 7, 32), (5, 10, 50), (3, 11, 13), (2, 1, 1), (1, 3, 200)],
)
def test_it_is_the_loop(
    Steps: Any, slices: tuple[int, ...], steps: int, batch: int, size: int
) -> None:
    given = arguments(steps, batch, size, externals=1 + batch % 2)
    exact = [x.detach().double().requires_grad_() for x in given]
    for found, expected in zip(run(Steps, slices, given), run(None, slices, exact), strict=True):
        error = (found - expected).norm() / expected.norm()
        assert error < EXACT, float(error)


def test_without_a_gradient_of_c(Steps: Any) -> None:
    given = arguments(3, 4, 20)
    exact = [x.detach().double().requires_grad_() for x in given]
    found = run(Steps, GATE_SLICES[1], given, to_c=False)
    expected = run(None, GATE_SLICES[1], exact, to_c=False)
    for a, b in zip(found, expected, strict=True):
        assert (a - b).norm() < EXACT * b.norm()


@pytest.mark.parametrize("capability", cpu_capabilities())
def test_small_numbers_keep_their_digits(capability: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """tanh(x) is as exact, relative to itself, where x is small, and none overflows."""
    use_compiled(capability, monkeypatch)
    size = 4096
    x = torch.cat([torch.logspace(-30, 38, size // 2), -torch.logspace(-30, 38, size // 2)])
    sums = torch.zeros(1, 1, 4 * size)
    sums[..., :size] = 200  # in: open
    sums[..., size : 2 * size] = x
    sums[..., 3 * size :] = 200  # out: open
    zeros = torch.zeros(1, size)
    block = torch.zeros(size + 1, 4 * size)
    c, h = NativeLstmSteps.apply(call_of(block, (0, 1, 2, 3)), zeros, zeros, block, sums)
    expected = x.double().tanh()
    assert ((c[0, 0] - expected).abs() <= 4e-7 * expected.abs()).all()
    assert ((h[0, 0] - expected.tanh()).abs() <= 4e-7 * expected.abs()).all()


def test_what_is_no_number_stays_so(Steps: Any) -> None:
    given = arguments(2, 5, 20)
    with torch.no_grad():
        given[3][0, 2, 0] = torch.nan
    c, h = Steps.apply(call_of(given[2], GATE_SLICES[0]), *given)
    assert h[0, 2, 0].isnan()
    assert c[0, 2, 0].isnan()
    assert h[1, 2].isnan().all()
    assert not h[:, [0, 1, 3, 4]].isnan().any()


@pytest.mark.parametrize("capability", cpu_capabilities())
def test_the_number_of_threads_changes_no_bit(
    capability: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_compiled(capability, monkeypatch)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(run(NativeLstmSteps, GATE_SLICES[0], arguments(3, 20, 70)))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_double_precision(device_kernels: None) -> None:
    """What is not of float32 alone agrees to the last digits."""
    given = [x.detach().double().requires_grad_() for x in arguments(3, 4, 20)]
    for slices in GATE_SLICES:
        expected = run(None, slices, given)
        for Steps in (LstmSteps, CudaLstmSteps):
            for a, b in zip(run(Steps, slices, given), expected, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
