"""The flat layout: all parameters of a network as views of one tensor, gradients likewise."""

from __future__ import annotations

from collections import Counter

import torch

from .. import nn
from ..errors import GraphError
from .workspace import Slot

Tensor = torch.Tensor


class FlatLayout:
    """Moves the parameters of `core` into one flat tensor, of which they become views.

    Their names, shapes and values do not change. Tables come first, then the blocks of linear
    layers, then the parameters whose gradients autograd adds up, such as a weight that two layers
    share.

    Attributes:
        parameters, gradients: all of them, flat, (n,); the gradients are zeros at first.
        slots: the slot of each `LookupTable` and `Linear` that owns its parameters.
        left_to_autograd: the parameters without a slot; their `.grad` is a view of `gradients`.
        dense_from: the index in `gradients` after the tables whose gradients have `Slot.rows`.

    Raises:
        GraphError: there are no parameters, or they differ in dtype or device.
    """

    def __init__(self, core: torch.nn.Module) -> None:
        all_parameters = list(core.parameters())
        if not all_parameters or len({(p.dtype, p.device) for p in all_parameters}) != 1:
            raise GraphError("FlatSGD: the parameters must be of one dtype, on one device")
        for parameter in all_parameters:
            parameter.grad = None  # free old gradients before new ones are allocated
        size = sum(p.numel() for p in all_parameters)
        self.parameters = all_parameters[0].detach().new_empty(size)
        self.gradients = all_parameters[0].detach().new_zeros(size)
        self.slots: dict[torch.nn.Module, Slot] = {}
        self.left_to_autograd: list[torch.nn.Parameter] = []
        self.dense_from = 0
        self._used = 0
        owners = _owners(core)
        tables = [m for m in owners if isinstance(m, nn.LookupTable) and _has_row_gradients(m)]
        linears = [m for m in owners if type(m) is nn.Linear]
        for table in tables:
            self._place_table(table)
        for linear in linears:
            self._place_linear(linear)
        placed = {p for m in (*tables, *linears) for p in m.parameters()}
        for parameter in all_parameters:
            if parameter not in placed:
                self._place(parameter, *self._take(*parameter.shape))
                self.left_to_autograd.append(parameter)
        self._tables = tables
        self._placed = [(p, p.data_ptr(), p.requires_grad) for p in all_parameters]

    def check_unchanged(self) -> None:
        """Raise `GraphError` if a parameter or a table has changed since it was laid out."""
        for parameter, address, requires_grad in self._placed:
            if parameter.data_ptr() != address:
                raise GraphError(
                    "FlatSGD: the parameters were moved elsewhere, by getParameters() or to(): "
                    "make a new FlatSGD"
                )
            if parameter.requires_grad != requires_grad:
                raise GraphError(
                    "FlatSGD: requires_grad of a parameter was changed: make a new FlatSGD"
                )
        for table in self._tables:
            if not _has_row_gradients(table):
                raise GraphError(
                    f"FlatSGD: padding, maxNorm or gradient scaling of {table} was changed: make "
                    "a new FlatSGD"
                )

    def _take(self, *shape: int) -> tuple[Tensor, Tensor]:
        """Return the next part of `parameters` and of `gradients`, viewed as `shape`."""
        part = slice(self._used, self._used + torch.Size(shape).numel())
        self._used = part.stop
        return self.parameters[part].view(shape), self.gradients[part].view(shape)

    def _place(self, parameter: torch.nn.Parameter, values: Tensor, grads: Tensor) -> None:
        """Make `parameter` a view of `values`, its values copied there, and its `.grad` `grads`."""
        with torch.no_grad():
            parameter.data = values.copy_(parameter)
            parameter.grad = grads

    def _place_table(self, table: nn.LookupTable) -> None:
        values, grads = self._take(*table.weight.shape)
        self._place(table.weight, values, grads)
        slot = self.slots[table] = Slot(values.detach().requires_grad_(), grads)
        # On a device, finding the rows that have gradients would wait for the device.
        if values.is_cpu:
            slot.rows = torch.empty(0, dtype=torch.long)
            self.dense_from = self._used

    def _place_linear(self, linear: nn.Linear) -> None:
        outputs, inputs = linear.weight.shape
        values, grads = self._take(inputs + (linear.bias is not None), outputs)
        self._place(linear.weight, values[:inputs].t(), grads[:inputs].t())
        if linear.bias is None:
            self.left_to_autograd.append(linear.weight)
        else:
            self._place(linear.bias, values[inputs], grads[inputs])
            self.slots[linear] = Slot(values.detach().requires_grad_(), grads)


def _owners(core: torch.nn.Module) -> list[torch.nn.Module]:
    """Return the modules whose parameters belong to no other module and are to be trained."""
    own = {
        m: [p for _, p in m.named_parameters(recurse=False, remove_duplicate=False)]
        for m in core.modules()
    }
    users = Counter(p for parameters in own.values() for p in parameters)
    return [m for m, ps in own.items() if all(users[p] == 1 and p.requires_grad for p in ps)]


def _has_row_gradients(table: nn.LookupTable) -> bool:
    """Return whether the gradient of `table` is the sum of its outputs' gradients, row by row."""
    return (
        type(table) is nn.LookupTable
        and table.paddingValue is None
        and table.maxNorm is None
        and not table.shouldScaleGradByFreq
    )
