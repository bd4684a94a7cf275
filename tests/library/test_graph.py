"""Graph against networkx: roots, leaves, cycles, topological order, and the networkx view."""

from __future__ import annotations

import networkx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import pygraph_nn as nngraph
from pygraph_nn import GraphError, gModule, nn

edge_lists = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=14, unique=True)


def make(edges: list[tuple[int, int]]) -> tuple[nngraph.Graph, list[nngraph.Node]]:
    nodes = [nngraph.Node() for _ in range(8)]
    return nngraph.Graph((nodes[a], nodes[b]) for a, b in edges), nodes


@given(edge_lists)
def test_against_networkx(edges: list[tuple[int, int]]) -> None:
    graph, nodes = make(edges)
    theirs = networkx.DiGraph(edges)
    places = {id(node): i for i, node in enumerate(nodes)}

    def numbers(these: list[nngraph.Node]) -> list[int]:
        return [places[id(node)] for node in these]

    assert set(numbers(graph.roots())) == {n for n in theirs if theirs.in_degree(n) == 0}
    assert set(numbers(graph.leaves())) == {n for n in theirs if theirs.out_degree(n) == 0}
    assert graph.hasCycle() == (not networkx.is_directed_acyclic_graph(theirs))
    if not graph.hasCycle():
        order = numbers(graph.topsort())
        assert sorted(order) == sorted(theirs)
        assert all(order.index(a) < order.index(b) for a, b in edges)
    ours = networkx.relabel_nodes(graph.to_networkx(), dict(enumerate(numbers(graph.nodes))))
    assert set(ours.edges) == set(theirs.edges)
    assert set(graph.reverse().to_networkx().edges) == {
        (graph.reverse().id(nodes[b]), graph.reverse().id(nodes[a])) for a, b in edges
    }


def test_a_cycle_is_named() -> None:
    graph, _ = make([(0, 1), (1, 2), (2, 1)])
    with pytest.raises(nngraph.GraphError, match=r"Graph has cycles: one goes through <Node .*py:"):
        graph.topsort()


def test_forward_and_backward_graph() -> None:
    x = nn.Identity()()
    h = nn.Tanh()(x)
    g = nngraph.gModule([x], [h, x])
    assert g.fg.roots() == [g.innode]
    assert g.fg.leaves() == [g.outnode]
    assert g.bg.roots() == [g.outnode]
    assert g.bg.leaves() == [g.innode]
    assert x in g.fg
    assert nn.Identity()() not in g.fg
    assert repr(g.fg) == "<Graph of 4 nodes and 4 edges>"


def test_networkx_attributes() -> None:
    a, b = nn.Identity()(), nn.Identity()()
    total = nn.CSubTable()([a, b]) if hasattr(nn, "CSubTable") else nn.CAddTable()([a, b])
    nngraph.annotateNodes()
    g = nngraph.gModule([a, b], [total])
    view = g.to_networkx()
    place = g.fg.id(total)
    assert view.nodes[place]["node"] is total
    assert view.nodes[place]["module"] is total.module
    assert view.nodes[place]["name"] == "total"
    assert view.nodes[place]["kind"] == str(total.module)
    assert "input_shape" not in view.nodes[place]
    assert view.edges[g.fg.id(b), place]["index"] == 1
    assert networkx.is_directed_acyclic_graph(view)

    g.infer_shapes([(4, 2), (4, 2)])
    view = g.to_networkx()
    assert view.nodes[place]["input_shape"] == [torch.Size((4, 2))] * 2
    assert view.nodes[place]["output_shape"] == torch.Size((4, 2))
    assert view.edges[g.fg.id(b), place]["shape"] == torch.Size((4, 2))
    backward = g.bg.to_networkx(g.shapes)
    assert backward.edges[g.bg.id(total), g.bg.id(b)] == {
        "index": 1,
        "shape": torch.Size((4, 2)),
    }


def test_the_module_of_a_node_is_set_before_the_graph_is_built() -> None:
    x = nn.Identity()()
    h = nn.Tanh()(x)
    h.module = nn.Sigmoid()
    g = nngraph.gModule([x], [h])
    assert torch.equal(g.forward(torch.zeros(2)), torch.full((2,), 0.5))
    for graph in (g, g.clone()):
        node = next(n for n in graph.forwardnodes if isinstance(n.module, nn.Sigmoid))
        node.module = node.module
        with pytest.raises(nngraph.GraphError, match=r"node.module of .*Sigmoid.*graph.replace"):
            node.module = nn.Tanh()
        with pytest.raises(nngraph.GraphError, match=r"graph.replace"):
            node.data.module = nn.Tanh()
        graph.replace(lambda m: nn.ReLU() if isinstance(m, nn.Sigmoid) else m)
        assert isinstance(node.module, nn.ReLU)
        assert torch.equal(graph.forward(torch.ones(2)), torch.ones(2))


@pytest.mark.parametrize("returned", [None, "layer"])
@pytest.mark.parametrize("is_graph", [False, True])
def test_replace_refuses_what_is_no_module(returned: object, is_graph: bool) -> None:
    x = nn.Identity()()
    net = gModule([x], [nn.Tanh()(x)]) if is_graph else nn.Sequential().add(nn.Tanh())
    with pytest.raises(GraphError, match=r"replace: the function returned \w+ for nn\.Tanh"):
        net.replace(lambda module: returned if isinstance(module, nn.Tanh) else module)
    torch.testing.assert_close(net.forward(torch.ones(1)), torch.ones(1).tanh())


@pytest.mark.parametrize("state", [1, [1], None, "h"])
def test_recurrent_names_a_state_that_is_no_dict(state: object) -> None:
    x = nn.Identity()()
    net = gModule([x], [nn.Tanh()(x)])
    with pytest.raises(GraphError, match=r"recurrent: state is .* expecting a dict"):
        nngraph.recurrent(net, state=state)


def test_tools_of_graphs_name_what_is_no_graph() -> None:
    with pytest.raises(GraphError, match=r"recurrent: expecting the gModule .* got nn\.Linear"):
        nngraph.recurrent(nn.Linear(2, 2), state={0: 0})
    with pytest.raises(GraphError, match=r"trace: expecting a gModule, got NoneType"):
        nngraph.trace(None, torch.ones(1))
    with pytest.raises(GraphError, match=r"T must be at least 1, got None"):
        nngraph.clone_many_times(nn.Linear(2, 2), None)
