"""Random graphs against two oracles: the same recipe in plain torch, and finite differences."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pygraph_nn as nngraph
from pygraph_nn import nn

ROWS, WIDTH = 2, 3
SMALL = st.integers(0, 50)
PLAIN = ("linear", "again", "tanh", "add", "mul", "pair", "slices", "only", "constant", "foreign")
plain_steps = st.tuples(st.sampled_from(PLAIN), SMALL, SMALL, SMALL)
inner_recipes = st.tuples(st.integers(1, 2), st.lists(plain_steps, max_size=5))
steps = st.one_of(
    plain_steps, plain_steps, plain_steps, st.tuples(st.just("graph"), SMALL, SMALL, inner_recipes)
)
recipes = st.tuples(st.integers(1, 3), st.lists(steps, max_size=20))


class Constant(nn.Module):
    """A node without inputs, whose value is a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(ROWS, WIDTH))

    def updateOutput(self, input: Any) -> torch.Tensor:
        assert input == []
        return self.weight


class ScaledSum(torch.nn.Module):
    """Of torch's kind, with two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(WIDTH))

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.cos(a * self.weight + b)


@dataclass
class Values:
    """What a recipe has at hand, oldest first; what no step has taken yet is unused."""

    all: list[Any]
    unused: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.unused = list(self.all)

    def take(self, i: int) -> Any:
        value = self.all[i % len(self.all)]
        self.unused = [other for other in self.unused if other is not value]
        return value

    def take_two(self, i: int, j: int) -> list[Any]:
        first = self.take(i)
        others = [value for value in self.all if value is not first]
        if not others:
            return [first]
        second = others[j % len(others)]
        self.take(next(k for k, value in enumerate(self.all) if value is second))
        return [first, second]

    def put(self, *values: Any) -> None:
        self.all += values
        self.unused += values


class Builder:
    """Makes Nodes of a recipe. `made` are its modules with parameters, in the recipe's order."""

    def __init__(self) -> None:
        self.made: list[Any] = []

    def graph(self, recipe: Any) -> nngraph.gModule:
        n, steps = recipe
        inputs = [nn.Identity()() for _ in range(n)]
        values = Values(list(inputs))
        linears: list[Any] = []
        for step in steps:
            values.put(*self.step(step, values, linears))
        return nngraph.gModule(inputs, values.unused)

    def keep(self, module: Any) -> Any:
        self.made.append(module)
        return module

    def step(self, step: Any, values: Values, linears: list[Any]) -> list[nngraph.Node]:
        kind, i, j, more = step
        if kind == "again" and linears:
            return [linears[j % len(linears)](values.take(i))]
        if kind in ("linear", "again"):
            linears.append(self.keep(nn.Linear(WIDTH, WIDTH)))
            return [linears[-1](values.take(i))]
        if kind == "tanh":
            return [values.take(i) - nn.Tanh()]
        if kind == "constant":
            return [self.keep(Constant())()]
        if kind == "slices":
            wide = self.keep(nn.Linear(WIDTH, 2 * WIDTH))(values.take(i))
            return nn.SplitTable(1)(nn.Reshape(2, WIDTH)(wide)).split(2)
        if kind == "only":
            return [nn.JustTable()(values.take(i)).split(1)]
        taken = values.take_two(i, j)
        if len(taken) == 1:
            return [nn.Sigmoid()(taken[0])]
        if kind == "pair":
            return nngraph.nest([taken[1], taken[0]]).split(2)
        if kind == "foreign":
            return [nngraph.module(self.keep(ScaledSum()))(taken)]
        if kind == "graph":
            inner = self.graph(more)
            made = inner(taken if more[0] == 2 else taken[0])
            if more[0] == 1:
                values.put(nn.Identity()(taken[1]))  # is not to be left over
            n = len(inner.outnode.inputs)
            return [made] if n == 1 else made.split(n)
        return [{"add": nn.CAddTable, "mul": nn.CMulTable}[kind]()(taken)]


