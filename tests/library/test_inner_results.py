"""What modules inside others show after a pass: output, gradInput, noise; and `forward` inside."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import pygraph_nn as nngraph
from pygraph_nn import GraphError, nn

from ..helpers import assert_close, data, graph_of


def product(x: torch.Tensor, linear: nn.Linear) -> torch.Tensor:
    return F.linear(x, linear.weight.detach(), linear.bias.detach())


CONTAINERS = {
    "Sequential": lambda m: nn.Sequential(m, nn.Tanh()),
    "gModule": lambda m: graph_of(m, nn.Tanh()),
    "gModule in Sequential": lambda m: nn.Sequential(graph_of(m), nn.Tanh()),
    "Sequential in gModule": lambda m: graph_of(nn.Sequential(nn.Identity(), m), nn.Tanh()),
    "ConcatTable": lambda m: nn.Sequential(nn.ConcatTable(nn.Tanh(), m), nn.CAddTable()),
    "Concat": lambda m: nn.Concat(1, nn.Tanh(), m),
    "ParallelTable": lambda m: nn.Sequential(
        nn.ConcatTable(nn.Identity(), nn.Identity()), nn.ParallelTable(nn.Tanh(), m)
    ),
    "MapTable": lambda m: nn.Sequential(nn.ConcatTable(nn.Identity()), nn.MapTable(m)),
    "Bottle": lambda m: nn.Bottle(m),
    "Parallel": lambda m: nn.Sequential(nn.Unsqueeze(0), nn.Parallel(0, 0, m)),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_output_of_a_module_inside(name: str) -> None:
    linear = nn.Linear(3, 3)
    net = CONTAINERS[name](linear)
    assert linear.output is None
    for seed in range(2):
        x = data(2, 3, seed=seed)
        net.forward(x)
        assert_close(linear.output, product(x, linear))
        assert not linear.output.requires_grad
    linear.forward(data(4, 3, seed=5))
    assert_close(linear.output, product(data(4, 3, seed=5), linear))
    net.forward(x)
    assert_close(linear.output, product(x, linear))


def test_a_module_that_runs_twice_shows_its_last_output() -> None:
    tanh, x = nn.Tanh(), data(2, 3)
    net = nn.Sequential(tanh, tanh)
    net.forward(x)
    assert_close(tanh.output, x.tanh().tanh())


def test_a_value_that_was_not_kept_is_refused() -> None:
    linear, x = nn.Linear(3, 3), data(2, 3)
    net = graph_of(linear, nn.Tanh())
    linear.forward(x)
    with torch.no_grad():
        y = net.forward(2 * x)
        assert_close(net.output, y)
        with pytest.raises(GraphError, match=r"nn.Linear.*did not keep.*trace"):
            _ = linear.output

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(3, 3)

        def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
            return self.inner(input)

    own = Own()
    own.forward(x)
    with pytest.raises(GraphError, match="did not keep"):
        _ = own.inner.output


def test_gradInput_of_a_module_inside_is_refused_not_old() -> None:
    linear, x = nn.Linear(3, 3), data(2, 3)
    net = nn.Sequential(linear, nn.Tanh())
    linear.forward(x)
    grad = linear.backward(x, x)
    assert_close(linear.gradInput, grad)
    net.forward(x)
    net.backward(x, x)
    with pytest.raises(GraphError, match="did not keep"):
        _ = linear.gradInput
    assert_close(net.gradInput, (x * (1 - net.output**2)) @ linear.weight.detach())


def test_batch_statistics_of_a_layer_inside_are_refused_not_old() -> None:
    layer, x = nn.BatchNormalization(3), data(4, 3)
    layer.forward(x)
    assert_close(layer.save_mean, x.mean(0))
    net = nn.Sequential(layer)
    net.forward(3 * x)
    with pytest.raises(GraphError, match="did not keep"):
        _ = layer.save_mean


def noisy(layer: Any, x: torch.Tensor) -> torch.Tensor:
    return x + layer.noise if isinstance(layer, nn.WhiteNoise) else x * layer.noise


@pytest.mark.parametrize("make", [nn.Dropout, nn.WhiteNoise, nn.RReLU])
def test_noise_that_was_not_kept_is_refused(make: Any) -> None:
    layer, x = make(), -data(2, 3).abs()
    net = graph_of(layer)
    assert layer.noise is None
    with nngraph.reference_mode():
        assert_close(net.forward(x), noisy(layer, x))
    for run in (layer.forward, net.forward, net):
        with nngraph.reference_mode():
            layer.forward(x)
        run(x)
        with pytest.raises(GraphError, match="reference_mode"):
            _ = layer.noise


@pytest.mark.parametrize(
    "layer", [nn.SpatialDropout(), nn.Dropout(0.5, True), nn.Dropout(0.5, False, True)]
)
def test_noise_that_is_a_tensor_of_the_run_is_kept(layer: nn.Module) -> None:
    x = data(2, 3, 4, 4)
    for _ in range(2):
        assert_close(layer.forward(x.clone()), x * layer.noise)


def test_noise_on_the_fast_path_is_refused_not_old() -> None:
    dropout, x, h = nn.Dropout(), nn.Identity()(), nn.Identity()()
    core = nngraph.gModule([x, h], [nn.Tanh()(nn.CAddTable()([dropout(x), h]))])
    with nngraph.reference_mode():
        dropout.forward(data(2, 3))
    net = nngraph.recurrent(core, state={1: 0})
    net([data(4, 2, 3), data(2, 3)])
    with pytest.raises(GraphError, match="reference_mode"):
        _ = dropout.noise


def test_clones_and_copies_show_their_own_values() -> None:
    net, x = graph_of(nn.Linear(3, 3), nn.Tanh()), data(2, 3)
    net.forward(x)
    other = copy.deepcopy(net)
    assert other.get(1).output is None
    other.forward(2 * x)
    assert_close(other.get(1).output, product(2 * x, net.get(1)))
    assert_close(net.get(1).output, product(x, net.get(1)))


def test_a_pass_is_freed_with_its_network() -> None:
    net, x = graph_of(nn.Linear(3, 3), nn.Tanh()), data(2, 3)
    net.forward(x)
    values = weakref.ref(net)
    gc.disable()
    try:
        recorded = weakref.ref(net.recorded_pass)
        net.clearState()
        assert recorded() is None
    finally:
        gc.enable()
    assert values() is net


def test_a_module_in_two_containers_shows_the_run_that_was_last() -> None:
    tanh, x = nn.Tanh(), data(2, 3)
    inner = nn.Sequential(tanh)
    net = nn.Sequential(tanh, nn.Sequential(nn.MulConstant(2), inner))
    net.forward(x)
    assert_close(tanh.output, (2 * x.tanh()).tanh())
    net = nn.Sequential(inner, nn.MulConstant(2), tanh)
    net.forward(x)
    assert_close(tanh.output, (2 * x.tanh()).tanh())


class ReadsOutput(nn.Module):
    """Runs a module inside by `forward`, and takes its result from the field, as Lua code does."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def updateOutput(self, input: torch.Tensor) -> Any:
        self.inner.forward(input)
        return self.inner.output * 2


