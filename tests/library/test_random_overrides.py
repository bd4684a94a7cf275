"""Random networks with gradient methods of one's own, against functions of plain PyTorch."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import pygraph_nn as nngraph
from pygraph_nn import nn

from ..helpers import assert_close

WIDTH = 3
Function = Callable[[torch.Tensor], torch.Tensor]


# The oracle: functions of plain PyTorch whose gradient is another rule.


class _Ruled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Function, rule: Any, *tensors: torch.Tensor) -> torch.Tensor:
        ctx.rule = rule
        ctx.save_for_backward(*tensors)
        return value(*tensors).clone()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        return (None, None, *ctx.rule(grad, *ctx.saved_tensors))


def ruled(value: Any, rule: Any) -> Callable[..., torch.Tensor]:
    """Return a function that computes `value` and whose gradients are ``rule(grad, *inputs)``."""
    return lambda *tensors: _Ruled.apply(value, rule, *tensors)


# Layers in Torch7's style


class Reversal(nn.Module):
    """GradientReversal, with fields."""

    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.output = input
        return self.output

    def updateGradInput(self, input: torch.Tensor, gradOutput: torch.Tensor) -> torch.Tensor:
        self.gradInput.resize_as_(gradOutput).copy_(gradOutput).mul_(-self.strength)
        return self.gradInput


class Penalty(nn.Module):
    """L1Penalty: adds the sign of its input to the gradient."""

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.loss = 0.1 * input.abs().sum()
        return input

    def updateGradInput(self, input: torch.Tensor, gradOutput: torch.Tensor) -> torch.Tensor:
        return gradOutput + 0.1 * input.sign()


class Straight(nn.Module):
    """A straight-through estimator; the mask of its last output is a field."""

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.mask = (input.abs() < 1).to(input.dtype)
        self.output.resize_as_(input).copy_(input).sign_()
        return self.output

    def updateGradInput(self, input: torch.Tensor, gradOutput: torch.Tensor) -> torch.Tensor:
        self.gradInput = gradOutput * self.mask
        return self.gradInput


class Affine(nn.Module):
    """Torch7's Linear, line by line: buffers that it computes in, and both halves."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.randn(WIDTH, WIDTH)
        self.bias = torch.randn(WIDTH)
        self.gradWeight = torch.zeros(WIDTH, WIDTH)
        self.gradBias = torch.zeros(WIDTH)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.output.resize_as_(input).copy_(self.bias.detach().expand_as(input))
        self.output.addmm_(input, self.weight.detach().t())
        return self.output

    def updateGradInput(self, input: torch.Tensor, gradOutput: torch.Tensor) -> torch.Tensor:
        self.gradInput.resize_as_(input).zero_().addmm_(gradOutput, self.weight.detach())
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1) -> None:
        self.gradWeight.addmm_(gradOutput.t(), input, alpha=scale)
        self.gradBias.add_(gradOutput.sum(0), alpha=scale)


class Decayed(nn.Linear):
    """Adds a multiple of the weight to its gradient; gradInput is the parent's."""

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1) -> None:
        super().accGradParameters(input, gradOutput, scale)
        self.gradWeight.add_(self.weight.detach(), alpha=0.1 * scale)


class Binary(nn.Linear):
    """BinaryConnect: forward and back with the signs of the weight."""

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.signs = self.weight.detach().sign()
        self.output = F.linear(input, self.signs, self.bias)
        return self.output

    def updateGradInput(self, input: torch.Tensor, gradOutput: torch.Tensor) -> torch.Tensor:
        self.gradInput = gradOutput @ self.signs
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1) -> None:
        self.gradWeight.add_(gradOutput.t() @ input, alpha=scale)
        self.gradBias.add_(gradOutput.sum(0), alpha=scale)


