"""Layers whose Torch7 object is made of other parts than the layer here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .. import nn
from ..t7 import T7Object, T7Storage
from .interfaces import Reader
from .places import located

Maker = Callable[[type[Any], T7Object, Reader], torch.nn.Module]


def _ready_made(cls: type[Any], value: T7Object, reader: Reader) -> torch.nn.Module:
    """Build a Sequential whose constructor makes its modules, with those of the file."""
    module: Any = object.__new__(cls)
    nn.Sequential.__init__(module)
    for name in ("kW", "kH", "dW", "dH"):
        if isinstance(value.get(name), int):
            setattr(module, name, value[name])
    for inner in value.get("modules", []):
        module.add(reader.module(inner, value))
    return module


def _map_table(cls: type[Any], value: T7Object, reader: Reader) -> torch.nn.Module:
    module = nn.MapTable(None, value.get("shared", True))
    inner = list(value.get("modules", []))
    if not inner and value.get("module") is not None:
        inner = [value["module"]]
    modules = [reader.module(part, value) for part in (inner[:1] if module.shared else inner)]
    module._set_members(modules)
    return module


def _decorator(cls: type[Any], value: T7Object, reader: Reader) -> torch.nn.Module:
    inner = reader.module(value.get("modules", [None])[0], value)
    sizes = {name: value[name] for name in ("nInputDim", "nOutputDim") if name in value}
    decorator: torch.nn.Module = cls(inner, **sizes)
    return decorator


def _layer_normalization(cls: type[Any], value: T7Object, reader: Reader) -> torch.nn.Module:
    """Take the parts of Torch7's Sequential: Normalize, MulConstant, CMul, Add."""
    parts = {part.class_name: part for part in value.get("modules", [])}
    factor = parts["nn.MulConstant"]["constant_scalar"]
    gain, shift = parts.get("nn.CMul"), parts.get("nn.Add")
    affine = gain is not None and shift is not None
    size = round(factor**2)
    if gain is not None and gain["weight"].untyped_storage().nbytes() < size:
        raise located(value, f"{value.class_name}: the weight has fewer than {size} elements")
    layer = cls(size, 0, parts["nn.Normalize"].get("eps", 1e-10), affine)
    if gain is not None and shift is not None:
        value.fields = {**value.fields, "weight": gain["weight"], "bias": shift["bias"]}
    module: torch.nn.Module = layer
    return module


def _upsampling(cls: type[Any], value: T7Object, reader: Reader) -> torch.nn.Module:
    names = ("owidth", "oheight", "odepth")
    sizes = {name: value[name] for name in names if value.get(name) is not None}
    params = value["scale_factor"] if value.get("scale_factor") is not None else sizes
    mode = (value.get("mode", "nearest"),) if cls is nn.UpSampling else ()
    layer: torch.nn.Module = cls(params, *mode)
    return layer


def _from_criterion(cls: type[Any], value: T7Object, reader: Reader) -> torch.nn.Module:
    module: torch.nn.Module = cls(reader.module(value.get("criterion"), value))
    return module


def _cross_entropy(cls: type[Any], value: T7Object, reader: Reader) -> torch.nn.Module:
    criterion = nn.CrossEntropyCriterion()
    if value.get("nll") is not None:
        criterion.nll = reader.module(value["nll"], value)
    return criterion


def _weighted_sum(cls: type[Any], value: T7Object, reader: Reader) -> torch.nn.Module:
    is_parallel = cls is nn.ParallelCriterion
    total: Any = cls(value.get("repeatTarget", False)) if is_parallel else cls()
    weights = value.get("weights", [])
    weights = weights.tolist() if isinstance(weights, T7Storage) else list(weights)
    for i, criterion in enumerate(value.get("criterions", [])):
        total.add(reader.module(criterion, value), weights[i] if i < len(weights) else 1)
    made: torch.nn.Module = total
    return made


def _module_criterion(cls: type[Any], value: T7Object, reader: Reader) -> torch.nn.Module:
    names = ("criterion", "inputModule", "targetModule")
    parts = [None if value.get(n) is None else reader.module(value[n], value) for n in names]
    criterion: torch.nn.Module = cls(*parts, bool(value.get("castTarget", True)))
    return criterion


def check(cls: type[Any], value: T7Object) -> None:
    """Refuse sizes that would take long to build."""
    if cls is nn.ClassSimplexCriterion:
        size, simplex = value.get("nClasses"), value.get("simplex")
        if not isinstance(simplex, torch.Tensor):
            raise located(value, f"{value.class_name} has no field simplex")
        if simplex.shape[:1] != (size,) or simplex.untyped_storage().nbytes() < size:
            raise located(value, f"{value.class_name}.simplex has other sizes than {size}")


MAKERS: dict[str, Maker] = {
    "Maxout": _ready_made,
    "SpatialLPPooling": _ready_made,
    "MapTable": _map_table,
    "Bottle": _decorator,
    "Decorator": _decorator,
    "LayerNormalization": _layer_normalization,
    "UpSampling": _upsampling,
    "SpatialUpSamplingBilinear": _upsampling,
    "ModuleFromCriterion": _from_criterion,
    "CriterionTable": _from_criterion,
    "CrossEntropyCriterion": _cross_entropy,
    "MultiCriterion": _weighted_sum,
    "ParallelCriterion": _weighted_sum,
    "ModuleCriterion": _module_criterion,
}

# The fields that these functions read.
USED: dict[str, frozenset[str]] = {
    "UpSampling": frozenset({"owidth", "oheight", "odepth", "scale_factor"}),
    "SpatialUpSamplingBilinear": frozenset({"owidth", "oheight", "scale_factor"}),
    "CrossEntropyCriterion": frozenset({"nll", "sizeAverage"}),
    "MultiCriterion": frozenset({"criterions", "weights"}),
    "ParallelCriterion": frozenset({"criterions", "weights"}),
}
