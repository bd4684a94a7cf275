"""The kernels in bfloat16 against the same formulas in double precision, rounded alike.

PyTorch's own conversion to bfloat16 is the oracle of the rounding. Sums are float32, so results
agree up to its errors; where a result is rounded again, a few elements may fall on the other side.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from helpers import load_once, needs_bfloat16

import pygraph_nn as nngraph
from pygraph_nn import GraphError, nn
from pygraph_nn.recurrent import native as kernels
from pygraph_nn.recurrent.bfloat16 import Bfloat16Workspace
from pygraph_nn.recurrent.native import build, loading
from pygraph_nn.recurrent.workspace import Slot
from zaremba_port import gru, lstm

Tensor = torch.Tensor


def buffer(shape: tuple[int, ...]) -> Tensor:
    """A buffer that is full of what must not be read, in its padding too."""
    return torch.full(shape, torch.nan, dtype=torch.bfloat16)


def round_off(x: Tensor) -> Tensor:
    return x.bfloat16().to(x.dtype)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def by_columns(x: Tensor) -> Tensor:
    return x.t().contiguous().t()


def apart(x: Tensor) -> Tensor:
    """The same matrix as a part of a larger one, whose other elements are NaN."""
    larger = torch.full((len(x) + 2, x.shape[1] + 3), torch.nan)
    larger[1:-1, 2:-1] = x
    return larger[1:-1, 2:-1]


RIGHT_FACTORS: dict[str, Any] = {
    "rows": lambda x: x,
    "columns": by_columns,
    "rows apart": apart,
    "columns apart": lambda x: apart(x.t().contiguous()).t(),
    "rounded": lambda x: kernels.round_matrix(x, buffer),
    "panels": lambda x: kernels.pack_panels(x, buffer),
    "panels from columns": lambda x: kernels.pack_panels(by_columns(x), buffer),
}
SHAPES = [  # (rows, k, columns), around the sizes of tiles, squares and blocks
    (1, 1, 1),
    (5, 2, 16),
    (6, 3, 17),
    (7, 31, 64),
    (13, 33, 47),
    (20, 200, 81),
    (12, 769, 130),
    (19, 1539, 33),
]


@needs_bfloat16()
@pytest.mark.parametrize("right", RIGHT_FACTORS)
@pytest.mark.parametrize(("rows", "k", "columns"), SHAPES)
def test_products(rows: int, k: int, columns: int, right: str) -> None:
    a, b, c = random(rows, k), random(k, columns, seed=1), random(rows, columns, seed=2)
    bias = random(columns, seed=3)
    left = kernels.round_matrix(a, buffer)
    factor = RIGHT_FACTORS[right](b)
    expected = round_off(a).double() @ round_off(b).double()
    for with_bias, add in itertools.product((False, True), (False, True)):
        out = apart(c.clone())
        found = kernels.product(left, factor, out, bias if with_bias else None, add)
        assert found is out
        start = bias.double() * with_bias + c.double() * add
        bound = 3e-7 * (k**0.5 + 4) * max(1.0, expected.abs().max().item())
        assert (found.double() - expected - start).abs().max() < bound
        parent = out._base
        assert parent is not None
        assert parent.isnan().sum() == parent.numel() - out.numel()  # nothing else was written


@needs_bfloat16()
@pytest.mark.parametrize("right", RIGHT_FACTORS)
def test_threads_do_not_change_a_product(right: str) -> None:
    a, b = kernels.round_matrix(random(41, 301), buffer), random(301, 203, seed=1)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3, 7):
            torch.set_num_threads(threads)
            out = torch.full((41, 203), torch.nan)
            results.append(kernels.product(a, RIGHT_FACTORS[right](b), out))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(results[0], other) for other in results[1:])


@needs_bfloat16()
@pytest.mark.parametrize("shape", [(1, 1), (3, 33), (16, 32), (35, 70), (50, 7)])
@pytest.mark.parametrize("layout", ["rows", "columns", "rows apart", "columns apart"])
def test_rounding_is_pytorchs(shape: tuple[int, int], layout: str) -> None:
    x = random(*shape) * 10.0 ** torch.randint(-30, 30, shape)
    x.view(-1)[:1] = torch.inf
    rounded = kernels.round_matrix(RIGHT_FACTORS[layout](x), buffer)
    rows, columns = shape
    assert torch.equal(rounded.data[:, :columns], x.bfloat16())
    assert not rounded.data[:, columns:].any()  # an odd row ends with a 0


@needs_bfloat16()
def test_the_ends_of_the_range() -> None:
    """Halves go to the even neighbour; the largest become infinite; NaN stays; the least are 0."""
    x = torch.tensor([[1 + 2**-8, 1 + 3 * 2**-8, 3.4e38, torch.nan, -0.0, 1e-39, -1e-45]])
    found = kernels.round_matrix(x, buffer).data[0].float().tolist()
    assert found[:3] == [1.0, 1 + 2**-6, torch.inf]
    assert found[3] != found[3]
    assert found[4:7] == [0.0, 0.0, 0.0]  # numbers that float32 holds with fewer digits


@needs_bfloat16()
def test_columns_are_scaled_before_they_are_rounded() -> None:
    x, scale = random(37, 21), random(21, seed=1)
    rounded = kernels.round_matrix(by_columns(x), buffer, scale)
    assert torch.equal(rounded.data[:, :21], (x * scale).bfloat16())
    with pytest.raises(GraphError, match="scale needs contiguous columns"):
        kernels.round_matrix(x, buffer, scale)


@needs_bfloat16()
@pytest.mark.parametrize("classes", [1, 5, 31, 32, 33, 1000])
@pytest.mark.parametrize("largest", [1.0, 1e4])
def test_softmax_and_loss(classes: int, largest: float) -> None:
    scores, target = random(9, classes) * largest, torch.arange(9) * 7 % classes
    exact = scores.double().requires_grad_()
    expected = torch.nn.functional.cross_entropy(exact, target, reduction="none")
    (gradient,) = torch.autograd.grad(expected.sum(), exact)
    before = scores.clone()
    losses, factor, found = kernels.softmax_loss_bfloat16(scores, target, buffer)
    assert torch.equal(scores, before)
    torch.testing.assert_close(losses.double(), expected.detach(), rtol=5e-7, atol=1e-6)
    rows = found.data[:, :classes].double() * factor[:, None]
    torch.testing.assert_close(rows, gradient, rtol=2**-8, atol=1e-7)
    assert not found.data[:, classes:].any()


@needs_bfloat16()
@pytest.mark.parametrize("odd", [torch.nan, torch.inf])
def test_a_softmax_of_what_is_no_number(odd: float) -> None:
    scores = torch.zeros(3, 40)
    scores[1, 37] = odd
    losses, _, found = kernels.softmax_loss_bfloat16(scores, torch.zeros(3).long(), buffer)
    assert losses.isnan().tolist() == [False, True, False]
    assert found.data.isnan().any(1).tolist() == [False, True, False]


@needs_bfloat16()
@pytest.mark.parametrize("target", [-1, 5, 2**32])
def test_a_target_that_is_no_class(target: int) -> None:
    with pytest.raises(GraphError, match=rf"target\[1\] is {target}, but the classes are 0 to 4"):
        kernels.softmax_loss_bfloat16(torch.zeros(2, 5), torch.tensor([0, target]), buffer)


WRONG: dict[str, Any] = {
    "a list": lambda x: x.tolist(),
    "another dtype": lambda x: x.double(),
    "another device": lambda x: x.to("meta"),
    "another number of dimensions": lambda x: x[None],
    "every other element": lambda x: torch.stack([x, x], -1)[..., 0],
    "expanded": lambda x: x[:1].expand_as(x),
    "stored with the other sign": torch._neg_view,
}


@needs_bfloat16()
@pytest.mark.parametrize("wrong", WRONG)
def test_matrices_that_are_refused(wrong: str) -> None:
    a, b, out = kernels.round_matrix(random(4, 6), buffer), random(6, 5), torch.zeros(4, 5)
    for call in (
        lambda: kernels.round_matrix(WRONG[wrong](b), buffer),
        lambda: kernels.pack_panels(WRONG[wrong](b), buffer),
        lambda: kernels.product(a, WRONG[wrong](b), out),
        lambda: kernels.product(a, b, WRONG[wrong](out)),
    ):
        with pytest.raises(GraphError, match=r"a matrix must be torch\.float32 on the CPU"):
            call()
    assert not out.any()


@needs_bfloat16()
def test_factors_that_do_not_fit() -> None:
    a, b, out = kernels.round_matrix(random(4, 6), buffer), random(6, 5), torch.zeros(4, 5)
    with pytest.raises(GraphError, match="a has 6 columns, but b has 5 rows"):
        kernels.product(a, b.t(), out)
    for wrong in (out[:3], out[:, :4], torch.zeros(5, 4).t()):
        with pytest.raises(GraphError, match=r"out must be \(4, 5\) with contiguous rows"):
            kernels.product(a, b, wrong)
    with pytest.raises(GraphError, match="bias must be"):
        kernels.product(a, b, out, torch.zeros(4))
    for data in (a.data[1:], a.data.float(), torch.cat([a.data, a.data], 1)[:, :6]):
        with pytest.raises(GraphError, match="a must be"):
            kernels.product(kernels.Rounded(data, 4, 6), b, out)
    panels = kernels.pack_panels(b, buffer)
    with pytest.raises(GraphError, match="a factor must be"):
        kernels.product(a, kernels.Panels(panels.data[1:], 6, 5), out)
    with pytest.raises(GraphError, match="buffer must be"):
        kernels.round_matrix(b, lambda shape: torch.zeros(shape))
    assert not out.any()


class RoundedLinear(torch.autograd.Function):
    """The oracle of a linear layer: every factor of the three products is rounded.

    The bias is not. Its gradient is the sum of the rounded gradients: a product with ones.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return round_off(x) @ round_off(weight).t() + bias

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        rows = round_off(grad).flatten(0, -2)
        d_weight = rows.t() @ round_off(x).flatten(0, -2)
        return round_off(grad) @ round_off(weight), d_weight, rows.sum(0)


