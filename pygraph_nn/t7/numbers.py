"""Lua's numbers, which are all doubles, as Python's int and float."""

from __future__ import annotations

from typing import Any

import numpy as np

_WHOLE = 2.0**53  # above it, not every integer is a double


def as_number(number: float) -> int | float:
    """Return a Lua number: an int if it is whole, below 2 ** 53 and not -0, else a float."""
    if number.is_integer() and abs(number) < _WHOLE and (number or str(number) == "0.0"):
        return int(number)
    return number


def as_numbers(numbers: np.ndarray[Any, Any]) -> list[int | float]:
    """Return Lua numbers, (n,), each as `as_number` does."""
    with np.errstate(invalid="ignore"):
        is_whole = (numbers == np.floor(numbers)) & (np.abs(numbers) < _WHOLE)
    is_whole &= (numbers != 0) | ~np.signbit(numbers)
    result: list[int | float]
    if is_whole.all():
        result = numbers.astype(np.int64).tolist()
        return result
    result = numbers.tolist()
    for i in np.flatnonzero(is_whole).tolist():
        result[i] = int(result[i])
    return result
