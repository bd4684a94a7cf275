"""The norm of flat gradients, against sums in double precision by NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import pygraph_nn as nngraph


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 3 * 4096 + 17])
@pytest.mark.parametrize("tables", [(), ((3, 5),), ((0, 4), (2, 1))])
def test_blocked_norm_sums_in_double_precision(
    dtype: torch.dtype, size: int, tables: tuple[tuple[int, int], ...]
) -> None:
    generator = torch.Generator().manual_seed(size)
    flat = torch.randn(size, generator=generator, dtype=dtype)
    rows = [torch.randn(shape, generator=generator, dtype=dtype) for shape in tables]
    norm = nngraph.blocked_norm(flat, *rows)
    values = np.concatenate([part.flatten().numpy().astype(np.float64) for part in (flat, *rows)])
    assert norm.dtype == torch.float64
    assert norm.shape == ()
    assert norm.item() == pytest.approx(np.sqrt((values**2).sum()), rel=1e-7)


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan])
@pytest.mark.parametrize("place", [0, 4096, 5000])
def test_one_value_that_is_not_finite_shows(value: float, place: int) -> None:
    flat = torch.zeros(5001)
    flat[place] = value
    assert not torch.isfinite(nngraph.blocked_norm(flat))
