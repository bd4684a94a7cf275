"""Tensors as text, in Torch7's layout: columns of equal width, and the type and size below."""

from __future__ import annotations

import math

import torch

from .types import Storage, dimensions, type_name

_LINE = 80


def text(x: torch.Tensor) -> str:
    """Return what Lua's ``print`` shows of a tensor or storage."""
    kind = type_name(x)
    if isinstance(x, Storage):
        lines = [f" {_number(v)}" for v in x.tolist()]
        return "\n".join([*lines, f"[{kind} of size {len(x)}]", ""])
    if dimensions(x) == 0:
        return f"[{kind} with no dimension]\n"
    sizes = "x".join(map(str, x.shape))
    end = f"[{kind} of size {sizes}]\n"
    x = x.detach().to("cpu")
    if x.dim() == 1:
        return _vector(x) + end
    if x.dim() == 2:
        return _matrix(x, "") + end
    parts = []
    for place in torch.cartesian_prod(*(torch.arange(n) for n in x.shape[:-2])).reshape(
        -1, x.dim() - 2
    ):
        index = tuple(place.tolist())
        name = ",".join(str(i + 1) for i in index)
        parts.append(f"({name},.,.) = \n" + _matrix(x[index], "  "))
    return "\n".join(parts) + end


def _number(value: float) -> str:
    return f"{value:d}" if isinstance(value, int) else f"{value:.14g}"


def _format(x: torch.Tensor) -> tuple[str, float, int]:
    """Return the format of a number, the scale that is printed above, and the width."""
    values = x.double().reshape(-1)
    finite = values[torch.isfinite(values)].abs()
    if not len(finite):
        return "{:6.0f}", 1, 6
    whole = bool((finite == finite.ceil()).all())
    low, high = float(finite.min()), float(finite.max())
    least = math.floor(math.log10(low)) + 1 if low else 1
    most = math.floor(math.log10(high)) + 1 if high else 1
    if whole:
        if most > 9:
            return "{:11.4e}", 1, 11
        width = most + 1 if len(finite) == len(values) else max(most + 1, 5)
        return f"{{:{width}.0f}}", 1, width
    if most - least > 4:
        width = 11 + (abs(least) >= 100 or abs(most) >= 100)
        return f"{{:{width}.4e}}", 1, width
    if most > 5 or most < 0:
        return "{:7.4f}", 10.0 ** (most - 1), 7
    width = 7 if most == 0 else most + 6
    return f"{{:{width}.4f}}", 1, width


def _scaled(x: torch.Tensor) -> tuple[str, str, torch.Tensor, int]:
    shape, scale, width = _format(x)
    head = "" if scale == 1 else f"{scale:g} *\n"
    return head, shape, x.double() / scale, width


def _vector(x: torch.Tensor) -> str:
    head, shape, values, _ = _scaled(x)
    return head + "".join(shape.format(v) + "\n" for v in values.tolist())


def _matrix(x: torch.Tensor, indent: str) -> str:
    head, shape, values, width = _scaled(x)
    columns = max(1, (_LINE - len(indent)) // (width + 1))
    blocks = []
    for first in range(0, x.shape[1], columns):
        last = min(first + columns, x.shape[1])
        title = f"{indent}Columns {first + 1} to {last}\n" if x.shape[1] > columns else ""
        rows = [
            indent + " ".join(shape.format(v) for v in row) + "\n"
            for row in values[:, first:last].tolist()
        ]
        blocks.append(title + (indent + head if head else "") + "".join(rows))
    return "\n".join(blocks)
