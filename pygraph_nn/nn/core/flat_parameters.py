"""getParameters: all parameters of a module in one flat tensor, all gradients in another."""

from __future__ import annotations

import torch

from ...errors import GraphError
from .flat_classes import home_of
from .flat_tensors import FlatTensors


def flatten(module: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the parameters and gradients of `module` as two flat tensors, which they then view.

    The order is Torch7's: modules in order, weight before bias. A parameter that several modules
    share appears once, at its first place.

    Parameters that lie in flat tensors already, of this module or of a larger one, stay there: the
    result is a part of these, or the same tensors again. Otherwise they move, and flat tensors of
    parts of the module follow. One that cannot follow, because its parameters now lie elsewhere or
    in another order, raises GraphError when it is used.

    Returns:
        Parameters and gradients, each (number of values,). The first has the second as its
        ``.grad``. Without parameters both are empty.

    Raises:
        GraphError: the parameters differ in dtype or device, or share their values without
            sharing their gradients, or the other way round.
    """
    parameters = list(module.parameters())
    if not parameters:
        return torch.empty(0), torch.empty(0)
    first = parameters[0]
    for name, parameter in module.named_parameters():
        if (parameter.dtype, parameter.device) != (first.dtype, first.device):
            raise GraphError(
                f"getParameters: {name} is {parameter.dtype} on {parameter.device}, the first "
                f"parameter {first.dtype} on {first.device}; one tensor cannot hold both"
            )
    _check_sharing(parameters)
    home = home_of(first)
    flat = None if home is None else home.tensors
    part = None if flat is None else flat.range_of(parameters)
    if flat is None or part is None:
        size = sum(parameter.numel() for parameter in parameters)
        flat, part = FlatTensors(first, size), (0, size)
        offset = 0
        before = {home.tensors: None for p in parameters if (home := home_of(p)) is not None}
        for parameter in parameters:
            values = flat.values[offset : offset + parameter.numel()]
            # One by one, so that memory never holds everything twice.
            flat.place(parameter, values.view_as(parameter))
            offset += parameter.numel()
        for old in before:
            old.moved_to(flat)
    values = flat.in_use("values", *part)
    return values, flat.in_use("grads", *part)


def blocked_norm(flat: torch.Tensor, *tables: torch.Tensor) -> torch.Tensor:
    """Return the 2-norm of `flat` and all `tables` together, as a tensor in double precision.

    Torch7 sums squares in double precision. Here blocks of 4096 values of `flat`, and the rows of
    each table, are measured in their own precision, and these norms are combined in double
    precision: no copy of `flat` in double precision is made.

    Args:
        flat: (n,).
        tables: any number of (rows, width).

    Returns:
        A tensor, (). The call does not wait for the device.
    """
    block = 4096
    whole = len(flat) // block * block
    norms = [torch.linalg.vector_norm(flat[:whole].view(-1, block), dim=1).double()]
    norms.append(torch.linalg.vector_norm(flat[whole:]).double()[None])
    norms += [torch.linalg.vector_norm(table, dim=1).double() for table in tables]
    return torch.linalg.vector_norm(torch.cat(norms))


def _check_sharing(parameters: list[torch.nn.Parameter]) -> None:
    """Raise `GraphError` if two parameters have only their values or gradients in common."""
    for one, other, tensors in (
        ("values", "gradients", list(parameters)),
        (
            "gradients",
            "values",
            [p.grad for p in parameters if p.grad is not None and not p.grad.is_sparse],
        ),
    ):
        seen = set()
        for tensor in tensors:
            place = (tensor.untyped_storage()._cdata, tensor.storage_offset())
            if tensor.numel() and place in seen:
                raise GraphError(
                    f"getParameters: two parameters share their {one} but not their {other}. "
                    "Share both: clone('weight', 'bias', 'gradWeight', 'gradBias')"
                )
            seen.add(place)
