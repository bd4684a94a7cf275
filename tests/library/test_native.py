"""Compiling the kernels, doing without them, and those that have no test elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers import cpu_capabilities, use_compiled

import pygraph_nn as nngraph
from pygraph_nn import nn
from pygraph_nn.recurrent.native import bindings as kernels


@pytest.fixture(params=cpu_capabilities() or [None])
def compiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    use_compiled(request.param, monkeypatch)


@pytest.mark.parametrize("classes", [1, 5, 16, 17, 40, 10_000])
@pytest.mark.parametrize("largest", [1.0, 50.0, 1e4])
def test_softmax_and_loss(compiled: None, classes: int, largest: float) -> None:
    generator = torch.Generator().manual_seed(classes)
    scores = torch.randn(9, classes, generator=generator) * largest
    target = torch.randint(classes, (9,), generator=generator)
    exact = scores.double().requires_grad_()
    expected = torch.nn.functional.cross_entropy(exact, target, reduction="none")
    (gradient,) = torch.autograd.grad(expected.sum(), exact)
    before = scores.clone()
    only_losses, _ = kernels.softmax_loss(scores, target, gradient=False)
    assert torch.equal(scores, before)
    losses, factor = kernels.softmax_loss(scores, target, gradient=True)
    assert torch.equal(losses, only_losses)
    torch.testing.assert_close(losses.double(), expected.detach(), rtol=5e-7, atol=1e-6)
    found = scores.double() * factor[:, None].double()
    torch.testing.assert_close(found, gradient, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("odd", [torch.nan, torch.inf])
def test_a_softmax_of_what_is_no_number(compiled: None, odd: float) -> None:
    scores = torch.zeros(3, 40)
    scores[1, 37] = odd
    losses, _ = kernels.softmax_loss(scores, torch.zeros(3, dtype=torch.long), gradient=True)
    assert losses.isnan().tolist() == [False, True, False]
    assert scores[1].isnan().any()


@pytest.mark.parametrize("average", [True, False])
def test_losses_that_count_differently(compiled: None, average: bool) -> None:
    """A descent's gradients where each step has a weight of its own, against double precision."""
    generator = torch.Generator().manual_seed(1)
    words, width, classes = (7, 3), 6, 1100
    linear = nn.Linear(width, classes)
    x, y = nn.Identity()(), nn.Identity()()
    log_p = nn.LogSoftMax()(linear(nn.Linear(5, width)(x)))
    losses = nn.ClassNLLCriterion(None, average)([log_p, y])
    core = nngraph.gModule([x, y], [losses])
    for parameter in core.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    input = torch.randn(*words, 5, generator=generator)
    target = torch.randint(classes, words, generator=generator)
    weights = torch.tensor([[1.0], [-2.0], [0.0], [0.5], [3.0], [1e-3], [20.0]])
    exact = [p.detach().double().requires_grad_() for p in core.parameters()]
    hidden = torch.nn.functional.linear(input.double(), *exact[:2])
    scores = torch.nn.functional.linear(hidden, *exact[2:]).flatten(0, 1)
    rows = torch.nn.functional.cross_entropy(scores, target.flatten(), reduction="none")
    expected = rows.view(words).mean(1) if average else rows.view(words).sum(1)
    gradients = torch.autograd.grad((expected * weights[:, 0]).sum(), exact)
    descent = nngraph.FlatSGD(nngraph.recurrent(core, {}))
    made = descent.forward([input, target])
    torch.testing.assert_close(made[:, 0].double(), expected, rtol=1e-6, atol=1e-6)
    descent.backward([made], [weights])
    for parameter, gradient in zip(core.parameters(), gradients, strict=True):
        assert parameter.grad is not None
        error = (parameter.grad.double() - gradient).norm() / gradient.norm()
        assert error < 1e-6


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
    assert reason in said or not cpu_capabilities()


@pytest.mark.skipif(not cpu_capabilities(), reason="it cannot be had here")
def test_it_is_compiled_once(tmp_path: Path) -> None:
    code = "from pygraph_nn.recurrent.native import build as native; print(native.library()._name)"
    first = python("-c", code, XDG_CACHE_HOME=str(tmp_path))
    made = list((tmp_path / "pygraph_nn").iterdir())
    assert [str(path) for path in made] == [first.strip()]
    changed = made[0].stat().st_mtime_ns
    assert python("-c", code, XDG_CACHE_HOME=str(tmp_path)) == first
    assert made[0].stat().st_mtime_ns == changed


@pytest.mark.skipif(not cpu_capabilities(), reason="it cannot be had here")
def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    code = "from pygraph_nn.recurrent.native import build as native; print(native.library()._name)"
    assert "kernels" in python("-c", code, XDG_CACHE_HOME=str(file))
