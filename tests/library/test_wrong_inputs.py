"""Numbers, arrays, lists and tensors of other types as inputs: right, or a message, never wrong."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

import pygraph_nn as nngraph
from pygraph_nn import GraphError, nested, nn
from tests.library.test_layers import EXAMPLES

X = torch.ones(2, 3)


def every(change: Callable[[torch.Tensor], Any]) -> Callable[[Any], Any]:
    return lambda input: nested.map_leaves(change, input)


def others(change: Callable[[torch.Tensor], Any]) -> Callable[[Any], Any]:
    """Change all elements of a table but the first."""
    return lambda input: [input[0], *(nested.map_leaves(change, x) for x in input[1:])]


# Inputs that are made of a right one.
VARIANTS: dict[str, Callable[[Any], Any]] = {
    "numpy": every(lambda x: x.numpy()),
    "lists": every(lambda x: x.tolist()),
    "numbers": every(lambda x: 2.5),
    "integers": every(lambda x: 2),
    "int64": every(lambda x: (2 * x).long()),
    "bool": every(lambda x: x > 0),
    "complex": every(lambda x: x.to(torch.complex128)),
    "float32": every(lambda x: x.float() if x.is_floating_point() else x),
    "empty": every(lambda x: x[:0]),
    "no dimensions": every(lambda x: x.flatten()[0]),
    "None": every(lambda x: None),
    "string": every(lambda x: "a"),
    "dict": lambda input: {"a": input},
    "generator": lambda input: (x for x in nested.leaves(input)),
    "list of one": lambda input: [input],
    "numpy after a tensor": others(lambda x: x.numpy()),
    "number after a tensor": others(lambda x: 2.5),
    "None after a tensor": others(lambda x: None),
}


def in_a_graph(layer: nn.Module, input: Any) -> Any:
    a = nn.Identity()()
    return nngraph.gModule([a], [layer(a)]).forward(input)


RUNS: dict[str, Callable[[nn.Module, Any], Any]] = {
    "forward": lambda layer, input: layer.forward(input),
    "call": lambda layer, input: layer(input),
    "graph": in_a_graph,
}


def as_doubles(value: Any) -> Any:
    """The same numbers as tensors of doubles; complex numbers stay."""
    return nested.map_leaves(
        lambda x: x.double() if torch.is_tensor(x) and not x.is_complex() else x, value
    )


def assert_same(ours: Any, theirs: Any) -> None:
    for x, y in nested.pairs(ours, theirs, "results"):
        if torch.is_tensor(y):
            assert torch.is_tensor(x)
            assert x.shape == y.shape
            kind = torch.complex128
            assert torch.allclose(x.to(kind), y.to(kind), rtol=1e-4, atol=1e-5, equal_nan=True)
        else:
            assert x is y or x == y


def ones_like(output: Any) -> Any:
    return nested.map_leaves(
        lambda y: (
            torch.ones_like(y, dtype=None if has_gradient(y) else torch.float64)
            if torch.is_tensor(y)
            else 1.0
        ),
        output,
    )


def has_gradient(x: Any) -> bool:
    return torch.is_tensor(x) and (x.is_floating_point() or x.is_complex())


def layers() -> Iterator[Any]:
    for name, (make, input) in EXAMPLES.items():
        if not isinstance(make(), nn.Criterion):
            yield pytest.param(make, input, id=name)


def as_tensors(value: Any) -> Any:
    """Numbers as tensors of doubles."""
    return nested.map_leaves(
        lambda x: torch.tensor(x, dtype=torch.float64) if isinstance(x, (int, float)) else x, value
    )


def refusal(run: Callable[[], Any]) -> str | None:
    """Run and return the message of the `GraphError`; None if there is none."""
    try:
        run()
    except GraphError as error:
        return str(error)
    return None


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(("make", "input"), list(layers()))
@pytest.mark.filterwarnings("ignore:Casting complex values to real")
def test_a_layer_is_right_or_says_what_is_wrong(
    make: Callable[[], nn.Module], input: Any, run: str
) -> None:
    """Oracle: the same layer on doubles, whose gradients `test_layers` checks."""
    for name, variant in VARIANTS.items():
        if "after" in name and not (isinstance(input, list) and len(input) > 1):
            continue
        original = make().double().eval()
        layer, value, outputs = copy.deepcopy(original), variant(input), []
        message = refusal(lambda: outputs.append(RUNS[run](layer, value)))  # noqa: B023
        if message is not None:
            assert re.search(r"nn\.\w|nngraph\.\w", message), name
            continue
        assert "numpy" not in name
        check_output(original, value, outputs[0])
        if run == "forward":
            check_backward(layer, original, value, outputs[0])


def check_output(original: nn.Module, value: Any, output: Any) -> None:
    """Numbers are right, and what is neither tensor nor number was passed on."""
    leaves = nested.leaves(value)
    if all(torch.is_tensor(x) or isinstance(x, (int, float)) for x in leaves):
        assert_same(as_tensors(output), original.forward(as_tensors(as_doubles(value))))
    else:
        for x in nested.leaves(output):
            assert torch.is_tensor(x) or any(x is leaf for leaf in leaves)


def check_backward(layer: Any, original: Any, value: Any, output: Any) -> None:
    """The gradients of tensors are right, or `backward` refuses; numbers have none."""
    gradients: list[Any] = []
    message = refusal(lambda: gradients.append(layer.backward(value, ones_like(output))))
    if message is not None:
        assert re.search(r"nn\.\w|nngraph\.\w", message)
    elif layer.takes_integers:
        pass  # the gradient of indices is zero by definition
    elif all(map(torch.is_tensor, nested.leaves(value))):
        doubles = as_doubles(value)
        ones = as_doubles(ones_like(original.forward(doubles)))
        assert_same(gradients[0], original.backward(doubles, ones))
    else:
        pairs = zip(nested.leaves(value), nested.leaves(gradients[0]), strict=True)
        assert all(dx is None for x, dx in pairs if not torch.is_tensor(x))


# What the messages say

NUMBERS = "write torch.tensor"
ARRAY = r"is a numpy array \(2, 3\) of float64: write torch.as_tensor\(array, dtype=torch.float32\)"
LINEAR = nn.Linear(3, 2)
MESSAGES: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: LINEAR.forward([[1.0, 2.0, 3.0]]),
        r"nn.Linear: .*torch.tensor\(\[\[1.0, 2.0, 3.0\]\]\)",
    ),
    (lambda: LINEAR([[1.0, 2.0]]), r"nn.Linear, .*torch.tensor\(\[\[1.0, 2.0\]\]\)"),
    (lambda: LINEAR.forward(np.ones((2, 3))), f"nn.Linear: input {ARRAY}"),
    (lambda: LINEAR(np.ones((2, 3))), f"nn.Linear, .*input {ARRAY}"),
    (lambda: LINEAR(7), "nn.Linear, .*the number 7: write torch.tensor"),
    (lambda: LINEAR(None), "None .*nn.Linear"),
    (
        lambda: LINEAR.forward(X.long()),
        r"nn.Linear: .*int64 tensor .*write x.to\(torch.float32\)",
    ),
    (lambda: LINEAR.forward(X.bool()), "nn.Linear: .*torch.bool.*write x.to"),
    (lambda: LINEAR.forward(X.double()), "nn.Linear: .*float64.* parameters are torch.float32"),
    (lambda: LINEAR.forward(X.to(torch.complex64)), "nn.Linear: .*complex64.*write x.to"),
    (lambda: LINEAR.forward([X]), r"nn.Linear: .*pass the tensor itself, input\[0\]"),
    (lambda: LINEAR.forward({"a": X}), "nn.Linear: input is a table"),
    (lambda: LINEAR.forward(iter([X])), r"nn.Linear: .*write a list"),
    (lambda: nn.Sequential(LINEAR).forward(np.ones((2, 3))), f"nn.Sequential: input {ARRAY}"),
    (lambda: nn.Sequential(torch.nn.Linear(3, 2)).forward([[1.0]]), f"nn.Sequential: .*{NUMBERS}"),
    (lambda: nn.Sequential(torch.nn.Linear(3, 2)).forward(X[:, :2]), "nn.Sequential: mat1"),
    (lambda: in_a_graph(LINEAR, np.ones((2, 3))), f"nn.gModule, .*input {ARRAY}"),
    (lambda: in_a_graph(LINEAR, [[1.0, 2.0]]), "nn.Linear: .*torch.tensor.*\n.*\n.*declared at"),
    (lambda: in_a_graph(nn.CAddTable(), [X, np.ones((2, 3))]), rf"gModule, .*input\[1\] {ARRAY}"),
    (lambda: nn.CAddTable()(x for x in [X]), "nn.CAddTable, .*a generator: write a list"),
    (lambda: nn.CAddTable().forward(x for x in [X]), "nn.CAddTable: .*write a list"),
    (lambda: nn.CAddTable()([nn.Identity()(), X]), "Nodes and tensors cannot be mixed"),
    (lambda: nn.MSECriterion().forward(np.ones((2, 3)), X), f"nn.MSECriterion: input {ARRAY}"),
    (lambda: nn.MSECriterion()(X, None), "nn.MSECriterion: target is None"),
    (lambda: nn.MSECriterion().forward(X, "a"), "nn.MSECriterion: target is a str"),
    (lambda: nn.MSECriterion().backward([1.0], X), f"nn.MSECriterion: input .*{NUMBERS}"),
    (lambda: nn.MSECriterion().backward(X.long(), X), "nn.MSECriterion: .*int64.*write x.to"),
    (lambda: nn.ClassNLLCriterion().forward(X, None), "nn.ClassNLLCriterion: target is None"),
    (lambda: nn.HardTanh(-0.5, 0.5).forward(X.long()), "nn.HardTanh: .*int64.*write x.to"),
    (lambda: nn.CAddTable().forward([X.bool(), X.bool()]), "nn.CAddTable: .*bool.*write x.to"),
    (lambda: nn.MaskedSelect().forward([X, X[0]]), "nn.MaskedSelect: the mask has shape"),
]


@pytest.mark.parametrize(("run", "message"), MESSAGES)
def test_messages_name_the_layer_and_say_what_to_write(
    run: Callable[[], Any], message: str
) -> None:
    with pytest.raises(GraphError, match=message):
        run()


def test_targets_may_be_lists_and_arrays() -> None:
    p = torch.tensor([[-1.0, -2.0], [-3.0, -4.0]])
    for target in (torch.tensor([1, 0]), [1, 0], np.array([1, 0]), np.array([1.0, 0.0])):
        assert nn.ClassNLLCriterion().forward(p, target).item() == 2.5
    for target in (p + 2, (p + 2).tolist(), (p + 2).numpy()):
        assert nn.MSECriterion().forward(p, target).item() == 4.0


# Errors of a user's own code keep their type


class Own(nn.Module):
    def updateOutput(self, input: Any) -> Any:
        raise self.error


@pytest.mark.parametrize("kind", [RuntimeError, TypeError, AttributeError, NotImplementedError])
def test_the_errors_of_a_users_layer_stay(kind: type[Exception]) -> None:
    layer = Own()
    layer.error = kind("dtype")
    for run in (layer, layer.forward, nn.Sequential(layer).forward):
        for input in (X, [X, 5], [X, None]):
            with pytest.raises(kind) as caught:
                run(input)
            assert caught.value is layer.error


# gradOutput


def backward(layer: nn.Module, input: Any, gradOutput: Any) -> Any:
    layer.forward(input)
    return layer.backward(input, gradOutput)


@pytest.mark.parametrize(
    ("gradOutput", "message"),
    [
        (1.0, r"nn.Tanh: .*\(2, 3\), .*the number 1.0: write torch.full\(\(2, 3\), 1.0\)"),
        (None, "nn.Tanh: .*gradOutput is None"),
        (np.ones((2, 3)), f"nn.Tanh: .*gradOutput {ARRAY}"),
        ([[1.0] * 3] * 2, r"nn.Tanh: .*list of numbers: write torch.tensor"),
        ([X], r"nn.Tanh: .*a table, \[\(2, 3\)\]: pass a tensor"),
        ("a", "nn.Tanh: .*a str"),
    ],
)
def test_a_gradient_that_is_no_tensor(gradOutput: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        backward(nn.Tanh(), X, gradOutput)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.float64, torch.float16])
def test_a_gradient_of_another_type(dtype: torch.dtype) -> None:
    gradient = backward(nn.Tanh(), X, X.to(dtype))
    assert gradient.dtype == torch.float32
    assert torch.allclose(gradient, 1 - X.tanh() ** 2)


def two_outputs() -> nngraph.gModule:
    a, b = nn.Identity()(), nn.Identity()()
    table = nn.Identity()([nn.Exp()(a), nn.Exp()(b)])
    return nngraph.gModule([a, b], [nn.MulConstant(2.0)(a), table])


def test_none_in_a_table_of_gradients_is_no_gradient() -> None:
    """Oracle: the gradients with zeros written out, and by hand."""
    zeros = torch.zeros(2, 3)
    for given, written, by_hand in [
        ([X, None], [X, [zeros, zeros]], [2 * X, zeros]),
        ([None, [X, None]], [zeros, [X, zeros]], [X.exp(), zeros]),
        ((None, [None, X]), [zeros, [zeros, X]], [zeros, X.exp()]),
    ]:
        ours = backward(two_outputs(), [X, X], given)
        assert_same(ours, backward(two_outputs(), [X, X], written))
        assert_same(ours, by_hand)
    for refused in ([X], None, [X, [X]], [X, X]):
        with pytest.raises(GraphError, match=r"nn\.gModule"):
            backward(two_outputs(), [X, X], refused)


@pytest.mark.parametrize(
    ("layer", "input", "gradOutput"),
    [
        (nn.Identity(), 2, 3),
        (nn.Identity(), torch.tensor([2]), torch.tensor([3])),
        (nn.Identity(), "a", "b"),
        (nn.Sequential(nn.Identity(), nn.Identity()), 3, 2),
        (nn.Identity(), [X, 5], [X, 1.0]),
        (nn.Tanh(), X.long(), X),
        (nn.Mul(), X.long(), X),
        (nn.Reshape(3, 2), X.long(), X),
        (nn.Sequential(nn.Reshape(3, 2), nn.Tanh()), X.long(), X),
    ],
)
def test_a_gradient_that_would_be_lost_is_refused(layer: Any, input: Any, gradOutput: Any) -> None:
    with pytest.raises(GraphError, match=r"nn\.\w+: .* autograd computes no gradient"):
        backward(layer, input, gradOutput)
    zeros = nested.map_leaves(lambda g: g * 0 if not isinstance(g, str) else None, gradOutput)
    if zeros is not None:
        assert not any(
            x.any() for x in nested.leaves(backward(layer, input, zeros)) if torch.is_tensor(x)
        )


def test_indices_have_a_gradient_of_zero() -> None:
    ids = torch.tensor([0, 2])
    for layer in (nn.LookupTable(3, 2), nn.OneHot(3), nngraph.function(lambda i: i * 0.5)):
        output = layer.forward(ids)
        assert torch.equal(layer.backward(ids, torch.ones_like(output)), torch.zeros_like(ids))
    frozen = nn.Sequential(nn.LookupTable(3, 2).requires_grad_(False), nn.Tanh())
    assert not backward(frozen, ids, torch.ones(2, 2)).any()


def test_a_number_in_a_table_has_no_gradient() -> None:
    scaled = nngraph.function(lambda x, n: x * n)
    gradient, none = backward(scaled, [X, 4.0], X)
    assert torch.equal(gradient, 4 * X)
    assert none is None
