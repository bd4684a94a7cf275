"""Methods that users override: gradients derived by hand, in every place, on both engines."""

from __future__ import annotations

import copy
import pickle
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import pygraph_nn as nngraph
from pygraph_nn import GraphError, nn

from ..helpers import assert_close, data, graph_of


class Twice(nn.Module):
    """The identity, with the gradient doubled."""

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return input

    def updateGradInput(self, input: torch.Tensor, gradOutput: torch.Tensor) -> torch.Tensor:
        return 2 * gradOutput


class Penalty(nn.Module):
    """L1Penalty as torch.nn writes it in Lua: keeps its loss, adds to the gradient."""

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.loss = 0.1 * input.abs().sum()
        self.output = input
        return self.output

    def updateGradInput(self, input: torch.Tensor, gradOutput: torch.Tensor) -> torch.Tensor:
        self.gradInput = torch.empty(0).resize_as_(input).copy_(input).sign_().mul_(0.1)
        self.gradInput.add_(gradOutput)
        return self.gradInput


class Texture(nn.Module):
    """neural-style's TextureLoss: modules inside, run by forward and backward."""

    def __init__(self, target: torch.Tensor, strength: float) -> None:
        super().__init__()
        self.gram = nn.MM(False, True)
        self.crit = nn.MSECriterion()
        self.target, self.strength = target, strength

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.G = self.gram.forward([input, input])
        self.G.div_(input.nelement())
        self.loss = self.crit.forward(self.G, self.target) * self.strength
        self.output = input
        return self.output

    def updateGradInput(self, input: torch.Tensor, gradOutput: torch.Tensor) -> torch.Tensor:
        dG = self.crit.backward(self.G, self.target)
        dG.div_(input.nelement())
        left, right = self.gram.backward([input, input], dG)
        return (left + right).mul_(self.strength).add_(gradOutput)


