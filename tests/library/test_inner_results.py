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

from ..helpers import assert_close


def data(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def graph_of(*modules: torch.nn.Module) -> nngraph.gModule:
    first = h = nn.Identity()()
    for module in modules:
        h = module(h)
    return nngraph.gModule([first], [h])


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
