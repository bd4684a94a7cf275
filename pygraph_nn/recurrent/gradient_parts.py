"""Parts of the flat gradients, each reported as soon as the backward pass has completed it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch.autograd.graph import Node, get_gradient_edge

from .. import nn
from ..errors import GraphError
from .flat_layout import FlatLayout
from .workspace import Slot

Tensor = torch.Tensor


class GradientPart:
    """A part of the flat gradients: those of one layer, or of parameters that autograd serves.

    Attributes:
        gradients: a view of ``FlatSGD.gradients``: (rows, width) for a table of embeddings, else
            (n,).
        is_table: whether only a few rows of `gradients` differ from zero in a step.
        index: the number of this part among all, from 0.
    """

    def __init__(
        self, index: int, gradients: Tensor, slot: Slot | None = None, is_table: bool = False
    ) -> None:
        self.index = index
        self.gradients = gradients
        self.is_table = is_table
        self._slot = slot

    @property
    def rows(self) -> Tensor:
        """Return the indices, (n,), of the rows of a table that may differ from zero."""
        if self._slot is not None and self._slot.rows is not None:
            return self._slot.rows
        return self.gradients.any(1).nonzero()[:, 0]

    def replace_rows(self, rows: Tensor, values: Tensor) -> None:
        """Make `values`, (n, width), the gradients of the different `rows`, (n,); others are 0."""
        if self._slot is not None:
            self._slot.zero_rows()
            if self._slot.rows is not None:
                self._slot.rows = rows
        else:
            self.gradients.zero_()
        self.gradients.index_copy_(0, rows, values)

    def take_all_rows(self) -> None:
        """Let any row of a table differ from zero, after a change of `gradients`."""
        if self._slot is not None and self._slot.rows is not None:
            self._slot.rows = torch.arange(len(self.gradients), device=self.gradients.device)


class PartsInBackward:
    """Call `on_ready` for every part of the gradients, once in each backward pass.

    Which tensors take part in a pass is only known after it. So the first pass reports all parts
    at its end. Later passes report a part when the same tensors as in the first have received
    their gradients, and the remaining parts at the end. With `early` false, all passes report at
    their end.

    Attributes:
        parts: all parts; together they hold the gradients of all parameters that are trained.
    """

    def __init__(
        self, layout: FlatLayout, on_ready: Callable[[GradientPart], None], early: bool = True
    ) -> None:
        self._on_ready = on_ready
        self._early = early
        self._expected: dict[GradientPart, set[int]] | None = None  # unknown before the first pass
        self._received: dict[GradientPart, set[int]] = {}
        self._reported: dict[GradientPart, None] = {}  # in order
        self._nodes: list[Node] = []  # autograd keeps them only as long as something refers to them
        self.parts: list[GradientPart] = []
        for module, slot in layout.slots.items():
            assert slot.grads is not None
            is_table = isinstance(module, nn.LookupTable)
            gradients = slot.grads if is_table else slot.grads.view(-1)
            part = GradientPart(len(self.parts), gradients, slot, is_table)
            self.parts.append(part)
            for source in (slot.values, *module.parameters()):
                self._watch(source, part)
        left = [p.grad for p in layout.left_to_autograd if p.grad is not None]
        self.parts += _dense_parts(layout.gradients, left, len(self.parts))

    def _watch(self, source: Tensor, part: GradientPart) -> None:
        node = get_gradient_edge(source).node
        number = len(self._nodes)
        node.register_hook(lambda grad_inputs, grad_outputs: self._receive(part, number))
        self._nodes.append(node)

    def _receive(self, part: GradientPart, source: int) -> None:
        if part in self._reported:
            raise GraphError(
                "FlatSGD: a layer took part in this backward pass in another way than in the first "
                "one, so its gradient was reported too early: report gradients after the pass, "
                "with report_gradients(..., early=False)"
            )
        received = self._received.setdefault(part, set())
        received.add(source)
        if self._expected is not None and received == self._expected.get(part):
            self._report(part)

    def _report(self, part: GradientPart) -> None:
        self._reported[part] = None
        self._on_ready(part)

    def begin(self) -> None:
        """Prepare for a backward pass."""
        self._received.clear()
        self._reported.clear()

    def end(self) -> None:
        """Report the parts that the backward pass has not reported, the first completed first."""
        received = dict(self._received)
        for part in (*received, *self.parts):
            if part not in self._reported:
                self._report(part)
        if self._expected is None and self._early:
            self._expected = received


def gradient_parts(network: torch.nn.Module, gradients: Tensor) -> list[GradientPart]:
    """Return the parts of the flat `gradients`, (n,), that `network.getParameters()` returned.

    Every `LookupTable` has a part of its own. Together, the parts hold the gradients of all
    parameters that are trained.
    """
    parts: list[GradientPart] = []
    of_tables = {m.weight for m in network.modules() if isinstance(m, nn.LookupTable)}
    rest: list[Tensor] = []
    for parameter in network.parameters():
        grad = parameter.grad
        if grad is None or not parameter.requires_grad:
            continue
        if parameter in of_tables and grad.is_contiguous():
            parts.append(GradientPart(len(parts), grad, is_table=True))
        else:
            rest.append(grad)
    return parts + _dense_parts(gradients, rest, len(parts))


def _dense_parts(gradients: Tensor, tensors: Sequence[Tensor], first: int) -> list[GradientPart]:
    """Return parts of `gradients` that cover `tensors`, numbered from `first` on."""
    return [
        GradientPart(first + i, gradients.as_strided((stop - start,), (1,), start))
        for i, (start, stop) in enumerate(intervals(tensors))
    ]


def intervals(tensors: Iterable[Tensor]) -> list[tuple[int, int]]:
    """Return the parts, (start, stop), of a storage that `tensors` cover, each without gaps.

    >>> x = torch.arange(10.0)
    >>> intervals([x[6:8], x[2:4], x[4:6], x[3:5]])
    [(2, 8)]
    """
    covered: list[tuple[int, int]] = []
    for start, size in sorted((int(t.storage_offset()), t.numel()) for t in tensors):
        stop = start + size
        if covered and start <= covered[-1][1]:
            covered[-1] = covered[-1][0], max(stop, covered[-1][1])
        else:
            covered.append((start, stop))
    return covered
