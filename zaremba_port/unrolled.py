"""The graph engine: the network unrolled over a sequence by clones, as `setup` of main.lua does.

What it shares with the other engine is in `language_model`: `fp`, `bp`, `reset_state`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

import pygraph_nn as nngraph
from pygraph_nn import nested

from .cells import Cell
from .config import Settings
from .language_model import LanguageModel
from .text import Batches


class Model(LanguageModel):
    """The network unrolled over `seq_length` steps by clones, which run one after the other.

    When modules or parameters of the network were replaced, or attributes of a module were set, the
    next step unrolls it anew.

    Attributes:
        ds: the gradient of the objective with respect to the state, a table of (batch, rnn_size).
        dpred: the gradient of the predictions, if the network outputs them: zeros, (batch,
            vocab_size), allocated by the first `bp`; None before.
    """

    engine = "graph"

    def __init__(
        self, core_network: nngraph.gModule, settings: Settings, cell: Cell | None = None
    ) -> None:
        paramx, paramdx = core_network.getParameters()
        super().__init__(core_network, settings, cell, paramx, paramdx)
        steps, batch = settings.seq_length, settings.batch_size
        self.s = [self.zero_state(batch) for _ in range(steps + 1)]
        self.ds = self.zero_state(batch)
        self._guard = nngraph.FlatGuard(core_network)
        self._unroll(steps)
        self._derr = self.paramx.new_ones(1)
        self.dpred: torch.Tensor | None = None

    def _unroll(self, steps: int) -> None:
        """Make the clones for the network as it is now."""
        self.rnns = nngraph.clone_many_times(self.core_network, steps)
        nngraph.share_buffers(self.core_network, self.rnns)
        self._parts = nngraph.gradient_parts(self.core_network, self.paramdx)
        self._attributes = nngraph.AttributeGuard(self.core_network)

    def _follow(self) -> None:
        if self._guard.follow() or self._attributes.changed():
            self._unroll(len(self.rnns))

    def disable_dropout(self) -> None:
        """Switch the network and all clones; see `LanguageModel.disable_dropout`."""
        self._follow()
        super().disable_dropout()
        self._attributes.note()

    def enable_dropout(self) -> None:
        """Switch the network and all clones; see `LanguageModel.enable_dropout`."""
        self._follow()
        super().enable_dropout()
        self._attributes.note()

    def reset_ds(self) -> None:
        """Set the gradient of the state to zeros."""
        for d in self.ds:
            d.zero_()

    def forward(self, words: torch.Tensor) -> None:
        """Run one clone after the other; see `LanguageModel.forward`."""
        self._follow()
        for i, rnn in enumerate(self.rnns):
            x, y = words[i], words[i + 1]  # (batch,)
            self.err[i], self.s[i + 1] = rnn.forward([x, y, self.s[i]])[:2]
        nested.copy(self.start_s, self.s[-1])

    def backward(self, words: torch.Tensor) -> None:
        """Run the clones backward, the last one first; see `LanguageModel.backward`."""
        self.paramdx.zero_()
        self.reset_ds()
        for i, rnn in reversed(list(enumerate(self.rnns))):
            x, y = words[i], words[i + 1]
            tmp = rnn.backward([x, y, self.s[i]], self._grad_output(rnn))[2]
            nested.copy(self.ds, tmp)
        if self._exchange is not None:
            # A gradient is complete only after the first time step, the last one of this pass.
            for part in self._parts:
                self._exchange.send(part)
            self._exchange.finish()

    def _grad_output(self, rnn: nngraph.gModule) -> list[object]:
        """Return the gradients of err, next_s and, if the network outputs them, the predictions."""
        self._derr.fill_(self.weight)
        outputs = rnn.output
        if len(outputs) == 2:
            return [self._derr, self.ds]
        if self.dpred is None or self.dpred.shape != outputs[2].shape:
            self.dpred = torch.zeros_like(outputs[2])
        return [self._derr, self.ds, self.dpred]

    def gradient_norm(self) -> torch.Tensor:
        """Return the 2-norm of `paramdx`; see `LanguageModel.gradient_norm`."""
        return nngraph.blocked_norm(self.paramdx)

    def update(self, lr: float, shrink: float) -> None:
        """Step against the gradient; leave the step in `paramdx`, as Lua does."""
        if shrink < 1:
            self.paramdx.mul_(shrink)
        self.paramx.add_(self.paramdx.mul_(-lr))

    def read_words(self, data: Batches) -> Iterator[tuple[torch.Tensor, list[torch.Tensor]]]:
        """Read one row at a time, with the one-step network; see `LanguageModel.read_words`."""
        state = self.zero_state(data.shape[1])
        for i in range(len(data) - 1):
            with torch.no_grad():
                err, state = self.core_network.forward([data[i], data[i + 1], state])[:2]
            yield err, state
