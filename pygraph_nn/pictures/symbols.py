"""Text for modules and shapes in pictures: symbols for gates and sums, short titles for others."""

from __future__ import annotations

import torch

from .. import nested, nn
from ..nested import Nested
from ..nn.core import Function, unwrapped
from .model import Box

FOREIGN_SIGNS = {
    "ELU": "elu",
    "LeakyReLU": "leaky relu",
    "LogSigmoid": "log σ",
    "LogSoftmax": "log softmax",
    "PReLU": "prelu",
    "ReLU": "relu",
    "Sigmoid": "σ",
    "Softmax": "softmax",
    "Softplus": "softplus",
    "Tanh": "tanh",
}
"""Symbols of torch.nn's modules, by class name. Layers of `pygraph_nn.nn` have a `sign`."""

FUNCTION_SIGNS = {
    "add": "+",
    "exp": "exp",
    "mul": "×",
    "relu": "relu",
    "sigmoid": "σ",
    "tanh": "tanh",
}
"""Symbols of functions (`nngraph.function`), by name."""

_DIGITS, _RAISED = "0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"

MOST_LINES = 6
"""The largest number of lines about the contents of a container."""


def symbol(module: torch.nn.Module) -> str | None:
    """Return the symbol that a picture shows for `module`, or None if it shows a box.

    >>> from pygraph_nn import nn
    >>> symbol(nn.Sigmoid()), symbol(nn.MulConstant(-1)), symbol(nn.Linear(2, 3))
    ('σ', '×−1', None)
    """
    module = unwrapped(module)
    if isinstance(module, Function):
        return FUNCTION_SIGNS.get(str(module))
    if isinstance(module, nn.Module):
        return module.sign
    return FOREIGN_SIGNS.get(type(module).__name__)


def title(module: torch.nn.Module) -> str:
    """Return the class of `module` and its sizes on one line.

    >>> from pygraph_nn import nn
    >>> title(nn.Linear(10, 40))
    'Linear 10 → 40'
    """
    module = unwrapped(module)
    return module.title() if isinstance(module, nn.Module) else type(module).__name__


def contents(module: torch.nn.Module) -> list[str]:
    """Return the titles of the modules inside a container, in at most `MOST_LINES` lines."""
    if isinstance(module, nn.ModuleFromCriterion):
        return []
    inside = [title(child) for child in unwrapped(module).children()]
    if len(inside) > MOST_LINES:
        shown = inside[: MOST_LINES - 1]
        return [*shown, f"and {len(inside) - len(shown)} more"]
    return inside


def parameter_count(module: torch.nn.Module) -> int:
    """Return the number of elements of all parameters of `module`."""
    return sum(parameter.numel() for parameter in module.parameters())


def shape_text(value: Nested) -> str:
    """Return the text for the shape of a nested value, in which tuples of integers are shapes.

    >>> shape_text(torch.zeros(20, 200))
    '20 × 200'
    >>> shape_text([(20, 200), (20,)])
    '[20 × 200, 20]'
    >>> shape_text([(20, 200)] * 4)
    '4 of 20 × 200'
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
    """Return whether `value` is the shape of one tensor: a tuple of integers."""
    return isinstance(value, tuple) and all(type(n) is int for n in value)


def state_part(box: Box) -> str:
    """Return the name of the next state that `box` computes: c¹ for next_c in the group "lstm 1".

    It is empty if the box computes no state, or its group has no number.
    """
    layer = box.frame[0].rpartition(" ")[2] if box.frame else ""
    if box.name.endswith(tuple(_RAISED)):
        return box.name  # with the index of its layer already
    if not box.name.startswith("next_") or not layer.isdecimal():
        return ""
    return box.name.removeprefix("next_") + layer.translate(str.maketrans(_DIGITS, _RAISED))
