"""Gradient descent on a recurrent network: flat buffers, gradients written where they belong."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from .. import nested, nn
from ..errors import GraphError
from ..nn.core import blocked_norm
from .executor import Recurrent
from .functions import Workspace

Tensor = torch.Tensor


class Descent(Workspace):
    """Trains a `Recurrent`: loss, gradients and update, without new memory for each step.

    The parameters of ``net.core`` move into one flat tensor, of which they are views: `Linear`
    layers transposed, the bias below the weight, as their products are fastest. Names, shapes and
    values are as before. Calling `getParameters` of the core moves them away; a Descent made
    before is then of no use, and says so.

    `forward` gives what ``net`` gives; its tensors are overwritten by the next call. `backward`
    computes all gradients anew, `norm` measures them, `update` steps against them.

    Attributes:
        parameters, gradients: all of them, flat, (n,); embedding tables first.
    """

    precisions = ("float32", "tf32", "bfloat16")

    def __init__(self, net: Recurrent) -> None:
        self.net = net
        self._buffers: dict[Any, Tensor] = {}
        self._steps: dict[Any, Sequence[Tensor]] = {}
        self._blocks: dict[int, Tensor] = {}
        self._grads: dict[int, Tensor] = {}  # of a block or table, its part of `gradients`
        self._rows: dict[int, Tensor | None] = {}  # of a table, the rows that have gradients
        self._plain: list[torch.nn.Parameter] = []  # left to autograd
        self._written: set[int] = set()
        self._products = "highest"
        self.exact = True
        self._version = -1
        self._flatten()

    def _flatten(self) -> None:
        """Lay out all parameters: tables, blocks, and the rest."""
        core = self.net.core
        every = list(core.parameters())
        if not every or len({(p.dtype, p.device) for p in every}) != 1:
            raise GraphError("Descent: the parameters must be of one dtype, on one device")
        users = Counter(
            id(p) for m in core.modules() for p in m._parameters.values() if p is not None
        )
        alone = [
            m
            for m in core.modules()
            if all(users[id(p)] == 1 and p.requires_grad for p in m.parameters(recurse=False))
        ]
        tables: list[Any] = [m for m in alone if _is_plain_table(m)]
        linears: list[Any] = [m for m in alone if type(m) is nn.Linear]
        parts = [m.weight for m in tables] + [p for m in linears for p in m.parameters()]
        taken = {id(p) for p in parts}
        self._plain = [p for p in every if id(p) not in taken]
        size = sum(p.numel() for p in every)
        for parameter in every:
            parameter.grad = None  # so that old gradients do not stand in memory beside new ones
        self.parameters = every[0].detach().new_empty(size)
        self.gradients = every[0].detach().new_zeros(size)
        offset = 0

        def take(*shape: int) -> tuple[Tensor, Tensor]:
            nonlocal offset
            place = slice(offset, offset + torch.Size(shape).numel())
            offset = place.stop
            return self.parameters[place].view(shape), self.gradients[place].view(shape)

        for table in tables:
            values, grads = take(*table.weight.shape)
            _move(table.weight, values, grads)
            self._register(table, values, grads)
            # On a device, which rows have gradients is not known without waiting for it.
            if values.is_cpu:
                self._rows[id(self._blocks[id(table)])] = None
        self._dense = offset if self._rows else 0
        for linear in linears:
            outputs, inputs = linear.weight.shape
            values, grads = take(inputs + (linear.bias is not None), outputs)
            _move(linear.weight, values[:inputs].t(), grads[:inputs].t())
            if linear.bias is not None:
                _move(linear.bias, values[inputs], grads[inputs])
                self._register(linear, values, grads)
            else:
                self._plain.append(linear.weight)
        for parameter in self._plain:
            if not any(parameter is linear.weight for linear in linears):
                _move(parameter, *take(*parameter.shape))
        self._places = [(p, p.data_ptr()) for p in every]

    def _register(self, module: Any, values: Tensor, grads: Tensor) -> None:
        block = values.detach().requires_grad_()
        self._blocks[id(module)] = block
        self._grads[id(block)] = grads

    # What the fused computations ask for

    def empty(self, key: object, shape: Sequence[int], like: Tensor) -> Tensor:
        return self._kept(key, shape, like)[0]

    def with_ones(self, key: object, shape: Sequence[int], like: Tensor) -> Tensor:
        made, new = self._kept(key, shape, like)
        if new:
            made[..., -1] = 1
        return made

    def _kept(self, key: object, shape: Sequence[int], like: Tensor) -> tuple[Tensor, bool]:
        shape = tuple(shape)
        found = self._buffers.get((key, shape))
        if found is not None:
            return found, False
        made = torch.empty(shape, dtype=like.dtype, device=like.device)
        self._buffers[key, shape] = made
        return made, True

    def by_step(self, kept: Tensor) -> Sequence[Tensor]:
        storage = kept.untyped_storage()._cdata
        place = (storage, kept.storage_offset(), kept.shape, kept.stride())
        found = self._steps.get(place)
        if found is None:
            found = self._steps[place] = kept.unbind(0)
        return found

    def block(self, module: torch.nn.Module) -> Tensor | None:
        """The block or table of `module`, whose gradient can be written; None if it has none."""
        return self._blocks.get(id(module))

    def generic(self, module: torch.nn.Module) -> None:
        """Told that `module` runs by itself: autograd adds to the gradients of its parameters."""
        if not torch.is_grad_enabled():
            return
        for inner in module.modules():
            block = self._blocks.get(id(inner))
            if block is not None and id(block) not in self._written:
                self._zero(block)

    def target(self, block: Tensor) -> tuple[Tensor, int] | None:
        if id(block) not in self._grads:
            return None
        beta = int(id(block) in self._written)
        self._written.add(id(block))
        return self._grads[id(block)], beta

    def _zero(self, block: Tensor) -> None:
        """Make the gradient of `block` zeros, to be added to."""
        self._grads[id(block)].zero_()
        self._written.add(id(block))
        if id(block) in self._rows:
            every = torch.arange(len(block), device=block.device)
            self._rows[id(block)] = every

    def add_rows(self, table: Tensor, index: Tensor, grad: Tensor) -> None:
        """Add `grad`, (n, width), to rows `index`, (n,), of the gradient of `table`."""
        grads, rows = self._grads[id(table)], self._rows.get(id(table))
        if id(table) not in self._rows:  # of all rows at once
            if id(table) not in self._written:
                grads.zero_()
                self._written.add(id(table))
        elif id(table) not in self._written:
            # Only rows of the step before are not zero.
            if rows is not None:
                grads.index_fill_(0, rows, 0)
            self._written.add(id(table))
            self._rows[id(table)] = index.unique()
        else:
            assert rows is not None
            self._rows[id(table)] = torch.cat([rows, index]).unique()
        grads.index_add_(0, index, grad)

    # One step of training

    def forward(self, input: Any) -> Any:
        """What the network gives for `input`, which gets no gradient itself."""
        if any(p.data_ptr() != place for p, place in self._places):
            raise GraphError(
                "Descent: the parameters were moved elsewhere, by getParameters() or to(): make "
                "a new Descent"
            )
        self._written.clear()
        if self.gradients._version != self._version:
            # Someone else wrote gradients, perhaps into rows that are taken to be zero here.
            self.gradients.zero_()
            self._version = self.gradients._version
        if torch.is_grad_enabled():
            for parameter in self._plain:
                assert parameter.grad is not None
                parameter.grad.zero_()
            self._version = self.gradients._version
        # Cut off: autograd would make a buffer that is used again the gradient of an input.
        input = nested.map_leaves(torch.Tensor.detach, input)
        with self._fast_products():
            return self.net.run(input, self)

    def backward(self, outputs: Sequence[Tensor], grads: Sequence[Tensor]) -> None:
        """The gradients of all parameters, given those of `outputs` of the last `forward`."""
        with self._fast_products():
            torch.autograd.backward(list(outputs), list(grads))
        for block in self._blocks.values():
            if id(block) not in self._written:
                grad, rows = self._grads[id(block)], self._rows.get(id(block))
                if id(block) not in self._rows:
                    grad.zero_()
                elif rows is not None:
                    grad.index_fill_(0, rows, 0)
        self._version = self.gradients._version

    def norm(self) -> Tensor:
        """Return the 2-norm of all gradients, (), in double precision; see `blocked_norm`."""
        rows = (self._grads[id(table)].index_select(0, rows) for table, rows in self._touched())
        return blocked_norm(self.gradients[self._dense :], *rows)

    def update(self, rate: float | Tensor, unless: Tensor | None = None) -> None:
        """Take `rate` times the gradient from every parameter.

        `rate` may be a tensor, (), which is not waited for; nor is `unless`, (), of bool: where it
        is true parameters stay, whatever the gradients are.
        """
        with torch.no_grad():
            if unless is not None:  # no rate of 0 makes gradients that are NaN harmless
                self.gradients.masked_fill_(unless, 0)
                self._version = self.gradients._version
            dense, gradients = self.parameters[self._dense :], self.gradients[self._dense :]
            if isinstance(rate, Tensor):
                dense.addcmul_(gradients, rate.to(dense.dtype), value=-1)
            else:
                dense.sub_(gradients, alpha=rate)
            for table, rows in self._touched():
                step = self._grads[id(table)].index_select(0, rows)
                table.detach().index_add_(0, rows, step.mul_(rate), alpha=-1)

    def _touched(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The tables with the rows whose gradients may be other than zero."""
        for block in self._blocks.values():
            rows = self._rows.get(id(block))
            if rows is not None:
                yield block, rows

    # Products

    def product(self, a: Tensor, b: Tensor, out: Tensor, beta: int = 0) -> Tensor:
        if self.exact:
            return torch.addmm(out, a, b, beta=beta, out=out)
        made = a.bfloat16() @ b.bfloat16()
        return out.add_(made) if beta else out.copy_(made)

    def product_plus(self, c: Tensor, a: Tensor, b: Tensor, out: Tensor) -> Tensor:
        if self.exact:
            return torch.addmm(c, a, b, out=out)
        return torch.add(c, a.bfloat16() @ b.bfloat16(), out=out)

    def use_precision(self, precision: str) -> None:
        """Make the fused computations' products of float32 in `precision`.

        "float32": by the fastest library whose errors are those of float32 here. PyTorch's
        precision "medium" allows products in bfloat16; on many CPUs it means only another library
        for the same precision, which is tried out. "tf32": 10 bits of each factor, on CUDA
        devices. "bfloat16": 7 bits.

        Raises:
            GraphError: the precision is unknown.
        """
        if precision not in self.precisions:
            known = ", ".join(self.precisions)
            raise GraphError(f"precision {precision!r} is unknown: there are {known}")
        first = self.parameters
        self.exact = precision != "bfloat16"
        self._products = "high" if precision == "tf32" else "highest"
        on_cpu = first.device.type == "cpu" and first.dtype == torch.float32
        if precision == "float32" and on_cpu and medium_is_float32():
            self._products = "medium"

    @contextlib.contextmanager
    def _fast_products(self) -> Iterator[None]:
        before = torch.get_float32_matmul_precision()
        if self._products == "highest":
            yield
            return
        torch.set_float32_matmul_precision(self._products)
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)


def medium_is_float32() -> bool:
    """Whether products under precision "medium" have errors of float32 on this CPU."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(shape, generator=generator) for shape in ((64, 300), (300, 256)))
    exact = a.double() @ b.double()
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        found = a @ b
    finally:
        torch.set_float32_matmul_precision(before)
    # bfloat16 keeps 8 bits, tf32 11: their errors are above 1e-4 of the product's size.
    return bool((found - exact).norm() < 2e-6 * exact.norm())


def _move(parameter: torch.nn.Parameter, values: Tensor, grads: Tensor) -> None:
    with torch.no_grad():
        parameter.data = values.copy_(parameter)
        parameter.grad = grads


def _is_plain_table(module: torch.nn.Module) -> bool:
    return (
        type(module) is nn.LookupTable
        and module.paddingValue is None
        and module.maxNorm is None
        and not module.shouldScaleGradByFreq
    )