def linear(x: Tensor, parameters: list[Tensor]) -> Tensor:
    """The rounded linear layer; takes its weight and bias off `parameters`."""
    y: Tensor = RoundedLinear.apply(x, parameters.pop(0), parameters.pop(0))
    return y


def lstm_by_hand(x: Tensor, parameters: list[Tensor], c: Tensor, h: Tensor) -> list[Tensor]:
    from_x, of_h, out = linear(x, parameters), parameters[:2], parameters[2:]
    steps = []
    for sums in from_x:
        into, transform, forget, shown = (sums + linear(h, [*of_h])).chunk(4, 1)
        c = forget.sigmoid() * c + into.sigmoid() * transform.tanh()
        h = shown.sigmoid() * c.tanh()
        steps.append(h)
    return [linear(torch.stack(steps), out), c, h]


def gru_by_hand(x: Tensor, parameters: list[Tensor], h: Tensor) -> list[Tensor]:
    from_x, of_h, of_gated, out = (
        linear(x, parameters),
        parameters[:2],
        parameters[2:4],
        parameters[4:],
    )
    steps = []
    for x_sums in from_x:
        x_update, x_reset, x_candidate = x_sums.chunk(3, 1)
        h_update, h_reset = linear(h, [*of_h]).chunk(2, 1)
        z, r = (x_update + h_update).sigmoid(), (x_reset + h_reset).sigmoid()
        h = z * (x_candidate + linear(r * h, [*of_gated])).tanh() + (1 - z) * h
        steps.append(h)
    return [linear(torch.stack(steps), out), h]


