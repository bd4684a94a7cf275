"""A module whose computation calls `inner.forward(x)` trains as if it called ``inner(x)``."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

import pygraph_nn as nngraph
from pygraph_nn import nn

from ..helpers import assert_close, data, graph_of


class ByForward(nn.Module):
    """Calls the module inside by Torch7's `forward`."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def updateOutput(self, input: Any) -> Any:
        return self.inner.forward(input)


class ByCall(ByForward):
    """Calls the module inside as PyTorch modules are called, so that autograd sees it."""

    def updateOutput(self, input: Any) -> Any:
        return self.inner(input)


class TorchByForward(torch.nn.Module):
    """A PyTorch module that holds a layer."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, input: Any) -> Any:
        return self.inner.forward(input)


class TorchByCall(TorchByForward):
    """The same by call syntax."""

    def forward(self, input: Any) -> Any:
        return self.inner(input)


def of_function(inner: Callable[..., Any]) -> nn.Module:
    return nngraph.function(lambda x: inner(x))


def frozen(*modules: nn.Module) -> nn.Module:
    first = nn.Linear(3, 3)
    for parameter in first.parameters():
        parameter.requires_grad_(False)
    return nn.Sequential(first, *modules)


Build = Callable[[nn.Module], torch.nn.Module]
PLACES: dict[str, tuple[Build, Build]] = {
    "alone": (ByForward, ByCall),
    "Sequential": (lambda m: nn.Sequential(ByForward(m)), lambda m: nn.Sequential(ByCall(m))),
    "gModule": (lambda m: graph_of(ByForward(m)), lambda m: graph_of(ByCall(m))),
    "two deep": (
        lambda m: graph_of(ByForward(ByForward(m))),
        lambda m: graph_of(ByCall(ByCall(m))),
    ),
    "function": (lambda m: graph_of(of_function(m.forward)), lambda m: graph_of(of_function(m))),
    "torch module": (TorchByForward, TorchByCall),
    "torch module in a graph": (
        lambda m: graph_of(nngraph.module(TorchByForward(m))),
        lambda m: graph_of(nngraph.module(TorchByCall(m))),
    ),
}
INNER: dict[str, tuple[Callable[[], nn.Module], torch.Tensor]] = {
    "Linear": (lambda: nn.Linear(3, 2), data(4, 3)),
    "LookupTable": (lambda: nn.LookupTable(5, 3), torch.tensor([1, 4, 1])),
    "gModule": (lambda: graph_of(nn.Linear(3, 2), nn.Tanh()), data(4, 3)),
    "after a frozen layer": (lambda: frozen(nn.Linear(3, 2)), data(4, 3)),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("by_backward", [False, True])
def test_gradients_are_those_of_a_call(place: str, inner: str, by_backward: bool) -> None:
    make, x = INNER[inner]
    modules = [make()]
    modules.append(copy.deepcopy(modules[0]))
    gradients = []
    for module, build in zip(modules, PLACES[place], strict=True):
        net = build(module)
        module.zeroGradParameters()
        if by_backward and isinstance(net, nn.Module):
            output = net.forward(x)
            assert not output.requires_grad
            net.backward(x, torch.ones_like(output))
        else:
            net(x).sum().backward()
        gradients.append([p.grad for p in module.parameters() if p.requires_grad])
    assert any(g.any() for g in gradients[1])
    assert_close(gradients[0], gradients[1])


def test_at_the_top_forward_is_outside_autograd() -> None:
    linear = nn.Linear(3, 2)
    assert not linear.forward(data(4, 3)).requires_grad
    net = nn.Sequential(linear)
    net(data(4, 3))
    assert not linear.forward(data(4, 3)).requires_grad


def test_no_grad_reaches_inside() -> None:
    net = graph_of(ByForward(nn.Linear(3, 2)))
    with torch.no_grad():
        assert not net(data(4, 3)).requires_grad
        assert not net.forward(data(4, 3)).requires_grad


def test_the_engines_agree() -> None:
    x, h = nn.Identity()(), nn.Identity()()
    embedded = ByForward(nn.LookupTable(6, 3))(x)
    mixed = ByForward(nn.Linear(3, 3))(h)
    new = nn.Tanh()(nn.CAddTable()([embedded, mixed]))
    core = nngraph.gModule([x, h], [new, ByForward(nn.Linear(3, 2))(new)]).double()
    tokens, h0 = torch.tensor([[1, 2], [3, 1], [5, 0]]), data(2, 3).double()
    core.zeroGradParameters()
    _, outputs = nngraph.recurrent(core, state={1: 0})([tokens, h0])
    outputs.sum().backward()
    gradients = [p.grad.clone() for p in core.parameters()]
    core.zeroGradParameters()
    states, outputs_by_step = [h0], []
    clones = nngraph.clone_many_times(core, 3)
    for clone, token in zip(clones, tokens, strict=True):
        state, output = clone.forward([token, states[-1]])
        states.append(state)
        outputs_by_step.append(output)
    assert_close(outputs, torch.stack(outputs_by_step))
    grad = torch.zeros(2, 3, dtype=torch.float64)
    for t in reversed(range(3)):
        ones = torch.ones_like(outputs_by_step[t])
        grad = clones[t].backward([tokens[t], states[t]], [grad, ones])[1]
    assert_close([p.grad for p in core.parameters()], gradients)
    assert all(g.any() for g in gradients)
