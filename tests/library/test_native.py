"""The compiled softmax and loss, and the checks of what is passed to the kernels.

test_lstm_loops.py tests the LSTM's kernels, test_bfloat16.py those in bfloat16,
test_native_build.py and test_native_cache.py how they are compiled and kept.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers import cpu_capabilities, use_compiled

import pygraph_nn as nngraph
from pygraph_nn import GraphError, nn
from pygraph_nn.recurrent import native as kernels
from pygraph_nn.recurrent.native import build, loading, structs


@pytest.fixture(params=cpu_capabilities() or [None])
def compiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    use_compiled(request.param, monkeypatch)


@pytest.mark.parametrize("classes", [1, 5, 16, 17, 40, 10_000])
@pytest.mark.parametrize("largest", [1.0, 50.0, 1e4])
def test_softmax_and_loss(compiled: None, classes: int, largest: float) -> None:
    generator = torch.Generator().manual_seed(classes)
    scores = torch.randn(9, classes, generator=generator) * largest
    target = torch.randint(classes, (9,), generator=generator)
    exact = scores.double().requires_grad_()
    expected = torch.nn.functional.cross_entropy(exact, target, reduction="none")
    (gradient,) = torch.autograd.grad(expected.sum(), exact)
    before = scores.clone()
    only_losses, _ = kernels.softmax_loss(scores, target, gradient=False)
    assert torch.equal(scores, before)
    losses, factor = kernels.softmax_loss(scores, target, gradient=True)
    assert torch.equal(losses, only_losses)
    torch.testing.assert_close(losses.double(), expected.detach(), rtol=5e-7, atol=1e-6)
    found = scores.double() * factor[:, None].double()
    torch.testing.assert_close(found, gradient, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("odd", [torch.nan, torch.inf])
def test_a_softmax_of_what_is_no_number(compiled: None, odd: float) -> None:
    scores = torch.zeros(3, 40)
    scores[1, 37] = odd
    losses, _ = kernels.softmax_loss(scores, torch.zeros(3, dtype=torch.long), gradient=True)
    assert losses.isnan().tolist() == [False, True, False]
    assert scores[1].isnan().any()


@pytest.mark.parametrize("average", [True, False])
def test_losses_that_count_differently(compiled: None, average: bool) -> None:
    """A descent's gradients where each step has a weight of its own, against double precision."""
    generator = torch.Generator().manual_seed(1)
    words, width, classes = (7, 3), 6, 1100
    linear = nn.Linear(width, classes)
    x, y = nn.Identity()(), nn.Identity()()
    log_p = nn.LogSoftMax()(linear(nn.Linear(5, width)(x)))
    losses = nn.ClassNLLCriterion(None, average)([log_p, y])
    core = nngraph.gModule([x, y], [losses])
    for parameter in core.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    input = torch.randn(*words, 5, generator=generator)
    target = torch.randint(classes, words, generator=generator)
    weights = torch.tensor([[1.0], [-2.0], [0.0], [0.5], [3.0], [1e-3], [20.0]])
    exact = [p.detach().double().requires_grad_() for p in core.parameters()]
    hidden = torch.nn.functional.linear(input.double(), *exact[:2])
    scores = torch.nn.functional.linear(hidden, *exact[2:]).flatten(0, 1)
    rows = torch.nn.functional.cross_entropy(scores, target.flatten(), reduction="none")
    expected = rows.view(words).mean(1) if average else rows.view(words).sum(1)
    gradients = torch.autograd.grad((expected * weights[:, 0]).sum(), exact)
    descent = nngraph.FlatSGD(nngraph.recurrent(core, {}))
    made = descent.forward([input, target])
    torch.testing.assert_close(made[:, 0].double(), expected, rtol=1e-6, atol=1e-6)
    descent.backward([made], [weights])
    for parameter, gradient in zip(core.parameters(), gradients, strict=True):
        assert parameter.grad is not None
        error = (parameter.grad.double() - gradient).norm() / gradient.norm()
        assert error < 1e-6


@pytest.mark.parametrize("target", [-1, 5, 2**31, 2**32, -(2**63)])
@pytest.mark.parametrize("gradient", [True, False])
def test_a_target_that_is_no_class(compiled: None, target: int, gradient: bool) -> None:
    """C would read and write outside the scores; nothing is written."""
    scores = torch.arange(20.0).view(4, 5)
    before = scores.clone()
    with pytest.raises(GraphError, match=rf"target\[2\] is {target}, but the classes are 0 to 4"):
        kernels.softmax_loss(scores, torch.tensor([0, 4, target, 9]), gradient)
    assert torch.equal(scores, before)