class OwnLinear(nn.Linear):
    """Assigns plain tensors, and has both halves."""

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.output = product(input, self)
        return self.output

    def updateGradInput(self, input: torch.Tensor, gradOutput: torch.Tensor) -> torch.Tensor:
        return gradOutput @ self.weight.detach()

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1) -> None:
        self.gradWeight.add_(gradOutput.t() @ input, alpha=scale)
        self.gradBias.add_(gradOutput.sum(0), alpha=scale)


@pytest.mark.parametrize("build", [lambda m: m, nn.Sequential, graph_of])
@pytest.mark.parametrize(
    "inner", [nn.Linear, OwnLinear, lambda a, b: nn.Sequential(OwnLinear(a, b))]
)
def test_the_output_field_inside_a_run_is_part_of_it(build: Any, inner: Any) -> None:
    layer, x = inner(3, 2), data(4, 3)
    net = build(ReadsOutput(layer))
    for _ in range(2):
        net.zeroGradParameters()
        net.forward(x)
        gradInput = net.backward(x, torch.ones(4, 2))
        weight, bias = layer.parameters()
        assert_close(bias.grad, torch.full((2,), 8.0))
        assert_close(weight.grad, 2 * torch.ones(2, 4) @ x)
        assert_close(gradInput, 2 * torch.ones(4, 2) @ weight.detach())


def test_a_plain_output_field_in_a_call_is_refused() -> None:
    net = ReadsOutput(OwnLinear(3, 2))
    with pytest.raises(GraphError, match="use the value that forward"):
        net(data(4, 3))


def test_members_of_a_container_inside_a_run() -> None:
    class First(nn.Module):
        def __init__(self, by: str) -> None:
            super().__init__()
            self.seq, self.by = nn.Sequential(nn.Linear(3, 3), nn.Tanh()), by

        def updateOutput(self, input: torch.Tensor) -> Any:
            getattr(self.seq, self.by)(input)
            return self.seq.get(0).output * 2

    for by in ("forward", "__call__"):
        net = First(by)
        for seed in range(2):
            x = data(2, 3, seed=seed)
            assert_close(net.forward(x), 2 * product(x, net.seq.get(0)))
            assert_close(net.seq.get(0).output, product(x, net.seq.get(0)))
        net.zeroGradParameters()
        net.backward(x, torch.ones(2, 3))
        assert_close(net.seq.get(0).gradBias, torch.full((3,), 4.0))


def test_gradInput_of_own_methods_is_what_they_return() -> None:
    class Twice(nn.Identity):
        def updateGradInput(self, input: Any, gradOutput: torch.Tensor) -> torch.Tensor:
            return 2 * gradOutput

    layer, x = Twice(), data(2, 3)
    for net in (layer, nn.Sequential(layer), graph_of(layer)):
        net.forward(x)
        net.backward(x, x)
        assert_close(layer.gradInput, 2 * x)
    linear = nn.Linear(3, 3)
    original = linear.updateGradInput
    linear.updateGradInput = lambda input, grad: original(input, grad) * 0 + 5
    linear.forward(x)
    linear.backward(x, x)
    assert_close(linear.gradInput, torch.full((2, 3), 5.0))


def test_a_container_of_ones_own_by_forward() -> None:
    class Own(nn.Container):
        def updateOutput(self, input: Any) -> Any:
            for module in self.members():
                input = module.forward(input)
            return input

        def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
            first, second = self.members()
            return first.updateGradInput(input, second.updateGradInput(first.output, gradOutput))

        def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1) -> None:
            first, second = self.members()
            second.accGradParameters(first.output, gradOutput, scale)
            first.accGradParameters(input, second.gradInput, scale)

    linear, x = nn.Linear(3, 3), data(2, 3)
    for net in (Own(), nn.Sequential(Own()), graph_of(Own())):
        own = next(m for m in net.modules() if isinstance(m, Own))
        own.add(linear).add(nn.Tanh())
        net.zeroGradParameters()
        assert_close(net.forward(x), product(x, linear).tanh())
        grad = 1 - product(x, linear).tanh() ** 2
        assert_close(net.backward(x, torch.ones(2, 3)), grad @ linear.weight.detach())
        assert_close(linear.gradWeight, grad.t() @ x)