def one_cell(cell: Any, states: int, sizes: tuple[int, int, int]) -> nngraph.gModule:
    inputs, size, outputs = sizes
    x, *state = [nn.Identity()() for _ in range(1 + states)]
    next_state = cell(x, *state, input_size=inputs, rnn_size=size)
    core = nngraph.gModule([x, *state], [nn.Linear(size, outputs)(next_state[-1]), *next_state])
    for i, parameter in enumerate(core.parameters()):
        parameter.data = random(*parameter.shape, seed=i) * 0.3
    return core


def distance(a: list[Tensor], b: list[Tensor]) -> float:
    """The norm of the difference relative to the norm."""
    flat_a, flat_b = (torch.cat([x.detach().double().flatten() for x in xs]) for xs in (a, b))
    return float((flat_a - flat_b).norm() / flat_b.norm())


@needs_bfloat16()
@pytest.mark.parametrize(("cell", "by_hand", "states"), [
    (lstm, lstm_by_hand, 2),
    (gru, gru_by_hand, 1),
])  # fmt: skip
@pytest.mark.parametrize(("batch", "sizes"), [
    (1, (1, 1, 1)),
    (3, (4, 5, 3)),
    (5, (33, 16, 1100)),
    (20, (20, 70, 40)),
    (11, (7, 97, 18)),
])  # fmt: skip
def test_cells_round_where_they_should(
    cell: Any, by_hand: Any, states: int, batch: int, sizes: tuple[int, int, int]
) -> None:
    """Outputs, states and gradients; twice, for buffers that are used again."""
    core = one_cell(cell, states, sizes)
    sgd = nngraph.FlatSGD(nngraph.recurrent(core, {1 + i: 1 + i for i in range(states)}))
    sgd.use_precision("bfloat16")
    assert isinstance(sgd._workspace, Bfloat16Workspace)
    parameters = list(core.parameters())
    for seed in (50, 60):
        x = random(4, batch, sizes[0], seed=seed)
        state = [random(batch, sizes[1], seed=seed + i) for i in range(1, 1 + states)]
        outputs = sgd.forward([x, *state])
        weights = [random(*value.shape, seed=seed + 5 + i) for i, value in enumerate(outputs)]
        sgd.backward(outputs, weights)
        found = [*outputs, *(p.grad for p in parameters if p.grad is not None)]
        results = {}
        for rounds in (True, False):
            exact = [p.detach().double().requires_grad_() for p in parameters]
            with pytest.MonkeyPatch.context() as patch:
                if not rounds:
                    patch.setitem(globals(), "round_off", lambda x: x)
                values = by_hand(x.double(), [*exact], *(s.double() for s in state))
                torch.autograd.backward(values, [w.double() for w in weights])
            results[rounds] = [*values, *(p.grad for p in exact if p.grad is not None)]
        assert len(found) == len(results[True])
        # Sums differ by errors of float32; where they are rounded again, a few fall elsewhere.
        error = distance(found, results[True])
        assert error < 5e-4
        assert error < distance(found, results[False]) / 10


