"""The compiled kernels against the same formulas in double precision; and doing without them."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pygraph_nn import fused, kernels, native
from pygraph_nn.native_lstm import NativeLstmSteps

# Relative error of a float32 computation: some roundings of 6e-8 in each of some steps.
EXACT = 2e-6
SLOTS = [(0, 1, 2, 3), (0, 3, 1, 2), (2, 0, 3, 1)]


def capabilities() -> list[str]:
    """All that this processor can run; AVX-512 includes AVX2."""
    try:
        found = native.capability()
    except native.Unavailable:
        return []
    return ["AVX2", "AVX512"] if found == "AVX512" else [found]


@pytest.fixture(params=capabilities() or [None])
def compiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ctypes.CDLL:
    try:
        library = native.load(request.param or native.capability())
    except native.Unavailable as reason:
        pytest.skip(str(reason))
    monkeypatch.setattr(native, "library", lambda: library)
    return library


def in_double(
    slots: tuple[int, ...], c: Any, h: Any, block: Any, *externals: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loop as its formulas stand in the paper; autograd does the rest."""
    all_c, all_h = [], []
    for sums in sum(externals):
        gates = (sums + h @ block[:-1] + block[-1]).chunk(4, 1)
        into, transform, forget, out = (gates[slot] for slot in slots)
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


def run(slots: tuple[int, ...], given: list[torch.Tensor], to_c: bool = True) -> list[torch.Tensor]:
    """c and h, and the gradients of everything given."""
    if given[0].dtype == torch.float64:
        c, h = in_double(slots, *given)
    else:
        c, h = NativeLstmSteps.apply(fused.Workspace(), "loop", slots, False, *given)
    weights = torch.linspace(-1, 1, h.numel(), dtype=h.dtype).view(h.shape)
    loss = (h * weights.cos()).sum() + (c * weights.sin()).sum() * to_c
    return [c, h, *torch.autograd.grad(loss, given)]


@pytest.mark.parametrize("slots", SLOTS)
@pytest.mark.parametrize(
    ("steps", "batch", "size"),
    # A tile that is full, cut off at rows, at units, at both, and smaller than a vector.
    [(4, 20, 64), (3, 7, 32), (5, 10, 50), (3, 11, 13), (2, 1, 1), (1, 3, 200)],
)
def test_it_is_the_loop(
    compiled: ctypes.CDLL, slots: tuple[int, ...], steps: int, batch: int, size: int
) -> None:
    given = arguments(steps, batch, size, externals=1 + batch % 2)
    exact = [x.detach().double().requires_grad_() for x in given]
    for found, expected in zip(run(slots, given), run(slots, exact), strict=True):
        error = (found - expected).norm() / expected.norm()
        assert error < EXACT, float(error)


def test_without_a_gradient_of_c(compiled: ctypes.CDLL) -> None:
    given = arguments(3, 4, 20)
    exact = [x.detach().double().requires_grad_() for x in given]
    found, expected = (run(SLOTS[0], x, to_c=False) for x in (given, exact))
    for a, b in zip(found, expected, strict=True):
        assert (a - b).norm() < EXACT * b.norm()


