"""Failing backward passes: tools may explain the error before it reaches the caller."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

Explain = Callable[[Exception, torch.nn.Module], Exception]
"""A function ``explain(error, module)`` that returns the error to raise in place of `error`."""

_explain: Explain | None = None


def explain_failures_with(explain: Explain | None) -> None:
    """Let `explain` see each error of a `backward`, in all threads; with None, end this."""
    global _explain
    _explain = explain


def explains_failures(run: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate ``run(recorded, input, grad_output, module, ...)``, which runs a backward pass."""

    @functools.wraps(run)
    def explained(
        recorded: Any, input: Any, grad: Any, module: torch.nn.Module, *rest: Any, **more: Any
    ) -> Any:
        try:
            return run(recorded, input, grad, module, *rest, **more)
        except Exception as error:
            explanation = error if _explain is None else _explain(error, module)
            if explanation is error:
                raise
            raise explanation from error

    return explained
