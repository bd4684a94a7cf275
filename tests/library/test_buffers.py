"""Buffers over time: clones and plans leave the statistics of one module that runs T times."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch

import pygraph_nn as nngraph
from pygraph_nn import nn

STEPS, BATCH, SIZE = 5, 6, 3


class Count(nn.Module):
    """Counts its calls in a buffer, which it assigns anew or changes in place."""

    calls: torch.Tensor

    def __init__(self, in_place: bool) -> None:
        super().__init__()
        self.in_place = in_place
        self.register_buffer("calls", torch.zeros(()))

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if self.in_place:
            self.calls.add_(1)
        else:
            self.calls = self.calls + 1
        return input * self.calls


def step_of(make: Callable[[], torch.nn.Module], place: str) -> nngraph.gModule:
    """Build h' = tanh(W x + U h) with a norm at `place`; "shared" is input and loop."""
    x, prev_h = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="prev_h")
    norm = make()
    a = nn.Linear(SIZE, SIZE)(x)
    b = nn.Linear(SIZE, SIZE)(prev_h)
    if place in ("input", "shared"):
        a = nngraph.module(norm)(a)
    if place in ("loop", "shared"):
        b = nngraph.module(norm)(b)
    next_h = nn.Tanh()(nn.CAddTable()([a, b]))
    y = nn.Identity()(next_h)
    if place == "output":
        y = nngraph.module(norm)(y)
    return nngraph.gModule([x, prev_h], [next_h.annotate(name="next_h"), y])


def by_hand(
    g: nngraph.gModule, norm: torch.nn.Module, place: str, xs: torch.Tensor, h: torch.Tensor
) -> list[torch.Tensor]:
    """Return the outputs by a loop in plain PyTorch, which calls the one `norm` T times or more."""
    first, second = _linear_of(g, "x"), _linear_of(g, "prev_h")
    ys = []
    for x in xs:
        a = torch.nn.functional.linear(x, first.weight, first.bias)
        b = torch.nn.functional.linear(h, second.weight, second.bias)
        a = norm(a) if place in ("input", "shared") else a
        b = norm(b) if place in ("loop", "shared") else b
        h = torch.tanh(a + b)
        ys.append(norm(h) if place == "output" else h)
    return ys


def _linear_of(g: nngraph.gModule, input_name: str) -> nn.Linear:
    for node, module in zip(g.forwardnodes, g.node_modules, strict=True):
        if isinstance(module, nn.Linear) and node.inputs[0].name == input_name:
            return module
    raise AssertionError(f"no Linear takes {input_name}")


def clones_of(g: nngraph.gModule, steps: int) -> list[nngraph.gModule]:
    clones = nngraph.clone_many_times(g, steps)
    nngraph.share_buffers(g, clones)
    return clones


def torch_norm() -> torch.nn.Module:
    return torch.nn.BatchNorm1d(SIZE, momentum=0.3, dtype=torch.float64)


@pytest.mark.parametrize("place", ["input", "loop", "output", "shared"])
@pytest.mark.parametrize("way", ["clones", "recurrent"])
def test_statistics_are_those_of_one_module(way: str, place: str) -> None:
    torch.manual_seed(1)
    norm, expected_norm = torch_norm(), torch_norm()
    g = step_of(lambda: norm, place).double()
    xs = torch.randn(STEPS, BATCH, SIZE, dtype=torch.float64)
    h = torch.randn(BATCH, SIZE, dtype=torch.float64)
    expected = by_hand(g, expected_norm, place, xs, h)
    sum(y.pow(2).sum() for y in expected).backward()
    wanted = {name: p.grad for name, p in g.named_parameters() if p.grad is not None}
    g.zero_grad()
    if way == "clones":
        ys = []
        for clone, x in zip(clones_of(g, STEPS), xs, strict=True):
            h, y = clone([x, h])
            ys.append(y)
    else:
        _, ys = nngraph.recurrent(g, {"prev_h": "next_h"})([xs, h])
    for y, target in zip(ys, expected, strict=True):
        torch.testing.assert_close(y, target, rtol=0, atol=1e-12)
    sum(y.pow(2).sum() for y in ys).backward()
    for name, buffer in expected_norm.named_buffers():
        torch.testing.assert_close(norm.get_buffer(name), buffer, rtol=0, atol=1e-12)
    assert int(norm.num_batches_tracked) == STEPS * (2 if place == "shared" else 1)
    torch.testing.assert_close(norm.weight.grad, expected_norm.weight.grad, rtol=0, atol=1e-10)
    for name, gradient in wanted.items():
        torch.testing.assert_close(g.get_parameter(name).grad, gradient, rtol=0, atol=1e-10)


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("place", ["input", "loop", "shared"])
def test_a_layer_of_ones_own_may_change_or_replace_its_buffer(place: str, in_place: bool) -> None:
    xs, h = torch.randn(STEPS, BATCH, SIZE), torch.randn(BATCH, SIZE)
    results = []
    for way in ("clones", "recurrent", "by hand"):
        nngraph.manualSeed(1)
        count = Count(in_place)
        g = step_of(lambda count=count: count, place)
        with torch.no_grad():
            if way == "by hand":
                last = by_hand(g, count, place, xs, h)[-1]
            elif way == "recurrent":
                last = nngraph.recurrent(g, {"prev_h": "next_h"})([xs, h])[1][-1]
            else:
                state = h
                for clone, x in zip(clones_of(g, STEPS), xs, strict=True):
                    state, last = clone([x, state])
        results.append((last, float(count.calls)))
    for last, calls in results[:2]:
        torch.testing.assert_close(last, results[2][0])
        assert calls == results[2][1] == STEPS * (2 if place == "shared" else 1)


