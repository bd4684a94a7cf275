"""Statistics of the tensors in a nested value."""

from __future__ import annotations

from typing import NamedTuple

import torch

from .. import nested
from ..nested import Nested
from .symbols import shape_text


class Statistics(NamedTuple):
    """Statistics of the finite elements of a tensor, and the counts of the others.

    Numbers have six digits; they are None if no element is finite. `std` is the standard deviation
    of a population, not of a sample.
    """

    shape: str
    mean: float | None
    std: float | None
    min: float | None
    max: float | None
    nan: int
    inf: int


def statistics(value: Nested) -> list[Statistics]:
    """Return the statistics of each tensor in a nested value; meta and complex ones are left out.

    >>> statistics(torch.tensor([1.0, 3.0]))
    [Statistics(shape='2', mean=2.0, std=1.0, min=1.0, max=3.0, nan=0, inf=0)]
    """
    tensors = [leaf for leaf in nested.leaves(value) if isinstance(leaf, torch.Tensor)]
    return [_statistics(x) for x in tensors if not x.is_meta and not x.is_complex()]


def _statistics(tensor: torch.Tensor) -> Statistics:
    x = tensor.detach().to_dense().double().flatten()
    finite = x[x.isfinite()]
    counts = int(x.isnan().sum()), int(x.isinf().sum())
    if not finite.numel():
        return Statistics(shape_text(tensor), None, None, None, None, *counts)
    mean, std = _rounded(finite.mean()), _rounded(finite.std(correction=0))
    low, high = _rounded(finite.min()), _rounded(finite.max())
    return Statistics(shape_text(tensor), mean, std, low, high, *counts)


def _rounded(number: torch.Tensor) -> float:
    return float(f"{number.item():.6g}")
