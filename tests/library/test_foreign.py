"""Modules of torch.nn and functions as nodes, against direct calls."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import pygraph_nn as nngraph
from pygraph_nn import GraphError, nn


def one_input(layer: Any) -> nngraph.gModule:
    x = nn.Identity()()
    return nngraph.gModule([x], [layer(x)])


def two_inputs(layer: Any) -> nngraph.gModule:
    a, b = nn.Identity()(), nn.Identity()()
    return nngraph.gModule([a, b], [layer([a, b])])


def squared_distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return ((a - b) ** 2).sum(1)


def total(table: list[torch.Tensor]) -> torch.Tensor:
    assert isinstance(table, list)
    return sum(table[1:], table[0])


def max_and_index(x: torch.Tensor) -> Any:
    return x.max(1)


def test_modules_with_one_and_several_inputs() -> None:
    linear, bilinear = torch.nn.Linear(3, 2), torch.nn.Bilinear(3, 4, 2)
    x, y = torch.randn(5, 3), torch.randn(5, 4)
    assert one_input(nngraph.module(linear)).forward(x).equal(linear(x))
    g = two_inputs(nngraph.module(bilinear))
    assert g.forward([x, y]).equal(bilinear(x, y))
    assert set(map(id, g.parameters())) == set(map(id, bilinear.parameters()))
    g.zeroGradParameters()
    gradients = g.backward([x, y], torch.ones(5, 2))
    ours = [p.grad.clone() for p in g.parameters()]
    bilinear.zero_grad()
    a, b = x.clone().requires_grad_(), y.clone().requires_grad_()
    bilinear(a, b).sum().backward()
    torch.testing.assert_close(gradients, [a.grad, b.grad])
    torch.testing.assert_close(ours, [p.grad for p in bilinear.parameters()])


def test_functions() -> None:
    x, y = torch.randn(5, 3), torch.randn(5, 3)
    assert one_input(nngraph.function(torch.exp)).forward(x).equal(x.exp())
    g = two_inputs(nngraph.function(squared_distance))
    assert g.forward([x, y]).equal(squared_distance(x, y))
    torch.testing.assert_close(g.backward([x, y], torch.ones(5))[1], 2 * (y - x))
    assert two_inputs(nngraph.function(total, table=True)).forward([x, y]).equal(x + y)


def test_several_outputs_are_split() -> None:
    x = nn.Identity()()
    values, places = nngraph.function(max_and_index)(x).split(2)
    g = nngraph.gModule([x], [values, places])
    at = torch.tensor([[1.0, 3.0], [5.0, 2.0]])
    assert [y.tolist() for y in g.forward(at)] == [[3, 5], [1, 0]]
    gradient = g.backward(at, [torch.ones(2), torch.zeros(1)])
    assert gradient.tolist() == [[0, 1], [1, 0]]


def test_chains() -> None:
    linear, norm = torch.nn.Linear(3, 4), torch.nn.LayerNorm(4)
    x = nn.Identity()()
    h = x - linear - nngraph.function(F.gelu) - norm - nn.Tanh()
    g = nngraph.gModule([x], [h])
    at = torch.randn(2, 3)
    assert g(at).equal(torch.tanh(norm(F.gelu(linear(at)))))
    a, b = nn.Identity()(), nn.Identity()()
    g = nngraph.gModule([a, b], [[a, b] - nngraph.module(torch.nn.Bilinear(3, 3, 1))])
    assert g([at, at]).shape == (2, 1)


def test_first_nodes() -> None:
    h = -nngraph.module(torch.nn.Linear(3, 4))
    g = nngraph.gModule([h], [h - nn.Tanh()])
    assert g(torch.randn(2, 3)).shape == (2, 4)


def test_called_on_tensors_they_run() -> None:
    x, y = torch.randn(5, 3), torch.randn(5, 3)
    layer = nngraph.function(squared_distance)
    assert layer(x, y).equal(layer([x, y]))
    assert layer.forward([x, y]).equal(layer(x, y))
    assert nngraph.module(torch.nn.Tanh())(x).equal(x.tanh())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))])
def test_copies(copied: Any) -> None:
    x, y = torch.randn(5, 3), torch.randn(5, 3)
    for layer in (
        nngraph.function(squared_distance),
        nngraph.function(torch.add),
        nngraph.module(torch.nn.Bilinear(3, 3, 2)),
    ):
        g = two_inputs(layer)
        assert copied(g).forward([x, y]).equal(g.forward([x, y]))


def test_names() -> None:
    assert str(nngraph.function(squared_distance)) == "squared_distance"
    assert str(nngraph.function(lambda x: x, "nothing")) == "nothing"
    assert nngraph.function(torch.exp).torch7_name() == "exp"
    assert str(nngraph.module(torch.nn.Linear(3, 2))) == str(torch.nn.Linear(3, 2))
    assert nngraph.module(torch.nn.Linear(3, 2)).torch7_name().endswith(".Linear")
    node = nngraph.function(squared_distance)([nn.Identity()(), nn.Identity()()])
    assert node.kind() == "squared_distance"
    assert __file__ in node.declared_at


def test_a_layer_stays_itself() -> None:
    layer = nn.Tanh()
    assert nngraph.module(layer) is layer


def test_bare_modules_in_containers_and_replace() -> None:
    linear, x = torch.nn.Linear(3, 2), torch.randn(5, 3)
    net = nn.Sequential().add(linear).add(nn.Tanh())
    assert net.forward(x).equal(linear(x).tanh())
    assert one_input(net).forward(x).equal(linear(x).tanh())
    assert net.backward(x, torch.ones(5, 2)).shape == x.shape
    g = one_input(nn.Tanh())
    g.replace(lambda m: torch.nn.Softplus() if isinstance(m, nn.Tanh) else m)
    assert g(x).equal(F.softplus(x))
    assert pickle.loads(pickle.dumps(g))(x).equal(F.softplus(x))
    # PyTorch's own way to replace a module.
    setattr(g, "1", torch.nn.ReLU())
    assert g(x).equal(x.relu())


@pytest.mark.parametrize(
    ("wrong", "facts"),
    [
        (lambda: torch.nn.Linear(2, 2)(nn.Identity()()), ["linear", "nngraph.module(m)(node)"]),
        (lambda: torch.tanh(nn.Identity()()), ["tanh", "nngraph.function(f)(node)"]),
        (lambda: torch.cat([nn.Identity()()]), ["cat", "nngraph.function(f)(node)"]),
        (lambda: nngraph.module(torch.tanh), ["expecting a torch.nn.Module", "nngraph.function"]),
        (lambda: nngraph.module(nn.MSECriterion()), ["criterion needs no wrapper"]),
        (lambda: nngraph.function(torch.nn.Tanh()), ["expecting a function", "nngraph.module"]),
        (lambda: nngraph.function(3), ["expecting a function", "int"]),
        (
            lambda: nn.CAddTable()([nn.Identity()(), torch.nn.Linear(2, 2)]),
            ["inputs[1] is an nn.Module", "torch.nn.modules.linear.Linear"],
        ),
        (
            lambda: nngraph.gModule([nn.Identity()()], [torch.nn.Linear(2, 2)]),
            ["outputs[0] is an nn.Module"],
        ),
        (
            lambda: two_inputs(nngraph.module(torch.nn.Tanh())).forward([torch.ones(1)] * 2),
            ["takes 2 positional arguments but 3 were given", "Tanh()", __file__],
        ),
    ],
)
def test_mistakes(wrong: Any, facts: list[str]) -> None:
    with pytest.raises(GraphError) as raised:
        wrong()
    assert all(fact in str(raised.value) for fact in facts), raised.value
    assert __file__ in str(raised.value)


def test_a_tensor_method_of_a_node() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'view'. It is a Node, not a tensor"):
        nn.Identity()().view(3)
    assert not hasattr(nn.Identity()(), "shape")


def test_a_lambda_is_copied_and_not_pickled() -> None:
    g = one_input(nngraph.function(lambda x: 2 * x, "double"))
    x = torch.ones(2)
    assert copy.deepcopy(g)(x).equal(2 * x)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(g)
