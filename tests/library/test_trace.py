"""Traces: the values and gradients at every node, against forward and backward themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers import assert_close

import pygraph_nn as nngraph
from pygraph_nn import nn


def with_dropout() -> tuple[nngraph.gModule, torch.Tensor]:
    x = nn.Identity()()
    h = nn.Dropout(0.5)(nn.Linear(3, 4)(x))
    return nngraph.gModule([x], [nn.CAddTable()([nn.Tanh()(h), h])]), torch.randn(2, 3)


def one_input(layer: Callable[[Any], Any]) -> nngraph.gModule:
    x = nn.Identity()()
    return nngraph.gModule([x], [layer(x)])


def check(g: nngraph.gModule, input: Any, gradOutput: Any) -> nngraph.Trace:
    """Trace `g` and compare the ends of the trace with a run."""
    traced = nngraph.trace(g, input, gradOutput)
    assert_close(traced.outputs[g.outnode], g.forward(input), 1e-6)
    assert_close(traced.gradOutput(g.innode), g.backward(input, gradOutput), 1e-6)
    assert traced.outputs.keys() == set(g.forwardnodes)
    assert traced.gradOutputs.keys() == set(g.forwardnodes)
    return traced


def test_it_agrees_with_a_run_and_changes_nothing() -> None:
    g, t = with_dropout()
    g.zeroGradParameters()
    before = torch.random.get_rng_state()
    traced = nngraph.trace(g, t, torch.ones(2, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(p.grad is not None and not p.grad.any() for p in g.parameters())
    output = g.forward(t)
    assert torch.equal(traced.outputs[g.outnode], output)
    assert torch.allclose(traced.gradOutput(g.innode), g.backward(t, torch.ones(2, 4)))


def test_masks_of_torch7s_generator_leave_it_as_it_was() -> None:
    g, t = with_dropout()
    with nngraph.reference_mode():
        nngraph.manualSeed(3)
        traced = nngraph.trace(g, t, torch.ones(2, 4))
        assert torch.equal(traced.outputs[g.outnode], g.forward(t))
        nngraph.manualSeed(3)
        assert torch.equal(traced.outputs[g.outnode], g.forward(t))


def test_it_takes_the_input_of_the_last_forward() -> None:
    g, t = with_dropout()
    with pytest.raises(nngraph.GraphError, match="call forward"):
        nngraph.trace(g)
    g.forward(t)
    assert torch.equal(nngraph.trace(g).outputs[g.innode], t)
    g.backward(t, torch.full((2, 4), 2.0))
    assert torch.equal(nngraph.trace(g).gradOutput(g.outnode), torch.full((2, 4), 2.0))


def test_nested_graphs_twice_in_one() -> None:
    inner = one_input(nn.Linear(3, 3))
    x = nn.Identity()()
    first = inner(x)
    second = inner(nn.Tanh()(first))
    g = nngraph.gModule([x], [second])
    traced = check(g, torch.randn(2, 3), torch.ones(2, 3))
    for node in (first, second):
        assert torch.equal(traced.inner[node].outputs[inner.outnode], traced.outputs[node])
        source = node.inputs[0]
        assert torch.equal(traced.inner[node].gradOutput(inner.innode), traced.gradOutput(source))
    assert not traced.outputs[first].equal(traced.outputs[second])


def test_nested_graphs_with_several_inputs_and_outputs() -> None:
    a, b = nn.Identity()(), nn.Identity()()
    total = nn.CAddTable()([a, b])
    inner = nngraph.gModule([a, b], [total, nn.CMulTable()([total, a])])
    x, y = nn.Identity()(), nn.Identity()()
    node = inner([x, y])
    left, right = node.split(2)
    g = nngraph.gModule([x, y], [nn.Tanh()(left), right])
    values = [torch.randn(2), torch.randn(2)]
    traced = check(g, values, [torch.ones(2), torch.ones(2)])
    assert_close(traced.inputs[node], values)
    assert_close(traced.inner[node].outputs[inner.innode], values)
    assert_close(traced.inner[node].inputs[inner.innode], values)


def test_a_graph_inside_a_container_belongs_to_the_container() -> None:
    inner = one_input(nn.Linear(3, 3))
    x = nn.Identity()()
    inside = inner(x)  # also at a node of its own
    g = nngraph.gModule([x], [nn.Sequential(nn.Tanh(), inner)(inside)])
    traced = check(g, torch.randn(2, 3), torch.ones(2, 3))
    assert traced.inner.keys() == {inside}
    assert torch.equal(traced.inner[inside].outputs[inner.outnode], traced.outputs[inside])


def test_a_module_used_twice() -> None:
    layer, x = nn.Linear(3, 3), nn.Identity()()
    first = layer(x)
    second = layer(nn.Tanh()(first))
    g = nngraph.gModule([x], [nn.CAddTable()([first, second])])
    t = torch.randn(2, 3)
    traced = check(g, t, torch.ones(2, 3))
    assert_close(traced.outputs[first], layer.forward(t))
    assert_close(traced.outputs[second], layer.forward(layer.forward(t).tanh()))
    assert len(traced.gradOutputs[first]) == 2


def test_in_place_layers_leave_the_values_before_them() -> None:
    x = nn.Identity()()
    h = nn.Linear(3, 4)(x)
    g = nngraph.gModule([x], [nn.ReLU(True)(nn.MulConstant(-1, True)(h))])
    t = torch.randn(5, 3)
    traced = check(g, t, torch.ones(5, 4))
    assert_close(traced.outputs[h], g.get(1).forward(t))
    (scaled,) = g.outnode.inputs[0].inputs
    assert_close(traced.outputs[scaled], -g.get(1).forward(t))
    assert_close(traced.inputs[g.outnode.inputs[0]], [-g.get(1).forward(t)])


class Weights(nn.Module):
    """Returns its parameters, whatever its input."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.arange(3.0))

    def updateOutput(self, input: Any) -> torch.Tensor:
        assert input == []
        return 2 * self.weight