class Holds(nn.Module):
    """Runs a layer inside by Torch7's methods, and halves its gradient."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.output = self.inner.updateOutput(input)
        return self.output

    def updateGradInput(self, input: torch.Tensor, gradOutput: torch.Tensor) -> torch.Tensor:
        self.gradInput = 0.5 * self.inner.updateGradInput(input, gradOutput)
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1) -> None:
        self.inner.accGradParameters(input, gradOutput, scale)


class Forwards(nn.Module):
    """Runs a layer inside by `forward`, and leaves the gradients to autograd."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return self.inner.forward(input) * 2


class Adds(nn.Module):
    """CAddTable whose second gradient is clipped."""

    def updateOutput(self, input: Any) -> torch.Tensor:
        self.output = input[0] + input[1]
        return self.output

    def updateGradInput(self, input: Any, gradOutput: torch.Tensor) -> Any:
        self.gradInput = [gradOutput, gradOutput.clamp(-0.3, 0.3)]
        return self.gradInput


class Random:
    """Draws a network and the same function in plain PyTorch.

    Attributes:
        copies: the oracle's copy of each parameter, a leaf.
    """

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.copies: dict[torch.nn.Parameter, torch.Tensor] = {}
        self.reused: list[tuple[nn.Module, Function]] = []

    def of(self, parameter: torch.Tensor | None) -> torch.Tensor:
        assert isinstance(parameter, torch.nn.Parameter)
        leaf = parameter.detach().clone().requires_grad_()
        return self.copies.setdefault(parameter, leaf)

    def layer(self) -> tuple[nn.Module, Function]:
        """Return one layer and its function, perhaps one that was drawn before."""
        if self.reused and self.draw.random() < 0.2:
            return self.draw.choice(self.reused)
        kinds = [self.pointwise, self.reversal, self.penalty, self.straight]
        kinds += [self.affine, self.decayed, self.binary, self.linear, self.frozen, self.clipped]
        kinds += [self.rectified]
        self.reused.append(self.draw.choice(kinds)())
        return self.reused[-1]

    def pointwise(self) -> tuple[nn.Module, Function]:
        return self.draw.choice([(nn.Tanh(), torch.tanh), (nn.ReLU(), torch.relu)])

    def rectified(self) -> tuple[nn.Module, Function]:
        """A layer in place behind one of one's own."""
        layer, function = self.affine()
        return nn.Sequential(layer, nn.ReLU(True)), lambda x: torch.relu(function(x))

    def reversal(self) -> tuple[nn.Module, Function]:
        return Reversal(0.7), ruled(lambda x: x, lambda g, x: (-0.7 * g,))

    def penalty(self) -> tuple[nn.Module, Function]:
        return Penalty(), ruled(lambda x: x, lambda g, x: (g + 0.1 * x.sign(),))

    def straight(self) -> tuple[nn.Module, Function]:
        return Straight(), ruled(torch.sign, lambda g, x: (g * (x.abs() < 1),))

    def linear(self) -> tuple[nn.Module, Function]:
        layer = nn.Linear(WIDTH, WIDTH)
        w, b = self.of(layer.weight), self.of(layer.bias)
        return layer, lambda x: F.linear(x, w, b)

    def affine(self) -> tuple[nn.Module, Function]:
        layer = Affine()
        w, b = self.of(layer.weight), self.of(layer.bias)
        return layer, lambda x: F.linear(x, w, b)

    def decayed(self) -> tuple[nn.Module, Function]:
        layer = Decayed(WIDTH, WIDTH)
        w, b = self.of(layer.weight), self.of(layer.bias)
        compute = ruled(F.linear, lambda g, x, w, b: (g @ w, g.t() @ x + 0.1 * w, g.sum(0)))
        return layer, lambda x: compute(x, w, b)

    def binary(self) -> tuple[nn.Module, Function]:
        layer = Binary(WIDTH, WIDTH)
        w, b = self.of(layer.weight), self.of(layer.bias)
        compute = ruled(
            lambda x, w, b: F.linear(x, w.sign(), b),
            lambda g, x, w, b: (g @ w.sign(), g.t() @ x, g.sum(0)),
        )
        return layer, lambda x: compute(x, w, b)

    def frozen(self) -> tuple[nn.Module, Function]:
        """A layer frozen as in Lua, by a method of the object."""
        layer, _ = self.linear()
        layer.accGradParameters = lambda input, gradOutput, scale=1: None
        w, b = layer.weight.detach().clone(), layer.bias.detach().clone()  # type: ignore[operator, union-attr]
        return layer, lambda x: F.linear(x, w, b)

    def clipped(self) -> tuple[nn.Module, Function]:
        """A gradient clipped by a method of the object, which calls the one that it replaces."""
        layer = nn.Tanh()
        original = layer.updateGradInput
        layer.updateGradInput = lambda x, grad: original(x, grad).clamp(-0.2, 0.2)  # type: ignore[method-assign]
        compute = ruled(torch.tanh, lambda g, x: ((g * (1 - x.tanh() ** 2)).clamp(-0.2, 0.2),))
        return layer, compute

    def net(self, depth: int) -> tuple[nn.Module, Function]:
        """Return a network of `depth` levels at most."""
        if depth == 0:
            return self.layer()
        kinds = [self.sequential, self.graph, self.graph, self.branches, self.concat]
        return self.draw.choice([*kinds, self.holds, self.forwards, self.bottle])(depth - 1)

    def sequential(self, depth: int) -> tuple[nn.Module, Function]:
        parts = [self.net(self.draw.randint(0, depth)) for _ in range(self.draw.randint(1, 3))]

        def compute(x: torch.Tensor) -> torch.Tensor:
            for _, function in parts:
                x = function(x)
            return x

        return nn.Sequential(*(module for module, _ in parts)), compute

    def graph(self, depth: int) -> tuple[nn.Module, Function]:
        """A gModule, each of whose nodes has one or two of those before as inputs."""
        nodes, functions = [nn.Identity()()], []
        for _ in range(self.draw.randint(2, 4)):
            a, b = self.draw.randrange(len(nodes)), self.draw.randrange(len(nodes))
            module, function = self.net(self.draw.randint(0, depth))
            node = module(nodes[-1] if self.draw.random() < 0.5 else nodes[a])
            source = node.inputs[0]
            functions.append((nodes.index(source), b, function))
            nodes.append(Adds()([node, nodes[b]]))
        adds = ruled(lambda a, b: a + b, lambda g, a, b: (g, g.clamp(-0.3, 0.3)))

        def compute(x: torch.Tensor) -> torch.Tensor:
            values = [x]
            for source, other, function in functions:
                values.append(adds(function(values[source]), values[other]))
            total = values[1]
            for value in values[2:]:
                total = total + value
            return total

        return nngraph.gModule([nodes[0]], [nn.CAddTable()(nodes[1:])]), compute

    def branches(self, depth: int) -> tuple[nn.Module, Function]:
        pairs = [self.net(self.draw.randint(0, depth)) for _ in range(2)]
        container = nn.Sequential(nn.ConcatTable(*(m for m, _ in pairs)), Adds())
        adds = ruled(lambda a, b: a + b, lambda g, a, b: (g, g.clamp(-0.3, 0.3)))
        return container, lambda x: adds(*(f(x) for _, f in pairs))

    def concat(self, depth: int) -> tuple[nn.Module, Function]:
        pairs = [self.net(self.draw.randint(0, depth)) for _ in range(2)]
        container = nn.Sequential(nn.Concat(1, *(m for m, _ in pairs)), nn.Narrow(1, 1, WIDTH))
        return container, lambda x: torch.cat([f(x) for _, f in pairs], 1)[:, 1 : 1 + WIDTH]

    def bottle(self, depth: int) -> tuple[nn.Module, Function]:
        inner, function = self.net(depth)
        mapped = nn.Sequential(nn.SplitTable(0), nn.MapTable(inner), nn.JoinTable(0))
        net = nn.Sequential(nn.View(-1, 1, WIDTH), mapped)
        return net, lambda x: torch.cat([function(row) for row in x.view(-1, 1, WIDTH)], 0)

    def holds(self, depth: int) -> tuple[nn.Module, Function]:
        inner, function = self.layer()
        half = ruled(lambda x: x, lambda g, x: (0.5 * g,))
        return Holds(inner), lambda x: function(half(x))

    def forwards(self, depth: int) -> tuple[nn.Module, Function]:
        inner, function = self.net(depth)
        return Forwards(inner), lambda x: 2 * function(x)


