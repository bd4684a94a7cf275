"""Random recurrent networks over time against the same networks called step after step."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from recurrent_oracle import CLASSES, SIZE, check

import pygraph_nn as nngraph
from pygraph_nn import nn
from zaremba_port import gru, lstm

KINDS = ("single", "table", "nested", "lstm", "gru")  # of states

pytestmark = pytest.mark.usefixtures("float64_default")


class Builder:
    """A one-step network drawn from `draw`: nodes of (batch, SIZE), all of which end up used."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.pool: list[nngraph.Node] = []
        self.used: set[int] = set()
        self.modules: list[nn.Linear] = []
        self.cells: dict[int, list[nngraph.Node]] = {}

    def choose(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def take(self) -> nngraph.Node:
        node = self.choose(*self.pool)
        self.used.add(id(node))
        return node

    def some(self, count: int) -> list[nngraph.Node]:
        """Several nodes; one that comes again stands behind an Identity."""
        nodes: list[nngraph.Node] = []
        for node in (self.take() for _ in range(count)):
            nodes.append(nn.Identity()(node) if node in nodes else node)
        return nodes

    def linear(self) -> nn.Linear:
        """A new layer or, at times, one that is there already."""
        if self.modules and self.choose(False, False, True):
            return self.choose(*self.modules)
        self.modules.append(nn.Linear(SIZE, SIZE, self.choose(True, True, False)))
        return self.modules[-1]

    def states(self, kind: str) -> tuple[nngraph.Node, int]:
        """An input that is a state, its parts in the pool; how many parts."""
        node = nn.Identity()()
        if kind == "single":
            self.pool.append(node)
            return node, 1
        if kind == "gru":
            sizes = {"input_size": SIZE, "rnn_size": SIZE}
            self.cells[id(node)] = list(gru(self.take(), node, **sizes))
            self.pool += self.cells[id(node)]
            return node, 1
        if kind in ("table", "lstm"):
            parts = list(node.split(2))
            if kind == "lstm":
                sizes = {"input_size": SIZE, "rnn_size": SIZE}
                self.cells[id(node)] = parts = list(lstm(self.take(), *parts, **sizes))
            self.pool += parts
            return node, 2
        first, rest = node.split(2)
        self.pool += [first, *rest.split(2)]
        return node, 3

    def feed(self, kind: str, state: nngraph.Node) -> nngraph.Node:
        """An output that feeds a state of the same kind."""
        if kind == "gru":
            self.used |= {id(node) for node in self.cells[id(state)]}
            return nn.Identity()(self.cells[id(state)][0])
        if kind == "lstm":
            self.used |= {id(node) for node in self.cells[id(state)]}
            return nngraph.nest(self.cells[id(state)])
        if kind == "single":
            # By way of a module, since a state may not be an input node itself.
            return nn.Identity()(self.take())
        if kind == "table":
            return nngraph.nest(self.some(2))
        return nngraph.nest([self.take(), nngraph.nest(self.some(2))])

    def step(self) -> None:
        """One more operation."""
        kind = self.choose(
            "linear", "tanh", "add", "multiply", "lstm", "gru", "split", "join", "nested",
            "sequential", "dropout", "scale",
        )  # fmt: skip
        sizes = {"input_size": SIZE, "rnn_size": SIZE}
        if kind == "linear":
            nodes = [self.linear()(self.take())]
        elif kind == "tanh":
            nodes = [self.choose(nn.Tanh, nn.Sigmoid)()(self.take())]
        elif kind == "add":
            nodes = [nn.CAddTable()(self.some(3))]
        elif kind == "multiply":
            nodes = [nn.CMulTable()([self.take(), nn.Sigmoid()(self.take())])]
        elif kind == "lstm":
            nodes = list(lstm(*self.some(3), **sizes))
        elif kind == "gru":
            nodes = list(gru(*self.some(2), **sizes))
        elif kind == "split":
            wide = nn.Reshape(2, SIZE)(nn.Linear(SIZE, 2 * SIZE)(self.take()))
            parts = nn.SplitTable(1)(wide)
            nodes = [nn.SelectTable(-1)(parts), nn.SelectTable(0)(parts)]
        elif kind == "join":
            nodes = [nn.Linear(2 * SIZE, SIZE)(nn.JoinTable(1)(self.some(2)))]
        elif kind == "nested":
            a, b = nn.Identity()(), nn.Identity()()
            inner = nngraph.gModule([a, b], [nn.CAddTable()([self.linear()(a), b]), nn.Tanh()(b)])
            nodes = list(inner(self.some(2)).split(2))
        elif kind == "sequential":
            nodes = [nn.Sequential(self.linear(), nn.Tanh(), nn.MulConstant(0.5))(self.take())]
        elif kind == "dropout":
            nodes = [nn.Dropout(0)(self.take())]
        else:
            nodes = [nn.AddConstant(0.1)(nn.MulConstant(-0.7)(self.take()))]
        self.pool += nodes

    def rest(self) -> nngraph.Node:
        """One node that uses all that is not used yet."""
        unused = [node for node in self.pool if id(node) not in self.used]
        return nn.CAddTable()(unused) if len(unused) > 1 else (unused or [self.take()])[0]


@st.composite
def networks(draw: Any) -> tuple[nngraph.gModule, list[Any], dict[int, int]]:
    """A one-step network, an input of several steps, and which outputs feed which inputs."""
    nngraph.manualSeed(draw(st.integers(0, 1000)))
    builder = Builder(draw)
    steps, batch = draw(st.integers(1, 4)), draw(st.integers(2, 3))
    generator = torch.Generator().manual_seed(1)

    def tensor(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator).requires_grad_()

    def ids(count: int) -> torch.Tensor:
        return torch.randint(count, (steps, batch), generator=generator)

    x, words, y = nn.Identity()(), nn.Identity()(), nn.Identity()()
    builder.pool += [nn.Linear(SIZE, SIZE)(x), nn.LookupTable(CLASSES, SIZE)(words)]
    inputs, values = [x, words, y], [tensor(steps, batch, SIZE), ids(CLASSES), ids(CLASSES)]
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=2))
    for kind in kinds:
        node, _ = builder.states(kind)
        inputs.append(node)
        values.append(
            {
                "single": lambda: tensor(batch, SIZE),
                "gru": lambda: tensor(batch, SIZE),
                "table": lambda: [tensor(batch, SIZE) for _ in range(2)],
                "lstm": lambda: [tensor(batch, SIZE) for _ in range(2)],
                "nested": lambda: [
                    tensor(batch, SIZE), [tensor(batch, SIZE), tensor(batch, SIZE)]
                ],
            }[kind]()
        )  # fmt: skip
    for _ in range(draw(st.integers(1, 7))):
        builder.step()
    feeding = [builder.feed(kind, node) for kind, node in zip(kinds, inputs[3:], strict=True)]
    softmax = nn.LogSoftMax()(nn.Linear(SIZE, CLASSES)(builder.rest()))
    outputs = [nn.ClassNLLCriterion()([softmax, y]), *feeding]
    extra = draw(st.sampled_from(["", "value", "prediction", "loss", "sum"]))
    if extra == "value":
        outputs.append(nn.Identity()(builder.take()))
    elif extra == "prediction":
        outputs.append(softmax)
    elif extra == "loss":
        outputs.append(nn.MSECriterion()(builder.some(2)))
    elif extra == "sum":
        criterion = nn.ClassNLLCriterion(None, False)
        scores = nn.LogSoftMax()(nn.Linear(SIZE, CLASSES)(builder.take()))
        outputs.append(criterion([scores, y]))
    core = nngraph.gModule(inputs, outputs)
    return core, values, {3 + i: 1 + i for i in range(len(kinds))}


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks())
def test_random_networks(drawn: tuple[nngraph.gModule, list[Any], dict[int, int]]) -> None:
    check(*drawn)
