"""Fields of layers written in Torch7's way: parameters, modules, output, train, size."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import pygraph_nn as nngraph
from pygraph_nn import GraphError, nn

from ..helpers import assert_close, data


class Affine(nn.Module):
    """A layer as Torch7's manual writes one, but for its gradients."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = torch.linspace(0.5, 1.5, size)
        self.bias = torch.linspace(-1, 1, size)
        self.gradWeight = torch.zeros(size)
        self.gradBias = torch.zeros(size)
        self.size = torch.Size([size])
        self._type = self.weight.type()

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.output = input * self.weight + self.bias
        return self.output


def test_tensors_become_parameters_with_gradients() -> None:
    layer = Affine(3)
    net = nn.Sequential(nn.Linear(3, 3), layer)
    flat, gradients = net.getParameters()
    assert flat.numel() == 12 + 6
    x, grad = data(2, 3), data(2, 3, seed=1)
    gradients.zero_()
    net.forward(x)
    net.backward(x, grad)
    h = F.linear(x, net.get(0).weight, net.get(0).bias).detach()
    assert_close(layer.gradWeight, (h * grad).sum(0))
    assert_close(layer.gradBias, grad.sum(0))
    assert_close(gradients[12:15], (h * grad).sum(0))
    assert_close(layer.output, h * layer.weight.detach() + layer.bias.detach())
    assert not layer.output.requires_grad
    net.updateParameters(0.1)
    assert_close(layer.bias, torch.linspace(-1, 1, 3) - 0.1 * grad.sum(0))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies(duplicate: Any) -> None:
    layer, x = Affine(3), data(2, 3)
    layer.forward(x)
    other = duplicate(layer)
    assert [name for name, _ in other.named_parameters()] == ["weight", "bias"]
    assert_close(other.forward(x), layer.forward(x))


def test_a_weight_that_is_assigned_later_is_trained() -> None:
    linear, x = nn.Linear(3, 2), data(4, 3)
    linear.weight = torch.ones(2, 3)
    linear.zeroGradParameters()
    linear.forward(x)
    linear.backward(x, torch.ones(4, 2))
    assert_close(linear.gradWeight, x.sum(0).expand(2, 3))
    frozen = nn.Linear(3, 2)
    frozen.weight.requires_grad_(False)
    frozen.weight = torch.ones(2, 3)
    assert not frozen.weight.requires_grad


def test_a_computed_weight_stays_computed() -> None:
    with pytest.warns(FutureWarning):
        linear = torch.nn.utils.weight_norm(nn.Linear(3, 2))
    linear(data(4, 3)).sum().backward()
    with torch.no_grad():
        linear(data(4, 3))
    assert {name for name, _ in linear.named_parameters()} == {"bias", "weight_g", "weight_v"}
    assert linear.weight_g.grad.any()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("gradWeight", torch.zeros(3), r"shape \(3,\) for a weight of shape \(2, 3\)"),
        ("_type", "torch.DoubleTensor", r"call type\('torch.DoubleTensor'\)"),
        ("type", "torch.DoubleTensor", "hide the method type"),
        ("modules", [nn.Identity()], "modules\\(\\) is a method"),
        ("share", True, "hide the method share"),
        ("parts", [nn.Identity(), None], "modules alone.*got NoneType"),
        ("parts", {1: nn.Identity()}, "strings as keys.*'1'"),
        ("updateGradInput", 3, "expecting a function"),
    ],
)
def test_refused_fields(field: str, value: Any, message: str) -> None:
    linear = nn.Linear(3, 2)
    with pytest.raises(GraphError, match=message):
        setattr(linear, field, value)
    linear.forward(data(2, 3))


def test_size_hides_a_method_of_containers_alone() -> None:
    assert Affine(3).size == (3,)
    with pytest.raises(GraphError, match=r"hide the method size.*size_"):
        nn.Sequential().size = 3


