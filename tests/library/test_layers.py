"""Layers beyond the golden cases: against PyTorch's own, NumPy and finite differences; mistakes."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import assert_close

import pygraph_nn as nngraph
from pygraph_nn import GraphError, nested, nn

D = torch.float64


def rand(*size: int, seed: int = 0) -> torch.Tensor:
    """Doubles in (-2, 2) that are all different and none near a kink of a layer."""
    numbers = torch.randperm(math.prod(size), generator=torch.Generator().manual_seed(seed))
    return ((numbers.double() + 0.37) / math.prod(size) * 4 - 2).reshape(size)


def positive(*size: int) -> torch.Tensor:
    return rand(*size).abs() + 0.1


# For every layer an example of it and an input.
EXAMPLES: dict[str, tuple[Callable[[], Any], Any]] = {
    "Abs": (nn.Abs, rand(2, 3)),
    "Add": (lambda: nn.Add(3), rand(2, 3)),
    "AddConstant": (lambda: nn.AddConstant(torch.tensor([1.0, 2, 3])), rand(2, 3)),
    "BatchNormalization": (lambda: nn.BatchNormalization(3), rand(4, 3)),
    "Bilinear": (lambda: nn.Bilinear(3, 2, 4), [rand(5, 3), rand(5, 2)]),
    "Bottle": (lambda: nn.Bottle(nn.Linear(3, 2)), rand(2, 4, 3)),
    "CAdd": (lambda: nn.CAdd(1, 3), rand(2, 3)),
    "CAddTable": (nn.CAddTable, [rand(2, 3), rand(2, 3)]),
    "CAddTensorTable": (nn.CAddTensorTable, [rand(2, 3), [rand(2, 3), rand(2, 3, seed=1)]]),
    "CDivTable": (nn.CDivTable, [rand(2, 3), positive(2, 3)]),
    "CMaxTable": (nn.CMaxTable, [rand(2, 3), rand(2, 3, seed=1) + 0.1]),
    "CMinTable": (nn.CMinTable, [rand(2, 3), rand(2, 3, seed=1) + 0.1]),
    "CMul": (lambda: nn.CMul(2, 1), rand(3, 2, 1)),
    "CMulTable": (nn.CMulTable, [rand(2, 3), rand(2, 3)]),
    "CReLU": (lambda: nn.CReLU(1), rand(2, 3)),
    "CSubTable": (nn.CSubTable, [rand(2, 3), rand(2, 3)]),
    "Clamp": (lambda: nn.Clamp(-0.5, 0.6), rand(2, 3)),
    "Collapse": (lambda: nn.Collapse(2), rand(2, 3, 4)),
    "Concat": (lambda: nn.Concat(1).add(nn.Tanh()).add(nn.Exp()), rand(2, 3)),
    "ConcatTable": (lambda: nn.ConcatTable().add(nn.Tanh()).add(nn.Exp()), rand(2, 3)),
    "Constant": (lambda: nn.Constant(torch.ones(2), 1), rand(4, 3)),
    "Contiguous": (nn.Contiguous, rand(2, 3).t()),
    "Cosine": (lambda: nn.Cosine(3, 2), rand(4, 3)),
    "CosineDistance": (nn.CosineDistance, [rand(4, 3), rand(4, 3, seed=1)]),
    "CriterionTable": (lambda: nn.CriterionTable(nn.MSECriterion()), [rand(2, 3), rand(2, 3)]),
    "DepthConcat": (
        lambda: nn.DepthConcat(0).add(nn.Identity()).add(nn.Narrow(1, 0, 2)),
        rand(2, 5),
    ),
    "DotProduct": (nn.DotProduct, [rand(4, 3), rand(4, 3, seed=1)]),
    "Dropout": (lambda: nn.Dropout(0), rand(2, 3)),
    "ELU": (lambda: nn.ELU(0.7), rand(2, 3)),
    "Euclidean": (lambda: nn.Euclidean(3, 2), rand(4, 3)),
    "Exp": (nn.Exp, rand(2, 3)),
    "FlattenTable": (nn.FlattenTable, [rand(2), [rand(3), [rand(1)]]]),
    "GatedLinearUnit": (nn.GatedLinearUnit, rand(2, 4)),
    "GradientReversal": (lambda: nn.GradientReversal(-1), rand(2, 3)),
    "HardShrink": (nn.HardShrink, rand(2, 3)),
    "HardTanh": (nn.HardTanh, rand(2, 3)),
    "Identity": (nn.Identity, [rand(2), rand(3)]),
    "Index": (lambda: nn.Index(0), [rand(4, 3), torch.tensor([0, 2, 2])]),
    "JoinTable": (lambda: nn.JoinTable(1), [rand(2, 3), rand(2, 2)]),
    "JustElement": (nn.JustElement, [rand(2)]),
    "JustTable": (nn.JustTable, rand(2)),
    "L1Penalty": (lambda: nn.L1Penalty(0), rand(2, 3)),
    "LayerNormalization": (lambda: nn.LayerNormalization(3), rand(4, 3)),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.2), rand(2, 3)),
    "Linear": (lambda: nn.Linear(3, 2), rand(4, 3)),
    "Log": (nn.Log, positive(2, 3)),
    "LogSigmoid": (nn.LogSigmoid, rand(2, 3)),
    "LogSoftMax": (nn.LogSoftMax, rand(2, 3)),
    "LookupTable": (lambda: nn.LookupTable(5, 2), torch.tensor([0, 4, 4])),
    "MM": (lambda: nn.MM(True), [rand(3, 2), rand(3, 4)]),
    "MV": (lambda: nn.MV(True), [rand(2, 3, 4), rand(2, 3)]),
    "MapTable": (lambda: nn.MapTable(nn.Linear(3, 2)), [rand(2, 3), rand(3)]),
    "MaskedSelect": (nn.MaskedSelect, [rand(2, 2), torch.tensor([[1, 0], [0, 1]])]),
    "Max": (lambda: nn.Max(0, 1), rand(2, 3)),
    "Maxout": (lambda: nn.Maxout(3, 2, 4), rand(5, 3)),
    "Mean": (lambda: nn.Mean(-1), rand(2, 3)),
    "Min": (lambda: nn.Min(0, 1), rand(2, 3)),
    "MixtureTable": (nn.MixtureTable, [rand(2, 3), rand(2, 3, 4)]),
    "ModuleFromCriterion": (
        lambda: nn.ModuleFromCriterion(nn.MSECriterion()),
        [rand(2, 3), rand(2, 3)],
    ),
    "Mul": (nn.Mul, rand(2, 3)),
    "MulConstant": (lambda: nn.MulConstant(-2), rand(2, 3)),
    "Narrow": (lambda: nn.Narrow(-1, 1, -1), rand(2, 4)),
    "NarrowTable": (lambda: nn.NarrowTable(1, 2), [rand(1), rand(2), rand(3), rand(1)]),
    "Normalize": (lambda: nn.Normalize(3), rand(2, 3)),
    "OneHot": (lambda: nn.OneHot(4), torch.tensor([[0, 3], [1, 1]])),
    "PReLU": (lambda: nn.PReLU(3), rand(2, 3, 2)),
    "Padding": (lambda: nn.Padding(0, -2, 1, 0.5, 1), rand(2, 3)),
    "PairwiseDistance": (lambda: nn.PairwiseDistance(3), [rand(4, 3), rand(4, 3, seed=1)]),
    "Parallel": (lambda: nn.Parallel(1, 0).add(nn.Tanh()).add(nn.Exp()), rand(3, 2)),
    "ParallelTable": (lambda: nn.ParallelTable().add(nn.Tanh()).add(nn.Exp()), [rand(2), rand(3)]),
    "PixelShuffle": (lambda: nn.PixelShuffle(2), rand(2, 4, 2, 3)),
    "Power": (lambda: nn.Power(3), rand(2, 3)),
    "RReLU": (lambda: nn.RReLU(0.3, 0.3), rand(2, 3)),
    "ReLU": (nn.ReLU, rand(2, 3)),
    "ReLU6": (nn.ReLU6, rand(2, 3) * 4),
    "Replicate": (lambda: nn.Replicate(3, 0, 1), rand(2, 4)),
    "Reshape": (lambda: nn.Reshape(3, 2), rand(4, 6)),
    "Select": (lambda: nn.Select(1, -1), rand(2, 3)),
    "SelectTable": (lambda: nn.SelectTable(1), [rand(2), rand(3)]),
    "Sequential": (lambda: nn.Sequential().add(nn.Linear(3, 2)).add(nn.Tanh()), rand(4, 3)),
    "Sigmoid": (nn.Sigmoid, rand(2, 3)),
    "SoftMax": (nn.SoftMax, rand(2, 3)),
    "SoftMin": (nn.SoftMin, rand(2, 3, 2, 2)),
    "SoftPlus": (lambda: nn.SoftPlus(2), rand(2, 3)),
    "SoftShrink": (lambda: nn.SoftShrink(0.3), rand(2, 3)),
    "SoftSign": (nn.SoftSign, rand(2, 3)),
    "SpatialAdaptiveAveragePooling": (
        lambda: nn.SpatialAdaptiveAveragePooling(3, 2),
        rand(2, 5, 4),
    ),
    "SpatialAdaptiveMaxPooling": (lambda: nn.SpatialAdaptiveMaxPooling(3, 2), rand(2, 5, 4)),
    "SpatialAveragePooling": (lambda: nn.SpatialAveragePooling(3, 2, 2, 2, 1, 1), rand(2, 5, 4)),
    "SpatialBatchNormalization": (lambda: nn.SpatialBatchNormalization(2), rand(3, 2, 2, 2)),
    "SpatialConvolution": (lambda: nn.SpatialConvolution(2, 3, 2, 3, 1, 2, 1), rand(2, 5, 4)),
    "SpatialConvolutionMM": (lambda: nn.SpatialConvolutionMM(2, 3, 2, 2), rand(2, 5, 4)),
    "SpatialCrossMapLRN": (lambda: nn.SpatialCrossMapLRN(3, 0.5), rand(4, 2, 2)),
    "SpatialDepthWiseConvolution": (
        lambda: nn.SpatialDepthWiseConvolution(2, 3, 2, 2),
        rand(2, 3, 3),
    ),
    "SpatialDilatedConvolution": (
        lambda: nn.SpatialDilatedConvolution(2, 3, 2, 2, 1, 1, 0, 0, 2, 1),
        rand(2, 5, 4),
    ),
    "SpatialDilatedMaxPooling": (
        lambda: nn.SpatialDilatedMaxPooling(2, 2, 1, 1, 0, 0, 2, 1),
        rand(2, 5, 4),
    ),
    "SpatialDropout": (lambda: nn.SpatialDropout(0), rand(2, 3, 3)),
    "SpatialFullConvolution": (
        lambda: nn.SpatialFullConvolution(2, 3, 3, 3, 2, 2, 1, 1, 1),
        rand(2, 3, 4),
    ),
    "SpatialLPPooling": (lambda: nn.SpatialLPPooling(2, 3, 2, 2), positive(2, 4, 4)),
    "SpatialLogSoftMax": (nn.SpatialLogSoftMax, rand(3, 2, 2)),
    "SpatialMaxPooling": (lambda: nn.SpatialMaxPooling(2, 3, 2, 2, 1, 1).ceil(), rand(2, 5, 4)),
    "SpatialReflectionPadding": (lambda: nn.SpatialReflectionPadding(1, 2), rand(2, 3, 4)),
    "SpatialReplicationPadding": (lambda: nn.SpatialReplicationPadding(1, 2, 0), rand(2, 3, 4)),
    "SpatialSoftMax": (nn.SpatialSoftMax, rand(3, 2, 2)),
    "SpatialSubSampling": (lambda: nn.SpatialSubSampling(2, 2, 2), rand(2, 3, 4)),
    "SpatialUpSamplingBilinear": (lambda: nn.SpatialUpSamplingBilinear(2), rand(2, 3, 4)),
    "SpatialUpSamplingNearest": (lambda: nn.SpatialUpSamplingNearest(2), rand(2, 3, 4)),
    "SpatialZeroPadding": (lambda: nn.SpatialZeroPadding(1, -1, 2), rand(2, 3, 4)),
    "SplitTable": (lambda: nn.SplitTable(0, 1), rand(2, 3)),
    "Sqrt": (nn.Sqrt, positive(2, 3)),
    "Square": (nn.Square, rand(2, 3)),
    "Squeeze": (nn.Squeeze, rand(2, 1, 3)),
    "Sum": (lambda: nn.Sum(1, None, True, False), rand(2, 3)),
    "Tanh": (nn.Tanh, rand(2, 3)),
    "TanhShrink": (nn.TanhShrink, rand(2, 3)),
    "TemporalConvolution": (lambda: nn.TemporalConvolution(3, 2, 2, 2), rand(2, 5, 3)),
    "TemporalDynamicKMaxPooling": (lambda: nn.TemporalDynamicKMaxPooling(1, 0.5), rand(5, 3)),
    "TemporalMaxPooling": (lambda: nn.TemporalMaxPooling(2), rand(2, 5, 3)),
    "TemporalRowConvolution": (lambda: nn.TemporalRowConvolution(3, 2, 2), rand(2, 5, 3)),
    "TemporalSubSampling": (lambda: nn.TemporalSubSampling(3, 2), rand(5, 3)),
    "Threshold": (lambda: nn.Threshold(0.5, -1), rand(2, 3)),
    "Transpose": (lambda: nn.Transpose([0, 1], [1, 2]), rand(2, 3, 4)),
    "Unsqueeze": (lambda: nn.Unsqueeze(1, 1), rand(2, 3)),
    "UpSampling": (lambda: nn.UpSampling({"owidth": 5, "oheight": 4}, "linear"), rand(1, 2, 3, 3)),
    "View": (lambda: nn.View(-1), rand(2, 3)),
    "WeightedEuclidean": (lambda: nn.WeightedEuclidean(3, 2), rand(4, 3)),
    "WhiteNoise": (lambda: nn.WhiteNoise(1, 0), rand(2, 3)),
    "ZeroGrad": (nn.ZeroGrad, rand(2, 3)),
    "ZipTable": (nn.ZipTable, [[rand(1), rand(2)], [rand(3), rand(4)]]),
    "ZipTableOneToMany": (nn.ZipTableOneToMany, [rand(1), [rand(2), rand(3)]]),
}
# For every criterion an example of it, an input and a target.
classes, signs = torch.tensor([0, 2]), torch.tensor([[1.0, -1, 1], [-1, 1, 1]], dtype=D)
CRITERIA: dict[str, tuple[Callable[[], Any], Any, Any]] = {
    "AbsCriterion": (nn.AbsCriterion, rand(2, 3), signs),
    "BCECriterion": (
        lambda: nn.BCECriterion(torch.tensor([1.0, 2, 3])),
        torch.sigmoid(rand(2, 3)),
        (signs + 1) / 2,
    ),
    "ClassNLLCriterion": (nn.ClassNLLCriterion, rand(2, 3), classes),
    "ClassSimplexCriterion": (lambda: nn.ClassSimplexCriterion(3), rand(2, 3), classes),
    "CosineEmbeddingCriterion": (
        lambda: nn.CosineEmbeddingCriterion(-1),
        [rand(2, 3), rand(2, 3, seed=1)],
        torch.tensor([1, -1]),
    ),
    "CrossEntropyCriterion": (nn.CrossEntropyCriterion, rand(2, 3), classes),
    "DistKLDivCriterion": (nn.DistKLDivCriterion, rand(2, 3), positive(2, 3)),
    "DistanceRatioCriterion": (nn.DistanceRatioCriterion, [rand(3), rand(3, seed=1)], None),
    "HingeEmbeddingCriterion": (nn.HingeEmbeddingCriterion, rand(2, 3), signs),
    "L1Cost": (nn.L1Cost, rand(2, 3), None),
    "L1HingeEmbeddingCriterion": (
        lambda: nn.L1HingeEmbeddingCriterion(50),
        [rand(3), rand(3, seed=1) + 0.1],
        -1,
    ),
    "MSECriterion": (nn.MSECriterion, rand(2, 3), signs),
    "MarginCriterion": (nn.MarginCriterion, rand(2, 3), signs),
    "MarginRankingCriterion": (
        lambda: nn.MarginRankingCriterion(0.1),
        [rand(2, 3), rand(2, 3, seed=1)],
        signs,
    ),
    "ModuleCriterion": (
        lambda: nn.ModuleCriterion(nn.MSECriterion(), nn.Tanh(), nn.Exp()),
        rand(2, 3),
        signs,
    ),
    "MultiCriterion": (
        lambda: nn.MultiCriterion().add(nn.MSECriterion(), 0.5).add(nn.AbsCriterion()),
        rand(2, 3),
        signs,
    ),
    "MultiLabelMarginCriterion": (
        nn.MultiLabelMarginCriterion,
        rand(2, 3),
        torch.tensor([[2, 0, -1], [1, -1, 2]]),
    ),
    "MultiLabelSoftMarginCriterion": (
        nn.MultiLabelSoftMarginCriterion,
        rand(2, 3),
        (signs + 1) / 2,
    ),
    "MultiMarginCriterion": (lambda: nn.MultiMarginCriterion(2), rand(2, 3), classes),
    "ParallelCriterion": (
        lambda: nn.ParallelCriterion().add(nn.MSECriterion()).add(nn.ClassNLLCriterion(), 2),
        [rand(2, 3), rand(2, 3, seed=1)],
        [signs, classes],
    ),
    "SmoothL1Criterion": (nn.SmoothL1Criterion, rand(2, 3), signs),
    "SoftMarginCriterion": (nn.SoftMarginCriterion, rand(2, 3), signs),
    "SpatialAutoCropMSECriterion": (
        nn.SpatialAutoCropMSECriterion,
        rand(1, 2, 2),
        rand(1, 3, 5, seed=1),
    ),
    "SpatialClassNLLCriterion": (
        lambda: nn.SpatialClassNLLCriterion(torch.tensor([1.0, 2, 3])),
        rand(2, 3, 1, 2),
        torch.tensor([[[0, 1]], [[2, 2]]]),
    ),
    "WeightedMSECriterion": (
        lambda: nn.WeightedMSECriterion(torch.tensor([1.0, 2, 3])),
        rand(2, 3),
        signs,
    ),
}
BASES = {"Container", "Criterion", "Decorator", "Module"}
# Their gradient is not that of what they compute, which is their point.
OTHER_GRADIENT = {"GradientReversal", "ZeroGrad"}


def test_every_layer_has_an_example() -> None:
    classes = {name for name in nn.__all__ if inspect.isclass(getattr(nn, name))}
    assert classes == set(EXAMPLES) | set(CRITERIA) | BASES | (classes & {"gModule"})
    for name, (make, *_) in [*EXAMPLES.items(), *CRITERIA.items()]:
        assert type(make()) is getattr(nn, name)
        assert make().__class__.__doc__


def test_the_table_of_layers_is_true() -> None:
    rows: dict[str, tuple[str, str]] = {}
    table = Path(__file__).resolve().parents[2] / "docs" / "layers.md"
    for line in table.read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 6 and cells[1] not in ("Torch7", "---"):
            name = cells[1].removeprefix("nngraph.")
            assert name not in rows
            rows[name] = cells[2], cells[3]
    assert len(rows) > 190
    here = {name for name, (here, _) in rows.items() if here == f"`nn.{name}`"}
    assert here == set(nn.__all__) - {"gModule"}
    assert {here for name, (here, _) in rows.items() if name not in nn.__all__} == {"no"}
    for _, torch_name in rows.values():
        assert torch_name == "–" or hasattr(torch.nn, torch_name.strip("`"))


def differentiable(tree: Any) -> list[torch.Tensor]:
    return [x for x in nested.leaves(tree) if x.is_floating_point()]


def on_leaves(run: Callable[[Any], Any], input: Any) -> Callable[..., Any]:
    """`run` as a function of the floating tensors in `input`, giving those of its output."""

    def function(*values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        given = iter(values)
        entered = nested.map_leaves(lambda x: next(given) if x.is_floating_point() else x, input)
        return tuple(x for x in nested.leaves(run(entered)) if x.requires_grad)

    return function


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - OTHER_GRADIENT))
def test_gradients_by_finite_differences(name: str) -> None:
    make, input = EXAMPLES[name]
    module = make().double()
    inputs = [x.clone().requires_grad_() for x in differentiable(input)]
    parameters = list(module.parameters())
    run = on_leaves(module, input)
    # Euclidean and PairwiseDistance: Torch7 adds up to 1e-6 to what the gradient is divided by.
    if any(x.requires_grad for x in run(*inputs)):
        assert torch.autograd.gradcheck(
            lambda *xs: run(*xs[: len(inputs)]),
            (*inputs, *parameters),
            atol=1e-5,
            fast_mode=True,
        )


@pytest.mark.parametrize("name", CRITERIA)
def test_criterion_gradients_by_finite_differences(name: str) -> None:
    make, input, target = CRITERIA[name]
    criterion = make().double()
    inputs = [x.clone().requires_grad_() for x in differentiable(input)]
    run = on_leaves(lambda x: criterion.forward(x, target), input)
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(run, inputs, fast_mode=True)
    by_protocol = nested.leaves(criterion.backward(input, target))
    assert_close(by_protocol, list(torch.autograd.grad(run(*inputs)[0], inputs)))


@pytest.mark.parametrize("name", EXAMPLES)
def test_protocol_and_autograd_agree(name: str) -> None:
    make, input = EXAMPLES[name]
    module = make().double()
    leaves = [x.clone().requires_grad_() for x in differentiable(input)]
    outputs = on_leaves(module, input)(*leaves)
    ours = module.forward(nested.clone(input))
    assert nested.describe(ours) == nested.describe(module(nested.clone(input)))
    module.zeroGradParameters()
    grad_input = module.backward(input, nested.map_leaves(torch.ones_like, ours))
    if not outputs:
        assert not any(x.any() for x in differentiable(grad_input))
        return
    values = [*leaves, *module.parameters()]
    ones = [torch.ones_like(x) for x in outputs]
    expected = torch.autograd.grad(outputs, values, ones, allow_unused=True)
    found = [*differentiable(grad_input), *(p.grad for p in module.parameters())]
    for value, ours, theirs in zip(values, found, expected, strict=True):
        assert_close(ours, torch.zeros_like(value) if theirs is None else theirs)


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - {"MaskedSelect"}))
def test_shapes_without_data(name: str) -> None:
    make, input = EXAMPLES[name]
    module = make().double()
    shapes = nested.describe(module(input))
    on_meta = copy.deepcopy(module).to("meta")
    assert nested.describe(on_meta(nested.map_leaves(lambda x: x.to("meta"), input))) == shapes


EXPORTED = (
    "BatchNormalization CAddTable CReLU Euclidean Linear LayerNormalization MixtureTable Normalize "
    "PairwiseDistance PReLU Reshape SpatialConvolution SpatialMaxPooling Sqrt TemporalConvolution "
    "GradientReversal Padding Squeeze"
).split()


@pytest.mark.parametrize("name", EXPORTED)
def test_export_and_compile(name: str) -> None:
    make, input = EXAMPLES[name]
    module = make().double().eval()
    expected = nested.map_leaves(torch.Tensor.detach, module(input))
    exported = torch.export.export(module, (input,)).module()
    assert_close(exported(input), expected)
    if name in ("Euclidean", "GradientReversal", "MixtureTable"):
        compiled = torch.compile(module, backend="eager", fullgraph=True)
        assert_close(compiled(input), expected)


def torch7_uniform(seed: int, n: int, limit: float) -> torch.Tensor:
    words = np.random.RandomState(seed)._bit_generator.random_raw(n)
    return torch.from_numpy(words * 2.0**-32 * (2 * limit) - limit)


@pytest.mark.parametrize(
    ("make", "limit"),
    [
        (lambda: nn.Add(4), 1 / 2),
        (lambda: nn.Bilinear(4, 2, 3), 1 / 2),
        (lambda: nn.CAdd(2, 2), 1 / 2),
        (lambda: nn.CMul(2, 2), 1 / 2),
        (lambda: nn.Cosine(3, 4), 1 / 2),
        (lambda: nn.Euclidean(4, 3), 1 / 2),
        (nn.Mul, 1),
        (lambda: nn.SpatialConvolution(1, 3, 2, 2), 1 / 2),
        (lambda: nn.SpatialDepthWiseConvolution(1, 3, 2, 2), 1 / 2),
        (lambda: nn.SpatialFullConvolution(1, 3, 2, 2), 1 / 2),
        (lambda: nn.SpatialSubSampling(3, 2, 2), 1 / 2),
        (lambda: nn.TemporalConvolution(2, 3, 2), 1 / 2),
        (lambda: nn.TemporalRowConvolution(2, 2), 1 / 2),
        (lambda: nn.TemporalSubSampling(3, 4), 1 / 2),
    ],
)
def test_initial_parameters_are_drawn_in_order(make: Callable[[], Any], limit: float) -> None:
    torch.set_default_dtype(D)
    try:
        nngraph.manualSeed(7)
        module = make()
        flat = torch.cat([p.detach().reshape(-1) for p in module.parameters()])
        assert torch.equal(flat, torch7_uniform(7, flat.numel(), limit))
        nngraph.manualSeed(7)
        module.reset(2)
        again = torch.cat([p.detach().reshape(-1) for p in module.parameters()])
        assert torch.equal(again, torch7_uniform(7, flat.numel(), 2 * math.sqrt(3)))
    finally:
        torch.set_default_dtype(torch.float32)


def with_parameters(theirs: torch.nn.Module, ours: nn.Module) -> torch.nn.Module:
    """PyTorch's module holding what ours holds, each in its own shape."""
    theirs = theirs.double()
    for a, b in zip(theirs.parameters(), ours.parameters(), strict=True):
        a.data = b.detach().reshape(a.shape).clone()
    return theirs


