"""Flat tensors of `getParameters` after the network was changed, copied or flattened again."""

from __future__ import annotations

import copy
import gc
import io
import itertools
import pickle
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import pygraph_nn as nngraph
from pygraph_nn import nn

GraphError = nngraph.GraphError


def chain(*sizes: int) -> nn.Sequential:
    net = nn.Sequential()
    for inputs, outputs in itertools.pairwise(sizes):
        net.add(nn.Linear(inputs, outputs)).add(nn.Tanh())
    return net


def graph() -> nngraph.gModule:
    x = nn.Identity()()
    first = nn.Linear(3, 3)(x).annotate(name="first")
    second = nn.Linear(3, 3)(nn.Tanh()(first)).annotate(name="second")
    return nngraph.gModule([x], [second])


def by_pytorch(net: Any, x: torch.Tensor) -> list[torch.Tensor]:
    """The gradients of the sum of `graph`'s output, by plain PyTorch on its parameters."""
    y = F.linear(F.linear(x, net.first.weight, net.first.bias).tanh(), net.second.weight)
    return list(torch.autograd.grad((y + net.second.bias).sum(), list(net.parameters())))


def views(net: torch.nn.Module, flat: torch.Tensor) -> bool:
    """Whether writing to `flat` reaches every parameter of `net`."""
    flat.fill_(0.5)
    reached = all(p.eq(0.5).all() for p in net.parameters())
    flat.fill_(0.25)
    return reached and all(p.eq(0.25).all() for p in net.parameters())


# zero_grad

ZERO_GRADS: list[Callable[[Any, torch.Tensor], Callable[[], Any]]] = [
    lambda net, flat: net.zero_grad,
    lambda net, flat: lambda: net.zero_grad(set_to_none=False),
    lambda net, flat: torch.nn.Sequential(net).zero_grad,
    lambda net, flat: torch.optim.SGD(net.parameters(), lr=0.1).zero_grad,
    lambda net, flat: torch.optim.Adam(net.parameters(), foreach=True).zero_grad,
    lambda net, flat: torch.optim.RMSprop([flat]).zero_grad,
    lambda net, flat: torch.optim.AdamW([{"params": list(net.parameters())}]).zero_grad,
    lambda net, flat: net.zeroGradParameters,
]


@pytest.mark.parametrize("of", ZERO_GRADS)
@pytest.mark.parametrize("between", [False, True])
def test_zero_grad_keeps_the_flat_gradient(of: Any, between: bool) -> None:
    net, x = graph(), torch.randn(5, 3)
    flat, grads = net.getParameters()
    zero_grad = of(net, flat)
    for _ in range(2):
        if not between:
            zero_grad()
            assert not grads.any()
        y = net(x)
        if between:
            zero_grad()
        y.sum().backward()
        expected = torch.cat([g.flatten() for g in by_pytorch(net, x)])
        torch.testing.assert_close(grads, expected)
        net.zero_grad()
        net.forward(x)
        net.backward(x, torch.ones(5, 3))
        torch.testing.assert_close(grads, expected)


def test_an_optimizer_works_on_the_flat_tensor() -> None:
    net, other, x = graph(), graph(), torch.randn(5, 3)
    other.load_state_dict(net.state_dict())
    flat, _ = net.getParameters()
    ours = torch.optim.SGD([flat], lr=0.1, momentum=0.9)
    theirs = torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9)
    for _ in range(4):
        for optimizer, module in ((ours, net), (theirs, other)):
            optimizer.zero_grad()
            module(x).square().sum().backward()
            optimizer.step()
    for a, b in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_an_assigned_gradient_reaches_the_flat_one() -> None:
    net = graph()
    _, grads = net.getParameters()
    net.first.bias.grad = torch.arange(3.0)
    assert grads[9:12].tolist() == [0, 1, 2]
    with pytest.raises(GraphError, match=r"shape \(4,\)"):
        net.first.bias.grad = torch.ones(4)


# Changes


def test_tied_afterwards() -> None:
    net, x = graph(), torch.randn(5, 3)
    flat, grads = net.getParameters()
    net(x).sum().backward()
    net.second.weight = net.first.weight
    net.zeroGradParameters()
    net.forward(x)
    net.backward(x, torch.ones(5, 3))
    expected = by_pytorch(net, x)  # the first is the sum of both uses
    torch.testing.assert_close([p.grad for p in net.parameters()], expected)
    # The values that nothing uses any more have no gradient.
    assert grads.norm().item() == pytest.approx(sum(g.square().sum() for g in expected) ** 0.5)
    flat.add_(grads, alpha=-0.1)
    assert net.first.weight.data_ptr() == flat.data_ptr()