class Deep(nn.Module):
    """A module that keeps modules in tables."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(3, 3), nn.Linear(3, 3)]
        self.named = {"last": nn.Linear(3, 3)}
        self.grid = [[nn.Linear(3, 3)], (nn.Linear(3, 3),)]

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        for layer in (*self.layers, self.named["last"], self.grid[0][0], self.grid[1][0]):
            input = layer(input)
        return input


def test_tables_of_modules_are_registered() -> None:
    deep, x = Deep(), data(2, 3)
    flat, gradients = deep.getParameters()
    assert flat.numel() == 5 * 12
    gradients.zero_()
    deep.forward(x)
    deep.backward(x, data(2, 3, seed=1))
    assert all(p.grad.any() for p in deep.parameters())
    assert not any(m.training for m in deep.evaluate().modules())


def test_modules_added_to_a_plain_list_are_refused() -> None:
    class Late(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers: Any = []
            self.sizes = [1, 2, 3]
            for _ in range(2):
                self.layers.append(nn.Linear(3, 3))

    late = Late()
    for use in (late.getParameters, lambda: torch.optim.SGD(nn.Sequential(late).parameters(), 1)):
        with pytest.raises(GraphError, match=r"Late.layers.*self.layers = layers"):
            use()
    late.layers = late.layers
    assert late.getParameters()[0].numel() == 24


@pytest.mark.parametrize("base", [nn.Module, nn.Criterion, nn.Sequential])
@pytest.mark.parametrize(
    "assigned", [3, torch.ones(3), torch.nn.Parameter(torch.ones(3)), nn.Identity(), [nn.Tanh()]]
)
def test_a_forgotten_init_is_named(base: type, assigned: Any) -> None:
    if isinstance(assigned, torch.Tensor) and base is nn.Criterion:
        return  # a plain field there

    class Forgetful(base):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            self.weight = assigned

    with pytest.raises(GraphError, match=r"Forgetful.*super\(\).__init__\(\)"):
        Forgetful()


def test_fields_before_init_are_allowed() -> None:
    class Early(nn.Module):
        def __init__(self) -> None:
            self.k = 3
            super().__init__()

    assert Early().k == 3


def test_parameters_in_torch7s_form_are_refused() -> None:
    class Own(nn.Module):
        def parameters(self, recurse: bool = True) -> Any:
            return [torch.ones(3)], [torch.zeros(3)]

    with pytest.raises(GraphError, match=r"Own.parameters\(\) returns lists.*Parameter\(tensor\)"):
        Own().getParameters()


def test_train_is_a_method_and_a_truth_value() -> None:
    class Twice(nn.Module):
        def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
            return 2 * input if self.train else input

    twice, x = Twice(), data(2, 3)
    net = nn.Sequential(twice)
    assert_close(net.forward(x), 2 * x)
    assert_close(net.evaluate().forward(x), x)
    assert net.train() is net
    assert_close(net.forward(x), 2 * x)
    assert not net.train(False).training
    twice.train = True
    assert twice.training
    assert twice.train == True  # noqa: E712

    class Frozen(nn.Sequential):
        def train(self, mode: bool = True) -> Any:
            return super().train(False)

    assert not nn.Sequential(Frozen(Twice())).train().get(0).get(0).training


def test_output_of_ones_own_field_takes_part_in_autograd() -> None:
    class Square(nn.Module):
        def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
            self.output = input * input
            return self.output * self.output

    x = data(2, 3)
    square = Square()
    square.forward(x)
    assert_close(square.backward(x, torch.ones(2, 3)), 4 * x**3)
    leaf = x.clone().requires_grad_()
    square(leaf).sum().backward()
    assert_close(leaf.grad, 4 * x**3)
    node = nn.Identity()()
    g = nngraph.gModule([node], [square(node)])
    g.forward(x)
    assert_close(g.backward(x, torch.ones(2, 3)), 4 * x**3)


def test_backward_after_an_own_forward() -> None:
    class Own(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return 3 * super().forward(2 * input)

    layer, x, grad = Own(3, 2), data(4, 3), data(4, 2, seed=1)
    layer.zeroGradParameters()
    assert_close(layer.forward(x), 3 * F.linear(2 * x, layer.weight, layer.bias).detach())
    assert_close(layer.backward(x, grad), 6 * grad @ layer.weight.detach())
    assert_close(layer.gradWeight, 6 * grad.t() @ x)


class Buffers(nn.Module):
    """Computes in output and gradInput, which Torch7 creates empty."""

    def __init__(self) -> None:
        super().__init__()
        self.target, self.index = torch.ones(3), torch.tensor([1])

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.output.resize_as_(input).copy_(input).mul_(3)
        return self.output

    def updateGradInput(self, input: torch.Tensor, gradOutput: torch.Tensor) -> torch.Tensor:
        self.gradInput.resize_as_(gradOutput).copy_(gradOutput).mul_(3)
        return self.gradInput


@pytest.mark.parametrize("double", [False, True])
def test_output_and_gradInput_exist_before_forward(double: bool) -> None:
    for net in (Buffers(), nn.Sequential(nn.Identity(), Buffers())):
        x = data(2, 3).double() if double else data(2, 3)
        net.double() if double else net.float()
        for _ in range(2):
            assert_close(net.forward(x), 3 * x)
            gradInput = net.backward(x, x)
            assert gradInput.dtype == x.dtype
            assert_close(gradInput, 3 * x)
    assert_close(Buffers().updateOutput(data(2, 3)), 3 * data(2, 3))


def test_a_gradInput_buffer_of_a_layer_in_two_places() -> None:
    layer, x = Buffers(), [data(2, 3), data(2, 3, seed=1)]
    net = nn.MapTable(layer)
    net.forward(x)
    assert_close(net.backward(x, [x[1], x[0]]), [3 * x[1], 3 * x[0]])


def test_a_criterion_computes_in_gradInput() -> None:
    class Difference(nn.Criterion):
        def updateOutput(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            self.output = (input - target).sum()
            return self.output

        def updateGradInput(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            self.gradInput.resize_as_(input).copy_(input).sub_(target)
            return self.gradInput

    criterion, x, y = Difference(), data(2, 3), data(2, 3, seed=1)
    for one in (criterion, copy.deepcopy(criterion), criterion.clearState()):
        one.forward(x, y)
        assert_close(one.backward(x, y), x - y)
        assert_close(one.gradInput, x - y)


def test_fields_are_converted_with_the_module() -> None:
    net = nn.Sequential(Buffers()).double()
    layer = net.get(0)
    assert layer.target.dtype == torch.float64
    assert layer.index.dtype == torch.int64


def test_a_forgotten_return_is_named() -> None:
    class Forgets(nn.Module):
        def updateOutput(self, input: torch.Tensor) -> None:
            self.output = input * 2

    for net in (Forgets(), nn.Sequential(Forgets())):
        with pytest.raises(GraphError, match="updateOutput returned None"):
            net.forward(data(2))