def without_storage(tensor: torch.Tensor) -> torch.Tensor:
    tensor = tensor.clone()
    tensor.untyped_storage().resize_(0)
    return tensor


# What a kernel must not be passed in place of a tensor of two dimensions or more.
WRONG: dict[str, Callable[[torch.Tensor], Any]] = {
    "a list": lambda x: x.tolist(),
    "None": lambda x: None,
    "another dtype": lambda x: x.to(torch.int32),
    "a dtype of half the size": lambda x: x.bfloat16(),
    "another device": lambda x: x.to("meta"),
    "a row too few": lambda x: x[1:],
    "a row too many": lambda x: torch.cat([x, x[:1]]),
    "another number of dimensions": lambda x: x[..., None],
    "transposed": lambda x: x.transpose(0, -1).contiguous().transpose(0, -1),
    "every other element": lambda x: torch.stack([x, x], -1)[..., 0],
    "expanded": lambda x: x[:1].expand_as(x),
    "stored with the other sign": torch._neg_view,
    "without storage": without_storage,
}
LSTM_SHAPES = {  # 2 steps, a batch of 3, 5 units
    "block": (6, 20),
    "gates": (2, 3, 20),
    "h": (3, 3, 6),
    "c": (3, 3, 5),
    "tanh_c": (2, 3, 5),
    "d": (2, 3, 20),
    "dc": (3, 5),
    "grad_h": (2, 3, 5),
    "grad_c": (2, 3, 5),
}
GATE_SLICES = (0, 1, 2, 3)


def lstm_tensors(function: str) -> dict[str, torch.Tensor]:
    names = list(LSTM_SHAPES)[: 5 if function == "lstm_forward" else None]
    tensors = {name: torch.full(LSTM_SHAPES[name], 0.25) for name in names}
    return {**tensors, "packed": torch.zeros(kernels.packed_size(5))}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("function", ["lstm_forward", "lstm_backward"])
def test_tensors_that_the_lstm_refuses(compiled: None, function: str, wrong: str) -> None:
    """The message names the tensor, and the kernel writes nothing."""
    tensors = lstm_tensors(function)
    kernels.lstm(function, GATE_SLICES, **tensors)
    for name, tensor in tensors.items():
        if name == "packed" and wrong == "transposed":
            continue  # it has one dimension
        others = {key: value for key, value in tensors.items() if key != name}
        before = {key: value.clone() for key, value in others.items()}
        # The shape of `gates` says what the others must be.
        named = rf"{function}: {'.*' if name == 'gates' else name} must be"
        with pytest.raises(GraphError, match=named):
            kernels.lstm(function, GATE_SLICES, **{**tensors, name: WRONG[wrong](tensor)})
        assert all(torch.equal(value, before[key]) for key, value in others.items())


@pytest.mark.parametrize("slices", [(0, 1, 2), (0, 1, 2, 4), (0, 1, 1, 3), (-1, 0, 1, 2)])
def test_gate_slices_that_the_lstm_refuses(compiled: None, slices: tuple[int, ...]) -> None:
    with pytest.raises(GraphError, match="gate_slices must be 0, 1, 2 and 3 in some order"):
        kernels.lstm("lstm_forward", slices, **lstm_tensors("lstm_forward"))


def test_a_tensor_missing_or_unknown(compiled: None) -> None:
    for name in [*LSTM_SHAPES, "packed"]:
        tensors = lstm_tensors("lstm_backward")
        del tensors[name]
        if name in ("grad_h", "grad_c"):  # optional
            kernels.lstm("lstm_backward", GATE_SLICES, **tensors)
        else:
            with pytest.raises(GraphError, match=rf"missing \['{name}'\]|gates must be"):
                kernels.lstm("lstm_backward", GATE_SLICES, **tensors)
    tensors = {**lstm_tensors("lstm_forward"), "x": torch.zeros(3)}
    with pytest.raises(GraphError, match=r"unknown \['x'\]"):
        kernels.lstm("lstm_forward", GATE_SLICES, **tensors)


