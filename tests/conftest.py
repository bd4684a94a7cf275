"""Fixtures that several subjects use."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest
import torch
from helpers import default_dtype

# A run in CI tries the same examples every time, so that a failure there belongs to the change;
# other runs try new ones. A slow machine is no failure.
hypothesis.settings.register_profile("new examples", deadline=None)
hypothesis.settings.register_profile("same examples", deadline=None, derandomize=True)
hypothesis.settings.load_profile("same examples" if os.environ.get("CI") else "new examples")


@pytest.fixture
def float64_default() -> Iterator[None]:
    """Torch7's default type, a double."""
    with default_dtype(torch.float64):
        yield