def test_frozen_afterwards() -> None:
    net, x = graph(), torch.randn(5, 3)
    flat, grads = net.getParameters()
    net.first.requires_grad_(False)
    before = net.first.weight.clone()
    net.zero_grad()
    net(x).sum().backward()
    assert not grads[:12].any()
    assert grads[12:].any()
    flat.sub_(grads)
    assert torch.equal(net.first.weight, before)


OPTIMIZERS = [
    lambda ps: torch.optim.SGD(ps, lr=0.1, momentum=0.9, weight_decay=0.1),
    lambda ps: torch.optim.AdamW(ps, lr=0.1, foreach=True),
]


@pytest.mark.parametrize("optimizer_of", OPTIMIZERS)
@pytest.mark.parametrize("how", ["requires_grad_", "attribute", "before"])
def test_optimizers_pass_frozen_parameters_by(optimizer_of: Any, how: str) -> None:
    ours, theirs, x = graph(), graph(), torch.randn(5, 3)
    theirs.load_state_dict(ours.state_dict())
    if how == "before":
        ours.first.requires_grad_(False)
    _, grads = ours.getParameters()
    optimizers = [optimizer_of(net.parameters()) for net in (ours, theirs)]
    for step in range(6):
        if step == 0 and how == "before":
            theirs.first.requires_grad_(False)
        if step in (2, 4):
            for net in (ours, theirs):
                if how == "attribute":
                    net.first.weight.requires_grad = step == 4
                else:
                    net.first.requires_grad_(step == 4)
        for net, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            net(x).square().sum().backward()
            optimizer.step()
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b)
        expected = [torch.zeros_like(p) if p.grad is None else p.grad for p in theirs.parameters()]
        torch.testing.assert_close(grads, torch.cat([g.flatten() for g in expected]))


def test_assigned_data() -> None:
    net = graph()
    flat, _ = net.getParameters()
    net.first.weight.data = torch.eye(3)
    assert torch.equal(flat[:9].view(3, 3), torch.eye(3))
    net.first.weight.data = net.second.weight.data + 1
    assert torch.equal(flat[:9], flat[12:21] + 1)
    net.first.weight.data = torch.arange(9.0).view(3, 3)
    net.first.weight.data = net.first.weight.data.t()
    assert flat[:9].tolist() == [0, 3, 6, 1, 4, 7, 2, 5, 8]
    with torch.no_grad():
        assert net.first.bias.set_(torch.tensor([7.0, 8.0, 9.0])) is net.first.bias
    assert flat[9:12].tolist() == [7, 8, 9]
    assert views(net, flat)
    flat.data = torch.arange(24.0)
    assert net.second.bias.tolist() == [21, 22, 23]


def test_data_of_another_part_is_no_way_to_tie() -> None:
    net = graph()
    net.getParameters()
    with pytest.raises(GraphError, match=r"Tie the parameters themselves"):
        net.first.weight.data = net.second.weight.data


def test_data_of_another_size_ends_the_flat_tensor() -> None:
    net = graph()
    flat, grads = net.getParameters()
    net.first.weight.data = torch.ones(3, 7)
    for use in (lambda: flat + 1, lambda: grads.zero_(), lambda: torch.optim.SGD([flat])):
        with pytest.raises(GraphError, match=rf"was replaced at .*{__name__}.py:\d+"):
            use()
    assert net.forward(torch.ones(2, 7)).shape == (2, 3)
    assert views(net, net.getParameters()[0])


def replace_layer(net: Any) -> None:
    net.replace(lambda m: nn.Linear(3, 3) if m is net.second else m)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda net: setattr(net.first, "bias", torch.nn.Parameter(torch.ones(3))), "first.bias"),
        (replace_layer, "second.weight"),
        (lambda net: setattr(net, "second", nn.Linear(3, 3)), "second.weight"),
        (lambda net: setattr(net.get(2), "scale", torch.nn.Parameter(torch.ones(1))), "scale"),
        (lambda net: net.get(2).add_module("inner", nn.Linear(3, 3)), "inner.weight"),
    ],
)
@pytest.mark.parametrize("run", [lambda net, x: net.forward(x), lambda net, x: net(x)])
def test_a_new_parameter_is_refused_at_the_next_run(change: Any, name: str, run: Any) -> None:
    net, x = graph(), torch.randn(2, 3)
    flat, _ = net.getParameters()
    run(net, x)
    change(net)
    for _ in range(2):
        with pytest.raises(GraphError, match=rf"{name} is a new Parameter.*getParameters"):
            run(net, x)
    assert views(net, net.getParameters()[0])
    run(net, x)
    with pytest.raises(GraphError, match="no longer holds"):
        flat.norm()


