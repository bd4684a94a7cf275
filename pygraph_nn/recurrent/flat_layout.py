"""The flat layout: all parameters of a network as views of one tensor, gradients likewise."""

from __future__ import annotations

from collections import Counter

import torch

from .. import nn
from ..errors import GraphError
from ..nn.core import FlatGuard, FlatTensors, home_of
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
        left_to_autograd: the parameters without a slot that are to be trained; their `.grad` is a
            view of `gradients`.
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
        before = {home.tensors: None for p in all_parameters if (home := home_of(p)) is not None}
        self._core = core
        self._flat = FlatTensors(all_parameters[0], size)
        self._used = 0
        owners = _owners(core)
        self._tables = [m for m in owners if isinstance(m, nn.LookupTable) and _adds_rows(m)]
        linears = [m for m in owners if type(m) is nn.Linear]
        # The part of `parameters` that holds the parameters of a layer as one.
        self._blocks: dict[torch.nn.Module, Tensor] = {}
        self._blocks |= {m: self._place_table(m) for m in self._tables}
        self._blocks |= {m: self._place_linear(m) for m in linears if m.bias is not None}
        for linear in linears:
            if linear.bias is None:
                self._place_linear(linear)
        placed = {p for m in (*self._tables, *linears) for p in m.parameters()}
        for parameter in all_parameters:
            if parameter not in placed:
                self._flat.place(parameter, self._take(*parameter.shape))
        for flat in before:
            flat.moved_to(self._flat)
        self.parameters = self._flat.in_use("values", 0, size)
        self.gradients = self._flat.in_use("grads", 0, size)
        self.slots: dict[torch.nn.Module, Slot] = {}
        self._guard = FlatGuard(core)
        self._assign_slots()

    def follow(self) -> bool:
        """Return whether the network has changed since the last call, and follow it.

        Parameters that were tied, frozen or unfrozen get their gradients as they now need them.

        Raises:
            GraphError: a parameter is new, was moved elsewhere, or a table has changed.
        """
        self._changed |= self._guard.follow()
        for parameter, address, requires_grad in self._placed:
            if parameter.data_ptr() != address:
                raise GraphError(
                    f"FlatSGD: {self._name(parameter)} was moved elsewhere, by getParameters(), "
                    "to() or another FlatSGD: make a new FlatSGD"
                )
            self._changed |= parameter.requires_grad != requires_grad
        for table in self._tables:
            if not _adds_rows(table):
                raise GraphError(
                    f"FlatSGD: padding, maxNorm or gradient scaling of {table} was changed: make "
                    "a new FlatSGD"
                )
        if not self._changed:
            return False
        self._assign_slots()
        return True

    def _assign_slots(self) -> None:
        """Give a slot to each placed layer that owns its parameters, and zero all gradients."""
        self._changed = False
        self._flat.grads.zero_()
        self.slots.clear()
        self.dense_from = 0
        owners = {m for m in _owners(self._core) if _fills(m, self._blocks.get(m))}
        in_rows = True  # only up to the first table without a slot
        for module, block in self._blocks.items():
            if module not in owners:
                in_rows = False
                continue
            grads = self._flat.grads.as_strided(block.shape, block.stride(), block.storage_offset())
            slot = self.slots[module] = Slot(block.detach().requires_grad_(), grads)
            in_rows &= module in self._tables
            # On a device, finding the rows that have gradients would wait for the device.
            if in_rows and block.is_cpu:
                slot.rows = torch.empty(0, dtype=torch.long)
                self.dense_from = int(block.storage_offset()) + block.numel()
        with_slots = {p for module in self.slots for p in module.parameters()}
        parameters = list(self._core.parameters())
        trained = [p for p in parameters if p.requires_grad]
        self.left_to_autograd = [p for p in trained if p not in with_slots]
        self._placed = [(p, p.data_ptr(), p.requires_grad) for p in parameters]

    def _name(self, parameter: torch.nn.Parameter) -> str:
        return next(name for name, p in self._core.named_parameters() if p is parameter)

    def _take(self, *shape: int) -> Tensor:
        """Return the next part of `parameters`, viewed as `shape`."""
        part = slice(self._used, self._used + torch.Size(shape).numel())
        self._used = part.stop
        return self._flat.values[part].view(shape)

    def _place_table(self, table: nn.LookupTable) -> Tensor:
        values = self._take(*table.weight.shape)
        self._flat.place(table.weight, values)
        return values

    def _place_linear(self, linear: nn.Linear) -> Tensor:
        outputs, inputs = linear.weight.shape
        values = self._take(inputs + (linear.bias is not None), outputs)
        self._flat.place(linear.weight, values[:inputs].t())
        if linear.bias is not None:
            self._flat.place(linear.bias, values[inputs])
        return values


def _owners(core: torch.nn.Module) -> list[torch.nn.Module]:
    """Return the modules whose parameters belong to no other module and are to be trained."""
    own = {
        m: [p for _, p in m.named_parameters(recurse=False, remove_duplicate=False)]
        for m in core.modules()
    }
    users = Counter(p for parameters in own.values() for p in parameters)
    return [m for m, ps in own.items() if all(users[p] == 1 and p.requires_grad for p in ps)]


def _fills(module: torch.nn.Module, block: Tensor | None) -> bool:
    """Return whether `block` holds the parameters of `module`, which another may have taken."""
    if block is None:
        return False
    weight, bias = module.weight, getattr(module, "bias", None)
    last = block[-1] if bias is None else bias
    assert isinstance(weight, Tensor)
    assert isinstance(last, Tensor)
    return weight.data_ptr() == block.data_ptr() and last.data_ptr() == block[-1].data_ptr()


def _adds_rows(table: nn.LookupTable) -> bool:
    """Return whether the gradient of `table` is the sum of its outputs' gradients, row by row."""
    return (
        type(table) is nn.LookupTable
        and table.paddingValue is None
        and table.maxNorm is None
        and not table.shouldScaleGradByFreq
    )
