"""Refuses a gradOutput that would be lost: autograd has gradients of floating-point tensors only.

The checks concern outputs that autograd does not follow, so a plain backward pass costs no more.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from ... import nested
from ...errors import GraphError, type_name
from ...nested import Nested
from .recording import has_gradient
from .wrong_input import is_own


def check_output(place: Callable[[], str], output: Nested, gradient: Nested) -> None:
    """Check the gradient of one element of the output that autograd does not follow.

    Raises:
        GraphError: `output` is an integer, a number or another object, and `gradient` is not zero.
    """
    if has_gradient(output) or _is_zero(gradient):
        return
    raise GraphError(
        f"{place()}: the output holds {_described(output)}, of which autograd computes no "
        f"gradient, and gradOutput holds {_described(gradient)} for it. Pass a floating-point "
        "tensor through the module, or zeros as its gradOutput"
    )


def check_integers(
    place: Callable[[], str], module: torch.nn.Module, input: Nested, gradOutput: Nested
) -> None:
    """Check the gradient where autograd follows none of the output.

    Raises:
        GraphError: the input holds integers with which `module` computes, and `gradOutput` is not
            zero.
    """
    integers = [x for x in nested.leaves(input) if not has_gradient(x)]
    if not integers or _takes_integers(module):
        return
    if all(map(_is_zero, nested.leaves(gradOutput))):
        return
    raise GraphError(
        f"{place()}: the input holds {_described(integers[0])}, of which autograd computes no "
        f"gradient. Pass a floating-point tensor: x.to({torch.get_default_dtype()})"
    )


def check_kind(place: Callable[[], str], output: Nested, grad_output: Nested) -> None:
    """Check the gradient of `output`, if that is a tensor.

    Raises:
        GraphError: `grad_output` is not a tensor, too.
    """
    if not isinstance(output, torch.Tensor) or isinstance(grad_output, torch.Tensor):
        return
    shape = tuple(output.shape)
    if isinstance(grad_output, (int, float)):
        reason = f"gradOutput is the number {grad_output}: write torch.full({shape}, {grad_output})"
    else:
        reason = nested.not_tensors(grad_output, "gradOutput") or (
            f"gradOutput is a table, {nested.describe(grad_output)}: pass a tensor"
        )
    raise GraphError(f"{place()}: the output is a tensor of shape {shape}, and {reason}")


def _takes_integers(module: torch.nn.Module) -> bool:
    """Return whether the input of `module` may hold indices; a user's own module decides."""
    members = list(module.members()) if hasattr(module, "members") else []  # type: ignore[operator]
    if members:
        return any(map(_takes_integers, members))
    return not is_own(module) or bool(module.takes_integers)


def _is_zero(gradient: Nested) -> bool:
    if isinstance(gradient, torch.Tensor):
        return not gradient.any()
    return gradient is None or (isinstance(gradient, (int, float)) and gradient == 0)


def _described(x: Nested) -> str:
    if isinstance(x, (int, float, complex, str)):
        return f"the {'string' if isinstance(x, str) else 'number'} {x!r}"
    return f"a {type_name(x)}"
