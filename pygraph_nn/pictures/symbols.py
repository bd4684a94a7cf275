"""How modules are called in pictures: small symbols for gates and sums, short words for others."""

from __future__ import annotations

import torch

from .. import nested
from ..nested import Nested

SYMBOLS = {
    "Abs": "|x|",
    "CAddTable": "+",
    "CDivTable": "÷",
    "CMaxTable": "max",
    "CMinTable": "min",
    "CMulTable": "×",
    "CSubTable": "−",
    "DotProduct": "·",
    "ELU": "elu",
    "Exp": "exp",
    "HardTanh": "hard tanh",
    "LeakyReLU": "leaky relu",
    "Log": "log",
    "LogSigmoid": "log σ",
    "LogSoftMax": "log softmax",
    "LogSoftmax": "log softmax",
    "MM": "A B",
    "MV": "A x",
    "PReLU": "prelu",
    "ReLU": "relu",
    "Sigmoid": "σ",
    "SoftMax": "softmax",
    "SoftMin": "softmin",
    "SoftPlus": "softplus",
    "Softmax": "softmax",
    "Softplus": "softplus",
    "Sqrt": "√x",
    "Square": "x²",
    "Tanh": "tanh",
}
FUNCTIONS = {"add": "+", "exp": "exp", "mul": "×", "relu": "relu", "sigmoid": "σ", "tanh": "tanh"}
# What a sum means does not depend on the order of its terms; inputs of other nodes are numbered.
COMMUTATIVE = {"CAddTable", "CMulTable", "CMaxTable", "CMinTable"}


def symbol(module: torch.nn.Module) -> str | None:
    """The sign that stands for `module`; None if it is drawn as a box.

    >>> from pygraph_nn import nn
    >>> symbol(nn.Sigmoid()), symbol(nn.MulConstant(-1)), symbol(nn.Linear(2, 3))
    ('σ', '×−1', None)
    """
    module = _unwrapped(module)
    kind = type(module).__name__
    if kind == "Function":
        return FUNCTIONS.get(str(module))
    if kind in ("AddConstant", "MulConstant"):
        sign = "+" if kind == "AddConstant" else "×"
        return sign + number(float(module.constant_scalar))  # type: ignore[arg-type]
    return SYMBOLS.get(kind)


def number(x: float) -> str:
    return f"{x:g}".replace("-", "−")


def title(module: torch.nn.Module) -> str:
    """The class of `module` and what it says about itself, on one line.

    >>> from pygraph_nn import nn
    >>> title(nn.Linear(10, 40))
    'Linear 10 → 40'
    """
    module = _unwrapped(module)
    kind = type(module).__name__
    if kind == "Function":
        return str(module)
    criterion = getattr(module, "criterion", None)
    if kind == "ModuleFromCriterion" and criterion is not None:
        return type(criterion).__name__
    if kind == "Dropout":
        return f"Dropout {number(float(module.p))}"  # type: ignore[arg-type]
    weight = getattr(module, "weight", None)
    if kind == "LookupTable" and isinstance(weight, torch.Tensor):
        return f"LookupTable {weight.shape[0]} → {weight.shape[1]}"
    first = str(module).partition("\n")[0].rstrip(" {(")
    _, found, arguments = first.partition("(")
    arguments = arguments.removesuffix(")").replace("->", "→")
    known = first.startswith(("nn.", "nngraph."))
    return f"{kind} {arguments}" if found and arguments and known else kind


def _unwrapped(module: torch.nn.Module) -> torch.nn.Module:
    """What is inside the layer that `pygraph_nn.module` makes of a foreign module."""
    is_foreign = type(module).__name__ == "ForeignModule"
    return module.module if is_foreign else module  # type: ignore[return-value]


def contents(module: torch.nn.Module, most: int = 6) -> list[str]:
    """One line for each module inside a container, at most `most`."""
    if type(module).__name__ == "ModuleFromCriterion":
        return []
    inside = [title(child) for child in _unwrapped(module).children()]
    if len(inside) > most:
        inside = [*inside[: most - 1], f"and {len(inside) - most + 1} more"]
    return inside


def parameter_count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def shape_text(value: Nested) -> str:
    """The shape of a value, or of a shape (a tuple), in the words of a picture.

    >>> (
    ...     shape_text(torch.zeros(20, 200)),
    ...     shape_text([(20, 200), (20,)]),
    ...     shape_text([(20, 200)] * 4),
    ... )
    ('20 × 200', '[20 × 200, 20]', '4 of 20 × 200')
    """
    if isinstance(value, torch.Tensor):
        value = tuple(value.shape)
    if is_shape(value):
        return " × ".join(map(str, value)) if value else "scalar"
    if isinstance(value, (list, tuple)):
        shapes = [shape_text(branch) for branch in value]
        if len(shapes) > 2 and len(set(shapes)) == 1:
            return f"{len(shapes)} of {shapes[0]}"
        return "[" + ", ".join(shapes) + "]"
    return nested.describe(value)


def is_shape(value: object) -> bool:
    """Whether `value` is the shape of one tensor: a tuple of integers, as in ``tensor.shape``."""
    return isinstance(value, tuple) and all(type(n) is int for n in value)
