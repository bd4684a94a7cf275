"""A chain of 5,000 nodes: nothing follows it recursively."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch

import pygraph_nn as nngraph
from pygraph_nn import nn

LENGTH = 5000


@pytest.fixture(scope="module")
def chain() -> nngraph.gModule:
    h = x = nn.Identity()()
    for i in range(LENGTH - 1):
        h = nn.MulConstant(1.0001)(h) if i % 500 else nn.Linear(2, 2)(h).annotate(name="link")
    return nngraph.gModule([x], [h])


def through_torch_save(g: Any) -> Any:
    file = io.BytesIO()
    torch.save(g, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g)), through_torch_save]
)
def test_copies(chain: nngraph.gModule, copied: Callable[[Any], Any]) -> None:
    x = torch.ones(1, 2)
    again = copied(chain)
    assert again.forward(x).equal(chain.forward(x))
    assert again.backward(x, x).equal(chain.backward(x, x))


def test_pickled_graphs(chain: nngraph.gModule) -> None:
    for graph in (chain.fg, chain.bg):
        again = pickle.loads(pickle.dumps(graph))
        assert [graph.id(n) for n in graph.topsort()] == [again.id(n) for n in again.topsort()]
        assert len(copy.deepcopy(graph).edges) == LENGTH + 1


def test_backward_through_autograd(chain: nngraph.gModule) -> None:
    x = torch.ones(1, 2, requires_grad=True)
    chain(x).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_the_rest(chain: nngraph.gModule) -> None:
    assert repr(chain).count("\n") == LENGTH + 1
    assert repr(chain.innode.kind())
    assert len(chain.state_dict()) == 2 * 10
    assert list(chain.state_dict())[2] == "link_2.weight"
    made = chain.to_networkx()
    assert made.number_of_nodes() == LENGTH + 2
    assert len(chain.fg.roots()) == len(chain.fg.leaves()) == 1
    assert not chain.fg.hasCycle()
    assert len(chain.infer_shapes((4, 2))) == LENGTH + 1
    assert len(chain.listModules()) == LENGTH + 1
    assert len(chain.clone("weight", "bias")) == LENGTH
    chain.map(chain, lambda mine, theirs: None)
    chain.shapes = {}


def test_fx(chain: nngraph.gModule) -> None:
    x = torch.ones(1, 2)
    assert chain.to_fx()(x).equal(chain(x))


def test_many_of_the_same() -> None:
    # Wide instead of deep, and all under one name: no step takes quadratic time.
    inputs = [nn.Identity()().annotate(name="x") for _ in range(LENGTH)]
    g = nngraph.gModule(inputs, [nn.CAddTable()(inputs), *inputs])
    outputs = g.forward([torch.ones(1)] * LENGTH)
    assert outputs[0].item() == LENGTH
    assert g.get(LENGTH - 1) is g.get_submodule(f"x_{LENGTH}")
    assert g.to_networkx().number_of_edges() == 3 * LENGTH + 1 + 1 + LENGTH
