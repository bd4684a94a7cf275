"""Sums, means, extremes, norms, sorting: numbers, or tensors along a dimension."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .registry import FUNCTIONS, METHODS, both, into
from .types import dim_of, is_tensor, number


def _sources(args: tuple[Any, ...], results: int) -> tuple[list[Any], tuple[Any, ...]]:
    """Split ``[result, ...] x, ...`` into the results and the rest."""
    tensors = 0
    while tensors < len(args) and is_tensor(args[tensors]):
        tensors += 1
    given = tensors - 1 if tensors - 1 <= results else 0
    return list(args[:given]), args[given:]


def _reduction(name: str, whole: Callable[..., Any], along: Callable[..., Any]) -> None:
    def returning(*args: Any) -> Any:
        results, (x, *rest) = _sources(args, 1)
        if not rest:
            return number(whole(x))
        value = along(x, dim_of(x, rest[0]), *rest[1:])
        return into(results[0], value) if results else value

    METHODS[name] = FUNCTIONS[name] = returning


def _wide(x: torch.Tensor) -> torch.Tensor:
    return x if x.is_floating_point() else x.double()


_reduction("sum", torch.sum, lambda x, d: x.sum(d, keepdim=True, dtype=x.dtype))
_reduction("prod", torch.prod, lambda x, d: x.prod(d, keepdim=True, dtype=x.dtype))
_reduction("mean", lambda x: _wide(x).mean(), lambda x, d: _wide(x).mean(d, keepdim=True))
_reduction(
    "std",
    lambda x: x.std(),
    lambda x, d, biased=False: x.std(d, unbiased=not biased, keepdim=True),
)
_reduction(
    "var",
    lambda x: x.var(),
    lambda x, d, biased=False: x.var(d, unbiased=not biased, keepdim=True),
)
_reduction("all", lambda x: x.bool().all(), lambda x, d: x.all(d, keepdim=True).byte())
_reduction("any", lambda x: x.bool().any(), lambda x, d: x.any(d, keepdim=True).byte())
for _name in ("all", "any"):
    _of_numbers = METHODS[_name]

    def _truth(*args: Any, compute: Any = _of_numbers) -> Any:
        value = compute(*args)
        return value if is_tensor(value) else bool(value)

    METHODS[_name] = FUNCTIONS[_name] = _truth


def _with_indices(
    name: str, whole: Callable[..., Any] | None, along: Callable[..., tuple[Any, Any]]
) -> None:
    """Register a function of values and their indices, which count from 1."""

    def returning(*args: Any) -> Any:
        results, (x, *rest) = _sources(args, 2)
        if not rest and whole is not None:
            return number(whole(x))
        values, indices = along(x, *rest)
        indices = indices + 1
        if results:
            values = into(results[0], values)
            indices = into(results[1], indices) if len(results) > 1 else indices
        return values, indices

    METHODS[name] = FUNCTIONS[name] = returning


def _last(x: torch.Tensor, dim: Any) -> int:
    return x.dim() - 1 if dim is None else dim_of(x, dim)


def _extreme(compute: Any) -> Callable[..., Any]:
    return lambda x, dim: tuple(compute(x, dim_of(x, dim), keepdim=True))


def _sort(x: torch.Tensor, *args: Any) -> Any:
    dim = next((a for a in args if not isinstance(a, bool)), None)
    descending = any(a is True for a in args)
    return tuple(torch.sort(x, stable=True, dim=_last(x, dim), descending=descending))


def _topk(
    x: torch.Tensor, k: int = 1, dim: Any = None, largest: bool = False, in_order: bool = False
) -> Any:
    return tuple(torch.topk(x, int(k), _last(x, dim), bool(largest), bool(in_order)))


_with_indices("max", torch.max, _extreme(torch.max))
_with_indices("min", torch.min, _extreme(torch.min))
_with_indices("median", torch.median, lambda x, dim: tuple(x.median(dim_of(x, dim), keepdim=True)))
_with_indices("mode", None, lambda x, dim=None: tuple(x.mode(_last(x, dim), keepdim=True)))
_with_indices(
    "kthvalue", None, lambda x, k, dim=None: tuple(x.kthvalue(int(k), _last(x, dim), keepdim=True))
)
_with_indices("sort", None, _sort)
_with_indices("topk", None, _topk)


def _cumulative(name: str) -> None:
    compute = getattr(torch, name)

    def returning(*args: Any) -> torch.Tensor:
        results, (x, *rest) = _sources(args, 1)
        value = compute(x, dim_of(x, rest[0] if rest else 1), dtype=x.dtype)
        return into(results[0], value) if results else value

    METHODS[name] = FUNCTIONS[name] = returning


_cumulative("cumsum")
_cumulative("cumprod")


def _norm(*args: Any) -> Any:
    results, (x, *rest) = _sources(args, 1)
    p = float(rest[0]) if rest else 2.0
    if len(rest) < 2:
        return number(torch.linalg.vector_norm(x.reshape(-1), p))
    value = torch.linalg.vector_norm(x, p, dim_of(x, rest[1]), keepdim=True)
    return into(results[0], value) if results else value


METHODS["norm"] = FUNCTIONS["norm"] = _norm


@both("dist")
def dist(x: torch.Tensor, y: torch.Tensor, p: float = 2) -> float:
    """Return the p-norm of a difference."""
    return number(torch.dist(x.reshape(-1), y.reshape(-1), float(p)))


@both("renorm")
def renorm(x: torch.Tensor, *args: Any) -> torch.Tensor:
    """Scale slices down to a maximum norm."""
    result = None
    if is_tensor(args[0]):
        result, x, *args = x, *args  # type: ignore[assignment]
    p, dim, maxnorm = args
    value = torch.renorm(x, float(p), dim_of(x, dim), float(maxnorm))
    return into(x if result is None else result, value)


@both("trace")
def trace(x: torch.Tensor) -> float:
    """Return the sum of the diagonal."""
    return number(torch.trace(x))


@both("nonzero")
def nonzero(x: torch.Tensor) -> torch.Tensor:
    """Return the indices of the elements that are not 0."""
    return torch.nonzero(x) + 1


@both("histc")
def histc(x: torch.Tensor, bins: int = 100, low: float = 0, high: float = 0) -> torch.Tensor:
    """Return a histogram."""
    return torch.histc(x, int(bins), low, high)


@both("equal")
def equal(x: Any, y: Any) -> bool:
    """Return whether two tensors have the same sizes and elements."""
    return is_tensor(x) and is_tensor(y) and x.shape == y.shape and bool((x == y).all())
