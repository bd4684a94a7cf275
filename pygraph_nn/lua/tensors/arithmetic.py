"""Arithmetic of tensors: in place as methods, new tensors as functions."""

from __future__ import annotations

import math
from typing import Any

import torch

from .registry import FUNCTIONS, METHODS, function, in_place, into, method, operands
from .types import describe, is_tensor, number


def like(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return `y` with the shape and type of `x`, where both have as many elements."""
    if y.dtype != x.dtype:
        raise TypeError(f"expecting {describe(x)}, got {describe(y)}. Convert it with typeAs")
    if y.shape != x.shape and y.numel() == x.numel():
        y = y.reshape(x.shape)
    return y


def scalar(x: torch.Tensor, value: Any) -> Any:
    """Return a number as Torch7 hands it to C: for a tensor of integers it loses its fraction."""
    if isinstance(value, float) and not x.is_floating_point():
        if not math.isfinite(value):
            raise TypeError(f"expecting an integer for {describe(x)}, got {value:g}")
        return int(value)
    return value


def _divisor(x: torch.Tensor, value: Any) -> Any:
    value = scalar(x, value)
    if not is_tensor(value) and not x.is_floating_point() and value == 0:
        raise ZeroDivisionError(f"division of {describe(x)} by 0")
    return value


def _scaled(args: tuple[Any, ...], name: str) -> tuple[Any, Any]:
    """Return (scale, operand) of ``name(operand)`` or ``name(scale, operand)``."""
    if len(args) == 1:
        return 1, args[0]
    if len(args) == 2 and isinstance(args[0], (int, float)):
        return args[0], args[1]
    raise TypeError(f"{name}: got {', '.join(map(describe, args)) or 'nothing'}")


@in_place("add")
@operands(1)
def add(x: torch.Tensor, *args: Any) -> None:
    """Add a number or ``[scale,] tensor``."""
    scale, y = _scaled(args, "add")
    if is_tensor(y):
        x.add_(like(x, y), alpha=scalar(x, scale))
    else:
        x.add_(scalar(x, y))


@in_place("csub", "sub_")
@operands(1)
def csub(x: torch.Tensor, *args: Any) -> None:
    """Subtract a number or ``[scale,] tensor``."""
    scale, y = _scaled(args, "csub")
    if is_tensor(y):
        x.sub_(like(x, y), alpha=scalar(x, scale))
    else:
        x.sub_(scalar(x, y))


@in_place("mul")
@operands(1)
def mul(x: torch.Tensor, y: Any) -> None:
    """Multiply by a number or elementwise."""
    x.mul_(like(x, y) if is_tensor(y) else scalar(x, y))


@in_place("div")
@operands(1)
def div(x: torch.Tensor, y: Any) -> None:
    """Divide by a number or elementwise; integers are truncated."""
    y = like(x, y) if is_tensor(y) else _divisor(x, y)
    if x.is_floating_point():
        x.div_(y)
    else:
        x.div_(y, rounding_mode="trunc")


@in_place("cmul")
@operands(1)
def cmul(x: torch.Tensor, y: torch.Tensor) -> None:
    """Multiply elementwise."""
    x.mul_(like(x, y))


@in_place("cdiv")
@operands(1)
def cdiv(x: torch.Tensor, y: torch.Tensor) -> None:
    """Divide elementwise."""
    div(x, y)


@in_place("pow")
@operands(1)
def pow(x: torch.Tensor, y: Any) -> None:
    """Raise to a power."""
    x.pow_(like(x, y) if is_tensor(y) else y)


_pow_of_tensors = FUNCTIONS["pow"]


@function("pow")
def pow_function(*args: Any) -> Any:
    """Compute ``torch.pow([result,] x, y)``, where x may be a number."""
    if is_tensor(args[-1]) and len(args) > 1 and isinstance(args[-2], (int, float)):
        powers = torch.pow(torch.full_like(args[-1], args[-2]), args[-1])
        return into(args[0], powers) if len(args) > 2 else powers
    return _pow_of_tensors(*args)


@in_place("cpow")
@operands(1)
def cpow(x: torch.Tensor, y: torch.Tensor) -> None:
    """Raise elementwise to powers."""
    x.pow_(like(x, y))


@in_place("fmod", "mod")
@operands(1)
def fmod(x: torch.Tensor, y: Any) -> None:
    """Compute the remainder with the sign of the dividend."""
    x.fmod_(y)


@in_place("remainder", "cremainder")
@operands(1)
def remainder(x: torch.Tensor, y: Any) -> None:
    """Compute the remainder with the sign of the divisor."""
    x.remainder_(y)


@in_place("cmax")
@operands(1)
def cmax(x: torch.Tensor, y: Any) -> None:
    """Take the elementwise maximum."""
    x.copy_(torch.maximum(x, like(x, y)) if is_tensor(y) else x.clamp(min=y))


@in_place("cmin")
@operands(1)
def cmin(x: torch.Tensor, y: Any) -> None:
    """Take the elementwise minimum."""
    x.copy_(torch.minimum(x, like(x, y)) if is_tensor(y) else x.clamp(max=y))


@in_place("atan2")
@operands(1)
def atan2(x: torch.Tensor, y: torch.Tensor) -> None:
    """Compute the angle of two coordinates."""
    x.atan2_(like(x, y))


@in_place("lerp")
@operands(2)
def lerp(x: torch.Tensor, y: torch.Tensor, weight: float) -> None:
    """Interpolate between two tensors."""
    x.lerp_(like(x, y), weight)


def _product_terms(args: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    return (1, *args) if len(args) == 2 else args


def _addc(name: str) -> None:
    """Register addcmul or addcdiv: ``x + [value *] a op b``."""

    def compute(x: torch.Tensor, args: tuple[Any, ...]) -> None:
        value, a, b = _product_terms(args)
        getattr(x, f"{name}_")(like(x, a), like(x, b), value=value)

    def on_first(x: torch.Tensor, *args: Any) -> torch.Tensor:
        if len(args) == 4 or (len(args) == 3 and is_tensor(args[0])):
            into(x, args[0])
            args = args[1:]
        compute(x, args)
        return x

    def returning(x: torch.Tensor, *args: Any) -> torch.Tensor:
        if len(args) == 4 or (len(args) == 3 and is_tensor(args[0])):
            return on_first(x, *args)
        return on_first(x.clone(), *args)

    METHODS[name], FUNCTIONS[name] = on_first, returning


_addc("addcmul")
_addc("addcdiv")


@in_place("clamp")
@operands(2)
def clamp(x: torch.Tensor, low: float, high: float) -> None:
    """Limit the elements to a range."""
    x.clamp_(low, high)


def _round(x: torch.Tensor) -> torch.Tensor:
    # Torch7 rounds halves away from zero.
    return torch.where(x >= 0, (x + 0.5).floor(), (x - 0.5).ceil())


_ELEMENTWISE = {
    **{
        name: getattr(torch, name)
        for name in (
            "exp log log1p sqrt rsqrt sin cos tan asin acos atan sinh cosh tanh abs sign floor "
            "ceil trunc frac neg sigmoid"
        ).split()
    },
    "round": _round,
    "cinv": torch.reciprocal,
}
_OF_NUMBERS = {
    "exp": math.exp,
    "log": lambda x: math.log(x) if x > 0 else (-math.inf if x == 0 else math.nan),
    "log1p": math.log1p,
    "sqrt": lambda x: math.sqrt(x) if x >= 0 else math.nan,
    "rsqrt": lambda x: 1 / math.sqrt(x),
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "tanh": math.tanh,
    "abs": abs,
    "sign": lambda x: (x > 0) - (x < 0),
    "floor": math.floor,
    "ceil": math.ceil,
    "trunc": math.trunc,
    "frac": lambda x: math.modf(x)[0],
    "neg": lambda x: -x,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "round": lambda x: math.floor(x + 0.5) if x >= 0 else math.ceil(x - 0.5),
    "cinv": lambda x: 1 / x,
}


def _elementwise(name: str, compute: Any) -> None:
    of_number = _OF_NUMBERS[name]

    def on_first(x: torch.Tensor, y: torch.Tensor | None = None) -> torch.Tensor:
        return into(x, compute(x if y is None else y))

    def returning(x: Any, y: torch.Tensor | None = None) -> Any:
        if isinstance(x, (int, float)):
            try:
                return of_number(x)
            except OverflowError:
                return math.inf
        return compute(x) if y is None else into(x, compute(y))

    METHODS[name], FUNCTIONS[name] = on_first, returning


for _name, _compute in _ELEMENTWISE.items():
    _elementwise(_name, _compute)


def _comparison(name: str) -> None:
    compute = getattr(torch, name)

    def compare(x: torch.Tensor, y: Any, *result: Any) -> Any:
        if result:  # torch.lt(result, x, y)
            return into(x, compute(y, result[0]).to(x.dtype))
        return compute(x, y).to(torch.uint8)

    METHODS[name] = FUNCTIONS[name] = compare


for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    _comparison(_name)


# Products of vectors and matrices


@method("dot")
@function("dot")
def dot(x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the dot product, a number."""
    return number(torch.dot(x.reshape(-1), like(x.reshape(-1), y)))


def _into_first(name: str, compute: Any, count: int) -> None:
    """Register a function of `count` tensors: new, or written into a first one."""

    def returning(*args: Any) -> torch.Tensor:
        if len(args) > count:
            return into(args[0], compute(*args[1:]))
        return compute(*args)

    def on_first(x: torch.Tensor, *args: Any) -> torch.Tensor:
        return into(x, compute(*args)) if len(args) >= count else compute(x, *args)

    METHODS[name], FUNCTIONS[name] = on_first, returning


_into_first("mv", torch.mv, 2)
_into_first("mm", torch.mm, 2)
_into_first("bmm", torch.bmm, 2)
_into_first("ger", torch.outer, 2)
_into_first("cross", torch.linalg.cross, 2)
_into_first("inverse", torch.inverse, 1)


def _accumulating(name: str, product: Any) -> None:
    """Register addmv and the like: ``[v1 *] x + [v2 *] a . b``."""

    def parse(args: tuple[Any, ...]) -> tuple[float, float, Any, Any]:
        numbers = [a for a in args if isinstance(a, (int, float))]
        tensors = [a for a in args if is_tensor(a)]
        a, b = tensors[-2:]
        if len(numbers) == 2:
            return numbers[0], numbers[1], a, b
        # The factor of the product stands right before it: addmm(x, 2, a, b); that of x, before x.
        before_x = numbers and len(tensors) > 2 and not isinstance(args[-3], (int, float))
        number = numbers[0] if numbers else 1
        return (number, 1, a, b) if before_x else (1, number, a, b)

    def on_first(x: torch.Tensor, *args: Any) -> torch.Tensor:
        sources = [a for a in args if is_tensor(a)]
        beta, alpha, a, b = parse(args)
        term = product(a, b)
        start = x if len(sources) == 2 else sources[0]
        return into(x, start * beta + alpha * term if beta else alpha * term)

    def returning(*args: Any) -> torch.Tensor:
        tensors = [a for a in args if is_tensor(a)]
        if len(tensors) == 4:
            return on_first(args[0], *args[1:])
        beta, alpha, a, b = parse(args)
        return tensors[0] * beta + alpha * product(a, b)

    METHODS[name], FUNCTIONS[name] = on_first, returning


_accumulating("addmv", torch.mv)
_accumulating("addmm", torch.mm)
_accumulating("addr", torch.outer)
_accumulating("baddbmm", torch.bmm)
_accumulating("addbmm", lambda a, b: torch.bmm(a, b).sum(0))


# Lua's operators


def operator_mul(x: Any, y: Any) -> Any:
    """Compute ``x * y``: a product of vectors or matrices, or with a number."""
    if not is_tensor(y):
        return x * scalar(x, y)
    if not is_tensor(x):
        return scalar(y, x) * y
    if x.dim() == 1 and y.dim() == 1:
        return number(torch.dot(x, y))
    return torch.matmul(x, y)


def operator_add(x: Any, y: Any) -> Any:
    """Compute ``x + y``."""
    if not is_tensor(x):
        return scalar(y, x) + y
    return x + (like(x, y) if is_tensor(y) else scalar(x, y))


def operator_sub(x: Any, y: Any) -> Any:
    """Compute ``x - y``."""
    if not is_tensor(x):
        return scalar(y, x) - y
    return x - (like(x, y) if is_tensor(y) else scalar(x, y))


def operator_div(x: Any, y: Any) -> Any:
    """Compute ``x / y``."""
    if is_tensor(x) and not x.is_floating_point():
        y = like(x, y) if is_tensor(y) else _divisor(x, y)
        return torch.div(x, y, rounding_mode="trunc")
    return x / (like(x, y) if is_tensor(x) and is_tensor(y) else y)


def operator_pow(x: Any, y: Any) -> Any:
    """Compute ``x ^ y``."""
    return torch.pow(x, y)


def operator_mod(x: Any, y: Any) -> Any:
    """Compute ``x % y``, with the sign of the divisor."""
    return torch.remainder(x, like(x, y) if is_tensor(y) else _divisor(x, y))