class Plain:
    """Computes a recipe in plain torch, on `weights`: those of Builder's modules, in order."""

    def __init__(self, weights: list[list[torch.Tensor]]) -> None:
        self.weights = iter(weights)

    def run(self, recipe: Any, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
        # A value is a tensor in a box of its own, since one tensor may be several values.
        values = Values([[x] for x in inputs])
        linears: list[Any] = []
        for step in recipe[1]:
            values.put(*[[x] for x in self.step(step, values, linears)])
        return [x for (x,) in values.unused]

    def step(self, step: Any, values: Values, linears: list[Any]) -> list[torch.Tensor]:
        kind, i, j, more = step
        if kind == "again" and linears:
            weight, bias = linears[j % len(linears)]
            return [values.take(i)[0] @ weight.T + bias]
        if kind in ("linear", "again"):
            weight, bias = next(self.weights)
            linears.append((weight, bias))
            return [values.take(i)[0] @ weight.T + bias]
        if kind == "tanh":
            return [values.take(i)[0].tanh()]
        if kind == "constant":
            return [next(self.weights)[0]]
        if kind == "slices":
            weight, bias = next(self.weights)
            return list((values.take(i)[0] @ weight.T + bias).split(WIDTH, 1))
        if kind == "only":
            return [values.take(i)[0]]
        taken = [x for (x,) in values.take_two(i, j)]
        if len(taken) == 1:
            return [taken[0].sigmoid()]
        if kind == "pair":
            return taken[::-1]
        if kind == "foreign":
            return [torch.cos(taken[0] * next(self.weights)[0] + taken[1])]
        if kind == "graph":
            outputs = self.run(more, taken[: more[0]])
            if more[0] == 1:
                values.put([taken[1]])
            return outputs
        return [taken[0] + taken[1] if kind == "add" else taken[0] * taken[1]]


def close(ours: Any, theirs: Any) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@settings(max_examples=150, deadline=None)
@given(recipe=recipes, seed=st.integers(0, 1000))
def test_random_graphs(recipe: Any, seed: int) -> None:
    builder = Builder()
    g = builder.graph(recipe).double()
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64) * 2 - 1

    weights = [list(module.parameters()) for module in builder.made]
    with torch.no_grad():
        for weight in [w for of_one in weights for w in of_one]:
            weight.copy_(draw(*weight.shape))
    flat = [w for of_one in weights for w in of_one]
    assert {id(p) for p in g.parameters()} == set(map(id, flat))

    inputs = [draw(ROWS, WIDTH).requires_grad_() for _ in range(recipe[0])]
    outputs = Plain(weights).run(recipe, inputs)
    grads = [draw(*y.shape) for y in outputs]
    loss = sum((y * grad).sum() for y, grad in zip(outputs, grads, strict=True))
    theirs = torch.autograd.grad(loss, [*inputs, *flat], allow_unused=True)
    theirs = [
        torch.zeros_like(w) if gradient is None else gradient
        for w, gradient in zip([*inputs, *flat], theirs, strict=True)
    ]

    x = [t.detach() for t in inputs] if len(inputs) > 1 else inputs[0].detach()
    grad_output = grads if len(grads) > 1 else grads[0]
    g.zeroGradParameters()
    close(as_list(g.forward(x)), [y.detach() for y in outputs])
    close(as_list(g.backward(x, grad_output)), list(theirs[: len(inputs)]))
    close([w.grad for w in flat], list(theirs[len(inputs) :]))
    check_finite_differences(g, flat, x, grads, theirs, draw)

    # As part of autograd, and as what other tools make of it.
    close(as_list(g(x)), outputs)
    close(as_list(g.to_fx()(x)), outputs)
    close(as_list(pickle.loads(pickle.dumps(g))(x)), outputs)
    shapes = g.infer_shapes([tuple(t.shape) for t in inputs])
    assert [s.shape for s in outputs] == as_list(shapes[g.outnode].output)
    assert set(g.forwardnodes) - {g.innode} <= set(shapes)


def as_list(x: Any) -> list[Any]:
    return list(x) if isinstance(x, list) else [x]


def check_finite_differences(
    g: nngraph.gModule, flat: list[Any], x: Any, grads: Any, gradients: Any, draw: Any
) -> None:
    """The loss along one random direction, of all inputs and parameters at once."""
    at = [*as_list(x), *flat]
    direction = [draw(*t.shape) for t in at]

    def loss(step: float) -> float:
        with torch.no_grad():
            for t, d in zip(at, direction, strict=True):
                t.add_(d, alpha=step)
            pairs = zip(as_list(g.forward(x)), grads, strict=True)
            found = sum((y * grad).sum().item() for y, grad in pairs)
            for t, d in zip(at, direction, strict=True):
                t.sub_(d, alpha=step)
        return found

    step = 1e-4
    # Fourth order, since products of products are steep.
    near, far = loss(step) - loss(-step), loss(2 * step) - loss(-2 * step)
    measured = (8 * near - far) / (12 * step)
    exact = sum((a * b).sum().item() for a, b in zip(gradients, direction, strict=True))
    scale = 1 + sum((a * b).abs().sum().item() for a, b in zip(gradients, direction, strict=True))
    assert abs(measured - exact) <= 1e-6 * scale


def test_recipes_reach_sixty_nodes() -> None:
    builder = Builder()
    inner = (2, [("slices", 0, 0, 0), ("add", 1, 2, 0)])
    graph = [("graph", i, i + 1, inner) for i in range(6)]
    g = builder.graph((3, [*graph, *[("slices", i, 0, 0) for i in range(6)], ("pair", 3, 4, 0)]))
    nested = [m for m in g.modules() if isinstance(m, nngraph.gModule)]
    assert len(nested) == 7
    assert sum(len(m.forwardnodes) for m in nested) > 60