class Scale(nn.Module):
    """A layer written whole in Torch7's way: buffers, both halves, a parameter."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.linspace(0.5, 1.5, size))
        self.output = self.gradInput = torch.empty(0)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.output.resize_as_(input).copy_(input).mul_(self.weight.detach())
        return self.output

    def updateGradInput(self, input: torch.Tensor, gradOutput: torch.Tensor) -> torch.Tensor:
        self.gradInput = self.weight * gradOutput
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1) -> None:
        assert self.gradWeight is not None
        self.gradWeight.add_((input * gradOutput).sum(0), alpha=scale)


def node() -> nngraph.Node:
    return nn.Identity()()


PLACES: dict[str, tuple[Callable[[nn.Module], nn.Module], Callable[[Any], Any]]] = {
    "alone": (lambda m: m, lambda x: x),
    "Sequential": (lambda m: nn.Sequential(nn.Identity(), m), lambda x: x),
    "gModule": (lambda m: graph_of(nn.Identity(), m), lambda x: x),
    "nested gModule": (lambda m: graph_of(graph_of(m)), lambda x: x),
    "gModule in Sequential": (lambda m: nn.Sequential(graph_of(m)), lambda x: x),
    "Sequential in gModule": (lambda m: graph_of(nn.Sequential(m)), lambda x: x),
    "ConcatTable": (lambda m: nn.ConcatTable(m), lambda x: [x]),
    "Concat": (lambda m: nn.Concat(0, m), lambda x: x),
    "ParallelTable": (
        lambda m: nn.Sequential(nn.ConcatTable(nn.Identity()), nn.ParallelTable(m)),
        lambda x: [x],
    ),
    "MapTable": (
        lambda m: nn.Sequential(nn.ConcatTable(nn.Identity()), nn.MapTable(m)),
        lambda x: [x],
    ),
    "Bottle": (lambda m: nn.Bottle(m), lambda x: x),
    "Decorator": (lambda m: nn.Decorator(m), lambda x: x),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("make", [Twice, lambda: Scale(3)])
def test_everywhere(place: str, make: Callable[[], nn.Module]) -> None:
    build, wrapped = PLACES[place]
    layer = make()
    net = build(layer)
    x, grad = data(2, 3), data(2, 3, seed=1)
    weight = torch.ones(3) if isinstance(layer, Twice) else layer.weight.detach()
    expected = 2 * grad if isinstance(layer, Twice) else weight * grad
    output = net.forward(x)
    assert_close(output, wrapped(weight * x))
    assert_close(net.backward(x, wrapped(grad)), expected)
    attached = x.clone().requires_grad_()
    leaf = net(attached)
    (leaf[0] if isinstance(leaf, list) else leaf).backward(grad)
    assert_close(attached.grad, expected)
    for parameter in layer.parameters():
        assert_close(parameter.grad, 2 * (x * grad).sum(0))  # both passes
        (gradient,) = torch.autograd.grad(
            (wrapped(net(x)) if 0 else _first(net(x)) * grad).sum(), parameter
        )
        assert_close(gradient, (x * grad).sum(0))
        assert_close(parameter.grad, 2 * (x * grad).sum(0))


def _first(x: Any) -> Any:
    return x[0] if isinstance(x, list) else x


def test_parallel() -> None:
    net = nn.Parallel(0, 0, Twice(), nn.Identity())
    x, grad = data(2, 3), data(6, seed=1)
    net.forward(x)
    assert_close(net.backward(x, grad), torch.stack([2 * grad[:3], grad[3:]]))


def test_penalty_and_texture_loss() -> None:
    x, grad, target = data(3, 4), data(3, 4, seed=1), data(3, 3, seed=2)
    linear = nn.Linear(4, 4)
    net = nn.Sequential(linear, Penalty(), Texture(target, 5.0))
    net.zeroGradParameters()
    net.forward(x)
    gradInput = net.backward(x, grad)
    leaf = x.clone().requires_grad_()
    w, b = (p.detach().clone().requires_grad_() for p in linear.parameters())
    h = F.linear(leaf, w, b)
    texture = 5 * F.mse_loss(h @ h.t() / h.numel(), target)
    ((h * grad).sum() + 0.1 * h.abs().sum() + texture).backward()
    assert_close([gradInput, linear.gradWeight, linear.gradBias], [leaf.grad, w.grad, b.grad])
    assert_close(net.get(2).loss, texture)


def test_freezing_and_unfreezing() -> None:
    linear = nn.Linear(3, 3)
    net = graph_of(linear, nn.Tanh(), nn.Linear(3, 2))
    flat, gradients = net.getParameters()
    x, grad = data(2, 3), data(2, 2, seed=1)
    net.forward(x)
    free = net.backward(x, grad).clone(), gradients.clone()
    linear.accGradParameters = lambda *_: None  # type: ignore[method-assign]
    gradients.zero_()
    net.forward(x)
    assert_close(net.backward(x, grad), free[0])
    assert not gradients[:12].any()
    assert_close(gradients[12:], free[1][12:])
    before = linear.weight.detach().clone()
    torch.optim.SGD(linear.parameters(), 0.1).step()
    assert torch.equal(linear.weight, before)
    for duplicate in (net.clone(), copy.deepcopy(net), *nngraph.clone_many_times(net, 2)):
        duplicate.zeroGradParameters()
        duplicate.forward(x)
        duplicate.backward(x, grad)
        assert not any(p.grad.any() for p in duplicate.get(1).parameters())
    del linear.accGradParameters
    gradients.zero_()
    net.forward(x)
    net.backward(x, grad)
    assert_close(gradients, free[1])
    with pytest.raises(GraphError, match=r"write: del module.accGradParameters"):
        linear.accGradParameters = None  # type: ignore[method-assign, assignment]


def test_a_method_assigned_to_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    x, grad = data(2, 3), data(2, 3, seed=1)
    earlier = nn.Linear(3, 3)
    monkeypatch.setattr(nn.Linear, "accGradParameters", lambda *_: None)
    net = nn.Sequential(earlier, nn.Linear(3, 3))
    net.forward(x)
    net.backward(x, grad)
    assert not any(p.grad.any() for p in net.parameters())
    monkeypatch.undo()
    net = nn.Sequential(earlier, nn.Linear(3, 3))
    net.forward(x)
    net.backward(x, grad)
    assert all(p.grad.any() for p in net.parameters())
    assert earlier.runs_directly


def test_updateParameters_of_a_member() -> None:
    class Slow(nn.Linear):
        def updateParameters(self, learningRate: float) -> None:
            super().updateParameters(learningRate / 10)

        def zeroGradParameters(self) -> None:
            calls.append(self)
            super().zeroGradParameters()

    calls: list[nn.Module] = []
    slow, fast = Slow(3, 3), nn.Linear(3, 2)
    for net in (nn.Sequential(slow, fast), graph_of(graph_of(slow), fast)):
        net.zeroGradParameters()
        assert calls.pop() is slow
        x, before = data(2, 3), [p.detach().clone() for p in net.parameters()]
        net.forward(x)
        net.backward(x, data(2, 2, seed=1))
        net.updateParameters(0.5)
        rates = [0.05, 0.05, 0.5, 0.5]
        for p, old, rate in zip(net.parameters(), before, rates, strict=True):
            assert_close(p, old - rate * p.grad)


def test_one_object_in_several_places_uses_the_values_of_each() -> None:
    class Squares(nn.Module):
        def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
            self.factor = 2 * input
            return input**2

        def updateGradInput(self, input: torch.Tensor, gradOutput: torch.Tensor) -> torch.Tensor:
            return self.factor * gradOutput

    square = Squares()
    x = data(2, 3).double()
    for net in (nn.Sequential(square, square), graph_of(square, nn.Tanh(), square)):
        assert torch.autograd.gradcheck(net, x.clone().requires_grad_())
        net.forward(x)
        leaf = x.clone().requires_grad_()
        plain = leaf**4 if isinstance(net, nn.Sequential) else (leaf**2).tanh() ** 2
        plain.sum().backward()
        assert_close(net.backward(x, torch.ones_like(x)), leaf.grad)


@pytest.mark.parametrize("name", ["Halved", "InPlaceBuffers"])
def test_a_run_between_forward_and_backward_changes_nothing(name: str) -> None:
    layer, x, grad = globals()[name](), data(2, 3), data(2, 3, seed=1)
    net = nn.Sequential(layer)
    leaf = x.clone().requires_grad_()
    output = net(leaf)
    with torch.no_grad():
        net(data(4, 3, seed=2))
    layer.forward(data(4, 3, seed=3))
    output.backward(grad)
    assert_close(leaf.grad, grad * x.cos())


def cell(middle: nn.Module) -> nngraph.gModule:
    """A recurrent cell with `middle` in its loop, and one more outside."""
    x, h = node().annotate(name="x"), node().annotate(name="prev_h")
    total = nn.CAddTable()([nn.Linear(3, 4)(x), nn.Linear(4, 4)(h)])
    next_h = nn.Tanh()(middle(total)).annotate(name="next_h")
    return nngraph.gModule([x, h], [copy.deepcopy(middle)(next_h), next_h])


class Halved(nn.Module):
    """Doubles forward, keeping what it got; backward its own rule of that."""

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.kept = input * 1
        return 2 * input

    def updateGradInput(self, input: torch.Tensor, gradOutput: torch.Tensor) -> torch.Tensor:
        return gradOutput * self.kept.cos()


class InPlaceBuffers(nn.Module):
    """Keeps what it got in a tensor that each call overwrites, as Lua programs do."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = torch.empty(0)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.kept.resize_as_(input).copy_(input)
        return self.kept * 2

    def updateGradInput(self, input: torch.Tensor, gradOutput: torch.Tensor) -> torch.Tensor:
        return gradOutput * self.kept.cos()


