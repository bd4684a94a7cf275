"""Layers called on a list of one Node: a table of one element, or the element itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import pygraph_nn as nngraph
from pygraph_nn import GraphError, nested, nn
from tests.library.test_layers import EXAMPLES

X = torch.tensor([[0.5, -1.0, 2.0], [3.0, 0.25, -4.0]], dtype=torch.float64)


def node() -> nngraph.Node:
    return nn.Identity()()


def graph_of_one(layer: Any) -> nngraph.gModule:
    """A graph that calls `layer` on a list of one Node, which is not the graph's input."""
    a = node()
    return nngraph.gModule([a], [layer([nn.MulConstant(3.0)(a)])])


# Layers that take a table, and what they compute of the table [x].
OF_A_TABLE: dict[str, tuple[Callable[[], Any], Callable[[torch.Tensor], Any]]] = {
    "CAddTable": (nn.CAddTable, lambda x: x),
    "CAddTable in place": (lambda: nn.CAddTable(True), lambda x: x),
    "CMulTable": (nn.CMulTable, lambda x: x),
    "CMaxTable": (nn.CMaxTable, lambda x: x),
    "CMinTable": (nn.CMinTable, lambda x: x),
    "JoinTable": (lambda: nn.JoinTable(1), lambda x: x),
    "SelectTable": (lambda: nn.SelectTable(0), lambda x: x),
    "SelectTable from the end": (lambda: nn.SelectTable(-1), lambda x: x),
    "NarrowTable": (lambda: nn.NarrowTable(0), lambda x: [x]),
    "FlattenTable": (nn.FlattenTable, lambda x: [x]),
    "JustElement": (nn.JustElement, lambda x: x),
    "ParallelTable": (lambda: nn.ParallelTable(nn.Tanh()), lambda x: [x.tanh()]),
    "MapTable": (lambda: nn.MapTable(nn.Tanh()), lambda x: [x.tanh()]),
    "Sequential": (lambda: nn.Sequential(nn.JoinTable(0), nn.Tanh()), lambda x: x.tanh()),
    "ConcatTable": (lambda: nn.ConcatTable(nn.CAddTable(), nn.CMulTable()), lambda x: [x, x]),
    "Concat": (
        lambda: nn.Concat(0, nn.CAddTable(), nn.CMulTable()),
        lambda x: torch.cat([x, x]),
    ),
    "Decorator": (lambda: nn.Decorator(nn.CAddTable()), lambda x: x),
    "function": (
        lambda: nngraph.function(lambda table: torch.stack(table).sum(0), table=True),
        lambda x: x,
    ),
    "gModule": (lambda: inner(lambda table: nn.Tanh()(table.split(1))), lambda x: x.tanh()),
    "gModule through Identity": (
        lambda: inner(lambda table: nn.JoinTable(0)(nn.Identity()(table))),
        lambda x: x,
    ),
}

# Layers that take a tensor, or anything.
OF_A_TENSOR: dict[str, tuple[Callable[[], Any], Callable[[torch.Tensor], Any]]] = {
    "Tanh": (nn.Tanh, torch.tanh),
    "Identity": (nn.Identity, lambda x: x),
    "JustTable": (nn.JustTable, lambda x: [x]),
    "SplitTable": (lambda: nn.SplitTable(0), lambda x: [x[0], x[1]]),
    "Sequential": (lambda: nn.Sequential(nn.Tanh()), torch.tanh),
    "ConcatTable": (lambda: nn.ConcatTable(nn.Tanh(), nn.Identity()), lambda x: [x.tanh(), x]),
    "Bottle": (lambda: nn.Bottle(nn.Tanh()), torch.tanh),
    "function": (lambda: nngraph.function(torch.tanh), torch.tanh),
    "torch.nn": (lambda: nngraph.module(torch.nn.Tanh()), torch.tanh),
    "gModule": (lambda: inner(nn.Tanh()), torch.tanh),
    "gModule that returns its input": (lambda: inner(lambda x: x), lambda x: x),
}