def test_the_plan_says_why_sharing_makes_a_loop() -> None:
    norm = nn.BatchNormalization(SIZE)
    a, b = nn.Identity()().annotate(name="a"), nn.Identity()().annotate(name="b")
    prev = nn.Identity()().annotate(name="prev")
    sums = nn.CAddTable()([norm(a), norm(b)])
    g = nngraph.gModule([a, b, prev], [sums, nn.CAddTable()([prev, a]).annotate(name="next")])
    plan = nngraph.recurrent(g, {"prev": "next"}).plan
    reasons = [stage.reason for stage in plan.stages if stage.loop]
    assert any("share buffers" in reason for reason in reasons)
    apart = step_of(lambda: nn.BatchNormalization(SIZE), "input")
    stages = nngraph.recurrent(apart, {"prev_h": "next_h"}).plan.stages
    assert [stage.loop for stage in stages] == [False, True]


def test_copies_have_buffers_of_their_own_again() -> None:
    """Clones share buffers with the network; a copy of the network does not."""
    g = step_of(torch_norm, "input").double()
    other = copy.deepcopy(g)
    clone = clones_of(g, 2)[1]
    clone([torch.ones(BATCH, SIZE).double(), torch.ones(BATCH, SIZE).double()])
    (norm,) = (m for m in g.modules() if isinstance(m, torch.nn.BatchNorm1d))
    (copied,) = (m for m in other.modules() if isinstance(m, torch.nn.BatchNorm1d))
    assert norm.get_buffer("running_mean").any()
    assert not copied.get_buffer("running_mean").any()


class Masked(nn.Module):
    """Keeps a mask for its backward pass in a buffer that is no state, and counts its calls."""

    mask: torch.Tensor
    calls: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.zeros(()), persistent=False)
        self.register_buffer("calls", torch.zeros(()))

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.calls.add_(1)
        self.mask = (input > self.calls).to(input.dtype)
        return input * self.mask


def test_clones_share_no_buffers_unless_told() -> None:
    g = step_of(torch_norm, "input").double()
    x = torch.ones(BATCH, SIZE).double()
    first, second = nngraph.clone_many_times(g, 2)
    first([x, x])
    counts = [
        [int(m.num_batches_tracked) for m in net.modules() if isinstance(m, torch.nn.BatchNorm1d)]
        for net in (g, first, second)
    ]
    assert counts == [[0], [1], [0]]
    with pytest.raises(nngraph.GraphError, match=r"copies\[1\] is no copy of nn\.gModule"):
        nngraph.share_buffers(g, [first, nn.Linear(2, 2)])


def test_a_buffer_that_is_no_state_is_each_clone_s_own() -> None:
    x = nn.Identity()()
    g = nngraph.gModule([x], [Masked()(x)])
    first, second = clones_of(g, 2)
    for clone in (first, second):
        clone(torch.tensor([1.5, 2.5]))
    masks = [next(m for m in c.modules() if isinstance(m, Masked)).mask for c in (first, second)]
    assert [mask.tolist() for mask in masks] == [[1, 1], [0, 1]]
    (masked,) = (m for m in g.modules() if isinstance(m, Masked))
    assert (float(masked.mask), float(masked.calls)) == (0, 2)