@needs_bfloat16()
def test_the_loss_rounds_where_it_should() -> None:
    """Against the formulas: the gradient of the scores is rounded before it is divided."""
    steps, batch, width, classes = 3, 5, 17, 90
    x, y = nn.Identity()(), nn.Identity()()
    layer = nn.Linear(width, classes)
    losses = nn.ClassNLLCriterion()([nn.LogSoftMax()(layer(x)), y])
    core = nngraph.gModule([x, y], [losses])
    weight, bias = layer.weight, layer.bias
    assert bias is not None
    sgd = nngraph.FlatSGD(nngraph.recurrent(core, {}))
    sgd.use_precision("bfloat16")
    input = random(steps, batch, width)
    target = torch.arange(steps * batch).view(steps, batch) * 7 % classes
    grads = torch.tensor([[1.0], [-2.0], [0.5]])
    found = sgd.forward([input, target])
    sgd.backward([found], [grads])
    rows, w, labels = input.flatten(0, 1).double(), weight.detach().double(), target.flatten()
    scores = round_off(rows) @ round_off(w).t() + bias.detach().double()
    e = (scores - scores.amax(1, keepdim=True)).exp()
    total = e.sum(1, keepdim=True)
    expected = -(e / total).gather(1, labels[:, None]).log().view(steps, batch).mean(1)
    torch.testing.assert_close(found[:, 0].double(), expected, rtol=1e-6, atol=1e-6)
    d = round_off(e.scatter_add(1, labels[:, None], -total))
    factor = grads.double().expand(steps, batch).reshape(-1, 1) / batch / total
    d_weight, d_bias = d.t() @ round_off(rows * factor), d.t() @ round_off(factor)
    assert weight.grad is not None
    assert bias.grad is not None
    assert distance([weight.grad, bias.grad], [d_weight, d_bias[:, 0]]) < 2e-4


@needs_bfloat16()
def test_a_remembered_matrix_is_rounded_again_after_a_change() -> None:
    workspace, out = Bfloat16Workspace({}), torch.zeros(4, 5)
    a, b, remembered = random(4, 6), random(6, 5), random(4, 6, seed=1)
    workspace.remember(a, kernels.round_matrix(remembered, buffer))
    expected = workspace.product(remembered, b, torch.zeros(4, 5))
    assert torch.equal(workspace.product(a, b, out), expected)
    assert torch.equal(workspace.product(a[:, :], b, out), expected)
    for other in (a[:2], a.view(6, 4), a.t().contiguous().t()):
        fresh = Bfloat16Workspace({})
        c, d = random(other.shape[1], 3), torch.zeros(len(other), 3)
        assert torch.equal(workspace.product(other, c, d), fresh.product(other, c, d.clone()))
    a += 1
    fresh = Bfloat16Workspace({}).product(a, b, torch.zeros(4, 5))
    assert torch.equal(workspace.product(a, b, out), fresh)


