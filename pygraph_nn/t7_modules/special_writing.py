"""The fields of layers whose Torch7 object is made of other parts than the layer here."""

from __future__ import annotations

import math
from typing import Any

import torch

from .. import nn
from ..t7 import T7Object, T7Storage
from .interfaces import Writer

_OF_PAIRS = (nn.Bilinear, nn.MM, nn.MV, nn.DotProduct, nn.CosineDistance, nn.Index)


def complete(module: torch.nn.Module, written: T7Object, writer: Writer) -> None:
    """Add to `written` what `module` is made of in Torch7."""
    fields: dict[Any, Any] = dict(written.fields.items())
    written.fields = fields
    if isinstance(module, nn.UpSampling):
        fields.update(module.sizes)
        fields.update(_sizes(5))
    elif isinstance(module, nn.SpatialUpSamplingNearest | nn.SpatialUpSamplingBilinear):
        fields.update(_sizes(4))
    elif isinstance(module, nn.Bottle):
        fields["dimDelta"] = module.nInputDim - module.nOutputDim
        fields["inShape"] = torch.zeros(module.nInputDim)
        fields["outShape"] = torch.zeros(module.nOutputDim)
    elif isinstance(module, nn.MapTable):
        if module.module is not None:
            fields["module"] = writer.object(module.module)
        fields["sharedparams"] = ["weight", "bias", "gradWeight", "gradBias"]
    elif isinstance(module, nn.ModuleFromCriterion):
        fields["criterion"] = writer.object(module.criterion)
        fields["gradInput"] = [writer.empty(module), writer.empty(module)]
    elif isinstance(module, nn.PixelShuffle):
        fields["upscaleFactorSquared"] = module.upscaleFactor**2
    elif isinstance(module, nn.TanhShrink):
        fields["tanh"] = writer.object(nn.Tanh())
    elif isinstance(module, (nn.LayerNormalization, nn.CReLU)):
        _sequential(module, fields, writer)
    elif isinstance(module, _OF_PAIRS):
        fields["gradInput"] = [writer.empty(module), writer.empty(module)]
    elif isinstance(module, nn.Add):
        fields["_ones"] = torch.ones(1, dtype=writer.empty(module).dtype)
    elif isinstance(module, nn.Criterion):
        _criterion(module, fields, writer)


def _sizes(dimensions: int) -> dict[str, T7Storage]:
    return {
        name: T7Storage(torch.zeros(dimensions, dtype=torch.int64))
        for name in ("inputSize", "outputSize")
    }


def _sequential(module: torch.nn.Module, fields: dict[Any, Any], writer: Writer) -> None:
    """Write a layer as the Sequential that it is in Torch7."""
    if isinstance(module, nn.CReLU):
        both = nn.ConcatTable(nn.Identity(), nn.MulConstant(-1))
        parts: list[Any] = [both, nn.JoinTable(1), nn.ReLU(module.inplace)]
        fields["modules"] = [writer.object(part) for part in parts]
        return
    assert isinstance(module, nn.LayerNormalization)
    size = module.nOutput
    centered = nn.Sequential(nn.Mean(0, 1), nn.Replicate(size, 0, 1))
    parts = [
        nn.ConcatTable(nn.Identity(), centered),
        nn.CSubTable(),
        nn.Normalize(2, module.eps),
        nn.MulConstant(math.sqrt(size)),
    ]
    if module.weight is not None and module.bias is not None:
        gain, shift = nn.CMul(size), nn.Add(size)
        gain.weight, shift.bias = module.weight, module.bias
        parts += [gain, shift]
    for name in ("weight", "bias", "gradWeight", "gradBias", "nOutput", "eps"):
        fields.pop(name, None)
    fields["modules"] = [writer.object(part) for part in parts]


def _criterion(criterion: nn.Criterion, fields: dict[Any, Any], writer: Writer) -> None:
    empty = writer.empty(criterion)
    if isinstance(criterion, nn.ClassNLLCriterion):
        for name in ("output_tensor", "total_weight_tensor"):
            fields[name] = torch.zeros(1, dtype=empty.dtype)
        fields["target"] = torch.zeros(1, dtype=torch.int64)
    elif isinstance(criterion, nn.CrossEntropyCriterion):
        fields["nll"] = writer.object(criterion.nll)
        fields["lsm"] = writer.object(nn.LogSoftMax())
        fields["sizeAverage"] = fields["oldSizeAverage"] = criterion.sizeAverage
    elif isinstance(criterion, (nn.MultiCriterion, nn.ParallelCriterion)):
        fields["criterions"] = [writer.object(inner) for inner in criterion.criterions]
        weights: Any = list(criterion.weights)
        if isinstance(criterion, nn.MultiCriterion):
            weights = T7Storage(torch.tensor(weights, dtype=torch.float64))
        fields["weights"] = weights
    elif isinstance(criterion, nn.ModuleCriterion):
        for name in ("criterion", "inputModule", "targetModule"):
            inner = getattr(criterion, name)
            if inner is not None:
                fields[name] = writer.object(inner)
    elif isinstance(criterion, nn.MultiLabelSoftMarginCriterion):
        fields["sigmoid"] = writer.object(nn.Sigmoid())
    elif isinstance(criterion, nn.MultiLabelMarginCriterion):
        fields["isTarget"] = torch.empty(0, dtype=empty.dtype)
    elif isinstance(
        criterion,
        (nn.CosineEmbeddingCriterion, nn.L1HingeEmbeddingCriterion, nn.MarginRankingCriterion),
    ):
        fields["gradInput"] = [empty, torch.empty(0, dtype=empty.dtype)]