def test_nodes_without_inputs() -> None:
    x, weights = nn.Identity()(), Weights()()
    g = nngraph.gModule([x], [nn.CMulTable()([x, weights])])
    traced = check(g, torch.ones(3), torch.ones(3))
    assert traced.inputs[weights] == []
    assert traced.outputs[weights].tolist() == [0, 2, 4]
    assert traced.gradOutput(weights).tolist() == [1, 1, 1]


def lasting_state(g: nngraph.gModule) -> list[torch.Tensor]:
    """Return copies of the generators' states, parameters and buffers."""
    torch7_state = nngraph.torch7_random.getRNGState().to_bytes()
    states = [torch.get_rng_state(), torch.tensor(list(torch7_state))]
    return [*states, *(t.clone() for t in g.state_dict().values())]


@pytest.mark.parametrize("training", [True, False])
def test_buffers_are_restored(training: bool) -> None:
    g = one_input(nngraph.module(torch.nn.BatchNorm1d(3)))
    g.train(training)
    t, grad = torch.randn(4, 3), torch.randn(4, 3)
    before = lasting_state(g)
    traced = nngraph.trace(g, t, grad)
    assert all(map(torch.equal, lasting_state(g), before))
    assert_close(traced.outputs[g.outnode], g.forward(t), 1e-6)
    assert_close(traced.gradOutput(g.innode), g.backward(t, grad), 1e-6)


class Fails(torch.autograd.Function):
    """The identity, whose backward pass fails."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        raise ValueError("backward failed")


def fails(x: torch.Tensor) -> torch.Tensor:
    raise ValueError("forward failed")


@pytest.mark.parametrize(
    ("function", "message"),
    [(fails, r"forward failed(.|\n)*<Node"), (Fails.apply, "backward failed")],
)
@pytest.mark.parametrize("nest", [False, True])
def test_a_run_that_fails_changes_nothing(function: Any, message: str, nest: bool) -> None:
    def layers(x: Any) -> Any:
        norm = nngraph.module(torch.nn.BatchNorm1d(3))
        return nngraph.function(function, "f")(nn.Dropout(0.5)(norm(x)))

    g = one_input(one_input(layers) if nest else layers)
    t = torch.randn(4, 3)
    before = lasting_state(g)
    with nngraph.reference_mode():
        with pytest.raises(ValueError, match=message):
            nngraph.trace(g, t, torch.ones(4, 3))
        assert all(map(torch.equal, lasting_state(g), before))


def test_a_verbose_graph_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    inner = one_input(nn.Tanh())
    g = one_input(inner)
    g.verbose = inner.verbose = True
    nngraph.trace(g, torch.ones(2), torch.ones(2))
    assert capsys.readouterr().out == ""
    g.forward(torch.ones(2))
    assert capsys.readouterr().out.count(" V : ") == 6


def test_other_observers_see_no_trace(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace under detect_anomaly or setDebug is no part of what they watch."""
    monkeypatch.chdir(tmp_path)
    seen: list[Any] = []

    class Watch(nngraph.Observer):
        def after(self, graph: Any, node: Any, input: Any, output: Any) -> None:
            seen.append(node)

    g = one_input(nngraph.function(torch.log))
    with nngraph.observing(Watch()), nngraph.detect_anomaly(), nngraph.setDebug(True):
        traced = nngraph.trace(g, torch.zeros(2), torch.ones(2))
        assert traced.outputs[g.outnode].isinf().all()
        assert traced.gradOutput(g.innode).isinf().all()
        with pytest.raises(nngraph.GraphError):
            nngraph.trace(g, "text")
        assert not seen
        g.forward(torch.ones(2))
    assert seen == g.forwardnodes[1:]
    assert not list(tmp_path.iterdir())