def inner(build: Callable[[nngraph.Node], nngraph.Node]) -> nngraph.gModule:
    table = node()
    return nngraph.gModule([table], [build(table)])


@pytest.mark.parametrize(
    ("make", "expected"),
    [*OF_A_TABLE.values(), *OF_A_TENSOR.values()],
    ids=[*OF_A_TABLE, *(f"{name} (tensor)" for name in OF_A_TENSOR)],
)
def test_a_layer_called_on_a_list_of_one_node(
    make: Callable[[], Any], expected: Callable[[torch.Tensor], Any]
) -> None:
    g = graph_of_one(make())
    x = X.clone().requires_grad_()
    theirs = expected(3 * x)
    gradOutput = nested.map_leaves(lambda y: torch.arange(y.numel()).view(y.shape) + 0.5, theirs)
    pairs = list(nested.pairs(theirs, gradOutput, "gradients"))
    (gradient,) = torch.autograd.grad([y for y, _ in pairs], x, [dy for _, dy in pairs])
    for run in (g.forward, g.to_fx(), g):
        output = run(X.clone())
        assert nested.describe(output) == nested.describe(theirs)
        for ours, y in nested.pairs(output, theirs, "outputs"):
            assert torch.equal(ours, y)
    assert torch.equal(g.backward(X, gradOutput), gradient)
    shapes = g.infer_shapes([((2, 3), torch.float64)])
    assert nested.describe(shapes[g.outnode].output) == nested.describe(
        nested.map_leaves(lambda y: tuple(y.shape), theirs)
    )


@pytest.mark.parametrize(
    "layer",
    [
        *(nn.CSubTable(), nn.CDivTable(), nn.MM(), nn.MV(), nn.DotProduct(), nn.CosineDistance()),
        *(nn.PairwiseDistance(), nn.Index(0), nn.MaskedSelect(), nn.MixtureTable()),
        *(nn.CAddTensorTable(), nn.ZipTableOneToMany(), nn.Bilinear(3, 3, 1), nn.MSECriterion()),
    ],
    ids=str,
)
def test_a_layer_of_a_pair_refuses_a_table_of_one(layer: Any) -> None:
    with pytest.raises(GraphError, match=r"expecting a table of .*, got 1 element\b"):
        graph_of_one(layer).forward(X)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_builder_over_n_nodes(n: int) -> None:
    """Oracle: plain PyTorch."""
    inputs = [node() for _ in range(n)]
    hidden = [nn.MulConstant(i + 1.0)(x) for i, x in enumerate(inputs)]
    g = nngraph.gModule(inputs, [nn.CAddTable()(hidden), nn.JoinTable(1)([*hidden])])
    xs = [X + i for i in range(n)]
    total, joined = g.forward(xs if n > 1 else xs[0])
    assert torch.equal(total, sum((i + 1) * x for i, x in enumerate(xs)))
    assert torch.equal(joined, torch.cat([(i + 1) * x for i, x in enumerate(xs)], 1))


def test_a_table_in_a_list_of_one_is_passed_as_in_nngraph() -> None:
    a = node()
    g = nngraph.gModule([a], [nn.CAddTable()([nn.SplitTable(0)(a)])])
    assert torch.equal(g.forward(X), X[0] + X[1])
    assert torch.equal(g.backward(X, torch.ones(3)), torch.ones(2, 3, dtype=torch.float64))
    b, c = node(), node()
    two = nngraph.gModule([b, c], [nn.CSubTable()([b, c])])
    g = nngraph.gModule([s := node()], [two([s])])
    assert torch.equal(g.forward([X, X - 1]), torch.ones_like(X))