class Clamped(nn.Linear):
    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1) -> None:
        super().accGradParameters(input, gradOutput.clamp(-0.1, 0.1), scale)


@pytest.mark.parametrize(
    "make", [Twice, Penalty, Halved, InPlaceBuffers, lambda: Scale(4), lambda: Clamped(4, 4)]
)
def test_both_engines_agree(make: Callable[[], nn.Module]) -> None:
    nngraph.manualSeed(1)
    core = cell(make())
    sequence, first, steps = data(5, 2, 3), data(2, 4, seed=1), 5
    clones = nngraph.clone_many_times(core, steps)
    core.zeroGradParameters()
    states = [first]
    for t in range(steps):
        states.append(clones[t].forward([sequence[t], states[-1]])[1])
    grads, dh = data(5, 2, 4, seed=2), torch.zeros(2, 4)
    for t in reversed(range(steps)):
        dh = clones[t].backward([sequence[t], states[t]], [grads[t], dh])[1]
    by_clones = [p.grad.clone() for p in core.parameters()]
    core.zeroGradParameters()
    net = nngraph.recurrent(core, state={"prev_h": "next_h"})
    leaf = first.clone().requires_grad_()
    outputs, last = net([sequence, leaf])
    assert_close(last, states[-1])
    outputs.backward(grads)
    assert_close([leaf.grad, *(p.grad for p in core.parameters())], [dh, *by_clones], 1e-5)
    sgd = nngraph.FlatSGD(net)
    outputs, _ = sgd.forward([sequence, first])
    sgd.backward([outputs], [grads])
    assert_close([p.grad for p in core.parameters()], by_clones, 1e-5)


