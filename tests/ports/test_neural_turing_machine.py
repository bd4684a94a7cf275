"""The copy task of a neural Turing machine: `neural_turing_machine.py` against plain PyTorch."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from port_checks import check_module, check_step, with_gradients
from ports.neural_turing_machine import (
    BITS,
    COLUMNS,
    NTM,
    ROWS,
    SHIFTS,
    STATES,
    CircularConvolution,
    DivideBySum,
    OuterProd,
    PowTable,
    ScalarMulTable,
    SmoothCosineSimilarity,
)

import pygraph_nn as nngraph
from pygraph_nn import nn, torch7_random

pytestmark = pytest.mark.usefixtures("float64_default")


def copy_step(machine: NTM, sequence: torch.Tensor) -> float:
    """Let `machine` copy `sequence`, (n, BITS); compute the loss and the gradients."""
    machine.grads.zero_()
    marks, nothing, n = torch.eye(BITS), torch.zeros(BITS), len(sequence)
    inputs = [marks[0], *sequence, marks[1], *[nothing] * n]
    outputs, criterion, loss = [machine.forward(x) for x in inputs], nn.BCECriterion(), 0.0
    for t in reversed(range(len(inputs))):
        target, grad = t - (n + 2), nothing
        if target >= 0:
            loss += BITS * criterion.forward(outputs[t], sequence[target]).item()
            grad = BITS * criterion.backward(outputs[t], sequence[target])
        machine.backward(inputs[t], grad)
    return loss


def plain(p, sequence: torch.Tensor) -> torch.Tensor:
    """The loss of copying `sequence`, in matrices."""

    def linear(name, x):
        return p[f"0.{name}.weight"] @ x + p[f"0.{name}.bias"]

    def weights(name, M, w, m):
        key = linear(f"{name}_key", m).tanh()
        lengths = M.square().sum(1).sqrt() * key.square().sum().sqrt()
        content = (F.softplus(linear(f"{name}_beta", m)) * (M @ key) / (lengths + 1e-3)).softmax(0)
        w = w + linear(f"{name}_g", m).sigmoid() * (content - w)
        shift = linear(f"{name}_shift", m).softmax(0)
        rows = [[(i + SHIFTS // 2 - j) % ROWS for j in range(SHIFTS)] for i in range(ROWS)]
        power = (w[torch.tensor(rows)] @ shift).pow(1 + F.softplus(linear(f"{name}_gamma", m)))
        return power / power.sum()

    first = {name: p[f"1.first_{name}.bias"] for name in STATES}
    M, r, m, c = (first[name].tanh() for name in ("M", "r", "m", "c"))
    M, wr, ww = M.view(ROWS, COLUMNS), first["wr"].softmax(0), first["ww"].softmax(0)
    # The constant that these weights multiply is zero, and so is their gradient.
    loss, n = 0 * sum(p[f"1.first_{name}.weight"].sum() for name in STATES), len(sequence)
    marks = torch.eye(BITS)
    inputs = torch.cat([marks[:1], sequence, marks[1:2], torch.zeros(n, BITS)])
    for t, x in enumerate(inputs):
        i, f, o, update = (
            linear(f"{g}_x", x) + linear(f"{g}_m", m) + linear(f"{g}_r", r)
            for g in ("i", "f", "o", "update")
        )
        c = f.sigmoid() * c + i.sigmoid() * update.tanh()
        m = o.sigmoid() * c.tanh()
        wr, ww = weights("read", M, wr, m), weights("write", M, ww, m)
        r = wr @ M
        erase, add = linear("write_erase", m).sigmoid(), linear("write_add", m).tanh()
        M = M * (1 - ww[:, None] * erase) + ww[:, None] * add
        if t >= n + 2:
            output = linear("bits", m).sigmoid()
            loss = loss + F.binary_cross_entropy(output, sequence[t - n - 2], reduction="sum")
    return loss


def bits(n: int) -> torch.Tensor:
    """`n` random rows of BITS, the marks zero."""
    sequence = torch.randint(2, (n, BITS), generator=torch.Generator().manual_seed(1)).double()
    sequence[:, :2] = 0
    return sequence


def rotated(vector: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    n, half = len(vector), len(kernel) // 2
    return torch.stack(
        [sum(k * vector[(i + half - j) % n] for j, k in enumerate(kernel)) for i in range(n)]
    )


@pytest.mark.parametrize(
    ("layer", "shapes", "plain"),
    [
        (OuterProd(), [(3,), (2,)], lambda a, b: a[:, None] * b),
        (ScalarMulTable(), [(3,), (1,)], torch.mul),
        (PowTable(), [(3,), (1,)], torch.pow),
        (DivideBySum(), [(4,)], lambda x: x / x.sum()),
        (CircularConvolution(), [(5,), (3,)], rotated),
        (
            SmoothCosineSimilarity(),
            [(3, 2), (2,)],
            lambda M, k: torch.stack([row @ k / (1e-3 + row.norm() * k.norm()) for row in M]),
        ),
    ],
)
def test_layers(layer: nn.Module, shapes: list, plain) -> None:
    nngraph.manualSeed(1)
    input = [torch7_random.rand(*shape) + 0.1 for shape in shapes]
    if len(input) > 1:
        check_module(layer, input, lambda x, p: plain(*x))
    else:
        check_module(layer, input[0], lambda x, p: plain(x))


def test_gradients() -> None:
    nngraph.manualSeed(0)
    machine = NTM()
    tensors = with_gradients(machine.modules)
    check_step(lambda: copy_step(machine, bits(3)), tensors, lambda p: plain(p, bits(3)))


def test_training() -> None:
    nngraph.manualSeed(0)
    machine = NTM()
    machine.params.grad = machine.grads
    optimizer = torch.optim.RMSprop([machine.params], lr=0.01, alpha=0.95)
    losses = []
    for _ in range(60):
        losses.append(copy_step(machine, bits(2)))
        machine.grads.clamp_(-10, 10)
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]