def test_hooks_of_the_graph_are_not_called() -> None:
    g, calls = one_input(nn.Tanh()), []
    g.register_forward_pre_hook(lambda m, args: calls.append("before"))
    g.register_forward_hook(lambda m, args, output: calls.append("after"))
    nngraph.trace(g, torch.ones(2), torch.ones(2))
    assert not calls


class Doubled(nngraph.gModule):
    """A gModule that runs on twice its input."""

    def updateOutput(self, input: Any) -> Any:
        return super().updateOutput(2 * input)


class NegatedNodes(nngraph.gModule):
    """A gModule that negates the value of every module."""

    def run_node(self, step: Any, input: Any) -> Any:
        return -super().run_node(step, input)


def double_after(inner: nngraph.gModule) -> None:
    inner.register_forward_hook(lambda m, args, output: 2 * output)


def double_before(inner: nngraph.gModule) -> None:
    inner.register_forward_pre_hook(lambda m, args: (2 * args[0],))


def double_gradient(inner: nngraph.gModule) -> None:
    inner.register_full_backward_hook(lambda m, into, out: (2 * into[0],))


@pytest.mark.parametrize("add_hook", [double_after, double_before, double_gradient])
def test_hooks_of_nested_graphs_have_their_effect(add_hook: Any) -> None:
    inner = one_input(nn.Tanh())
    add_hook(inner)
    check(one_input(inner), torch.randn(3), torch.ones(3))


@pytest.mark.parametrize("classes", [(nngraph.gModule, Doubled), (NegatedNodes, nngraph.gModule)])
def test_overridden_methods_have_their_effect(classes: Any) -> None:
    outer_class, inner_class = classes
    x, y = nn.Identity()(), nn.Identity()()
    g = outer_class([x], [inner_class([y], [nn.Tanh()(y)])(x)])
    check(g, torch.randn(3), torch.ones(3))


@pytest.mark.parametrize("before", [nn.Tanh(), one_input(nn.Tanh())])
@pytest.mark.parametrize("after", [nn.Sigmoid(), one_input(nn.Sigmoid())])
def test_modules_replaced_by_pytorchs_means(before: Any, after: Any) -> None:
    """The Trace shows what runs, not what the nodes were declared with."""
    g = one_input(before)
    setattr(g, "1", after)
    t = torch.randn(3)
    traced = check(g, t, torch.ones(3))
    assert_close(traced.outputs[g.outnode], t.sigmoid())
    assert bool(traced.inner) == isinstance(after, nngraph.gModule)


@pytest.mark.parametrize(
    ("gradOutput", "message"),
    [
        (torch.ones(2), "instead of 2 gradOutputs"),
        ([torch.ones(2)], "1 gradOutputs instead of 2"),
        ([torch.ones(2), torch.ones(7)], r"gradOutput of shape \(7,\) for an output of shape \(2"),
        ([torch.ones(2), 1.0], "gradOutput is the number 1.0"),
    ],
)
def test_gradients_that_do_not_fit_are_refused(gradOutput: Any, message: str) -> None:
    x = nn.Identity()()
    g = nngraph.gModule([x], [nn.Tanh()(x), nn.Sigmoid()(x)])
    with pytest.raises(nngraph.GraphError, match=message):
        nngraph.trace(g, torch.ones(2), gradOutput)
    assert_close(
        nngraph.trace(g, torch.zeros(2), [torch.ones(2), torch.zeros(1)]).gradOutput(g.innode),
        torch.ones(2),
    )