def test_a_container_of_ones_own_is_not_taken_apart() -> None:
    frozen = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
    frozen.accGradParameters = lambda *_: None  # type: ignore[method-assign]
    core = cell(frozen)
    net = nngraph.recurrent(core, state={"prev_h": "next_h"})
    core.zeroGradParameters()
    outputs, _ = net([data(5, 2, 3), data(2, 4, seed=1)])
    outputs.sum().backward()
    assert not any(p.grad.any() for p in frozen.parameters())
    assert core.get(0) is not None
    assert sum(p.grad.any().item() for p in core.parameters()) == 4
    core.updateGradInput = lambda *_: None  # type: ignore[method-assign]
    with pytest.raises(GraphError, match="gradient or run_node"):
        nngraph.recurrent(core, state={"prev_h": "next_h"})


def test_halves_without_forward() -> None:
    linear, x, grad = nn.Linear(3, 2), data(2, 3), data(2, 2, seed=1)
    other = data(2, 3, seed=2)
    for net in (linear, nn.Sequential(linear), graph_of(linear)):
        for earlier in (None, other):
            net.clearState()
            if earlier is not None:
                net.forward(earlier)
            net.zeroGradParameters()
            net.updateOutput(x)
            assert_close(net.updateGradInput(x, grad), grad @ linear.weight)
            net.accGradParameters(x, grad, 2)
            assert_close([linear.gradWeight, linear.gradBias], [2 * grad.t() @ x, 2 * grad.sum(0)])


def test_backward_after_an_own_forward() -> None:
    class Doubled(nn.Tanh):
        def forward(self, input: Any) -> Any:
            return 2 * super().forward(input)

    class Cubes(nn.Module):
        def forward(self, input: Any) -> Any:
            return input**3

    x, grad = data(2, 3), data(2, 3, seed=1)
    for module, output, gradient in (
        (Doubled(), 2 * x.tanh(), 2 * grad * (1 - x.tanh() ** 2)),
        (Cubes(), x**3, 3 * x**2 * grad),
    ):
        assert_close(module.forward(x), output)
        assert_close(module.backward(x, grad), gradient)