T = torch.nn
images, one_image, sequences = rand(2, 2, 6, 5), rand(2, 6, 5), rand(2, 6, 3)
SAME_AS_TORCH = [
    (nn.Threshold(0.5, -3), T.Threshold(0.5, -3), rand(3, 4)),
    (nn.ReLU6(), T.ReLU6(), rand(3, 4) * 5),
    (nn.HardTanh(-0.5, 1.5), T.Hardtanh(-0.5, 1.5), rand(3, 4)),
    (nn.LeakyReLU(0.3), T.LeakyReLU(0.3), rand(3, 4)),
    (nn.ELU(2), T.ELU(2), rand(3, 4)),
    (nn.SoftPlus(3), T.Softplus(3), rand(3, 4) * 10),
    (nn.SoftSign(), T.Softsign(), rand(3, 4)),
    (nn.LogSigmoid(), T.LogSigmoid(), rand(3, 4) * 50),
    (nn.HardShrink(0.7), T.Hardshrink(0.7), rand(3, 4)),
    (nn.SoftShrink(0.7), T.Softshrink(0.7), rand(3, 4)),
    (nn.TanhShrink(), T.Tanhshrink(), rand(3, 4)),
    (nn.GatedLinearUnit(0), T.GLU(0), rand(4, 3)),
    (nn.PReLU(2), T.PReLU(2), images),
    (nn.RReLU().eval(), T.RReLU().eval(), rand(3, 4)),
    (nn.SoftMin(), T.Softmin(1), rand(3, 4)),
    (nn.SpatialLogSoftMax(), T.LogSoftmax(1), images),
    (nn.SpatialConvolution(2, 3, 3, 2, 2, 1, 1), T.Conv2d(2, 3, (2, 3), (1, 2), 1), images),
    (nn.SpatialConvolution(2, 3, 1, 1).noBias(), T.Conv2d(2, 3, 1, bias=False), one_image),
    (nn.SpatialConvolutionMM(2, 3, 3, 2, 1, 1, 1, 0), T.Conv2d(2, 3, (2, 3), 1, (0, 1)), images),
    (
        nn.SpatialDilatedConvolution(2, 3, 2, 2, 1, 1, 1, 1, 3, 2),
        T.Conv2d(2, 3, 2, 1, 1, (2, 3)),
        images,
    ),
    (
        nn.SpatialFullConvolution(2, 3, 3, 2, 3, 2, 1, 0, 2, 1),
        T.ConvTranspose2d(2, 3, (2, 3), (2, 3), (0, 1), (1, 2)),
        images,
    ),
    (nn.SpatialMaxPooling(3, 2), T.MaxPool2d((2, 3)), images),
    (
        nn.SpatialMaxPooling(3, 2, 2, 2, 1).ceil(),
        T.MaxPool2d((2, 3), 2, (0, 1), ceil_mode=True),
        images,
    ),
    (
        nn.SpatialDilatedMaxPooling(2, 2, 1, 1, 1, 0, 2, 3),
        T.MaxPool2d(2, 1, (0, 1), (3, 2)),
        images,
    ),
    (nn.SpatialAveragePooling(3, 2), T.AvgPool2d((2, 3), 1), images),
    (
        nn.SpatialAveragePooling(3, 2, 2, 2, 1, 1).ceil().setCountExcludePad(),
        T.AvgPool2d((2, 3), 2, 1, True, False),
        images,
    ),
    (nn.SpatialAdaptiveMaxPooling(2, 3), T.AdaptiveMaxPool2d((3, 2)), images),
    (nn.SpatialAdaptiveAveragePooling(2, 3), T.AdaptiveAvgPool2d((3, 2)), images),
    (nn.SpatialLPPooling(2, 2, 2, 3), T.LPPool2d(2, (3, 2)), images),
    (nn.SpatialZeroPadding(1, -1, 2, 0), T.ZeroPad2d((1, -1, 2, 0)), images),
    (nn.SpatialReflectionPadding(1, 2, 3, 0), T.ReflectionPad2d((1, 2, 3, 0)), images),
    (nn.SpatialReplicationPadding(1, 2, 3, 0), T.ReplicationPad2d((1, 2, 3, 0)), images),
    (nn.SpatialUpSamplingNearest(3), T.UpsamplingNearest2d(scale_factor=3), images),
    (
        nn.SpatialUpSamplingBilinear({"owidth": 7, "oheight": 9}),
        T.UpsamplingBilinear2d((9, 7)),
        images,
    ),
    (nn.UpSampling(2), T.Upsample(scale_factor=2), images),
    (nn.UpSampling(2, "trilinear"), T.Upsample(None, 2, "trilinear", True), rand(1, 2, 2, 3, 2)),
    (nn.PixelShuffle(2), T.PixelShuffle(2), rand(2, 8, 2, 3)),
    (nn.SpatialCrossMapLRN(3, 0.2, 0.6, 2), T.LocalResponseNorm(3, 0.2, 0.6, 2), rand(2, 4, 2, 2)),
    (nn.LayerNormalization(4, 0.5, 0), T.LayerNorm(4, 0), rand(3, 4)),
    (nn.BatchNormalization(4, 1e-3, 0.3), T.BatchNorm1d(4, 1e-3, 0.3), rand(3, 4)),
    (nn.SpatialBatchNormalization(2), T.BatchNorm2d(2), images),
    (nn.Bilinear(3, 2, 4, False), lambda x: torch.einsum("bi,bj->bij", *x), None),
    (nn.CosineDistance(), lambda x: F.cosine_similarity(*x), [rand(4, 3), rand(4, 3, seed=1)]),
    (nn.Padding(-1, 2, None, 7), T.ConstantPad1d((0, 2), 7), rand(2, 3)),
    (nn.Padding(0, -2, 1, 7), T.ConstantPad1d((2, 0), 7), rand(2, 3)),
    (nn.Sum(-2), lambda x: x.sum(-2), sequences),
    (nn.Max(0, 2), lambda x: x.amax(1), sequences),
    (nn.Normalize(1), lambda x: F.normalize(x, 1), rand(2, 3)),
    (nn.Normalize(math.inf), lambda x: F.normalize(x, math.inf), rand(2, 3)),
    (nn.Collapse(2), T.Flatten(), rand(2, 3, 4)),
    (nn.OneHot(4), lambda x: F.one_hot(x, 4).float(), torch.tensor([[3, 0], [1, 1]])),
    (nn.Index(1), lambda x: x[0][:, x[1]], [rand(2, 3), torch.tensor([2, 0, 2])]),
]


