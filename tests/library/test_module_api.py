"""Torch7's methods of modules and gModules, beyond the golden facts."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from helpers import assert_close

import pygraph_nn as nngraph
from pygraph_nn import nn


def mlp() -> nngraph.gModule:
    x = nn.Identity()()
    hidden = nn.Tanh()(nn.Linear(3, 4)(x))
    return nngraph.gModule([x], [nn.Linear(4, 2)(hidden)])


def is_flat(module: torch.nn.Module, flat: torch.Tensor, grads: torch.Tensor) -> bool:
    """Return whether parameters and gradients are views of the two tensors, in order."""
    offset = 0
    for p in module.parameters():
        place = slice(offset, offset + p.numel())
        for mine, whole in ((p, flat), (p.grad, grads)):
            assert mine is not None
            assert mine.data_ptr() == whole[place].data_ptr()
        offset = place.stop
    return offset == flat.numel() == grads.numel()


# Flat parameters


@pytest.mark.parametrize(
    "convert",
    [
        lambda g: g.double(),
        lambda g: g.to(torch.bfloat16),
        lambda g: g.to("cpu", torch.float64),
        lambda g: g.type(torch.float64),
        lambda g: g.type("torch.DoubleTensor"),
        lambda g: nn.Sequential().add(g).double(),
        lambda g: torch.nn.Sequential(g).double(),
        lambda g: g.float(),
    ],
)
def test_flat_parameters_stay_flat(convert: Any) -> None:
    g, x = mlp(), torch.randn(5, 3)
    g.getParameters()
    g.zeroGradParameters()
    g.forward(x)
    g.backward(x, torch.ones(5, 2))
    values = [p.detach().clone() for p in g.parameters()]
    gradients = [p.grad.clone() for p in g.parameters()]
    objects = list(map(id, g.parameters()))
    convert(g)
    first = next(g.parameters())
    storages = {p.untyped_storage().data_ptr() for p in g.parameters()}
    storages_of_gradients = {p.grad.untyped_storage().data_ptr() for p in g.parameters()}
    assert len(storages) == len(storages_of_gradients) == 1
    assert objects == list(map(id, g.parameters()))
    assert_close(list(g.parameters()), [v.to(first.dtype) for v in values], 0)
    assert_close([p.grad for p in g.parameters()], [v.to(first.dtype) for v in gradients], 0)
    flat, grads = g.getParameters()
    assert flat.dtype == first.dtype
    assert is_flat(g, flat, grads)


def test_clones_follow_when_the_type_changes() -> None:
    g = mlp()
    g.getParameters()
    copies = nngraph.clone_many_times(g, 3)
    g.double()
    flat, grads = g.getParameters()
    assert all(is_flat(c, flat, grads) for c in copies)
    flat.fill_(0.5)
    x = torch.randn(2, 3, dtype=torch.float64)
    assert_close(copies[2].forward(x), g.forward(x))


def test_without_getParameters_nothing_is_flattened() -> None:
    g = mlp().double()
    assert len({p.untyped_storage().data_ptr() for p in g.parameters()}) == 4
    g.getParameters()
    loose = copy.deepcopy(g).float()
    assert len({p.untyped_storage().data_ptr() for p in loose.parameters()}) == 4


def test_flat_parameters_of_a_part_leave_the_whole_alone() -> None:
    first, second = mlp(), nn.Linear(2, 2)
    first.getParameters()
    net = nn.Sequential().add(first).add(second)
    flat, grads = net.getParameters()
    assert is_flat(net, flat, grads)
    net.double()
    flat, grads = net.getParameters()
    assert is_flat(net, flat, grads)


def test_shared_memory_stays_shared() -> None:
    g = mlp()
    g.getParameters()
    g.share_memory()
    assert all(p.is_shared() for p in g.parameters())


def test_no_parameters() -> None:
    flat, grads = nn.Tanh().getParameters()
    assert flat.numel() == grads.numel() == 0
    nn.Tanh().double().float()


# Types


def test_type() -> None:
    g = mlp()
    assert g.type() == "torch.FloatTensor"
    assert g.double().type() == "torch.DoubleTensor"
    assert g.type(torch.float32) is g
    assert g.type() == "torch.FloatTensor"
    assert nn.Tanh().type() == "torch.FloatTensor"


# Finding


class Steep(nn.Linear):
    pass


def test_findModules() -> None:
    inner = mlp()
    ours, steep = nn.Linear(2, 2), Steep(2, 2)
    branch = nn.ConcatTable().add(ours).add(steep).add(torch.nn.ReLU())
    net = nn.Sequential().add(inner).add(branch)
    linears, containers = net.findModules("nn.Linear")
    assert linears == [inner.get(1), inner.get(3), ours]
    assert containers == [inner, inner, branch]
    assert net.findModules("Linear") == (linears, containers)
    assert net.findModules(nn.Linear)[0] == [*linears, steep]
    assert net.findModules(nngraph.gModule) == ([inner], [net])
    assert net.findModules("nn.gModule") == ([inner], [net])
    assert net.findModules("nn.Sequential") == ([net], [net])
    assert net.findModules(torch.nn.ReLU)[1] == [branch]
    assert net.findModules("nn.Max") == ([], [])
    assert ours.findModules("nn.Linear") == ([ours], [ours])


def test_results_of_findModules_can_be_replaced() -> None:
    g, x = mlp(), torch.randn(2, 3)
    tanhs, containers = g.findModules("nn.Tanh")
    for module, container in zip(tanhs, containers, strict=True):
        container.replace(lambda m, old=module: nn.ReLU() if m is old else m)
    assert_close(g(x), g.get(3)(torch.relu(g.get(1)(x))))
    assert [n.kind() for n in g.forwardnodes if n.kind() == "nn.ReLU"] == ["nn.ReLU"]


def test_listModules_of_a_module_in_two_places() -> None:
    shared = nn.Tanh()
    net = nn.Sequential().add(shared).add(nn.Sequential().add(shared))
    assert [m is shared for m in net.listModules()] == [False, True, False, True]
    assert nn.Tanh().listModules()[0].torch7_name() == "nn.Tanh"


def test_replace_of_one_module() -> None:
    relu = nn.ReLU()
    assert nn.Tanh().replace(lambda m: relu) is relu


def test_replace_reaches_nested_graphs_and_containers() -> None:
    inner, x = mlp(), nn.Identity()()
    g = nngraph.gModule([x], [nn.Sequential().add(nn.Tanh())(inner(x))])
    g.replace(lambda m: nn.Sigmoid() if isinstance(m, nn.Tanh) else m)
    assert not g.findModules("nn.Tanh")[0]
    assert len(g.findModules("nn.Sigmoid")[0]) == 2
    assert "nn.Sigmoid" in [n.kind() for n in inner.forwardnodes]


# Sharing


def test_share_gradients_alone_and_buffers() -> None:
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    a.share(b, "gradWeight")
    b.weight.grad.fill_(3)
    assert a.gradWeight.eq(3).all()
    assert not a.weight.eq(b.weight).all()
    a, b = (nngraph.module(torch.nn.BatchNorm1d(2)) for _ in range(2))
    a.share(b, "running_mean")
    b.get_buffer("module.running_mean").fill_(5)
    assert a.get_buffer("module.running_mean").eq(5).all()


def test_clone_of_a_graph_shares_what_is_named() -> None:
    g, x = mlp(), torch.randn(5, 3)
    c = g.clone("weight", "gradWeight")
    g.zeroGradParameters()
    c.zeroGradParameters()
    c.forward(x)
    c.backward(x, torch.ones(5, 2))
    assert g.get(1).gradWeight.any()
    assert not g.get(1).gradBias.any()
    assert c.get(1).gradBias.any()
    assert c.forwardnodes[0] is not g.forwardnodes[0]


# Running


def test_the_protocol_in_parts() -> None:
    g, x, grad = mlp(), torch.randn(5, 3), torch.randn(5, 2)
    g.zeroGradParameters()
    g.forward(x)
    whole = g.backward(x, grad)
    gradients = [p.grad.clone() for p in g.parameters()]
    g.zeroGradParameters()
    assert_close(g.updateGradInput(x, grad), whole)
    assert not any(p.grad.any() for p in g.parameters())
    g.accGradParameters(x, grad)
    assert_close([p.grad for p in g.parameters()], gradients)
    g.accGradParameters(x, grad, -1)
    assert all(p.grad.abs().max() < 1e-6 for p in g.parameters())
    g.backward(x, grad, 0.25)
    assert_close([p.grad for p in g.parameters()], [0.25 * q for q in gradients])
    assert_close(g.updateOutput(x), g.output)


def test_frozen_and_unreached_parameters() -> None:
    g, x = mlp(), torch.randn(5, 3)
    frozen = g.get(1)
    frozen.requires_grad_(False)
    g.forward(x)
    assert g.backward(x, torch.ones(5, 2)).any()
    assert frozen.gradWeight is None
    x_node = nn.Identity()()
    unused = nn.Linear(3, 3)(x_node)
    g = nngraph.gModule([x_node], [nn.Tanh()(x_node), unused])
    g.forward(x)
    g.backward(x, [torch.ones(5, 3), torch.zeros(1)])
    assert unused.module.gradWeight.eq(0).all()


def test_gModule_inside_containers_and_outputs_that_are_inputs() -> None:
    x = nn.Identity()()
    g = nngraph.gModule([x], [x, nn.Tanh()(x)])
    net = nn.Sequential().add(g).add(nn.CAddTable())
    at = torch.randn(4)
    assert_close(net.forward(at), at + at.tanh())
    assert_close(net.backward(at, torch.ones(4)), 2 - at.tanh() ** 2)


def test_printing() -> None:
    g = mlp()
    g.name = "mlp"
    lines = repr(g).splitlines()
    assert lines[0] == "mlp {"
    assert lines[2].endswith(": nn.Linear(3 -> 4)")
    assert str(g) == "mlp"
    assert repr(nn.Sequential().add(g)).splitlines()[2] == "  (0): mlp"


def test_a_module_that_defines_nothing() -> None:
    with pytest.raises(NotImplementedError, match="does not define updateOutput"):
        nn.Module().forward(torch.ones(1))


def test_containers_pass_tables_without_tensors_on() -> None:
    assert nn.Sequential(nn.Identity(), nn.JustTable()).forward([5]) == [[5]]
    assert nn.ConcatTable(nn.Identity()).forward([]) == [[]]
