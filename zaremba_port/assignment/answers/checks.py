"""Helpers of the answers' code: claims, which raise if they are false, and comparisons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from pygraph_nn import torch7_random

from ...errors import RunFailed

Array = np.ndarray[Any, Any]
Values = torch.Tensor | Array | Sequence[float]

TOLERANCE = 1e-12
"""Rounding in double precision is about 1e-15; a wrong formula differs in the first digits."""


class ClaimFailed(RunFailed):
    """A claim of an answer is false: the answer or the program is wrong."""


def claim(text: str, holds: bool | np.bool_) -> None:
    """Print `text` if it holds.

    Raises:
        ClaimFailed: it does not hold.
    """
    if not holds:
        raise ClaimFailed(f"this should hold and does not: {text}")
    print(f"✓ {text}")


def normal(*size: int) -> torch.Tensor:
    """Draw standard normal numbers in double precision from Torch7's generator."""
    return torch7_random.randn(*size).double()


def to_numpy(tensor: torch.Tensor) -> Array:
    """Copy `tensor` into a NumPy array."""
    return tensor.detach().cpu().numpy().copy()


def max_difference(a: Values, b: Values) -> float:
    """Return the largest absolute difference between two arrays, tensors or lists of numbers.

    Raises:
        ClaimFailed: their shapes differ.
    """
    x, y = (to_numpy(v) if isinstance(v, torch.Tensor) else np.asarray(v) for v in (a, b))
    if x.shape != y.shape:
        raise ClaimFailed(f"shapes differ: {x.shape} and {y.shape}")
    difference: float = np.abs(x - y).max()
    return difference


def side_by_side(graph: Mapping[str, torch.Tensor], by_hand: Mapping[str, Array]) -> float:
    """Print a table of the first number and the largest difference of each pair of values.

    Returns:
        The largest difference in the table.
    """
    print(f"{'':16} {'shape':>8} {'graph':>12} {'by hand':>12}   largest difference")
    worst = 0.0
    for name, expected in by_hand.items():
        actual, difference = to_numpy(graph[name]), max_difference(graph[name], expected)
        shape = " x ".join(map(str, expected.shape))
        first = f"{actual.flat[0]:12.8f} {expected.flat[0]:12.8f}"
        print(f"{name:16} {shape:>8} {first}   {difference:.1e}")
        worst = max(worst, difference)
    return worst


def sigm(x: Array) -> Array:
    """Compute the logistic function elementwise; ``sigm`` is its name in the paper."""
    result: Array = 1 / (1 + np.exp(-x))
    return result


def numeric_gradient(
    function: Callable[[], float], tensor: torch.Tensor, step: float = 1e-5
) -> Array:
    """Estimate the gradient of `function` with respect to `tensor` by central differences.

    `function` must read `tensor`, whose numbers are changed one by one and restored.
    """
    gradient, numbers = np.zeros(tensor.shape), tensor.detach().view(-1)
    for k in range(tensor.numel()):
        before = numbers[k].item()
        numbers[k] = before + step
        above = function()
        numbers[k] = before - step
        below = function()
        numbers[k] = before
        gradient.flat[k] = (above - below) / (2 * step)
    return gradient