def test_a_change_that_is_undone_is_no_change() -> None:
    net, x = graph(), torch.randn(2, 3)
    flat, _ = net.getParameters()
    bias = net.first.bias
    net.first.bias = torch.nn.Parameter(torch.ones(3))
    with pytest.raises(GraphError):
        net(x)
    net.first.bias = bias
    net(x)
    assert views(net, flat)


def test_without_a_flat_tensor_in_use_a_new_parameter_is_welcome() -> None:
    net = graph()
    net.getParameters()
    gc.collect()
    net.first.bias = torch.nn.Parameter(torch.ones(3))
    net(torch.ones(1, 3)).sum().backward()
    assert net.first.bias.grad is not None


def test_members_of_a_container_that_cannot_run() -> None:
    encoder, decoder = graph(), chain(3, 4)
    flat, _ = nn.Container().add(encoder).add(decoder).getParameters()
    decoder.get(0).bias = torch.nn.Parameter(torch.ones(4))
    encoder.forward(torch.ones(1, 3))
    with pytest.raises(GraphError, match=r"0\.bias"):
        decoder.forward(torch.ones(1, 3))
    assert flat.numel() == 24 + 16


def test_modules_without_parameters_may_change() -> None:
    net, x = graph(), torch.randn(2, 3)
    flat, _ = net.getParameters()
    net.replace(lambda m: nn.ReLU() if isinstance(m, nn.Tanh) else m)
    torch.testing.assert_close(net.forward(x), net.second(net.first(x).relu()).detach())
    assert views(net, flat)


def test_recurrent_follows_a_replaced_module() -> None:
    net = graph()
    over_time, x = nngraph.recurrent(net, {}), torch.randn(4, 2, 3)
    over_time(x)
    net.replace(lambda m: nn.ReLU() if isinstance(m, nn.Tanh) else m)
    net.second = nn.Linear(3, 5)
    hidden = F.linear(x, net.first.weight, net.first.bias).relu()
    expected = F.linear(hidden, net.second.weight, net.second.bias)
    torch.testing.assert_close(over_time(x), expected)


def test_recurrent_refuses_what_it_cannot_plan_at_every_run() -> None:
    x, s = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="s")
    part = nn.SelectTable(1)(nngraph.nest([x, s]))
    core = nngraph.gModule([x, s], [nn.CAddTable()([x, part]).annotate(name="next")])
    over_time = nngraph.recurrent(core, {"s": "next"})
    values = [torch.ones(3, 2), torch.zeros(2)]
    assert over_time(values).tolist() == [3, 3]
    core.replace(lambda m: nn.SelectTable(7) if isinstance(m, nn.SelectTable) else m)
    for _ in range(2):
        with pytest.raises(GraphError, match="element 7"):
            over_time(values)


# getParameters again


def test_the_same_network_again() -> None:
    net = graph()
    flat, grads = net.getParameters()
    assert net.getParameters()[0] is flat
    assert net.getParameters()[1] is grads
    assert flat.grad is grads


def test_a_part_again() -> None:
    net = chain(3, 4, 2)
    flat, grads = net.getParameters()
    part, part_grads = net.get(2).getParameters()
    assert views(net.get(2), part)
    assert views(net, flat)
    net(torch.ones(1, 3)).sum().backward()
    assert torch.equal(grads[16:], part_grads)
    assert part_grads.any()
    assert torch.equal(flat[16:], part)


def test_a_larger_network_afterwards() -> None:
    first, second = chain(3, 4), chain(4, 2)
    one, one_grads = first.getParameters()
    two, _ = second.getParameters()
    net = nn.Sequential().add(second).add(first)
    flat, grads = net.getParameters()
    for module, tensor in ((first, one), (second, two), (net, flat), (first, one)):
        assert views(module, tensor)
    first(torch.ones(1, 3)).sum().backward()
    assert torch.equal(one_grads, grads[10:])
    assert one_grads.any()
    largest = nn.Sequential().add(nn.Linear(2, 2)).add(net)
    whole, _ = largest.getParameters()
    for module, tensor in ((net, flat), (second, two), (largest, whole)):
        assert views(module, tensor)