@pytest.mark.parametrize(
    ("ours", "theirs", "input"),
    [pytest.param(*case, id=str(case[0])) for case in SAME_AS_TORCH if case[2] is not None],
)
def test_like_pytorch(ours: Any, theirs: Any, input: Any) -> None:
    ours = copy.deepcopy(ours).double()
    if isinstance(theirs, T.Module):
        theirs = with_parameters(copy.deepcopy(theirs), ours)
    leaves = [x.clone().requires_grad_() for x in differentiable(input)]
    a, b = on_leaves(ours, input)(*leaves), on_leaves(theirs, input)(*leaves)
    if not leaves:
        assert_close(ours(input), theirs(input))
        return
    assert_close(a, b, 1e-9)
    weights = [rand(*x.shape, seed=3) for x in a]
    grads = [torch.autograd.grad(x, leaves, weights) for x in (a, b)]
    assert_close(grads[0], grads[1], 1e-9)
    for name, buffer in ours.named_buffers():
        assert_close(buffer, dict(theirs.named_buffers())[name], 1e-9)


@pytest.mark.parametrize(
    ("ours", "theirs", "input", "target"),
    [
        (nn.SmoothL1Criterion(False), T.SmoothL1Loss(reduction="sum"), rand(2, 3), signs),
        (nn.AbsCriterion(), T.L1Loss(), rand(2, 3), signs),
        (nn.MultiMarginCriterion(), T.MultiMarginLoss(), rand(2, 3), classes),
        (
            nn.MultiMarginCriterion(2, torch.tensor([1.0, 2, 3]), 0.5),
            T.MultiMarginLoss(2, 0.5, torch.tensor([1.0, 2, 3])),
            rand(2, 3),
            classes,
        ),
        (nn.MultiMarginCriterion(), T.MultiMarginLoss(), rand(3), torch.tensor(2)),
        (
            nn.MultiLabelMarginCriterion(),
            T.MultiLabelMarginLoss(),
            rand(2, 3),
            torch.tensor([[2, 0, -1], [1, -1, 2]]),
        ),
        (
            nn.MultiLabelSoftMarginCriterion(),
            T.MultiLabelSoftMarginLoss(),
            rand(2, 3),
            signs.clamp(min=0),
        ),
        (nn.SoftMarginCriterion(), T.SoftMarginLoss(), rand(2, 3), signs),
        (nn.HingeEmbeddingCriterion(0.5), T.HingeEmbeddingLoss(0.5), rand(2, 3), signs),
        (
            nn.DistKLDivCriterion(),
            lambda x, t: T.KLDivLoss(reduction="none")(x, t).mean(),
            rand(2, 3),
            positive(2, 3),
        ),
        (nn.SpatialClassNLLCriterion(), T.NLLLoss(), rand(2, 3, 2, 2), torch.ones(2, 2, 2).long()),
        (
            nn.ClassNLLCriterion(torch.tensor([1.0, 2, 3]), True, 2),
            T.NLLLoss(torch.tensor([1.0, 2, 3]), ignore_index=2),
            rand(3, 3),
            torch.tensor([0, 1, 2]),
        ),
        (nn.BCECriterion(), T.BCELoss(), torch.sigmoid(rand(2, 3)), signs.clamp(min=0)),
    ],
    ids=lambda value: str(value) if isinstance(value, nn.Criterion) else "",
)
def test_criteria_like_pytorch(ours: Any, theirs: Any, input: Any, target: Any) -> None:
    ours = copy.deepcopy(ours).double()
    theirs = theirs.double() if isinstance(theirs, T.Module) else theirs
    x = input.clone().requires_grad_()
    assert_close(ours(x, target), theirs(x, target), 1e-9)
    gradient = torch.autograd.grad(theirs(x, target), x)[0]
    assert_close(ours.backward(input, target), gradient, 1e-9)