def test_a_selection_from_an_identity_of_one_node() -> None:
    """Torch7 selects a row of the tensor."""
    for build in (
        lambda t: nn.SelectTable(0)(t),
        lambda t: nn.JoinTable(0)(nn.Identity()(t)),
        lambda t: t.split(1),
    ):
        a = node()
        g = nngraph.gModule([a], [build(nn.Identity()([a]))])
        assert torch.equal(g.forward(X), X)
        assert torch.equal(g.backward(X, X), X)


def test_a_tensor_is_no_table() -> None:
    for layer in (nn.SelectTable(0), nn.CAddTable(), nn.JoinTable(0), nn.JustElement()):
        name = type(layer).__name__
        with pytest.raises(GraphError, match=rf"{name}.*: expecting .*tensor \(2, 3\)"):
            layer.forward(X)
        with pytest.raises(GraphError, match=rf"{name}.*: expecting .*tensor \(2, 3\)"):
            inner(layer).forward(X)  # called on a Node, not in a list
    for wrong in ("ab", 5, None):
        with pytest.raises(GraphError, match=r"nn.SelectTable\(0\): .* table"):
            nn.SelectTable(0).forward(wrong)
    with pytest.raises(GraphError, match="expecting one element, got 0 elements"):
        nn.JustElement().forward([])


def test_the_copy_of_one_tensor_may_be_overwritten() -> None:
    for layer in (nn.CAddTable(), nn.CMulTable(), nn.CMaxTable(), nn.CMinTable()):
        a = node()
        h = nn.MulConstant(1.0)(a)
        g = nngraph.gModule([a], [nn.MulConstant(5.0, True)(layer([h])), nn.Identity()(h)])
        five, one = g.forward(X)
        assert torch.equal(five, 5 * X)
        assert torch.equal(one, X)


def test_over_time() -> None:
    x, h = node(), node()
    sum_of_one = nn.CAddTable()([nn.Tanh()(x)])
    next_h = nn.CAddTable()([sum_of_one, nn.JoinTable(1)([h])])
    first = nn.SelectTable(0)([h])
    core = nngraph.gModule([x, h], [nn.CMulTable()([next_h, first]), next_h])
    steps, state = X.view(2, 1, 3), torch.ones(1, 3, dtype=torch.float64)
    expected, s = [], state
    for step in steps:
        y, s_next = core([step, s])
        expected.append(y)
        s = s_next
    ours, last = nngraph.recurrent(core, state={1: 1})([steps, state])
    assert torch.allclose(ours, torch.stack(expected), rtol=1e-12)
    assert torch.allclose(last, s, rtol=1e-12)


def test_a_replaced_layer_decides_anew() -> None:
    g = graph_of_one(nn.CAddTable())
    g.replace(lambda m: nn.Tanh() if isinstance(m, nn.CAddTable) else m)
    assert torch.equal(g.forward(X), (3 * X).tanh())


class Summed(nn.Module):
    """A layer of a user's program that takes a table."""

    takes_table = True

    def updateOutput(self, input: Any) -> torch.Tensor:
        return torch.stack(list(input)).sum(0)


def test_a_users_layer_declares_that_it_takes_a_table() -> None:
    assert torch.equal(graph_of_one(Summed()).forward(X), 3 * X)


def test_layers_that_refuse_a_tensor_declare_it() -> None:
    declared = 0
    for make, input in EXAMPLES.values():
        layer = make()
        if not isinstance(layer, nn.Module) or not isinstance(input, list):
            continue
        try:
            layer.double().forward(X)
            refuses = False
        except GraphError as error:
            refuses = "expecting a table" in str(error) or "expecting one element" in str(error)
        assert layer.takes_table == refuses, layer
        declared += refuses
    assert declared > 20


def test_a_tracer_selects_from_a_table_that_it_does_not_know() -> None:
    graph = torch.fx.Graph()
    graph.output(nn.SelectTable(1)(torch.fx.Proxy(graph.placeholder("table"))).node)
    assert torch.equal(torch.fx.GraphModule(torch.nn.Module(), graph)([X, 2 * X]), 2 * X)