def test_a_part_that_does_not_lie_together() -> None:
    a, b, c = (nn.Linear(2, 2) for _ in range(3))
    flat, grads = nn.Sequential().add(a).add(b).add(c).getParameters()
    middle, _ = b.getParameters()
    ends = nn.Sequential().add(a).add(c)
    two, _ = ends.getParameters()
    assert views(ends, two)
    assert views(b, middle)
    for tensor in (flat, grads):
        with pytest.raises(GraphError, match=rf"they were moved at .*{__name__}.py:\d+"):
            tensor.zero_()


def test_types_follow() -> None:
    net = chain(3, 4, 2)
    flat, grads = net.getParameters()
    part, _ = net.get(0).getParameters()
    net.double()
    assert flat.dtype == grads.dtype == torch.float64
    assert views(net, flat)
    assert views(net.get(0), part)
    assert torch.equal(net(torch.ones(1, 3).double()).sum(), net(torch.ones(1, 3).double()).sum())
    net.get(0).float()
    with pytest.raises(GraphError, match="converted to another type"):
        flat.norm()


# Copies and files


def size_of_file(value: Any) -> int:
    file = io.BytesIO()
    torch.save(value, file)
    return file.tell()


@pytest.mark.parametrize("size", [size_of_file, lambda value: len(pickle.dumps(value))])
@pytest.mark.parametrize("fast", [False, True])
def test_files_hold_each_value_once(size: Callable[[Any], int], fast: bool) -> None:
    x = nn.Identity()()
    layers = [nn.Linear(100, 100), nn.Linear(100, 100), nngraph.module(torch.nn.Linear(100, 7))]
    net = nngraph.gModule([x], [layers[2](layers[1](layers[0](x)))])
    before = [size(m) for m in (net, *layers)]
    states = [size(m.state_dict()) for m in (net, *layers)]
    if fast:
        held: Any = nngraph.FlatSGD(nngraph.recurrent(net, {}))
    else:
        held = net.getParameters()
    after = [size(m) for m in (net, *layers)]
    assert held is not None
    for old, new in zip(before, after, strict=True):
        assert new < old + 2000
    for old, module in zip(states, (net, *layers), strict=True):
        assert size(module.state_dict()) < old + 2000