def test_pairs_like_pytorch() -> None:
    a, b, y = rand(4, 3), rand(4, 3, seed=1), torch.tensor([1, -1, 1, -1])
    ours = nn.CosineEmbeddingCriterion(0.2)([a, b], y)
    assert_close(ours, F.cosine_embedding_loss(a, b, y, 0.2), 1e-9)
    ours = nn.MarginRankingCriterion(0.3)([a[:, 0], b[:, 0]], y)
    assert_close(ours, F.margin_ranking_loss(a[:, 0], b[:, 0], y, 0.3))
    assert_close(nn.MarginRankingCriterion(0.3)([a[0, :1], b[0, :1]], -1), 0.3 + (a - b)[0, 0])
    distance = (a - b).abs().sum()
    assert_close(nn.L1HingeEmbeddingCriterion()([a, b], 1), distance)
    assert_close(nn.L1HingeEmbeddingCriterion()([a, b], -1), (1 - distance).clamp(min=0))
    ratio = -torch.log(torch.exp(-a) / (torch.exp(-a) + torch.exp(-b)))
    assert_close(nn.DistanceRatioCriterion(False)([a[:, 0], b[:, 0]], None), ratio[:, 0].sum())
    for p in (1, 1.5, 2, 3):
        assert_close(nn.PairwiseDistance(p)([a, b]), torch.norm(a - b, p, 1), 1e-9)
    weight = (euclidean := nn.Euclidean(3, 2).double()).weight
    assert_close(euclidean(a), torch.cdist(a, weight.t()), 1e-9)
    cosine = nn.Cosine(3, 2).double()
    expected = F.cosine_similarity(a.unsqueeze(1), cosine.weight.unsqueeze(0), -1)
    assert_close(cosine(a), expected, 1e-9)


