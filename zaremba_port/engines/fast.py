"""The fast engine: it runs all time steps at once where the graph of the network allows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

import pygraph_nn as nngraph
from pygraph_nn import nested

from ..cells import Cell
from ..config import Settings
from ..language_model import LanguageModel
from ..parallel import Workers
from ..text import Batches
from .device_queue import DeviceQueue


class FastModel(LanguageModel):
    """The network over a sequence, computed by `nngraph.recurrent` and trained by its SGD.

    Losses, gradients and parameters are those of `unrolled.Model` up to rounding; dropout draws
    from the same distribution in another order. `s` holds s[0] alone. `err` and `start_s` are
    overwritten by the next sequence. On a CUDA device `queue` computes the training steps.

    Args:
        precision: "float32", "tf32" or "bfloat16", the precision of products of float32; see
            `use_precision` of the SGD.
    """

    engine = "fast"

    def __init__(
        self,
        core_network: nngraph.gModule,
        settings: Settings,
        cell: Cell | None = None,
        precision: str = "float32",
    ) -> None:
        self._precision = precision
        self._sgd = nngraph.FlatSGD(nngraph.recurrent(core_network, {"prev_s": "next_s"}))
        self._sgd.use_precision(precision)
        super().__init__(core_network, settings, cell, self._sgd.parameters, self._sgd.gradients)
        self._losses = self.err[:, None]
        if queues_steps(self.paramx.device):
            self.queue = DeviceQueue(self, self._sgd)

    def arguments(self) -> tuple[Any, ...]:
        return *super().arguments(), self._precision

    def forward(self, words: torch.Tensor) -> None:
        """Run all time steps at once; see `LanguageModel.forward`."""
        self._losses = self._read(words, self.s[0], self.start_s)
        self.err = self._losses.detach()[:, 0]

    def join(self, workers: Workers, batch_size: int, *, early: bool = True) -> None:
        super().join(workers, batch_size, early=early)
        if self._exchange is not None:
            self._sgd.report_gradients(self._exchange.send, early=early)

    def backward(self, words: torch.Tensor) -> None:
        """Backpropagate through the last `forward`; see `LanguageModel.backward`."""
        self._sgd.backward([self._losses], [torch.full_like(self._losses, self.weight)])
        if self._exchange is not None:
            self._exchange.finish()
            self._sgd.accept_gradients()
        # Without its graph: autograd would remember the CUDA stream of this step in the next.
        self._losses = self._losses.detach()

    def gradient_norm(self) -> torch.Tensor:
        """Return the 2-norm of the gradients; see `LanguageModel.gradient_norm`."""
        return self._sgd.norm()

    def update(self, lr: float, shrink: float) -> None:
        """Step against the gradient; leave `paramdx` unchanged."""
        self._sgd.update(lr * shrink)

    def read_words(self, data: Batches) -> Iterator[tuple[torch.Tensor, list[torch.Tensor]]]:
        """Read as many words at once as a training step does in all its columns.

        See `LanguageModel.read_words`.
        """
        batch = data.shape[1]
        length = max(1, self.settings.seq_length * self.settings.batch_size // batch)
        state = self.zero_state(batch)
        for start in range(0, len(data) - 1, length):
            with torch.no_grad():
                losses = self._read(data[start : start + length + 1], state, state)
            yield losses[:, 0], state

    def _read(
        self, words: torch.Tensor, state: list[torch.Tensor], last: list[torch.Tensor]
    ) -> torch.Tensor:
        """Run the network over `words` from `state`; return the losses, and fill `last`.

        Args:
            words: (steps + 1, batch); the last row is only a target.
            state: the state before the first step, a table of (batch, rnn_size).
            last: receives the state after the last step; may be `state` itself.

        Returns:
            The losses, (steps, 1), in nats per word.
        """
        outputs = self._sgd.forward([words[:-1], words[1:], state])
        nested.copy(last, outputs[1])
        losses: torch.Tensor = outputs[0]
        return losses

    def kernels_unavailable(self) -> str | None:
        """Return why compiled kernels do not run, in float32 on the CPU; else None."""
        could_run = self.paramx.device.type == "cpu" and self.paramx.dtype == torch.float32
        return nngraph.kernels_unavailable() if could_run else None


def queues_steps(device: torch.device) -> bool:
    """Return whether training steps are queued on `device`, without waiting for each."""
    return device.type == "cuda"
