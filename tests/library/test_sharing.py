"""share and clone: across classes, with PyTorch's modules inside, and with wrong names."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

import pygraph_nn as nngraph
from pygraph_nn import nn

GraphError = nngraph.GraphError
ALL = ("weight", "bias", "gradWeight", "gradBias")


def test_across_classes_of_equal_shape() -> None:
    table, linear = nn.LookupTable(5, 3), nn.Linear(3, 5)
    assert linear.share(table, "weight", "gradWeight") is linear
    assert linear.weight is table.weight
    ids = torch.tensor([0, 2, 2, 4])
    net = nn.Sequential().add(table).add(linear)
    flat, grads = net.getParameters()
    net.zeroGradParameters()
    y = net.forward(ids)
    net.backward(ids, torch.ones(4, 5))
    weight = table.weight.detach().clone().requires_grad_()
    expected = F.linear(weight[ids], weight, linear.bias.detach())
    torch.testing.assert_close(y, expected.detach())
    (grad,) = torch.autograd.grad(expected.sum(), weight)  # the sum of both uses
    torch.testing.assert_close(grads[:15].view(5, 3), grad)
    assert flat.numel() == 15 + 5


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.nn.Linear(3, 5),
        lambda: nngraph.module(torch.nn.Linear(3, 5)),
        lambda: nngraph.module(torch.nn.Embedding(5, 3)),
        lambda: torch.nn.DataParallel(torch.nn.Linear(3, 5)),
    ],
)
def test_with_a_module_of_PyTorch(make: Any) -> None:
    linear, foreign = nn.Linear(3, 5), make()
    linear.share(foreign, "weight", "gradWeight")
    assert linear.weight is next(foreign.parameters())
    other = nngraph.module(torch.nn.Linear(3, 5)).share(nn.Linear(3, 5), *ALL)
    assert len(list(other.parameters())) == 2


def test_values_alone_or_gradients_alone() -> None:
    table, linear = nn.LookupTable(5, 3), nn.Linear(3, 5)
    linear.share(table, "weight")
    assert linear.weight is not table.weight
    table.weight.data.fill_(2)
    assert linear.weight.eq(2).all()
    other = nn.Linear(3, 5).share(table, "gradWeight")
    table.gradWeight.fill_(3)
    assert other.gradWeight.eq(3).all()
    assert not other.weight.eq(2).all()


RECURRENT = [
    lambda: torch.nn.LSTM(3, 4),
    lambda: torch.nn.GRU(3, 4, num_layers=2, bidirectional=True),
    lambda: torch.nn.LSTMCell(3, 4),
    lambda: torch.nn.MultiheadAttention(4, 2),
    lambda: torch.nn.TransformerEncoderLayer(4, 2, 8),
]


@pytest.mark.parametrize("make", RECURRENT)
def test_clones_share_all_parameters_of_foreign_modules(make: Any) -> None:
    x = nn.Identity()()
    inner = make()
    g = nngraph.gModule([x], [nngraph.module(inner)(x)])
    c = g.clone(*ALL)
    assert [id(p) for p in c.parameters()] == [id(p) for p in g.parameters()]


def test_a_clone_computes_with_the_shared_parameters() -> None:
    # torch.nn.LSTM keeps a second list of its parameters, which it computes with.
    x = nn.Identity()()
    g = nngraph.gModule([x], [nngraph.module(torch.nn.LSTM(3, 4))(x)])
    c = g.clone(*ALL)
    for p in g.parameters():
        p.data.fill_(0.1)
    at = torch.randn(5, 3)
    torch.testing.assert_close(c(at), g(at))
    only_weights = g.clone("weight", "gradWeight")
    names = [n for n, p in only_weights.named_parameters() if p is g.get_parameter(n)]
    assert names == ["1.module.weight_ih_l0", "1.module.weight_hh_l0"]


def test_any_name_of_a_parameter_or_buffer() -> None:
    class Scale(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.alpha = torch.nn.Parameter(torch.ones(2))
            self.register_buffer("count", torch.zeros(1))

    a, b = nngraph.module(Scale()), nngraph.module(Scale())
    a.share(b, "alpha", "gradAlpha", "count")
    assert a.get_parameter("module.alpha") is b.get_parameter("module.alpha")
    assert a.get_buffer("module.count") is b.get_buffer("module.count")


@pytest.mark.parametrize("names", [("weight",), ("weight", "gradWeight"), ()])
def test_clones_keep_requires_grad(names: tuple[str, ...]) -> None:
    layer = nn.Linear(2, 3)
    layer.weight.requires_grad_(False)
    clone = layer.clone(*names)
    assert not clone.weight.requires_grad
    assert clone.bias.requires_grad


@pytest.mark.parametrize(
    ("names", "facts"),
    [
        (("weigth",), ["'weigth'", "did you mean 'weight'?"]),
        (("weight", "bais"), ["'bais'", "did you mean 'bias'?"]),
        (("grad_weight",), ["did you mean 'gradWeight'?"]),
        (("gradweight", "weight"), ["'gradweight'", "did you mean 'gradWeight'?"]),
        (("weight", "qqq"), ["'qqq'", "bias, gradBias, gradWeight, weight"]),
        (("running_mean",), ["'running_mean'"]),
    ],
)
def test_names_that_match_nothing(names: tuple[str, ...], facts: list[str]) -> None:
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    for call in (lambda: a.share(b, *names), lambda: a.clone(*names)):
        with pytest.raises(GraphError) as raised:
            call()
        assert all(fact in str(raised.value) for fact in facts), raised.value
    assert a.weight is not b.weight


def test_what_is_no_name_or_module() -> None:
    linear = nn.Linear(2, 2)
    for call in (
        lambda: linear.share(nn.Linear(2, 2), ["weight", "bias"]),
        lambda: linear.clone(None),
        lambda: linear.share(nn.Linear(2, 2), 5),
    ):
        with pytest.raises(GraphError, match="a name is a string"):
            call()
    with pytest.raises(GraphError, match="expecting a module to share with, got str"):
        linear.share("weight", "bias")


def test_the_usual_four_names_do_for_layers_without_a_bias() -> None:
    # As Torch7 programs call it for any network.
    table = nn.LookupTable(5, 3)
    assert table.clone(*ALL).weight is table.weight
    assert str(nn.Tanh().clone(*ALL)) == "nn.Tanh"
    with pytest.raises(GraphError, match="named 'bias'"):
        table.clone("bias")


@pytest.mark.parametrize(
    ("mine", "theirs", "message"),
    [
        (
            nn.Linear(2, 3),
            nn.Linear(3, 2),
            r"weight of nn.Linear is \(3, 2\), of nn.Linear \(2, 3\)",
        ),
        (nn.Linear(2, 3), nn.Tanh(), "differ in structure"),
        (nn.Sequential(nn.Linear(2, 3)), nn.Sequential(), "differ in structure"),
        (nn.Sequential(nn.Linear(2, 3)), nn.Linear(2, 3), "differ in structure"),
    ],
)
def test_what_does_not_fit(mine: nn.Module, theirs: nn.Module, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        mine.share(theirs, "weight")


def test_sharing_after_getParameters() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    first, second = net.members()
    flat, grads = net.getParameters()
    with pytest.raises(GraphError, match="share 'weight' with it, or share before"):
        second.share(first, "gradWeight")
    second.share(first, "weight", "gradWeight")
    x = torch.randn(4, 3)
    net.zeroGradParameters()
    net.forward(x)
    net.backward(x, torch.ones(4, 3))
    weight = first.weight.detach().clone().requires_grad_()
    y = F.linear(F.linear(x, weight, first.bias.detach()), weight)
    (expected,) = torch.autograd.grad(y.sum(), weight)
    torch.testing.assert_close(grads[:9].view(3, 3), expected)
    second.share(nn.Linear(3, 3), "weight")
    with pytest.raises(GraphError, match=r"1\.weight is a new Parameter"):
        net.forward(x)
    assert flat.numel() == 24


def test_shared_gradients_alone_cannot_be_flat() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    first, second = net.members()
    second.share(first, "gradWeight")
    with pytest.raises(GraphError, match="share their gradients but not their values"):
        net.getParameters()