def test_simplex() -> None:
    criterion = nn.ClassSimplexCriterion(5).double()
    products = criterion.simplex @ criterion.simplex.t()
    assert_close(products, torch.eye(5, dtype=D) * 1.25 - 0.25, 1e-6)
    assert_close(criterion.getTopPrediction(criterion.simplex), torch.arange(5))
    assert criterion(criterion.simplex[2], 2) == 0


def test_criteria_of_criteria() -> None:
    x, y = rand(2, 3), signs
    mse, l1 = nn.MSECriterion(), nn.AbsCriterion()
    both = nn.MultiCriterion().add(mse, 0.5).add(l1)
    assert_close(both(x, y), 0.5 * mse(x, y) + l1(x, y))
    parallel = nn.ParallelCriterion(True).add(mse, 0.5).add(l1)
    assert_close(parallel([x, 2 * x], y), 0.5 * mse(x, y) + l1(2 * x, y))
    grads = parallel.backward([x, 2 * x], y)
    assert_close(grads, [0.5 * mse.backward(x, y), l1.backward(2 * x, y)])
    cropped = nn.SpatialAutoCropMSECriterion()(rand(1, 2, 2), rand(1, 3, 5, seed=1))
    assert_close(cropped, F.mse_loss(rand(1, 2, 2), rand(1, 3, 5, seed=1)[:, 0:2, 1:3]))
    weighted = nn.WeightedMSECriterion(torch.tensor([1.0, 2, 3]))(x, y)
    assert_close(weighted, F.mse_loss(x, y * torch.tensor([1.0, 2, 3])))
    assert_close(nn.ModuleCriterion(mse, nn.Tanh(), nn.Exp())(x, y), mse(x.tanh(), y.exp()))
    summed = nn.CrossEntropyCriterion()
    summed.sizeAverage = False
    assert_close(summed(x, classes), F.cross_entropy(x, classes, reduction="sum"))


def test_targets_that_are_all_ignored_give_zero() -> None:
    criterion, x = nn.ClassNLLCriterion(None, True, 1), rand(2, 3)
    assert criterion(x, torch.tensor([1, 1])) == 0
    assert not criterion.backward(x, torch.tensor([1, 1])).any()


# Where PyTorch's function differs from Torch7's layer


def gradient(module: Any, x: torch.Tensor) -> torch.Tensor:
    output = module.forward(x)
    return module.backward(x, torch.ones_like(output))


def test_gradients_at_the_kinks() -> None:
    zero = torch.zeros(1)
    assert gradient(nn.Abs(), zero) == 1
    assert gradient(nn.Sqrt(), zero) == 0
    assert gradient(nn.ReLU(), zero) == 0
    assert gradient(nn.HardTanh(), torch.ones(1)) == 0
    assert gradient(nn.Threshold(1, 0), torch.ones(1)) == 0
    assert nn.Threshold(1, 5).forward(torch.ones(1)) == 5
    assert gradient(nn.LeakyReLU(0.5), zero) == 0.5
    assert gradient(nn.PReLU(), zero) == 0.25
    assert nn.AbsCriterion().backward(zero, zero) == 1
    assert nn.MarginCriterion().backward(torch.ones(1), torch.ones(1)) == 0
    assert nn.BCECriterion().backward(zero, zero) == 0
    equal = [torch.ones(2), torch.ones(2)]
    assert not nested.leaves(nn.L1HingeEmbeddingCriterion().backward(equal, 1))[0].any()
    distance = nn.PairwiseDistance()
    distance.forward(equal)
    assert_close(distance.backward(equal, torch.ones(1)), [torch.zeros(2), torch.zeros(2)])