@needs_bfloat16()
def test_gradients_whose_elements_share_memory() -> None:
    workspace, values = Bfloat16Workspace({}), random(5, 4)
    inputs, grad = random(7, 5, seed=1), torch.ones(1).expand(7, 4)
    slot = Slot(values)
    found = workspace.block_gradient(slot, inputs, grad)
    assert found is not None
    torch.testing.assert_close(found, round_off(inputs).t() @ grad, rtol=1e-5, atol=1e-5)


@needs_bfloat16()
def test_threads_do_not_change_a_step() -> None:
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            sgd = nngraph.FlatSGD(nngraph.recurrent(one_cell(lstm, 2, (20, 70, 40)), {1: 1, 2: 2}))
            sgd.use_precision("bfloat16")
            outputs = sgd.forward([random(4, 20, 20), random(20, 70), random(20, 70)])
            sgd.backward(outputs, [torch.ones_like(value) for value in outputs])
            results.append([*(value.clone() for value in outputs), sgd.gradients.clone()])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.fixture
def without_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that this is a processor with AVX-512, but without its instructions for bfloat16."""
    monkeypatch.setattr(loading, "capability", lambda: "AVX512")
    monkeypatch.setattr(loading, "has_bfloat16_instructions", lambda: False)
    try:
        library = load_once("AVX512")
    except kernels.Unavailable as reason:
        pytest.skip(f"no compiled kernels for AVX-512: {reason}")
    monkeypatch.setattr(loading, "_outcome", lambda: library)


def test_a_processor_without_them(without_bfloat16: None) -> None:
    """The library says so and computes the products otherwise; kernels called by hand refuse."""
    reason = "this processor has no AVX512-BF16"
    assert nngraph.bfloat16_unavailable() == reason
    assert nngraph.kernels_unavailable() is None
    assert f"None of them in bfloat16: {reason}" in kernels.kernels_status()
    core = one_cell(lstm, 2, (20, 70, 40))
    sgd = nngraph.FlatSGD(nngraph.recurrent(core, {1: 1, 2: 2}))
    with pytest.warns(UserWarning, match=f"may be slower than in float32 here: {reason}"):
        sgd.use_precision("bfloat16")
    x, c, h = random(4, 20, 20), random(20, 70), random(20, 70)
    outputs = sgd.forward([x, c, h])
    expected = lstm_by_hand(x, list(core.parameters()), c, h)
    assert distance(outputs, expected) < 1e-2  # PyTorch's products are themselves rounded
    with pytest.raises(GraphError, match=f"no compiled kernels in bfloat16: {reason}"):
        kernels.round_matrix(x[0], buffer)


def test_a_processor_that_pytorch_must_not_use(
    without_bfloat16: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "has_bfloat16_instructions", lambda: True)
    reason = "PyTorch is restricted to AVX512, see ATEN_CPU_CAPABILITY in the environment"
    assert nngraph.bfloat16_unavailable() == reason


def test_no_kernels_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_outcome", lambda: kernels.Unavailable("no compiler was found"))
    assert nngraph.bfloat16_unavailable() == "no compiler was found"


def test_a_compiler_that_does_not_know_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other kernels are used, compiled without them."""
    try:
        library = load_once("AVX512")
    except kernels.Unavailable as reason:
        pytest.skip(f"no compiled kernels for AVX-512: {reason}")

    def load(capability: str) -> kernels.Library:
        if capability == build.BFLOAT16:
            raise kernels.Unavailable("gcc cannot compile: unrecognized option -mavx512bf16")
        return library

    monkeypatch.setattr(loading, "load", load)
    monkeypatch.setattr(loading, "capability", lambda: build.BFLOAT16)
    assert loading.load_for_processor() is library
    monkeypatch.setattr(loading, "_outcome", loading.load_for_processor)
    assert nngraph.bfloat16_unavailable() == "the compiler does not know AVX512-BF16"


def test_parameters_of_double_precision() -> None:
    core = one_cell(gru, 1, (3, 4, 5)).double()
    sgd = nngraph.FlatSGD(nngraph.recurrent(core, {1: 1}))
    with pytest.warns(UserWarning, match="parameters are torch.float64"):
        sgd.use_precision("bfloat16")


def test_pytorch_decides_how_far_the_processor_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """ATEN_CPU_CAPABILITY=avx2 in the environment holds for the kernels in bfloat16 too."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr(build, "has_bfloat16_instructions", lambda: True)
    try:
        assert kernels.capability() == "AVX2"
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
        assert kernels.capability() == build.BFLOAT16
    except kernels.Unavailable as reason:
        pytest.skip(f"no compiled kernels: {reason}")