# The checks


class Drawn:
    """A random network, its function, inputs and gradOutputs."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        nngraph.manualSeed(seed)
        drawn = Random(seed)
        self.net, self.function = drawn.net(3)
        self.parameters = list(self.net.parameters())
        self.copies = [drawn.copies[p] for p in self.parameters]
        self.xs = [torch.randn(2, WIDTH) for _ in range(2)]
        shapes = [self.function(x).shape for x in self.xs]
        self.grads = [torch.randn(shape) for shape in shapes]
        self.net.zeroGradParameters()

    def expected(self, *passes: tuple[int, float]) -> tuple[list[torch.Tensor], list[Any]]:
        """Return gradInput of each pass (input, scale), and the accumulated gradients."""
        total = [torch.zeros_like(p) for p in self.copies]
        inputs = []
        for i, scale in passes:
            x = self.xs[i].clone().requires_grad_()
            y = self.function(x)
            found = torch.autograd.grad(y, [x, *self.copies], self.grads[i], allow_unused=True)
            inputs.append(torch.zeros_like(x) if found[0] is None else found[0])
            for sum_, gradient in zip(total, found[1:], strict=True):
                if gradient is not None:
                    sum_ += scale * gradient
        return inputs, total

    def outputs(self) -> list[torch.Tensor]:
        return [self.function(x).detach() for x in self.xs]


@pytest.fixture(autouse=True)
def _double() -> Any:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def by_backward(d: Drawn) -> None:
    for _ in range(2):
        d.net.zeroGradParameters()
        assert_close(d.net.forward(d.xs[0]), d.outputs()[0])
        (gradInput,), total = d.expected((0, 1))
        assert_close(d.net.backward(d.xs[0], d.grads[0]), gradInput)
        assert_close([p.grad for p in d.parameters], total)
        assert_close(d.net.gradInput, gradInput)
    d.net.backward(d.xs[0], d.grads[0], 0.5)
    assert_close([p.grad for p in d.parameters], d.expected((0, 1), (0, 0.5))[1])


def by_halves(d: Drawn) -> None:
    inputs, total = d.expected((0, 1), (1, -2))
    assert_close(d.net.updateOutput(d.xs[0]), d.outputs()[0])
    assert_close(d.net.updateGradInput(d.xs[0], d.grads[0]), inputs[0])
    d.net.accGradParameters(d.xs[0], d.grads[0])
    d.net.accGradParameters(d.xs[1], d.grads[1], -2)
    assert_close(d.net.updateGradInput(d.xs[1], d.grads[1]), inputs[1])
    assert_close([p.grad for p in d.parameters], total)


def by_autograd(d: Drawn) -> None:
    leaves = [x.clone().requires_grad_() for x in d.xs]
    outputs = [d.net(x) for x in leaves]
    assert_close(outputs, d.outputs())
    torch.autograd.backward(outputs, d.grads)
    inputs, total = d.expected((0, 1), (1, 1))
    assert_close([x.grad for x in leaves], inputs)
    assert_close([p.grad for p in d.parameters], total)


def by_flat_parameters(d: Drawn) -> None:
    if not d.parameters:
        return
    _, flat = d.net.getParameters()
    d.net.forward(d.xs[1])
    d.net.backward(d.xs[1], d.grads[1])
    assert_close(flat, torch.cat([g.flatten() for g in d.expected((1, 1))[1]]))


def by_clones(d: Drawn) -> None:
    clones = nngraph.clone_many_times(d.net, 2)
    assert_close([c.forward(x) for c, x in zip(clones, d.xs, strict=True)], d.outputs())
    inputs, total = d.expected((0, 1), (1, 1))
    for i in (1, 0):
        assert_close(clones[i].backward(d.xs[i], d.grads[i]), inputs[i])
    assert_close([p.grad for p in d.parameters], total)


def by_a_copy(d: Drawn) -> None:
    d.net.forward(d.xs[1])
    twin = copy.deepcopy(d.net)
    assert_close(twin.forward(d.xs[0]), d.outputs()[0])
    (gradInput,), total = d.expected((0, 1))
    assert_close(twin.backward(d.xs[0], d.grads[0]), gradInput)
    assert_close([p.grad for p in twin.parameters()], total)


def by_hooks(d: Drawn) -> None:
    """Values of modules inside, against those that hooks see."""
    seen: dict[nn.Module, Any] = {}
    hidden = [i for m in d.net.modules() if isinstance(m, (Holds, Forwards)) for i in m.modules()]
    layers = [m for m in d.net.modules() if isinstance(m, nn.Module) and m not in hidden]
    handles = [
        m.register_forward_hook(lambda m, _, y: seen.__setitem__(m, copy.deepcopy(y)))
        for m in layers
    ]
    with torch.no_grad():
        d.net(d.xs[0])
    for handle in handles:
        handle.remove()
    d.net.forward(d.xs[1])
    d.net.forward(d.xs[0])
    for module in layers:
        try:
            value = module.output
        except nngraph.GraphError:
            continue
        if module in seen:  # hooks see calls alone
            assert_close(value, seen[module])


def by_recurrent(d: Drawn) -> None:
    x, h = nn.Identity()(), nn.Identity()()
    core = nngraph.gModule([x, h], [nn.Tanh()(Adds()([d.net(x), h]))])
    adds = ruled(lambda a, b: a + b, lambda g, a, b: (g, g.clamp(-0.3, 0.3)))
    rows = d.outputs()[0].shape[0]
    states = [torch.zeros(rows, WIDTH).requires_grad_() for _ in range(2)]
    inputs = [torch.stack(d.xs).requires_grad_() for _ in range(2)]
    last = nngraph.recurrent(core, state={1: 0})([inputs[0], states[0]])
    mine = states[1]
    for row in inputs[1]:
        mine = torch.tanh(adds(d.function(row), mine))
    assert_close(last, mine)
    last.backward(d.grads[0])
    mine.backward(d.grads[0])
    for a, b in ([p.grad for p in pair] for pair in (states, inputs)):
        assert_close(a, torch.zeros_like(a) if b is None else b)
    wanted = [torch.zeros_like(p) if p.grad is None else p.grad for p in d.copies]
    assert_close([p.grad for p in d.parameters], wanted)


WAYS = [by_backward, by_halves, by_autograd, by_flat_parameters, by_clones, by_a_copy, by_hooks]


@pytest.mark.parametrize("way", [*WAYS, by_recurrent], ids=lambda way: way.__name__)
@pytest.mark.parametrize("seed", [*range(14), 45, 106, 118])
def test_gradients_are_those_of_plain_pytorch(seed: int, way: Callable[[Drawn], None]) -> None:
    way(Drawn(seed))


@pytest.mark.parametrize("outside", [True, False])
def test_layers_in_place_in_a_cell(outside: bool) -> None:
    x, h = nn.Identity()(), nn.Identity()()
    linear = nn.Linear(WIDTH, WIDTH)
    rectified = nn.ReLU(True)(linear(x)) if outside else linear(x)
    total = nn.CAddTable(not outside)([rectified, h])
    core = nngraph.gModule([x, h], [nn.Tanh()(total if outside else nn.ReLU(True)(total))])
    xs, last = torch.randn(3, 2, WIDTH), torch.zeros(2, WIDTH)
    nngraph.recurrent(core, state={1: 0})([xs, last]).sum().backward()
    leaves = [p.detach().clone().requires_grad_() for p in linear.parameters()]
    for row in xs:
        y = F.linear(row, *leaves)
        last = torch.tanh(y.relu() + last if outside else (y + last).relu())
    last.sum().backward()
    assert_close([p.grad for p in linear.parameters()], [p.grad for p in leaves])