def test_ties_go_to_the_first() -> None:
    tie = torch.ones(3)
    assert gradient(nn.Max(0), tie).tolist() == [1, 0, 0]
    assert gradient(nn.Min(0), tie).tolist() == [1, 0, 0]
    for layer in (nn.CMaxTable(), nn.CMinTable()):
        layer.forward([tie, tie.clone()])
        assert [g.sum() for g in layer.backward([tie, tie.clone()], tie)] == [3, 0]


def test_batch_normalization_of_one_sample_uses_what_it_has_seen() -> None:
    layer = nn.BatchNormalization(2)
    layer.running_mean.fill_(1)
    x = torch.tensor([[3.0, 5.0]])
    assert_close(layer(x), (x - 1) / math.sqrt(1 + 1e-5) * layer.weight)
    assert layer.running_mean.tolist() == [1, 1]
    assert layer.eval()(x[0]).shape == (1, 2)


def test_spatial_dropout_drops_planes_and_scales_in_evaluation() -> None:
    layer, x = nn.SpatialDropout(0.5), torch.ones(4, 8, 2, 2)
    with nngraph.reference_mode():
        y = layer(x)
    assert layer.noise is not None
    assert torch.equal(y, layer.noise.expand_as(x))
    assert 0 < layer.noise.sum() < 32
    assert torch.equal(layer.eval()(x), x / 2)
    kept = nn.SpatialDropout(0.5, True).eval()(x)
    assert set(kept.unique().tolist()) <= {0.0, 1.0}


def test_noise() -> None:
    x = torch.zeros(1000)
    layer = nn.WhiteNoise(3, 0.5)
    assert abs(layer(x).mean() - 3) < 0.1
    assert abs(layer(x).std() - 0.5) < 0.1
    assert torch.equal(layer.eval()(x), x + 3)
    nngraph.manualSeed(1)
    with nngraph.reference_mode():
        y = layer.train()(x)
    nngraph.manualSeed(1)
    assert torch.equal(y, nngraph.torch7_random.normal(3, 0.5, 1000))


def test_random_slopes() -> None:
    x = torch.tensor([-1.0, 2, -3, -4])
    nngraph.manualSeed(3)
    layer = nn.RReLU(0.25, 0.5)
    with nngraph.reference_mode():
        y = layer.forward(x)
    nngraph.manualSeed(3)
    slopes = nngraph.torch7_random.uniform(0.25, 0.5, 3)
    assert torch.equal(y, torch.stack([-slopes[0], x[1], -3 * slopes[1], -4 * slopes[2]]))
    assert_close(layer.backward(x, torch.ones(4)), layer.noise)
    assert ((-layer(-torch.ones(50))).unique() >= 0.25).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda inplace: nn.AddConstant(2, inplace),
        lambda inplace: nn.ELU(0.5, inplace),
        lambda inplace: nn.HardTanh(-0.5, 0.5, inplace),
        lambda inplace: nn.LeakyReLU(0.1, inplace),
        lambda inplace: nn.MulConstant(2, inplace),
        lambda inplace: nn.ReLU(inplace),
        lambda inplace: nn.ReLU6(inplace),
        lambda inplace: nn.RReLU(0.2, 0.2, inplace),
        lambda inplace: nn.Threshold(0.5, 0.1, inplace),
    ],
)
def test_in_place_layers_overwrite_their_input(make: Callable[[bool], Any]) -> None:
    x, weights = rand(3, 4), rand(3, 4, seed=1)
    outside, inside = make(False), make(True)
    expected, given = outside.forward(x), x.clone()
    assert torch.equal(inside.forward(given), expected)
    assert torch.equal(given, expected)
    assert_close(inside.backward(given, weights), outside.backward(x, weights))
    # After another layer, as part of autograd.
    w = x.clone().requires_grad_()
    after = nn.Sequential(nn.MulConstant(1), nn.GradientReversal(-1), inside)
    assert_close(torch.autograd.grad(after(w), w, weights)[0], outside.backward(x, weights))


def test_a_part_is_a_copy() -> None:
    for part in (nn.Select(0, 1), nn.Narrow(0, 1, 2), nn.Transpose([0, 1])):
        x = -rand(3, 3).abs()
        nn.Sequential(part, nn.ReLU(True)).forward(x)
        assert (x < 0).all()


# Single layers


def test_narrow() -> None:
    x = torch.arange(5.0)
    for arguments, expected in [
        ((0, 1, 2), [1, 2]),
        ((0, 3), [3]),
        ((0, 1, -1), [1, 2, 3, 4]),
        ((-1, 1, -2), [1, 2, 3]),
        ((0, -1, 2), [0, 1, 2]),
    ]:
        assert nn.Narrow(*arguments)(x).tolist() == expected


def test_padding_inside() -> None:
    x = torch.tensor([1.0, 2, 3])
    assert nn.Padding(0, 2, None, 9, 1)(x).tolist() == [1, 2, 9, 9, 3]
    assert nn.Padding(0, -1, None, 9, 2)(x).tolist() == [1, 2, 9, 3]
    assert nn.Padding(0, 1, 1)(torch.ones(2, 3)).shape == (2, 4)


def test_shapes() -> None:
    x = torch.ones(2, 1, 3)
    assert nn.Squeeze()(x).shape == (2, 3)
    assert nn.Squeeze(1)(x).shape == (2, 3)
    assert nn.Squeeze(0)(x).shape == (2, 1, 3)
    assert nn.Squeeze(0, 2)(x).shape == (2, 3)
    assert nn.Squeeze().setNumInputDims(2)(torch.ones(1, 1, 3)).shape == (1, 3)
    assert nn.Squeeze()(torch.ones(1, 1)).shape == (1,)
    assert nn.Unsqueeze(0, 2)(x).shape == (2, 1, 1, 3)
    assert nn.Unsqueeze(-1)(x).shape == (2, 1, 3, 1)
    assert nn.Unsqueeze(3)(x).shape == (2, 1, 3, 1)
    assert nn.Transpose([0, 1]).setNumInputDims(2)(x).shape == (2, 3, 1)
    assert nn.Replicate(4, 1, 2)(x).shape == (2, 1, 4, 3)
    assert nn.Replicate(4, 3)(x).shape == (2, 1, 3, 4)
    assert nn.Sum(0, None, False, False)(torch.ones(3)).shape == (1,)
    assert nn.CReLU(2)(x).shape == (2, 2, 3)
    assert nn.Constant(5)(x).tolist() == [5]
    assert nn.Reshape([3, 2])(torch.ones(6)).shape == (3, 2)
    assert nn.View([3, 2]).resetSize(6)(torch.ones(6)).shape == (6,)
    assert nn.OneHot(3).forward(2).tolist() == [0, 0, 1]


def test_broadcasting_of_componentwise_layers() -> None:
    x = rand(4, 2, 3)
    for size in [(2, 3), (6,), (1, 2, 1), (1, 1, 3), (1,)]:
        mul, add = nn.CMul(*size).double(), nn.CAdd(size).double()
        shape = {(6,): (2, 3)}.get(size, size)
        assert_close(mul(x), x * mul.weight.reshape(shape))
        assert_close(add(x), x + add.bias.reshape(shape))
    assert_close((add := nn.Add(9, True).double())(x), x + add.bias)
    assert_close((add := nn.Add(6).double())(x), x + add.bias.reshape(2, 3))


def test_mixture_of_experts() -> None:
    gate, experts = rand(2, 3), [rand(2, 4, seed=i) for i in range(3)]
    expected = sum(gate[:, i : i + 1] * experts[i] for i in range(3))
    assert_close(nn.MixtureTable()([gate, experts]), expected)
    assert_close(nn.MixtureTable(2)([gate, torch.stack(experts, 2)]), expected)
    one = sum(gate[0, i] * experts[i][0] for i in range(3))
    assert_close(nn.MixtureTable()([gate[0], [e[0] for e in experts]]), one)
    assert_close(nn.MixtureTable()([gate[0], torch.stack([e[0] for e in experts])]), one)