def test_a_trace_shows_the_gradients_of_overrides() -> None:
    linear, twice = nn.Linear(3, 3), Twice()
    g = graph_of(linear, twice, nn.MulConstant(3))
    x, grad = data(2, 3), data(2, 3, seed=1)
    run = nngraph.trace(g, x, grad)
    at = {node.module: node for node in g.forwardnodes}
    assert_close(run.gradOutput(at[twice]), 3 * grad)
    assert_close(run.gradOutput(at[linear]), 6 * grad)
    assert linear.weight.grad is None


def test_the_pass_of_that_input() -> None:
    class Square(nn.Module):
        def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
            return input**2

    square, ones = Square(), torch.ones(3)
    square.forward(ones)
    assert_close(square.updateGradInput(5 * ones, ones), 10 * ones)
    square.forward(ones)
    assert_close(square.backward(3 * ones, ones), 6 * ones)
    nan = torch.full((3,), torch.nan)
    square.forward(nan)
    assert square.backward(nan.clone(), ones).isnan().all()


def test_halves_of_what_is_random_or_has_buffers() -> None:
    x, ones = data(4, 3), torch.ones(4, 3)
    dropout = nn.Dropout(0.5)
    dropout.updateOutput(x)
    state = torch.get_rng_state()
    with pytest.raises(GraphError, match=r"draws random numbers.*forward\(input\)"):
        dropout.updateGradInput(x, ones)
    assert torch.equal(torch.get_rng_state(), state)
    norm, reference = nn.BatchNormalization(3), torch.nn.BatchNorm1d(3)
    with torch.no_grad():
        for mine, theirs in zip(reference.parameters(), norm.parameters(), strict=True):
            mine.copy_(theirs)
    leaf = x.clone().requires_grad_()
    reference(leaf).backward(x**2)
    norm.updateOutput(x)
    assert_close(norm.updateGradInput(x, x**2), leaf.grad, 1e-5)
    assert_close(norm.running_mean, reference.running_mean)  # updated once


def test_mistakes() -> None:
    class Wrong(nn.Module):
        def __init__(self, result: Any) -> None:
            super().__init__()
            self.result = result

        def updateOutput(self, input: Any) -> Any:
            return input

        def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
            return self.result

    x = data(2, 3)
    for result, message in [
        (None, "updateGradInput returned None"),
        (torch.ones(5), r"gradient of shape \(5,\) for an input of shape \(2, 3\)"),
        (3, "returned int for an input"),
        ([x], "list"),
    ]:
        net = nn.Sequential(nn.Linear(3, 3), Wrong(result))
        net.forward(x)
        with pytest.raises(GraphError, match=message):
            net.backward(x, x)
    zero = nn.Sequential(nn.Linear(3, 3), Wrong(torch.zeros(1)))
    zero.forward(x)
    assert not zero.backward(x, x).any()


def test_hooks_of_parameters_see_the_gradient_once() -> None:
    layer, x, grad = Clamped(3, 3), data(2, 3), data(2, 3, seed=1)
    net = nn.Sequential(layer, nn.Identity())
    seen: list[str] = []

    def doubled(gradient: torch.Tensor) -> torch.Tensor:
        seen.append("hook")
        return 2 * gradient

    layer.weight.register_hook(doubled)
    layer.weight.register_post_accumulate_grad_hook(lambda p: seen.append("accumulated"))
    net(x).backward(grad)
    assert_close(layer.weight.grad, 2 * grad.clamp(-0.1, 0.1).t() @ x)
    assert seen == ["hook", "accumulated"]
    assert_close(layer.bias.grad, grad.clamp(-0.1, 0.1).sum(0))


@pytest.mark.parametrize("build", [lambda m: m, graph_of])
def test_a_frozen_parameter_of_a_layer_with_own_gradients(build: Any) -> None:
    layer, x, grad = Scale(3), data(2, 3), data(2, 3, seed=1)
    layer.requires_grad_(False)
    net = build(layer)
    net.forward(x)
    assert_close(net.backward(x, grad), layer.weight * grad)
    assert layer.weight.grad is None