@pytest.mark.parametrize("wrong", WRONG)
def test_tensors_that_the_loss_refuses(compiled: None, wrong: str) -> None:
    scores, target = torch.rand(4, 5), torch.zeros(4, dtype=torch.int64)
    with pytest.raises(GraphError, match=r"softmax_loss: (scores|target) must be"):
        kernels.softmax_loss(WRONG[wrong](scores), target, gradient=False)
    if wrong not in ("stored with the other sign", "transposed"):
        before = scores.clone()
        with pytest.raises(GraphError, match="softmax_loss: target must be"):
            kernels.softmax_loss(scores, WRONG[wrong](target), gradient=True)
        assert torch.equal(scores, before)


def test_what_a_message_says(compiled: None) -> None:
    expected = (
        "softmax_loss: target must be a contiguous torch.int64 tensor (4,) on the CPU, "
        "got torch.int32 tensor (4,) on cpu, strides (1,)"
    )
    with pytest.raises(GraphError, match=f"^{re.escape(expected)}$"):
        kernels.softmax_loss(torch.rand(4, 5), torch.zeros(4, dtype=torch.int32), gradient=False)


@pytest.mark.parametrize(("rows", "classes"), [(0, 5), (0, 0)])
def test_no_rows(compiled: None, rows: int, classes: int) -> None:
    target = torch.zeros(rows, dtype=torch.int64)
    losses, factor = kernels.softmax_loss(torch.empty(rows, classes), target, gradient=True)
    assert losses.shape == factor.shape == (0,)


def test_what_they_accept(compiled: None) -> None:
    good = torch.zeros(2)
    assert kernels.kernels_accept(good, torch.nn.Parameter(good), good[::2])
    for other in (good.double(), good.to("meta"), good.long()):
        assert not kernels.kernels_accept(good, other)


def test_calls_without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "library", lambda: None)
    assert not kernels.kernels_accept(torch.zeros(2))
    with pytest.raises(GraphError, match="no compiled kernels"):
        kernels.packed_size(3)


def lstm_with(change: Callable[[list[Any]], object]) -> type[ctypes.Structure]:
    fields = list(structs.Lstm._fields_)
    change(fields)
    return type("Lstm", (ctypes.Structure,), {"_fields_": fields})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda fields: fields.insert(3, fields.pop(4)), "member c"),
        (lambda fields: fields.reverse(), "member threads"),
        (lambda fields: fields.pop(), "member threads"),
        (lambda fields: fields.pop(2), "member h"),
        (lambda fields: fields.append(("more", ctypes.c_int)), "member more"),
        (lambda fields: fields.insert(0, ("more", ctypes.c_void_p)), "member more"),
        (lambda fields: fields.__setitem__(13, ("steps", ctypes.c_int64)), "member steps"),
        (lambda fields: fields.__setitem__(12, ("slice", ctypes.c_int * 3)), "member slice"),
        (lambda fields: fields.__setitem__(3, ("H", ctypes.c_void_p)), "member H"),
    ],
)
def test_a_struct_that_is_not_that_of_c(
    compiled: None, monkeypatch: pytest.MonkeyPatch, change: Callable[[list[Any]], Any], named: str
) -> None:
    functions = loading.library()
    assert functions is not None
    structs.declare(functions)
    monkeypatch.setitem(structs.STRUCTS, "lstm", lstm_with(change))
    with pytest.raises(kernels.Unavailable, match=rf"struct lstm, {named}: .* in C, but .* in Py"):
        structs.declare(functions)


def test_every_function_and_struct_is_declared() -> None:
    """Against the C sources: what they export, and the tables of all members."""
    sources = "".join(file.read_text() for file in build.SOURCES.glob("*.c"))
    functions = structs.FUNCTIONS | structs.BFLOAT16_FUNCTIONS
    all_structs = structs.STRUCTS | structs.BFLOAT16_STRUCTS
    exported = re.findall(r"(?m)^(?!static|INLINE)\w+ (\w+)\(", sources)
    assert sorted(exported) == sorted(functions)
    sources += (build.SOURCES / "lstm.h").read_text()
    for name, struct in all_structs.items():
        body = re.search(rf"struct {name} {{(.*?)\n}};", sources, re.DOTALL)
        assert body is not None
        declarations = re.sub(r"/\*.*?\*/", "", body[1], flags=re.DOTALL).split(";")
        members = [
            re.sub(r"\[.*", "", member).split()[-1].lstrip("*")
            for declaration in declarations
            for member in declaration.split(",")
            if member.strip()
        ]
        assert members == [field[0] for field in struct._fields_]
    assert set(re.findall(r"struct (\w+) \{", sources)) == set(all_structs)