def test_tables() -> None:
    a, b, c, d = (torch.tensor([float(i)]) for i in range(4))
    assert nested.leaves(nn.ZipTable()([[a, b], [c, d]])) == [a, c, b, d]
    assert nested.leaves(nn.ZipTableOneToMany()([a, [b, c]])) == [a, b, a, c]
    assert nn.CAddTensorTable()([b, [c, d]]) == [c + b, d + b]
    assert nn.FlattenTable()([a, [b, [c]]]) == [a, b, c]


def test_depth_concat_centers() -> None:
    layer = nn.DepthConcat(0).add(nn.Identity()).add(nn.Narrow(1, 0, 2))
    joined = layer(torch.ones(1, 5))
    assert joined.tolist() == [[1, 1, 1, 1, 1], [0, 1, 1, 0, 0]]


def test_map_table_with_copies_of_its_own() -> None:
    layer = nn.MapTable(nn.Linear(2, 2), False).resize(2)
    assert len(list(layer.parameters())) == 4
    x = torch.ones(2)
    first, second = layer([x, x])
    assert torch.equal(first, second)
    layer.get(1).bias.data += 1
    assert_close(layer([x, x])[1], second + 1)
    assert len(layer([x, x, x])) == 3
    assert str(nn.MapTable()) == "nn.MapTable { }"


def test_bottle_unfolds_to_other_dimensions() -> None:
    layer = nn.Bottle(nn.Sum(1), 2, 1)
    assert_close(layer(rand(2, 3, 4)), rand(2, 3, 4).sum(-1))
    assert_close(layer(rand(3, 4)), rand(3, 4).sum(-1))


def test_sequential_insert_and_remove() -> None:
    net = nn.Sequential().add(nn.Tanh()).add(nn.Exp())
    net.insert(nn.Abs(), 1).insert(nn.Log())
    assert [str(m) for m in net.members()] == ["nn.Tanh", "nn.Abs", "nn.Exp", "nn.Log"]
    assert str(net.remove(0)) == "nn.Tanh"
    assert str(net.remove()) == "nn.Log"
    assert list(net.state_dict()) == []
    assert [name for name, _ in net.named_children()] == ["0", "1"]


def test_full_convolution_to_the_size_of_another() -> None:
    layer = nn.SpatialFullConvolution(2, 3, 3, 3, 2, 2, 1, 1)
    for size in (7, 8):
        assert layer([torch.ones(2, 4, 4), torch.ones(1, size, size)]).shape == (3, size, size)


def test_convolutions_by_hand() -> None:
    x = rand(5, 3)
    layer = nn.TemporalConvolution(3, 2, 2, 2).double()
    frames = torch.stack([x[0:2].reshape(-1), x[2:4].reshape(-1)])
    assert_close(layer(x), frames @ layer.weight.t() + layer.bias)
    rows = nn.TemporalRowConvolution(3, 2).double()
    kernel = rows.weight[:, 0]  # (features, kW)
    assert_close(rows(x), x[:-1] * kernel[:, 0] + x[1:] * kernel[:, 1] + rows.bias)
    first = nn.TemporalRowConvolution(3, 2, 1, True).double()
    first.load_state_dict(rows.state_dict())
    assert_close(first(x.t()), rows(x).t())
    sums = nn.TemporalSubSampling(3, 2).double()
    assert_close(sums(x), (x[:-1] + x[1:]) * sums.weight + sums.bias)
    depth = nn.SpatialDepthWiseConvolution(2, 3, 2, 2).double()
    image, made = rand(2, 3, 3), []
    for plane in range(2):
        for out in range(3):
            one = depth.weight.view(3, 2, 1, 2, 2)[out, plane : plane + 1]
            made.append(F.conv2d(image[plane : plane + 1], one, depth.bias[out, plane : plane + 1]))
    assert_close(depth(image), torch.cat(made))


def test_dynamic_k_keeps_the_order_in_time() -> None:
    x = torch.tensor([[3.0], [1], [5], [2]])
    assert nn.TemporalDynamicKMaxPooling(2)(x).tolist() == [[3], [5]]
    assert nn.TemporalDynamicKMaxPooling(1, 0.75)(x).tolist() == [[3], [5], [2]]


def test_average_pooling_that_sums() -> None:
    layer = nn.SpatialAveragePooling(2, 2)
    layer.divide = False
    assert_close(layer(torch.ones(1, 3, 3)), torch.full((1, 2, 2), 4.0))


def test_gradients_that_are_changed() -> None:
    x = rand(2, 3)
    assert_close(gradient(nn.GradientReversal(0.5), x), torch.full((2, 3), -0.5, dtype=D))
    assert not gradient(nn.ZeroGrad(), x).any()
    assert_close(gradient(nn.L1Penalty(0.5), x), 1 + 0.5 * x.sign())
    assert_close(gradient(nn.L1Penalty(3, True, False), x), 0.5 * x.sign())
    assert_close(nn.L1Penalty(3, True).penalty(x), 3 * x.abs().mean())


def test_a_table_is_not_multiplied_by_a_number() -> None:
    with pytest.raises(GraphError, match=r"MulConstant.*takes a tensor: pass .* input\[0\]"):
        nn.MulConstant(2)([rand(2)])


def test_printing() -> None:
    for module, text in [
        (
            nn.SpatialConvolution(2, 3, 4, 5, 1, 2, 0, 1),
            "SpatialConvolution(2 -> 3, 4x5, 1,2, 0,1)",
        ),
        (
            nn.SpatialConvolution(2, 3, 1, 1).noBias(),
            "SpatialConvolution(2 -> 3, 1x1) without bias",
        ),
        (
            nn.SpatialFullConvolution(2, 3, 3, 3, 2, 2, 0, 0, 1),
            "SpatialFullConvolution(2 -> 3, 3x3, 2,2, 1,0)",
        ),
        (
            nn.SpatialDilatedConvolution(2, 3, 3, 3, 1, 1, 0, 0, 2, 2),
            "SpatialDilatedConvolution(2 -> 3, 3x3, 2,2)",
        ),
        (nn.SpatialMaxPooling(2, 2, 1, 1, 1, 0), "SpatialMaxPooling(2x2, 1,1, 1,0)"),
        (nn.SpatialZeroPadding(1), "SpatialZeroPadding(l=1, r=1, t=1, b=1)"),
        (nn.UpSampling(2, "bilinear"), "UpSampling(2x, linear)"),
        (nn.TemporalRowConvolution(3, 2, 2), "TemporalRowConvolution(3, 2, 2)"),
        (nn.RReLU(), "RReLU (l:0.125000, u:0.333333)"),
        (nn.WhiteNoise(), "WhiteNoise mean: 0.000000, std: 0.100000"),
        (nn.Normalize(1.5), "Normalize(1.500000)"),
        (nn.LeakyReLU(0.25), "LeakyReLU(0.25)"),
        (nn.Bottle(nn.Tanh()), "Bottle @ nn.Tanh"),
    ]:
        assert str(module) == f"nn.{text}"


