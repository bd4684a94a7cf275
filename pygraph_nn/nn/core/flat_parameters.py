"""getParameters: all parameters of a module in one flat tensor, all gradients in another."""

from __future__ import annotations

import torch

from ...errors import GraphError


def flatten(module: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Move the parameters and gradients of `module` into two flat tensors, which they then view.

    The order is Torch7's: modules in order, weight before bias. A parameter that several modules
    share appears once, at its first place. An earlier flat tensor no longer holds the parameters.

    Returns:
        Parameters and gradients, each (number of values,). Without parameters both are empty.

    Raises:
        GraphError: the parameters differ in dtype or device, or share their values without
            sharing their gradients.
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
    size = sum(parameter.numel() for parameter in parameters)
    flat, flat_grad = first.new_empty(size), first.new_empty(size)
    offset = 0
    with torch.no_grad():
        for parameter in parameters:
            place = slice(offset, offset + parameter.numel())
            values, grads = flat[place].view_as(parameter), flat_grad[place].view_as(parameter)
            # One by one, so that memory never holds everything twice.
            parameter.data = values.copy_(parameter)
            parameter.grad = (
                grads.zero_() if parameter.grad is None else grads.copy_(parameter.grad)
            )
            offset = place.stop
    return flat.detach(), flat_grad


def is_flat(module: torch.nn.Module) -> bool:
    """Return whether the parameters of `module` still lie in one tensor as `flatten` left them."""
    parameters = list(module.parameters())
    end = None
    for parameter in parameters:
        storage = parameter.untyped_storage()._cdata
        if end not in (None, (storage, parameter.storage_offset())):
            return False
        if not parameter.is_contiguous():
            return False
        end = (storage, parameter.storage_offset() + parameter.numel())
    return len(parameters) > 0


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
    seen = set()
    for parameter in parameters:
        place = (parameter.untyped_storage().data_ptr(), parameter.storage_offset())
        if parameter.numel() and parameter.device.type != "meta" and place in seen:
            raise GraphError(
                "getParameters: two parameters share their values but not their gradients. "
                "Share both: clone('weight', 'bias', 'gradWeight', 'gradBias')"
            )
        seen.add(place)
