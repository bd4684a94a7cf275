"""Fixtures that several subjects use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from helpers import default_dtype


@pytest.fixture
def float64_default() -> Iterator[None]:
    """Torch7's default type, a double."""
    with default_dtype(torch.float64):
        yield
