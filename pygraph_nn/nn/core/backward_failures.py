"""Failing backward passes: tools may explain the error before it reaches the caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import torch

Explain = Callable[[Exception, torch.nn.Module], Exception]
"""A function ``explain(error, module)`` that returns the error to raise in place of `error`."""

_explain: Explain | None = None


def explain_failures_with(explain: Explain | None) -> None:
    """Let `explain` see each error of a `backward`, in all threads; with None, end this."""
    global _explain
    _explain = explain


def raise_failure(error: Exception, module: torch.nn.Module) -> NoReturn:
    """Raise `error`, which the backward pass of `module` raised, or what explains it."""
    explanation = error if _explain is None else _explain(error, module)
    if explanation is error:
        raise error
    raise explanation from error