def test_the_buffer_of_a_layer_inside() -> None:
    class Wraps(nn.Container):
        def __init__(self) -> None:
            super().__init__()
            self.add(Scale(3))

        def updateOutput(self, input: Any) -> Any:
            return self.get(0).forward(input)

        def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
            return self.get(0).updateGradInput(input, gradOutput)

        def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1) -> None:
            self.get(0).accGradParameters(input, gradOutput, scale)

    layer, x, y = Wraps(), data(2, 3), data(2, 3, seed=1)
    weight = layer.get(0).weight
    net = nn.Sequential(nn.ConcatTable(nn.Identity(), nn.MulConstant(2)), nn.MapTable(layer))
    assert_close(net.forward(x), [weight * x, 2 * weight * x])
    assert_close(net.backward(x, [y, 3 * y]), weight * y + 2 * 3 * weight * y)
    assert_close(weight.grad, (x * y + 2 * x * 3 * y).sum(0))


def test_second_derivatives_are_refused() -> None:
    x = data(2, 3).requires_grad_()
    (gradient,) = torch.autograd.grad((Twice()(x) ** 2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_hooks_no_grad_pickle_and_layers_in_place() -> None:
    layer, x = Twice(), data(2, 3)
    seen: list[torch.Tensor] = []
    layer.register_forward_hook(lambda m, i, output: seen.append(output))
    net = nn.Sequential(nn.Linear(3, 3), layer, nn.ReLU(True), nn.Linear(3, 3))
    leaf = x.clone().requires_grad_()
    net(leaf).sum().backward()
    assert len(seen) == 1
    h = F.linear(x, *net.get(0).parameters())
    assert_close(
        leaf.grad,
        2 * ((torch.ones(2, 3) @ net.get(3).weight) * (h > 0)) @ net.get(0).weight,
    )
    with torch.no_grad():
        assert not net(x).requires_grad
    twin = pickle.loads(pickle.dumps(Scale(3)))
    twin.forward(x)
    assert_close(twin.backward(x, x), twin.weight * x)


def test_two_threads_that_wait_for_each_other_are_refused(monkeypatch: Any) -> None:
    monkeypatch.setattr("pygraph_nn.nn.core.gradient_buffers.PATIENCE", 0.1)
    inside, go_on = threading.Event(), threading.Event()

    class Waits(Scale):
        def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1) -> None:
            if threading.current_thread() is not threading.main_thread():
                inside.set()
                go_on.wait(60)
            super().accGradParameters(input, gradOutput, scale)

    layer, x = Waits(3), data(2, 3)
    net = nn.Sequential(layer)
    other = threading.Thread(target=lambda: net(x).sum().backward())
    other.start()
    assert inside.wait(60)
    try:
        with pytest.raises(GraphError, match=r"two threads.*clone\(\)"):
            net(x).sum().backward()
    finally:
        go_on.set()
        other.join()
    assert_close(layer.weight.grad, x.sum(0))
    net(x).sum().backward()
    assert_close(layer.weight.grad, 2 * x.sum(0))


@pytest.mark.filterwarnings("ignore:Dynamo does not know")
def test_torch_compile_leaves_such_layers_out() -> None:
    net = nn.Sequential(nn.Linear(3, 3), Twice())
    with pytest.raises(Exception, match="cannot follow gradient methods"):
        torch.compile(net, backend="eager", fullgraph=True)(data(2, 3))
    x = data(2, 3).requires_grad_()
    try:
        torch.compile(net, backend="eager")(x).sum().backward()
    finally:
        torch._dynamo.reset()  # other tests compile whole graphs, without any break
    assert_close(x.grad, 2 * torch.ones(2, 3) @ net.get(0).weight)


@pytest.mark.parametrize("build", [nn.ParallelTable, nn.Bottle, nn.MapTable, nn.Decorator])
def test_an_own_backward_in_a_container_that_calls_the_halves(build: Any) -> None:
    class Own(nn.Identity):
        def backward(self, input: Any, gradOutput: Any, scale: float = 1) -> Any:
            return 7 * gradOutput

    with pytest.warns(RuntimeWarning, match="its own backward is not called here"):
        build(nn.Sequential(Own()))
    net = nn.Sequential(Own())
    net.forward(torch.ones(2))
    assert_close(net.backward(torch.ones(2), torch.ones(2)), torch.full((2,), 7.0))


# Criteria


class Sevens(nn.Criterion):
    def updateOutput(self, input: Any, target: Any) -> torch.Tensor:
        return (input - target).sum()

    def updateGradInput(self, input: Any, target: Any = None) -> torch.Tensor:
        return torch.full_like(input, 7)


def test_criteria_everywhere() -> None:
    x, target = data(2, 3), data(2, 3, seed=1)
    sevens = torch.full((2, 3), 7.0)
    leaf = x.clone().requires_grad_()
    (3 * Sevens()(leaf, target)).backward()
    assert_close(leaf.grad, 3 * sevens)
    both = nn.ParallelCriterion().add(Sevens(), 0.5).add(nn.MultiCriterion().add(Sevens(), 2))
    both.forward([x, x], [target, target])
    assert_close(both.backward([x, x], [target, target]), [0.5 * sevens, 2 * sevens])
    p, y = node(), node()
    g = nngraph.gModule([p, y], [Sevens()([p, y])])
    g.forward([x, target])
    assert_close(g.backward([x, target], torch.ones(1))[0], sevens)


def test_a_criterion_in_a_cell_on_both_engines() -> None:
    x, y, h = (node().annotate(name=name) for name in ("x", "y", "prev_h"))
    criterion = nn.ClassNLLCriterion()
    criterion.updateGradInput = lambda input, target: torch.full_like(input, 7)  # type: ignore
    next_h = nn.Tanh()(nn.CAddTable()([nn.Linear(3, 4)(x), nn.Linear(4, 4)(h)]))
    scores = nn.LogSoftMax()(nn.Linear(4, 5)(next_h))
    core = nngraph.gModule([x, y, h], [criterion([scores, y]), next_h.annotate(name="next_h")])
    words, targets, first = data(3, 2, 3), torch.tensor([[0, 1], [2, 3], [4, 0]]), data(2, 4)
    net = nngraph.recurrent(core, state={"prev_h": "next_h"})
    for bias in [m for m in core.modules() if isinstance(m, nn.Linear)]:
        bias.zeroGradParameters()
    err, _ = net([words, targets, first])
    err.sum().backward()
    whole = [p.grad.clone() for p in core.parameters()]
    core.zeroGradParameters()
    total, state = torch.zeros(1), first
    for t in range(3):
        loss, state = core([words[t], targets[t], state])
        total = total + loss
    total.backward()
    assert_close([p.grad for p in core.parameters()], whole, 1e-5)
    sgd = nngraph.FlatSGD(net)
    err, _ = sgd.forward([words, targets, first])
    sgd.backward([err], [torch.ones_like(err)])
    assert_close([p.grad for p in core.parameters()], whole, 1e-5)


def test_criteria_have_the_fields_and_methods_of_modules() -> None:
    x, target = data(2, 3), data(2, 3, seed=1)
    criterion = nn.MSECriterion()
    assert criterion.output is None
    loss = criterion.forward(x, target)
    gradient = criterion.backward(x, target)
    assert_close([criterion.output, criterion.gradInput], [loss, gradient])
    assert criterion(x.clone().requires_grad_(), target).requires_grad
    assert not criterion.output.requires_grad
    duplicate = criterion.clone()
    assert type(duplicate) is nn.MSECriterion
    assert criterion.evaluate() is criterion
    assert not criterion.training
    assert criterion.clearState() is criterion
    assert criterion.output is None
    assert criterion.gradInput is None
    assert [t.numel() for t in criterion.getParameters()] == [0, 0]


def test_an_own_backward_of_a_criterion_is_warned_of() -> None:
    class Own(nn.MSECriterion):
        def backward(self, input: Any, target: Any = None) -> Any:
            return torch.full_like(input, 7)

    x, target = data(2, 3), data(2, 3, seed=1)
    own = Own()
    own.forward(x, target)
    assert_close(own.backward(x, target), torch.full((2, 3), 7.0))
    several = nn.MultiCriterion().add(own)
    with pytest.warns(RuntimeWarning, match="its own backward is not called here"):
        several.forward(x, target)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        several.forward(x, target)


def test_gradInput_of_a_graph() -> None:
    g, x = graph_of(nn.Linear(3, 2)), data(2, 3)
    assert g.gradInput is None
    g.forward(x)
    gradient = g.backward(x, torch.ones(2, 2))
    assert_close(g.gradInput, gradient)


def test_no_layer_of_the_library_counts_as_overridden() -> None:
    classes = [c for c in vars(nn).values() if isinstance(c, type)]
    layers = [c for c in classes if issubclass(c, (nn.Module, nn.Criterion))]
    assert len(layers) > 100
    assert not [c for c in layers if c._overrides]


def test_no_gradient_of_an_input_that_needs_none() -> None:
    class First(Scale):
        def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
            return None

    layer, x = First(3), data(2, 3)
    for net in (layer, nn.Sequential(layer), graph_of(layer)):
        layer.zeroGradParameters()
        net(x).sum().backward()
        assert_close(layer.weight.grad, x.sum(0))
        with pytest.raises(GraphError, match="returned None"):
            net(x.clone().requires_grad_()).sum().backward()


def test_functional_transforms_are_refused() -> None:
    layer, x = Scale(3), data(2, 3)
    net = nn.Sequential(layer)
    for transform in (torch.func.grad, torch.func.jacrev):
        with pytest.raises(GraphError, match=r"torch\.func"):
            transform(lambda x: net(x).sum())(x)
    with pytest.raises(GraphError, match=r"torch\.func"):
        torch.vmap(net)(x[None])
    weight = {"0.weight": torch.ones(3, requires_grad=True) * 2}
    y = torch.func.functional_call(net, weight, (x,))
    with pytest.raises(GraphError, match="replaced between forward and backward"):
        y.sum().backward()


def test_threads_take_turns() -> None:
    class Sum(nn.Module):
        def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
            self.sum = input.sum()
            self.output = input * self.sum
            return self.output

        def updateGradInput(self, input: torch.Tensor, gradOutput: Any) -> torch.Tensor:
            self.gradInput = gradOutput * self.sum
            return self.gradInput

    layer, wrong = Sum(), []
    net = nn.Sequential(layer)
    forward = threading.Barrier(2)

    def work(seed: int) -> None:
        for i in range(20):
            x = data(2, 3, seed=100 * seed + i).requires_grad_()
            y = net(x)
            forward.wait(60)  # both threads have left their fields
            y.sum().backward()
            if not torch.equal(x.grad, x.detach().sum().expand(2, 3)):
                wrong.append(x)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("method", ["updateParameters", "zeroGradParameters"])
def test_a_flat_update_refuses_layers_that_update_themselves(method: str) -> None:
    core = cell(nn.Linear(4, 4))
    net = nngraph.recurrent(core, state={"prev_h": "next_h"})
    setattr(core.get(1), method, lambda *_: None)
    with pytest.raises(GraphError, match=rf"Linear, has its own {method}"):
        nngraph.FlatSGD(net)
    delattr(core.get(1), method)
    nngraph.FlatSGD(net)
