"""Stochastic gradient descent on a recurrent network, in flat buffers that every step reuses."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .. import nested
from ..nested import Nested
from ..nn.core import blocked_norm, refuse_own_updates
from .bfloat16 import Bfloat16Workspace
from .buffers import BufferedWorkspace
from .executor import Recurrent
from .flat_layout import FlatLayout
from .gradient_parts import GradientPart, PartsInBackward
from .precision import (
    PRECISIONS,
    check_precision,
    library_precision,
    matmul_precision,
    slow_bfloat16,
)
from .workspace import Slot

Tensor = torch.Tensor


class FlatSGD:
    """Train a `Recurrent`: loss, gradients and update, without allocating in each step.

    The parameters of ``net.core`` become views of one flat tensor; their names, shapes and values
    do not change. What is done to them later (tying, freezing, ``.data =``) has its effect; a new
    Parameter, or `getParameters` of the core, which moves them away, is refused at the next run.
    Copies have a copy of the network, and gradients of zero.

    `forward` computes what ``net`` computes; its tensors are overwritten by the next call.
    `backward` computes all gradients anew, `norm` measures them, `update` takes a step against
    them::

        sgd = nngraph.FlatSGD(net)
        err, last_s = sgd.forward([x, y, first_s])
        sgd.backward([err], [torch.ones_like(err)])
        sgd.update(0.1)

    Attributes:
        precisions: the names that `use_precision` takes.
        net: the network.
        parameters, gradients: all of them, flat, (n,); embedding tables first.

    Raises:
        GraphError: the core has no parameters, they differ in dtype or device, or a layer has an
            `updateParameters` or `zeroGradParameters` of its own, which is not called.
    """

    precisions = PRECISIONS

    def __init__(self, net: Recurrent) -> None:
        refuse_own_updates(net.core)
        self.net = net
        self._layout = FlatLayout(net.core)
        self.parameters, self.gradients = self._layout.parameters, self._layout.gradients
        self._slots = list(self._layout.slots.values())
        self._precision = "float32"
        self._workspace = self._new_workspace()
        self._library_precision = "highest"
        self._gradients_version = -1  # of `gradients` when this object last wrote them
        self._on_ready: Callable[[GradientPart], None] | None = None
        self._parts: PartsInBackward | None = None
        self._reports_early = True

    def __getstate__(self) -> dict[str, Any]:
        # Buffers and flat tensors are made anew, for the parameters of the copy.
        return {"net": self.net, "precision": self._precision}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["net"])  # type: ignore[misc]
        self.use_precision(state["precision"])

    def follow_changes(self) -> bool:
        """Return whether the network has changed since the last run, and follow it.

        Raises:
            GraphError: see `forward`.
        """
        if not self._layout.follow():
            return False
        self._slots = list(self._layout.slots.values())
        self.use_precision(self._precision)
        if self._on_ready is not None:
            self.report_gradients(self._on_ready, early=self._reports_early)
        return True

    def forward(self, input: Nested) -> Nested:
        """Return the outputs of the network for `input`, which itself gets no gradient.

        Raises:
            GraphError: since this object was made, a parameter was replaced by a new one or moved,
                or a table was changed; or the input does not fit, see `Recurrent`.
        """
        self.follow_changes()
        for slot in self._slots:
            slot.written = False
        if self.gradients._version != self._gradients_version:
            # Other code wrote gradients, perhaps into rows that `Slot.rows` takes to be zero.
            self.gradients.zero_()
            self._gradients_version = self.gradients._version
        if torch.is_grad_enabled():
            for parameter in self._layout.left_to_autograd:
                assert parameter.grad is not None
                parameter.grad.zero_()
            self._gradients_version = self.gradients._version
        # Detached: autograd could make a buffer that is used again the gradient of an input.
        input = nested.map_leaves(torch.Tensor.detach, input)
        with matmul_precision(self._library_precision):
            return self.net.run(input, self._workspace)

    def backward(self, outputs: Sequence[Tensor], grads: Sequence[Tensor]) -> None:
        """Compute the gradients of all parameters.

        Args:
            outputs: tensors that the last `forward` returned.
            grads: the gradients of the objective with respect to them, of the same shapes.
        """
        if self._parts is not None:
            self._parts.begin()
        with matmul_precision(self._library_precision):
            torch.autograd.backward(list(outputs), list(grads))
        for slot in self._slots:
            if not slot.written:
                slot.zero_rows()
        if self._parts is not None:
            self._parts.end()
        self.accept_gradients()

    def report_gradients(
        self, on_ready: Callable[[GradientPart], None], *, early: bool = True
    ) -> list[GradientPart]:
        """Call `on_ready` once for every part of the gradients in each `backward` from now on.

        A part is reported as soon as it is complete, while `backward` goes on: its gradients may be
        sent elsewhere meanwhile. Nothing else uses them before `backward` ends. Who writes them
        after that calls `accept_gradients`.

        Args:
            on_ready: receives a part.
            early: report parts while `backward` goes on; otherwise all of them at its end.

        Returns:
            All parts. After a change of the network, there are others.

        Raises:
            GraphError: see `forward`.
        """
        self.follow_changes()
        self._on_ready, self._reports_early = on_ready, early
        self._parts = PartsInBackward(self._layout, on_ready, early)
        return self._parts.parts

    def accept_gradients(self) -> None:
        """Take the gradients as they are now, after a change of them, for `norm` and `update`."""
        self._gradients_version = self.gradients._version

    def norm(self) -> Tensor:
        """Return the 2-norm of all gradients, (), in double precision; see `blocked_norm`."""
        rows = (grads for _, grads, _ in self._gradient_rows())
        return blocked_norm(self.gradients[self._layout.dense_from :], *rows)

    def update(self, rate: float | Tensor, unless: Tensor | None = None) -> None:
        """Subtract `rate` times its gradient from every parameter.

        Args:
            rate: a number, or a tensor, (), which is used without waiting for the device.
            unless: bool, (); if it is true, parameters stay and gradients become zero.
        """
        with torch.no_grad():
            if unless is not None:  # a rate of 0 would not do: 0 times NaN is NaN
                self.gradients.masked_fill_(unless, 0)
                self._gradients_version = self.gradients._version
            first = self._layout.dense_from
            dense, gradients = self.parameters[first:], self.gradients[first:]
            if isinstance(rate, Tensor):
                dense.addcmul_(gradients, rate.to(dense.dtype), value=-1)
            else:
                dense.sub_(gradients, alpha=rate)
            for slot, grads, rows in self._gradient_rows():
                slot.values.detach().index_add_(0, rows, grads.mul_(rate), alpha=-1)

    def _gradient_rows(self) -> list[tuple[Slot, Tensor, Tensor]]:
        """Return the slots of tables with their gradients, copies (n, width), of rows (n,)."""
        return [
            (slot, slot.grads.index_select(0, slot.rows), slot.rows)
            for slot in self._slots
            if slot.rows is not None and slot.grads is not None
        ]

    def use_precision(self, precision: str) -> None:
        """Compute the products of float32 of the hand-written functions in `precision`.

        Args:
            precision: "float32", by the fastest library here that keeps this precision; "tf32", 10
                bits of each factor, on CUDA devices; or "bfloat16", 7 bits of each factor, with
                sums in float32.

        Raises:
            GraphError: the precision is unknown.

        Warns:
            UserWarning: the CPU has no kernels for bfloat16, see `nngraph.bfloat16_unavailable`:
                PyTorch's operations compute the products, which may be slower than float32.
        """
        check_precision(precision)
        self._precision = precision
        self._workspace = self._new_workspace()
        self._library_precision = library_precision(precision, self.parameters)

    def _new_workspace(self) -> BufferedWorkspace:
        workspace = BufferedWorkspace(self._layout.slots)
        if self._precision != "bfloat16":
            return workspace
        reason = slow_bfloat16(self.parameters)
        if reason is None and self.parameters.is_cpu:
            return Bfloat16Workspace(self._layout.slots)
        if reason is not None:
            message = f"products in bfloat16 may be slower than in float32 here: {reason}"
            warnings.warn(message, stacklevel=3)
        workspace.exact = False
        return workspace
