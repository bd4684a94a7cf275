"""Inferred shapes, against the shapes of a run."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from helpers import (
    DTYPES,
    default_dtype,
    exists,
    golden,
    golden_names,
    run_lua,
    value,
)

import pygraph_nn as nngraph
from pygraph_nn import nested, nn
from pygraph_nn.graph.node_shapes import shapes_of

# Left out: graphs whose golden input holds indices, which count from 1.
NAMES = [
    name
    for name in golden_names("graphs")
    if exists(golden("graphs", f"{name}.json")["code"])
    and name not in {"criterion_in_graph", "lookup_mean"}
]


class Seen(nngraph.Observer):
    """Collects the shapes of a run."""

    def __init__(self) -> None:
        self.shapes: dict[nngraph.Node, Any] = {}

    def after(self, graph: Any, node: nngraph.Node, input: Any, output: Any) -> None:
        self.shapes[node] = (shapes_of(input), shapes_of(output))


def lookup_net(vocabulary: int = 10, **more: Any) -> nngraph.gModule:
    words, state = nn.Identity()(), nn.Identity()()
    embedded = nn.LookupTable(vocabulary, 4)(words)
    h, c = state.split(2)
    total = nn.CAddTable()([embedded, nn.CMulTable()([h, c])])
    nngraph.annotateNodes()
    return nngraph.gModule([words, state], [nn.Linear(4, 3)(total), total], **more)


@pytest.mark.parametrize("name", NAMES)
def test_like_a_run(name: str) -> None:
    case = golden("graphs", f"{name}.json")
    with default_dtype(DTYPES[case["tensor_type"]]):
        space = run_lua(case["code"])
        g, input = space["g"], value(case["steps"][0]["input"])
        seen = Seen()
        with nngraph.observing(seen):
            space.get("net", g)(input)
        if "net" in space:
            return
        described = nested.map_leaves(lambda x: x.to("meta") if torch.is_tensor(x) else x, input)
        assert g.infer_shapes([described] if g.nInputs == 1 else described) == seen.shapes


def test_integer_inputs_and_nests() -> None:
    g = lookup_net()
    shapes = g.infer_shapes([((7,), torch.int64), [(7, 4), [7, 4]]])
    named = {node.name: inferred for node, inferred in shapes.items() if node.name}
    assert named["words"].output == torch.Size((7,))
    assert named["embedded"] == nngraph.NodeShapes(torch.Size((7,)), torch.Size((7, 4)))
    assert named["total"].input == [torch.Size((7, 4)), torch.Size((7, 4))]
    assert shapes[g.outnode].output == [torch.Size((7, 3)), torch.Size((7, 4))]
    assert g.shapes == shapes
    meta = torch.empty(7, dtype=torch.int32, device="meta")
    assert g.infer_shapes([meta, [(7, 4), (7, 4)]]) == shapes


def test_when_built() -> None:
    shape = ((7,), torch.int64)
    g = lookup_net(input_shapes=[shape, [(7, 4), (7, 4)]])
    assert g.shapes[g.outnode].output[0] == torch.Size((7, 3))
    with pytest.raises(nngraph.GraphError) as raised:
        lookup_net(input_shapes=[shape, [(7, 4), (7, 5)]])
    message = str(raised.value)
    assert message.startswith("shapes do not fit: nn.CMulTable: inconsistent tensor size")
    assert "[(7, 4), (7, 5)]" in message
    assert __file__ in message


def test_the_first_node_that_does_not_fit_is_named() -> None:
    x = nn.Identity()()
    h = nn.Linear(5, 4)(nn.Tanh()(x))
    y = nn.Linear(3, 2)(h)
    nngraph.annotateNodes()
    g = nngraph.gModule([x], [y])
    with pytest.raises(nngraph.GraphError, match=r"nn.Linear\(5 -> 4\)(.|\n)*<Node 'h'"):
        g.infer_shapes((20, 7))
    with pytest.raises(nngraph.GraphError, match=r"nn.Linear\(3 -> 2\)(.|\n)*got \(20, 4\) there"):
        g.infer_shapes((20, 5))


def test_one_input_may_stand_in_a_list() -> None:
    x = nn.Identity()()
    g = nngraph.gModule([x], [nn.Linear(3, 2)(x)])
    assert g.infer_shapes([(4, 3)]) == g.infer_shapes((4, 3))
    a, b = (x := nn.Identity()()).split(2)
    g = nngraph.gModule([x], [nn.CAddTable()([a, b])])
    assert g.infer_shapes([(4, 3), (4, 3)])[g.outnode].output == torch.Size((4, 3))
    x = nn.Identity()()
    g = nngraph.gModule([x], [x.split(1)])
    assert g.infer_shapes([[(4, 3)]])[g.outnode].output == torch.Size((4, 3))


def test_nested_graphs_and_their_nodes() -> None:
    inner = lookup_net()
    words, state = nn.Identity()(), nn.Identity()()
    nested_node = inner([words, state])
    scores, total = nested_node.split(2)
    g = nngraph.gModule([words, state], [nn.Tanh()(scores), total])
    shapes = g.infer_shapes([((7,), torch.int64), [(7, 4), (7, 4)]])
    assert all(node in shapes for node in inner.forwardnodes if node is not inner.innode)
    assert shapes[nested_node].output == shapes[inner.outnode].output
    again = pickle.loads(pickle.dumps(g))
    assert again.shapes[again.outnode] == shapes[g.outnode]


def test_nothing_else_changes() -> None:
    x = nn.Identity()()
    norm = nngraph.module(torch.nn.BatchNorm1d(3))
    g = nngraph.gModule([x], [nn.Dropout(0.5)(norm(x))])
    before = copy.deepcopy(g.state_dict())
    generators = torch.get_rng_state(), nngraph.torch7_random.getRNGState()
    with nngraph.reference_mode():
        g.infer_shapes((1, 3))
    assert g.training
    assert all(torch.equal(before[key], new) for key, new in g.state_dict().items())
    assert torch.equal(generators[0], torch.get_rng_state())
    assert str(generators[1]) == str(nngraph.torch7_random.getRNGState())
    assert all(p.device.type == "cpu" for p in g.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_in_the_parameters_dtype(dtype: torch.dtype) -> None:
    seen = []
    x = nn.Identity()()

    def look(y: torch.Tensor) -> torch.Tensor:
        seen.append((y.dtype, y.device.type))
        return y

    g = nngraph.gModule([x], [nn.Linear(3, 2)(nngraph.function(look)(x))]).to(dtype)
    g.infer_shapes((4, 3))
    assert seen == [(dtype, "meta")]


@pytest.mark.parametrize("wrong", ["4x3", 4, None, [(4, 3), "x"], (4, -3), [], {}])
def test_what_is_no_shape(wrong: Any) -> None:
    x = nn.Identity()()
    with pytest.raises(nngraph.GraphError):
        nngraph.gModule([x], [nn.Linear(3, 2)(x)]).infer_shapes(wrong)
