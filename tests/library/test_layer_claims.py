"""Claims of layers about themselves (independent rows, routes, signs), each checked by running."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch

import pygraph_nn as nngraph
from pygraph_nn import GraphError, nested, nn, torch7_random
from pygraph_nn.nn.core import Element, Route, Slice, Whole, Wrapped

CLAIMS = ("row_wise", "route", "sign", "commutative")
COMPUTATION = ("updateOutput", "updateGradInput", "accGradParameters", "backward", "forward")


def layers_that_claim(*claims: str) -> list[str]:
    """The names of all layers in nn that differ from nn.Module in one of `claims`."""
    classes = {name: getattr(nn, name) for name in nn.__all__}
    return sorted(
        name
        for name, cls in classes.items()
        if isinstance(cls, type)
        and issubclass(cls, nn.Module)
        and any(getattr(cls, claim) is not getattr(nn.Module, claim) for claim in claims)
    )


# Samples of the layers that take arguments; other layers are constructed without.
SAMPLES: dict[str, list[Callable[[], nn.Module]]] = {
    "AddConstant": [
        lambda: nn.AddConstant(2),
        lambda: nn.AddConstant(2, True),
        lambda: nn.AddConstant(torch.tensor([1.0, 2, 3])),
    ],
    "Bilinear": [lambda: nn.Bilinear(3, 2, 4), lambda: nn.Bilinear(3, 3, 1, False)],
    "CAddTable": [nn.CAddTable, lambda: nn.CAddTable(True)],
    "Clamp": [lambda: nn.Clamp(-0.5, 0.6)],
    "Cosine": [lambda: nn.Cosine(3, 2)],
    "Dropout": [
        nn.Dropout,
        lambda: nn.Dropout(0),
        lambda: nn.Dropout(0.3, True),
        lambda: nn.Dropout(0.3, inplace=True),
        lambda: nn.Dropout(0.3, stochasticInference=True),
    ],
    "ELU": [lambda: nn.ELU(0.7), lambda: nn.ELU(0.7, True)],
    "Euclidean": [lambda: nn.Euclidean(3, 2)],
    "HardTanh": [nn.HardTanh, lambda: nn.HardTanh(-0.5, 0.5, True)],
    "JoinTable": [lambda d=d, n=n: nn.JoinTable(d, n) for d in (-1, 0, 1, 2) for n in (None, 1, 2)],
    "LeakyReLU": [nn.LeakyReLU, lambda: nn.LeakyReLU(-0.2), lambda: nn.LeakyReLU(True)],
    "Linear": [lambda: nn.Linear(3, 2), lambda: nn.Linear(2, 3, False)],
    "LookupTable": [
        lambda: nn.LookupTable(2, 3),
        lambda: nn.LookupTable(2, 3, 1),
        lambda: nn.LookupTable(2, 3, None, 0.1),
        lambda: nn.LookupTable(2, 3).scaleGradByFreq(),
    ],
    "MulConstant": [lambda: nn.MulConstant(-2), lambda: nn.MulConstant(-2, True)],
    "NarrowTable": [lambda: nn.NarrowTable(1, 2)],
    "Power": [lambda: nn.Power(3)],
    "ReLU": [nn.ReLU, lambda: nn.ReLU(True)],
    "ReLU6": [nn.ReLU6, lambda: nn.ReLU6(True)],
    "Reshape": [
        lambda size=size, mode=mode: nn.Reshape(*size, batchMode=mode)
        for size in ((3,), (1, 3), (3, 2), (6,), (12,), (1,), (0,), (2, 0))
        for mode in (None, True, False)
    ],
    "SelectTable": [lambda: nn.SelectTable(1)],
    "SoftPlus": [nn.SoftPlus, lambda: nn.SoftPlus(2)],
    "SplitTable": [
        lambda d=d, n=n: nn.SplitTable(d, n) for d in (-1, 0, 1, 2) for n in (None, 1, 2)
    ],
    "Threshold": [nn.Threshold, lambda: nn.Threshold(0.5, -1), lambda: nn.Threshold(0, 0, True)],
    "WeightedEuclidean": [lambda: nn.WeightedEuclidean(3, 2)],
    "WhiteNoise": [nn.WhiteNoise, lambda: nn.WhiteNoise(1, 0)],
}


def samples(name: str) -> list[Callable[[], nn.Module]]:
    return SAMPLES.get(name, [getattr(nn, name)])


# Independent rows

# What comes after (steps, batch): of one tensor, of tables, of tables in tables.
SAMPLE_SHAPES: list[Any] = [
    *[(), (0,), (1,), (2,), (3,), (6,), (2, 3), (1, 3), (3, 2), (2, 0), (2, 3, 2)],
    *[[(3,)], [(3,), (3,)], [(3,), (2,)], [(3,), (3,), (3,)], [(), ()]],
    *[[(2, 3), (2, 3)], [(2, 3), (6,)], [(2, 3), (2, 1)], [(2, 3), (1, 3)], [(3,), [(3,), (2,)]]],
]


def random_input(steps: int, batch: int, shape: Any) -> Any:
    """Doubles of both signs, (steps, batch, *shape), or a table of them."""
    if isinstance(shape, list):
        return [random_input(steps, batch, each) for each in shape]
    size = (steps, batch, *shape)
    return torch.rand(size, dtype=torch.float64, generator=generator) * 4 - 2


START = torch7_random.Generator(1).getRNGState()
generator = torch.Generator().manual_seed(1)
INPUTS = [
    random_input(steps, batch, shape)
    for steps, batch in [(3, 1), (2, 4)]
    for shape in SAMPLE_SHAPES
]


def step_by_step(layer: nn.Module, input: Any) -> Any:
    """The oracle: `layer` on each step alone, outputs stacked along a new first dimension."""
    steps = len(nested.leaves(input)[0])
    outputs = [layer(nested.map_leaves(lambda x, t=t: x[t], input)) for t in range(steps)]
    columns = zip(*map(nested.leaves, outputs), strict=True)
    return nested.rebuild(outputs[0], iter([torch.stack(column) for column in columns]))


def as_one_batch(layer: nn.Module, input: Any) -> Any:
    """`layer` on all steps as one batch, (steps * batch, ...)."""
    steps = len(nested.leaves(input)[0])
    output = layer(nested.map_leaves(lambda x: x.flatten(0, 1), input))
    return nested.map_leaves(lambda x: x.unflatten(0, (steps, len(x) // steps)), output)


def results(run: Callable[[nn.Module, Any], Any], layer: nn.Module, input: Any) -> Any:
    """The outputs, and the gradients of input and parameters; or the type of the error.

    Random layers draw from Torch7's generator, from one state and in the order of the elements.
    """
    entered = nested.map_leaves(lambda x: x.clone().requires_grad_(), input)
    leaves = [*nested.leaves(entered), *layer.parameters()]
    torch7_random.setRNGState(START)
    with nngraph.reference_mode():
        try:
            output = run(layer, entered)
        except (GraphError, RuntimeError, AttributeError, TypeError) as error:
            return type(error)
    outputs = nested.leaves(output)
    factors = [torch.arange(1.0, y.numel() + 1).view(y.shape).cos() for y in outputs]
    losses = [(y * factor).sum() for y, factor in zip(outputs, factors, strict=True)]
    loss = sum(losses, start=leaves[0].sum() * 0)  # a table without elements has no losses
    grads = torch.autograd.grad(loss, leaves, allow_unused=True)
    zeros = [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, grads, strict=True)]
    return [nested.map_leaves(torch.Tensor.detach, output), zeros]


def check_rows(make: Callable[[], nn.Module], input: Any, training: bool) -> bool:
    """Compare both ways of running if the layer claims that they agree; return whether both ran."""
    layer = make().double().train(training)
    if not layer.row_wise([x.shape for x in nested.leaves(input)]):
        return False
    if isinstance(layer, nn.LookupTable):
        input = nested.map_leaves(lambda x: x.abs().floor(), input)
    expected, batched = (results(run, layer, input) for run in (step_by_step, as_one_batch))
    if isinstance(expected, type):
        assert batched is expected
        return False
    assert not isinstance(batched, type), f"{batched.__name__} for all steps as one batch only"
    assert nested.describe(batched) == nested.describe(expected)
    for ours, theirs in nested.pairs(batched, expected, "results"):
        assert torch.allclose(ours, theirs, rtol=1e-12, atol=1e-12, equal_nan=True)
    return True


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("name", layers_that_claim("row_wise"))
def test_steps_as_one_batch_equal_steps_alone(name: str, training: bool) -> None:
    compared = 0
    for make, input in itertools.product(samples(name), INPUTS):
        steps, batch, *_ = nested.leaves(input)[0].shape
        compared += check_rows(make, input, training) and steps > 1 < batch
    assert compared, "the layer makes no claim for any of these inputs"


class Centered(nn.Module):
    """A layer whose claim is wrong: each row depends on all rows of the batch."""

    def row_wise(self, shapes: Any) -> bool:
        return True

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return input - input.mean(0)


def test_a_wrong_claim_is_noticed() -> None:
    with pytest.raises(AssertionError, match="allclose"):
        check_rows(Centered, torch.arange(12.0).reshape(3, 2, 2).double(), True)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: nn.LookupTable(2, 3).scaleGradByFreq(), (3, 2)),
        (lambda: nn.Reshape(0), (3, 1, 0)),
        (lambda: nn.Reshape(3, batchMode=False), (3, 1, 3)),
        (lambda: nn.SplitTable(0), (3, 2, 3)),
        (lambda: nn.SplitTable(-2), (3, 2, 3)),
    ],
)
def test_no_claim_where_the_results_differ(
    make: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    layer = make().double()
    assert not layer.row_wise([torch.Size(shape)])
    input = torch.zeros(shape, dtype=torch.float64)
    expected, batched = (results(run, layer, input) for run in (step_by_step, as_one_batch))
    if nested.describe(expected) == nested.describe(batched):
        pairs = nested.pairs(expected, batched, "results")
        assert not all(torch.equal(a, b) for a, b in pairs)


# Routes

a, b, c = (torch.tensor([float(i)]) for i in range(3))
ROUTED: dict[str, list[tuple[Callable[[], nn.Module], Any]]] = {
    "Identity": [(nn.Identity, a), (nn.Identity, [a, [b, c]]), (nn.Identity, {"x": a})],
    "JustElement": [(nn.JustElement, [a]), (nn.JustElement, [[a, b]])],
    "JustTable": [(nn.JustTable, a), (nn.JustTable, [a, b])],
    "NarrowTable": [
        (lambda: nn.NarrowTable(0), [a, b]),
        (lambda: nn.NarrowTable(1, 2), [a, [b], c]),
        (lambda: nn.NarrowTable(0, 3), (a, b, c)),
    ],
    "SelectTable": [
        (lambda: nn.SelectTable(0), [a, b]),
        (lambda: nn.SelectTable(-1), (a, [b, c])),
        (lambda: nn.SelectTable("x"), {"y": a, "x": b}),
    ],
}


def along(route: Route | None, input: Any) -> Any:
    """The part of `input` that `route` leads to."""
    if isinstance(route, Whole):
        return input
    if isinstance(route, Wrapped):
        return [input]
    if isinstance(route, Slice):
        return list(input)[route.offset : route.offset + route.length]
    assert isinstance(route, Element)
    assert len(input) == 1 or not route.only
    return input[route.key]


def test_every_route_has_samples() -> None:
    assert layers_that_claim("route") == sorted(ROUTED)


@pytest.mark.parametrize(("make", "input"), [each for pairs in ROUTED.values() for each in pairs])
def test_routes_lead_to_the_output(make: Callable[[], nn.Module], input: Any) -> None:
    layer = make()
    expected = along(layer.route(), input)
    for output in (layer.updateOutput(input), layer.run(input)):
        assert nested.describe(output) == nested.describe(expected)
        for x, y in nested.pairs(output, expected, "outputs"):
            assert x is y


@pytest.mark.parametrize(
    ("layer", "input"),
    [
        (nn.JustElement(), [a, b]),
        (nn.JustElement(), []),
        (nn.NarrowTable(1, 2), [a, b]),
        (nn.SelectTable(2), [a, b]),
        (nn.SelectTable("z"), {"x": a}),
    ],
)
def test_a_layer_refuses_what_its_route_does_not_fit(layer: nn.Module, input: Any) -> None:
    with pytest.raises(GraphError):
        layer.updateOutput(input)


# Signs and titles


def test_layers_of_one_sign_compute_alike() -> None:
    by_sign: dict[str, list[nn.Module]] = {}
    for name in layers_that_claim("sign"):
        for layer in (make() for make in samples(name)):
            if layer.sign is not None:
                by_sign.setdefault(layer.sign, []).append(layer.eval())
    assert {"+", "×", "softmax", "σ"} <= by_sign.keys()
    x = torch.tensor([[-0.7, 0.2, 0.4], [0.3, -1.0, 0.6]])
    for first, *others in by_sign.values():
        for layer in others:
            if type(layer) is not type(first):
                assert torch.equal(layer(x), first(x))


def test_signs_of_constants() -> None:
    assert [nn.AddConstant(2).sign, nn.AddConstant(-1.5).sign] == ["+2", "+−1.5"]
    assert [nn.AddConstant(torch.ones(3)).sign, nn.MulConstant(-1).sign] == ["+c", "×−1"]


@pytest.mark.parametrize("name", layers_that_claim("commutative"))
def test_commutative_layers_take_their_inputs_in_any_order(name: str) -> None:
    layer = getattr(nn, name)()
    assert layer.commutative is True
    values = [torch.tensor([1.0, 5, -3]), torch.tensor([4.0, 2, -2]), torch.tensor([0.5, 8, 7])]
    for order in itertools.permutations(values):
        assert torch.equal(layer(list(order)), layer(values))


@pytest.mark.parametrize("name", layers_that_claim(*CLAIMS))
def test_titles_name_the_class(name: str) -> None:
    for make in samples(name):
        assert make().title().split()[0] == name


# Subclasses


def claims(cls: type[nn.Module]) -> list[Any]:
    return [getattr(cls, claim) for claim in CLAIMS]


class Mixin:
    """Overrides the computation from beside the layers."""

    def updateOutput(self, input: Any) -> Any:
        return input


@pytest.mark.parametrize("name", layers_that_claim(*CLAIMS))
def test_claims_of_subclasses(name: str) -> None:
    cls = getattr(nn, name)
    none, own = claims(nn.Module), claims(cls)
    renamed = type("Renamed", (cls,), {"__repr__": lambda self: "renamed", "reset": None})
    assert claims(renamed) == own
    for method in COMPUTATION:
        other = type("Other", (cls,), {method: lambda self, *arguments: None})
        assert claims(other) == none
        assert claims(type("Derived", (other,), {})) == none
        stated = type("Stated", (cls,), {method: lambda self, *arguments: None, "sign": "!"})
        assert (stated.sign, stated.row_wise) == ("!", nn.Module.row_wise)
    assert claims(type("Mixed", (Mixin, cls), {})) == none
