"""Claims that raise where they do not hold, and numbers side by side, for the answers' code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from pygraph_nn import torch7_random

from ...errors import RunFailed

Array = np.ndarray[Any, Any]

# Doubles agree to about 1e-15; an error in a formula shows in the first digits.
CLOSE = 1e-12


class ClaimFailed(RunFailed):
    """What an answer claims does not hold: the answer, or the program, is wrong."""


def claim(text: str, holds: bool | np.bool_) -> None:
    """Print `text`, which holds.

    Raises:
        ClaimFailed: it does not hold.
    """
    if not holds:
        raise ClaimFailed(f"this should hold and does not: {text}")
    print(f"✓ {text}")


def normal(*size: int) -> torch.Tensor:
    """Standard normal numbers in double precision, from Torch7's generator."""
    return torch7_random.randn(*size).double()


def array(tensor: torch.Tensor) -> Array:
    """`tensor` for NumPy, as a copy."""
    return tensor.detach().cpu().numpy().copy()


def apart(a: Any, b: Any) -> float:
    """The largest absolute difference between two arrays or tensors.

    Raises:
        ClaimFailed: their shapes differ.
    """
    a, b = (array(x) if isinstance(x, torch.Tensor) else np.asarray(x) for x in (a, b))
    if a.shape != b.shape:
        raise ClaimFailed(f"shapes differ: {a.shape} and {b.shape}")
    difference: float = np.abs(a - b).max()
    return difference


def side_by_side(graph: Mapping[str, torch.Tensor], by_hand: Mapping[str, Array]) -> float:
    """Print the first number of each, and the largest difference; the largest of all is given."""
    print(f"{'':16} {'shape':>8} {'graph':>12} {'by hand':>12}   largest difference")
    worst = 0.0
    for name, expected in by_hand.items():
        got, difference = array(graph[name]), apart(graph[name], expected)
        shape = " x ".join(map(str, expected.shape))
        print(
            f"{name:16} {shape:>8} {got.flat[0]:12.8f} {expected.flat[0]:12.8f}   {difference:.1e}"
        )
        worst = max(worst, difference)
    return worst


def sigm(x: Array) -> Array:
    """The logistic function, elementwise; the paper's name for it."""
    result: Array = 1 / (1 + np.exp(-x))
    return result


def slope(function: Callable[[], float], at: torch.Tensor, step: float = 1e-5) -> Array:
    """The gradient of `function`, which reads `at`, by finite differences; `at` is restored."""
    gradient, numbers = np.zeros(at.shape), at.detach().view(-1)
    for k in range(at.numel()):
        before = numbers[k].item()
        numbers[k] = before + step
        above = function()
        numbers[k] = before - step
        below = function()
        numbers[k] = before
        gradient.flat[k] = (above - below) / (2 * step)
    return gradient
