"""How modules are called in pictures: small symbols for gates and sums, short words for others."""

from __future__ import annotations

import torch

from .. import nested, nn
from ..nested import Nested
from ..nn.core import Function, unwrapped

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
"""The signs of torch.nn's modules by class name; a layer of ours has its `sign`."""

FUNCTIONS = {"add": "+", "exp": "exp", "mul": "×", "relu": "relu", "sigmoid": "σ", "tanh": "tanh"}


def symbol(module: torch.nn.Module) -> str | None:
    """The sign that stands for `module`; None if it is drawn as a box.

    >>> from pygraph_nn import nn
    >>> symbol(nn.Sigmoid()), symbol(nn.MulConstant(-1)), symbol(nn.Linear(2, 3))
    ('σ', '×−1', None)
    """
    module = unwrapped(module)
    if isinstance(module, Function):
        return FUNCTIONS.get(str(module))
    if isinstance(module, nn.Module):
        return module.sign
    return FOREIGN_SIGNS.get(type(module).__name__)


def title(module: torch.nn.Module) -> str:
    """The class of `module` and what it says about itself, on one line.

    >>> from pygraph_nn import nn
    >>> title(nn.Linear(10, 40))
    'Linear 10 → 40'
    """
    module = unwrapped(module)
    return module.title() if isinstance(module, nn.Module) else type(module).__name__


def contents(module: torch.nn.Module, most: int = 6) -> list[str]:
    """One line for each module inside a container, at most `most`."""
    if isinstance(module, nn.ModuleFromCriterion):
        return []
    inside = [title(child) for child in unwrapped(module).children()]
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