def test_small_numbers_keep_their_digits(compiled: ctypes.CDLL) -> None:
    """tanh(x) is as exact, relative to itself, where x is small, and none overflows."""
    size = 4096
    x = torch.cat([torch.logspace(-30, 38, size // 2), -torch.logspace(-30, 38, size // 2)])
    sums = torch.zeros(1, 1, 4 * size)
    sums[..., :size] = 200  # in: open
    sums[..., size : 2 * size] = x
    sums[..., 3 * size :] = 200  # out: open
    zeros = torch.zeros(1, size)
    block = torch.zeros(size + 1, 4 * size)
    c, h = NativeLstmSteps.apply(
        fused.Workspace(), "x", (0, 1, 2, 3), False, zeros, zeros, block, sums
    )
    expected = x.double().tanh()
    assert ((c[0, 0] - expected).abs() <= 4e-7 * expected.abs()).all()
    assert ((h[0, 0] - expected.tanh()).abs() <= 4e-7 * expected.abs()).all()


def test_what_is_no_number_stays_so(compiled: ctypes.CDLL) -> None:
    given = arguments(2, 5, 20)
    with torch.no_grad():
        given[3][0, 2, 0] = torch.nan
    c, h = NativeLstmSteps.apply(fused.Workspace(), "x", SLOTS[0], False, *given)
    assert h[0, 2, 0].isnan()
    assert c[0, 2, 0].isnan()
    assert h[1, 2].isnan().all()
    assert not h[:, [0, 1, 3, 4]].isnan().any()


def test_the_number_of_threads_changes_no_bit(compiled: ctypes.CDLL) -> None:
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(run(SLOTS[0], arguments(3, 20, 70)))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("classes", [1, 5, 16, 17, 40, 10_000])
@pytest.mark.parametrize("largest", [1.0, 50.0, 1e4])
def test_softmax_and_loss(compiled: ctypes.CDLL, classes: int, largest: float) -> None:
    generator = torch.Generator().manual_seed(classes)
    scores = torch.randn(9, classes, generator=generator) * largest
    target = torch.randint(classes, (9,), generator=generator)
    exact = scores.double().requires_grad_()
    expected = torch.nn.functional.cross_entropy(exact, target, reduction="none")
    (gradient,) = torch.autograd.grad(expected.sum(), exact)
    before = scores.clone()
    only_losses = kernels.softmax_loss(scores, target, gradient=False)
    assert torch.equal(scores, before)
    losses = kernels.softmax_loss(scores, target, gradient=True)
    assert torch.equal(losses, only_losses)
    torch.testing.assert_close(losses.double(), expected.detach(), rtol=5e-7, atol=1e-6)
    torch.testing.assert_close(scores.double(), gradient, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("odd", [torch.nan, torch.inf])
def test_a_softmax_of_what_is_no_number(compiled: ctypes.CDLL, odd: float) -> None:
    scores = torch.zeros(3, 40)
    scores[1, 37] = odd
    losses = kernels.softmax_loss(scores, torch.zeros(3, dtype=torch.long), gradient=True)
    assert losses.isnan().tolist() == [False, True, False]
    assert scores[1].isnan().any()


def python(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"PYGRAPH_NN_NATIVE": "0"}, "PYGRAPH_NN_NATIVE in the environment turns it off"),
        ({"CC": "no-such-compiler"}, "no compiler was found: no-such-compiler"),
        ({"CC": "false"}, "lstm_steps.c"),
        ({"ATEN_CPU_CAPABILITY": "default"}, "it is for Linux on x86-64 with AVX2 or AVX-512"),
    ],
)
def test_it_says_why_it_cannot_be_had(
    tmp_path: Path, environment: dict[str, str], reason: str
) -> None:
    said = python("-m", "pygraph_nn", XDG_CACHE_HOME=str(tmp_path), **environment)
    assert "No compiled kernels" in said
    assert reason in said or not capabilities()


@pytest.mark.skipif(not capabilities(), reason="it cannot be had here")
def test_it_is_compiled_once(tmp_path: Path) -> None:
    code = "from pygraph_nn import native; print(native.library()._name)"
    first = python("-c", code, XDG_CACHE_HOME=str(tmp_path))
    made = list((tmp_path / "pygraph_nn").iterdir())
    assert [str(path) for path in made] == [first.strip()]
    changed = made[0].stat().st_mtime_ns
    assert python("-c", code, XDG_CACHE_HOME=str(tmp_path)) == first
    assert made[0].stat().st_mtime_ns == changed


@pytest.mark.skipif(not capabilities(), reason="it cannot be had here")
def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    code = "from pygraph_nn import native; print(native.library()._name)"
    assert "kernels" in python("-c", code, XDG_CACHE_HOME=str(file))