def by_pickle(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def by_torch_save(value: Any) -> Any:
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("copied", [copy.deepcopy, by_pickle, by_torch_save])
@pytest.mark.parametrize("part", [lambda net: net, lambda net: net.get(2)])
def test_copies_are_networks_of_their_own(copied: Any, part: Any) -> None:
    net = chain(3, 4, 2)
    flat, _ = net.getParameters()
    other = copied(part(net))
    for a, b in zip(part(net).parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert type(b) is torch.nn.Parameter
        assert b.untyped_storage().nbytes() == b.numel() * b.itemsize
    flat.zero_()
    assert all(p.any() for p in other.parameters())
    assert views(other, other.getParameters()[0])
    assert not flat.any()


def test_values_load_without_this_package() -> None:
    net = chain(3, 4)
    flat, _ = net.getParameters()
    for value in (flat, dict(net.named_parameters()), net.state_dict()):
        file = io.BytesIO()
        torch.save(value, file)
        file.seek(0)
        torch.load(file, weights_only=True)


def test_a_copy_of_network_and_flat_tensors_keeps_them_together() -> None:
    class Program:
        def __init__(self) -> None:
            self.net = chain(3, 4, 2)
            self.params, self.grads = self.net.getParameters()
            self.part, _ = self.net.get(0).getParameters()

    program = Program()
    program.net(torch.ones(1, 3)).sum().backward()
    other = copy.deepcopy(program)
    assert torch.equal(other.grads, program.grads)
    assert other.params.grad is other.grads
    program.params.fill_(7)
    assert not other.params.eq(7).any()
    assert views(other.net, other.params)
    assert views(other.net.get(0), other.part)
    assert program.params.eq(7).all()
    clones = nngraph.clone_many_times(program.net, 2)
    assert all(views(clone, program.params) for clone in clones)


def test_a_copy_of_FlatSGD() -> None:
    net = graph()
    sgd, x = nngraph.FlatSGD(nngraph.recurrent(net, {})), torch.randn(4, 2, 3)
    other = copy.deepcopy(sgd)
    for each in (sgd, other):
        y = each.forward(x)
        each.backward([y], [torch.ones_like(y)])
    assert torch.equal(other.norm(), sgd.norm())
    before = sgd.parameters.clone()
    other.update(0.5)
    assert torch.equal(sgd.parameters, before)
    torch.testing.assert_close(other.parameters, before - 0.5 * sgd.gradients)


def child(net: Any, done: Any) -> None:
    with torch.no_grad():
        for p in net.parameters():
            p.fill_(3)
    done.set()


def test_another_process_sees_the_same_memory() -> None:
    context = torch.multiprocessing.get_context("spawn")
    net = nn.Linear(2, 2)
    flat, _ = net.getParameters()
    net.share_memory()
    done = context.Event()
    process = context.Process(target=child, args=(net, done))
    process.start()
    process.join(120)
    assert done.is_set()
    assert flat.eq(3).all()


# PyTorch's own tools


def test_compiled_and_exported() -> None:
    net, x = graph(), torch.randn(2, 3)
    _, grads = net.getParameters()
    compiled = torch.compile(net, backend="eager")
    torch.testing.assert_close(compiled(x), net(x))
    net.zero_grad()
    compiled(x).sum().backward()
    torch.testing.assert_close(grads, torch.cat([g.flatten() for g in by_pytorch(net, x)]))
    exported = torch.export.export(net, (x,)).module()
    torch.testing.assert_close(exported(x), net(x))


def test_functional_call_is_no_change() -> None:
    net, x = graph(), torch.randn(2, 3)
    flat, _ = net.getParameters()
    values = {name: p.detach() * 0 for name, p in net.named_parameters()}
    assert not torch.func.functional_call(net, values, (x,)).any()
    net(x)
    assert views(net, flat)


def test_parameters_made_of_flat_tensors_are_ordinary() -> None:
    net, x = nn.Linear(3, 2), torch.randn(4, 3)
    flat, _ = net.getParameters()
    state = net.state_dict()
    weight = net.weight
    for tensor in (flat, flat.detach(), weight, weight.detach(), weight.data, state["weight"]):
        parameter = torch.nn.Parameter(tensor)
        assert isinstance(parameter, torch.nn.Parameter)
        assert parameter.data_ptr() == flat.data_ptr()
        (parameter * 3).sum().backward()
        assert parameter.grad.eq(3).all()
        torch.optim.SGD([parameter]).zero_grad()
        assert parameter.grad is None
        for copied in (copy.deepcopy(parameter), by_pickle(parameter)):
            assert type(copied) is torch.nn.Parameter
            assert torch.equal(copied, parameter)
    other = nn.Linear(3, 2)
    other.load_state_dict(state, assign=True)
    assert other.weight.data_ptr() == net.weight.data_ptr()
    torch.testing.assert_close(other(x), net(x))
    state["weight"].fill_(5)  # a state_dict has the memory of the network
    assert flat[:6].eq(5).all()
    assert views(other, other.getParameters()[0])
    torch.testing.assert_close(torch.compile(torch.tanh, backend="eager")(flat), flat.tanh())


def test_printing() -> None:
    net = nn.Linear(1, 2)
    before = str(net.bias), repr(net.weight)
    flat, _ = net.getParameters()
    assert (str(net.bias), repr(net.weight)) == before
    flat.zero_()
    assert str(flat) == "tensor([0., 0., 0., 0.])"


# Gradients that lie elsewhere, and memory


def test_an_assignment_to_grad_data_reaches_the_flat_gradient() -> None:
    net, x = graph(), torch.randn(4, 3)
    _, gradients = net.getParameters()
    expected = [grad.clamp(-0.1, 0.1).flatten() for grad in by_pytorch(net, x)]
    net(x).sum().backward()
    for parameter in net.parameters():
        parameter.grad.data = parameter.grad.data.clamp(-0.1, 0.1)
    torch.testing.assert_close(gradients, torch.cat(expected))


CONVERSIONS: list[Callable[[Any], Any]] = [
    lambda net: net.to(memory_format=torch.channels_last),
    lambda net: net.get(0).to(memory_format=torch.channels_last),
    lambda net: net._apply(lambda x: x.clone()),
    lambda net: torch.nn.Sequential(net).to(memory_format=torch.channels_last),
]


@pytest.mark.parametrize("convert", CONVERSIONS)
@pytest.mark.parametrize("torch_layer", [False, True])
def test_gradients_stay_in_the_flat_gradient_when_parameters_are_converted(
    convert: Callable[[Any], Any], torch_layer: bool
) -> None:
    layer = torch.nn.Conv2d(3, 4, 3) if torch_layer else nn.SpatialConvolution(3, 4, 3, 3)
    net, x = nn.Sequential().add(layer), torch.randn(2, 3, 5, 5)
    _, gradients = net.getParameters()
    weight, bias = (p.detach().clone().requires_grad_() for p in net.parameters())
    convert(net)
    y = net.forward(x)
    net.backward(x, torch.ones_like(y))
    expected = torch.autograd.grad(F.conv2d(x, weight, bias).sum(), [weight, bias])
    torch.testing.assert_close(gradients, torch.cat([g.flatten() for g in expected]))


def test_a_gradient_that_autograd_puts_beside_the_flat_one_is_refused_at_the_next_run() -> None:
    net, x = graph(), torch.randn(4, 3)
    _, gradients = net.getParameters()
    net(x).sum().backward(create_graph=True)
    with pytest.raises(GraphError, match=r"gradient of first\.weight .* p\.grad\.detach\(\)"):
        net(x)
    for parameter in net.parameters():
        parameter.grad = parameter.grad.detach()
    torch.testing.assert_close(gradients, torch.cat([g.flatten() for g in by_pytorch(net, x)]))
    net(x)


def test_copies_of_a_gradient_are_ordinary_tensors_of_their_own() -> None:
    net = graph()
    net.getParameters()
    net(torch.randn(4, 3)).sum().backward()
    grad = net.first.weight.grad
    copies = [copy.deepcopy(grad), pickle.loads(pickle.dumps(grad)), grad.clone()]
    before = grad.tolist()
    grad.zero_()
    assert [type(other) for other in copies] == [torch.Tensor] * 3
    assert [other.tolist() for other in copies] == [before] * 3


@pytest.mark.parametrize("make", [lambda: chain(3, 2), lambda: graph().clone()])
def test_a_flat_network_is_freed_without_the_garbage_collector(make: Callable[[], Any]) -> None:
    gc.collect()
    gc.disable()
    try:
        net = make()
        flat = net.getParameters()
        net.forward(torch.randn(4, 3))
        watched = [weakref.ref(x) for x in (net, *flat, *net.parameters())]
        del net, flat
        assert [ref() for ref in watched] == [None] * len(watched)
    finally:
        gc.enable()


def test_threads_may_run_a_flat_network_with_gradient_methods_of_its_own() -> None:
    class Doubled(nn.Linear):
        def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
            return 2 * gradOutput @ self.weight

    net = nn.Sequential().add(nn.Linear(3, 3)).add(Doubled(3, 2))
    flat = net.getParameters()
    errors: list[Exception] = []

    def run() -> None:
        x = torch.randn(4, 3)
        try:
            for _ in range(30):
                net.forward(x)
                net.backward(x, torch.ones(4, 2))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert flat[1].any()


NEW_PARAMETERS: list[Callable[[Any, Any], object]] = [
    lambda net, linear: setattr(linear, "weight", torch.nn.Parameter(torch.ones(4, 4))),
    lambda net, linear: net.replace(lambda m: nn.Linear(4, 4) if m is linear else m),
    lambda net, linear: net.load_state_dict(
        {name: value.clone() for name, value in net.state_dict().items()}, assign=True
    ),
    lambda net, linear: torch.nn.utils.parametrizations.weight_norm(linear),
]


@pytest.mark.parametrize("change", NEW_PARAMETERS)
@pytest.mark.parametrize("again", [False, True])
def test_recurrent_refuses_new_parameters_outside_the_flat_tensors(
    change: Callable[[Any, Any], object], again: bool
) -> None:
    x, state = nn.Identity()(), nn.Identity()()
    node = nn.Linear(4, 4)(state)
    net = nngraph.gModule([x, state], [nn.Tanh()(nn.CAddTable()([nn.Linear(3, 4)(x), node]))])
    over_time, data = (
        nngraph.recurrent(net, state={1: 0}),
        [torch.randn(5, 2, 3), torch.zeros(2, 4)],
    )
    flat = net.getParameters()
    over_time(data)
    change(net, node.module)
    with pytest.raises(GraphError, match="is a new Parameter"):
        over_time(data)
    if again:
        flat = net.getParameters()
        over_time(data).sum().backward()
        expected = [parameter.grad.flatten() for parameter in net.parameters()]
        torch.testing.assert_close(flat[1], torch.cat(expected))
        assert flat[1].any()
