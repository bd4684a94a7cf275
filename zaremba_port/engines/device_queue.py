"""Training steps queued on a CUDA device. Each is one CUDA graph, which the host only starts."""

from __future__ import annotations

from collections.abc import Iterator

import torch

import pygraph_nn as nngraph
from pygraph_nn import nested

from ..errors import UserError
from ..language_model import Diverged, LanguageModel, TextState, has_diverged, shrink_factor


class DeviceQueue:
    """A queue of whole training steps, `fp` and `bp` of a model, for which the host does not wait.

    Forward, backward, norm, clipping and update are captured once as one CUDA graph. A step reads
    its variables from tensors on the device: the words, the learning rate, and whether an earlier
    step diverged. After a step that diverges, parameters, buffers and ``model.s[0]`` do not change
    until `collect`.

    Attributes:
        capacity: maximum number of steps that may be queued before `collect` is called.
    """

    capacity = 64

    def __init__(self, model: LanguageModel, sgd: nngraph.FlatSGD) -> None:
        self._model = model
        self._sgd = sgd
        settings, like = model.settings, model.paramx
        shape = settings.seq_length + 1, settings.batch_size
        self._words = torch.zeros(shape, dtype=torch.long, device=like.device)
        self._lr = like.new_zeros((), dtype=torch.float64)
        self._lr_on_host = 0.0
        self._failed = torch.zeros((), dtype=torch.bool, device=like.device)
        self._results = like.new_zeros(self.capacity, 2, dtype=torch.float64)  # loss and norm
        self._row = torch.zeros(1, dtype=torch.long, device=like.device)  # of the next result
        self._err = torch.empty_like(model.err)
        self._queued = 0
        self._capture()

    def _capture(self) -> None:
        """Make a step that is captured for the network as it is now."""
        model = self._model
        self._buffers = list(model.core_network.buffers())
        changed = [self._failed, self._results, self._row, model.paramx, *self._buffers]
        changed += [*nested.leaves(model.s[0]), *nested.leaves(model.start_s)]
        self._step = nngraph.Captured(self._whole_step, changed)

    def run(self, text: TextState, lr: float, at_most: int) -> Iterator[tuple[float, float]]:
        """Train on up to `at_most` sequences, and at most `capacity`; see `StepQueue.run`."""
        starts = []
        for _ in range(min(at_most, self.capacity)):
            starts.append(text.pos)
            self.start(text, lr)
        for pos, (loss, norm) in zip(starts, self.collect(), strict=True):
            if has_diverged(loss, norm):
                self._model.undo_fp(text, pos)
                raise Diverged(loss, norm)
            yield loss, norm

    def start(self, text: TextState, lr: float) -> None:
        """Queue a training step on the next sequence of `text`.

        Raises:
            RuntimeError: `capacity` steps have been queued since the last `collect`.
        """
        if self._queued == self.capacity:
            raise RuntimeError(f"{self.capacity} steps are queued: call collect() first")
        if self._sgd.follow_changes():  # a captured step would repeat what it did before
            self._capture()
        length = self._model.settings.seq_length
        if text.ends_within(length):
            text.pos = 0  # without a reset, which has no effect on training; see LanguageModel.fp
        self._words.copy_(text.rows(text.pos, length))
        text.pos += length
        if lr != self._lr_on_host:
            self._lr.fill_(lr)
            self._lr_on_host = lr
        self._step()
        self._model.err = self._err
        self._queued += 1

    def collect(self) -> list[tuple[float, float]]:
        """Wait for the queued steps; return the loss and the gradient's norm of each.

        A step that diverged, and all after it, changed no parameter.
        """
        results = [(loss, norm) for loss, norm in self._results[: self._queued].tolist()]
        self._queued = 0
        self._row.zero_()
        self._failed.zero_()
        if results:
            self._model.loss, self._model.norm_dw = results[-1]
        return results

    def _whole_step(self) -> None:
        """Compute one step on tensors of the device; nothing here may wait for the device."""
        model, failed = self._model, self._failed
        for before, start in nested.pairs(model.s[0], model.start_s, "the state"):
            before.copy_(torch.where(failed, before, start))
        buffers_before = [buffer.clone() for buffer in self._buffers]
        model.forward(self._words)
        self._check_buffers()
        model.backward(self._words)
        loss, norm = model.mean_loss(), model.gradient_norm()
        self._results.index_copy_(0, self._row, torch.stack([loss, norm])[None])
        self._row.add_(1)
        failed.logical_or_(has_diverged(loss, norm))
        for buffer, before in zip(self._buffers, buffers_before, strict=True):
            buffer.copy_(torch.where(failed, before, buffer))
        lr = self._lr * shrink_factor(norm, model.settings.max_grad_norm)
        self._sgd.update(lr.masked_fill(failed, 0), unless=failed)
        self._err.copy_(model.err)

    def _check_buffers(self) -> None:
        """Raise UserError if a module replaced a buffer: a captured step knows only the old one."""
        buffers = self._model.core_network.buffers() if self._buffers else ()
        if any(a is not b for a, b in zip(buffers, self._buffers, strict=False)):
            raise UserError(
                "a module of the network assigns a new tensor to its buffer; a captured step needs "
                "it changed in place (self.count.add_(1)); or take --engine graph"
            )