MISTAKES = [
    (lambda: nn.ReLU(6), "in-place flag must be boolean, got 6"),
    (lambda: nn.AddConstant("1"), "must be a number or a vector"),
    (lambda: nn.MulConstant(torch.ones(2)), "must be a number"),
    (lambda: nn.Threshold(0, 1, True), "not to exceed the threshold"),
    (lambda: nn.Threshold("a"), "must be numbers"),
    (lambda: nn.HardTanh(1, -1), "larger than min_value"),
    (lambda: nn.RReLU(0.5, 0.1), "0 <= l <= u"),
    (lambda: nn.Power("2"), "must be a number"),
    (lambda: nn.Normalize(0), "not supported"),
    (lambda: nn.PairwiseDistance(0.5), "at least 1"),
    (lambda: nn.Linear(0, 2), "inputSize=0"),
    (lambda: nn.Bilinear(1, 2, 0), "outputSize=0"),
    (lambda: nn.BatchNormalization(0), "nOutput=0"),
    (lambda: nn.BatchNormalization(3, None, None, 1), "boolean"),
    (lambda: nn.SpatialConvolution(1, 2, 0, 3), "kW=0"),
    (lambda: nn.SpatialMaxPooling(2, 2, 2, 2, 2), "half of the kernel"),
    (lambda: nn.SpatialFullConvolution(1, 1, 2, 2, 1, 1, 0, 0, 1), "smaller than dW"),
    (lambda: nn.SpatialUpSamplingNearest(1.5), "integer"),
    (lambda: nn.SpatialUpSamplingBilinear({"owidth": 3}), "oheight"),
    (lambda: nn.UpSampling({"owidth": 3, "oheight": 2}), "takes a scale_factor"),
    (lambda: nn.SpatialCrossMapLRN(2), "odd"),
    (lambda: nn.TemporalConvolution(1, 2, 0), "kW=0"),
    (lambda: nn.Transpose(0, 1), "pairs of dimensions"),
    (lambda: nn.Replicate(2, -1), "from 0"),
    (lambda: nn.MV(1), "boolean"),
    (lambda: nn.MapTable(nn.Tanh()).add(nn.Tanh()), "single module"),
    (lambda: nn.Sequential().add(nn.Tanh()()), "holds modules, not Nodes"),
    (lambda: nn.Sequential().remove(), "holds 0 modules"),
    (lambda: nn.Sequential().insert(nn.Tanh(), 2), "holds 0 modules"),
    (lambda: nn.SpatialDropout(2), "probability"),
    (lambda: nn.SoftShrink(-1), "negative"),
    (lambda: nn.OneHot(0), "at least 1"),
    (lambda: nn.Constant("1"), "number or a tensor"),
    (lambda: nn.MultiMarginCriterion(3), "p=1 and p=2"),
    (lambda: nn.BCECriterion(torch.ones(2, 2)), "1-D"),
    (lambda: nn.ClassSimplexCriterion(1), "at least 2"),
    (lambda: nn.MultiCriterion().add(nn.Tanh()), "expecting a criterion"),
]


@pytest.mark.parametrize(("build", "message"), MISTAKES, ids=[m for _, m in MISTAKES])
def test_mistakes_in_building(build: Callable[[], Any], message: str) -> None:
    with pytest.raises(GraphError, match=message.replace("(", r"\(")):
        build()


RUN_TIME_MISTAKES = [
    (nn.CAddTable(), [rand(2), rand(3)], "inconsistent tensor size"),
    (nn.CSubTable(), [rand(2)], "two tensors, got 1 element"),
    (nn.CDivTable(), rand(2), "two tensors, got torch.float64"),
    (nn.MM(), [rand(2, 3), rand(2, 3)], "do not match"),
    (nn.MM(), [rand(2, 3), rand(1, 3, 2)], "two batches of one size"),
    (nn.MV(), [rand(2, 3), rand(2)], "vector length"),
    (nn.DotProduct(), [rand(2), rand(3)], "shapes differ"),
    (nn.Select(0, 3), rand(3), "indices count from 0"),
    (nn.Select(1, 0), rand(3), "dimensions count from 0"),
    (nn.Narrow(0, 2, 3), rand(4), "no such part"),
    (nn.Max(2), rand(2, 2), "dimensions count from 0"),
    (nn.Unsqueeze(3), rand(2), "invalid position"),
    (nn.Replicate(2, 2), rand(2), "not enough input dimensions"),
    (nn.CMul(4), rand(2, 3), "fits neither"),
    (nn.PReLU(4), rand(2, 3), "Expected 4 but got 3"),
    (nn.GatedLinearUnit(), rand(2, 3), "must be even"),
    (nn.SpatialConvolution(2, 1, 2, 2), rand(3, 4, 4), r"expecting \(2, height, width\)"),
    (nn.SpatialMaxPooling(5, 5), rand(1, 4, 4), "smaller than the kernel"),
    (nn.SpatialFullConvolution(2, 1, 2, 2), rand(3, 4, 4), r"expecting \(2, height, width\)"),
    (nn.TemporalConvolution(2, 1, 2), rand(5, 3), "expecting frames of 2"),
    (nn.TemporalConvolution(2, 1, 6), rand(5, 2), "5 frames is shorter"),
    (nn.TemporalRowConvolution(2, 6, 1, True), rand(2, 5), "5 frames is shorter"),
    (nn.TemporalMaxPooling(6), rand(5, 2), "5 frames is shorter"),
    (nn.TemporalSubSampling(3, 2), rand(5, 2), "expecting frames of 3"),
    (nn.TemporalDynamicKMaxPooling(6), rand(5, 2), "too small"),
    (nn.SpatialZeroPadding(-3), rand(1, 4, 4), "too small"),
    (nn.PixelShuffle(2), rand(3, 2, 2), "not a multiple"),
    (nn.UpSampling({"owidth": 3, "oheight": 2}, "linear"), rand(1, 1, 2, 2, 2), "depth"),
    (nn.BatchNormalization(3), rand(3), "only mini-batch supported"),
    (nn.BatchNormalization(3), rand(2, 4), "expecting 3 features"),
    (nn.LayerNormalization(3), rand(2, 4), "expecting 3 features"),
    (nn.Normalize(2), rand(2, 2, 2), "a vector or a matrix"),
    (nn.Bilinear(2, 3, 1), [rand(2, 2), rand(2, 2)], "2 and 2 columns instead of 2 and 3"),
    (nn.Euclidean(3, 2), rand(2, 2), "expecting 3 columns"),
    (nn.SoftMax(), rand(1, 1, 1, 1, 1), "a vector, a matrix"),
    (nn.Bottle(nn.Sum(1)), rand(2, 3, 4), "number of output dims"),
    (nn.Parallel(0, 0).add(nn.Tanh()), rand(2, 3), "2 slices"),
    (nn.Concat(0), rand(2), "holds no modules"),
    (nn.MapTable(), [rand(2)], "holds no module"),
    (nn.MixtureTable(), [rand(2, 3), [rand(2, 4)]], "one gater output per expert"),
    (nn.ZipTable(), [[rand(1)], [rand(1), rand(2)]], r"\[1, 2\] elements"),
    (nn.AddConstant(torch.ones(2)), rand(3), "does not match"),
    (nn.Padding(0, 1, None, 0, 4), rand(3), "index 4"),
    (nn.Index(0), [rand(3), torch.ones(1, 1)], "indices must be"),
    (nn.ParallelTable().add(nn.Tanh()).add(nn.Tanh()), [rand(2)], "at least 2 elements, got 1"),
    (nn.NarrowTable(1, 2), [rand(2), rand(2)], r"no elements 1\.\.2 in a table of 2"),
    (nn.SpatialDropout(), rand(2, 2), "height, width"),
]


@pytest.mark.parametrize(("layer", "input", "message"), RUN_TIME_MISTAKES)
def test_mistakes_in_running(layer: Any, input: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message) as raised:
        layer.double().forward(input)
    assert layer.torch7_name() in str(raised.value)


@pytest.mark.parametrize(
    ("criterion", "input", "target", "message"),
    [
        (nn.MSECriterion(), rand(2), rand(3), "size mismatch"),
        (nn.BCECriterion(), rand(2), rand(2), "Sigmoid"),
        (nn.ClassNLLCriterion(), rand(2, 3), torch.tensor([0, 3]), "count from 0"),
        (nn.MultiMarginCriterion(), rand(2, 3), torch.tensor([0]), "inconsistent target size"),
        (nn.SpatialClassNLLCriterion(), rand(2, 3), torch.tensor([0]), "height, width"),
        (nn.DistKLDivCriterion(), rand(2, 3), rand(3, 2), "same size"),
        (nn.CosineEmbeddingCriterion(), [rand(2), rand(3)], 1, "shapes differ"),
        (nn.SpatialAutoCropMSECriterion(), rand(1, 3, 3), rand(1, 2, 4), "larger than the target"),
        (nn.ParallelCriterion().add(nn.MSECriterion()), [], [], "at least 1 element,"),
        (nn.MultiCriterion(), rand(2), rand(2), "holds no criteria"),
    ],
)
def test_mistakes_with_criteria(criterion: Any, input: Any, target: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        criterion.double().forward(input, target)
