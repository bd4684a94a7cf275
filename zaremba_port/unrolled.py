"""The unrolled network and its buffers: `model` of the original, with fp and bp."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

import pygraph_nn as nngraph
from pygraph_nn import nested

from .config import Settings
from .errors import RunFailed
from .model import Cell, zero_state


@dataclass
class TextState:
    """A text and the place that reading it has reached (state_train, state_valid, ... in Lua).

    Attributes:
        data: word ids, (rows, batch).
        pos: the row to be read next, from 0.
    """

    data: torch.Tensor
    pos: int = 0


class Steps:
    """Steps of training, of which each is known when it is over; see `FastModel` for others.

    A step whose loss or gradient is infinite or NaN changes no parameter.

    Attributes:
        ahead: after how many steps at most `finished` must be asked what they found.
    """

    ahead = 1
    norm_dw: float
    fp: Callable[[TextState], float]
    bp: Callable[[TextState, float], None]

    def __init__(self) -> None:
        self._found: list[tuple[float, float]] = []

    def train_step(self, text: TextState, lr: float) -> None:
        """Learn from the next `seq_length` words of `text`, at the rate `lr`."""
        loss = self.fp(text)
        self.norm_dw = math.nan
        if math.isfinite(loss):
            with contextlib.suppress(RunFailed):
                self.bp(text, lr)
        self._found.append((loss, self.norm_dw))

    def finished(self) -> list[tuple[float, float]]:
        """The loss and the gradient's norm of every step since the last call; waits for them."""
        found, self._found = self._found, []
        return found


class Model(Steps):
    """The network unrolled over `seq_length` steps by clones (`setup` in Lua).

    Attributes:
        core_network: the network for one step; rnns: its clones, which share its parameters.
        paramx, paramdx: all parameters, all gradients, (n,), which the clones view.
        s: the state before step t, s[0] .. s[seq_length]: tables of (batch, rnn_size).
        start_s: the state that the next sequence starts from; train, valid and test share it.
        ds: the gradient of the objective with respect to the state.
        err: the loss of every step, (seq_length,), in nats per word.
        norm_dw: the gradient's norm before it was limited.
        dpred: the gradient of the predictions, where the network gives them: zeros, (batch,
            vocab_size), made once by the first `bp`; None before.
    """

    def __init__(
        self, core_network: nngraph.gModule, settings: Settings, cell: Cell | None = None
    ) -> None:
        super().__init__()
        self.settings = settings
        self.cell = cell
        self.core_network = core_network
        self.paramx, self.paramdx = core_network.getParameters()
        steps, batch = settings.seq_length, settings.batch_size
        self.s = [self.zero_state(batch) for _ in range(steps + 1)]
        self.start_s = self.zero_state(batch)
        self.ds = self.zero_state(batch)
        self.rnns = nngraph.clone_many_times(core_network, steps)
        self.norm_dw = 0.0
        self.err = self.paramx.new_zeros(steps)
        self._derr = self.paramx.new_ones(1)
        self.dpred: torch.Tensor | None = None

    def zero_state(self, batch: int) -> list[torch.Tensor]:
        """A state of zeros: what is remembered before the first word."""
        return zero_state(self.settings, batch, self.paramx, self.cell)

    def reset_state(self, state: TextState) -> None:
        """Back to the start of the text, with nothing remembered."""
        state.pos = 0
        for start in self.start_s:
            start.zero_()

    def reset_ds(self) -> None:
        for d in self.ds:
            d.zero_()

    def fp(self, state: TextState) -> float:
        """Read the next `seq_length` words; their mean loss in nats."""
        nested.copy(self.s[0], self.start_s)
        # As in the original, s[0] is filled before a text that ends is started anew: the first
        # sequence after the wrap still starts from the state that was reached.
        if state.pos + self.settings.seq_length + 1 > len(state.data):
            self.reset_state(state)
        for i, rnn in enumerate(self.rnns):
            x, y = state.data[state.pos], state.data[state.pos + 1]
            self.err[i], self.s[i + 1] = rnn.forward([x, y, self.s[i]])[:2]
            state.pos += 1
        nested.copy(self.start_s, self.s[-1])
        return self.err.mean(dtype=torch.float64).item()

    def bp(self, state: TextState, lr: float) -> None:
        """Go back through what `fp` read, and step against the gradient, limited in norm.

        Raises:
            RunFailed: the norm is infinite or NaN; the parameters are as before.
        """
        self.paramdx.zero_()
        self.reset_ds()
        for i, rnn in reversed(list(enumerate(self.rnns))):
            state.pos -= 1
            x, y = state.data[state.pos], state.data[state.pos + 1]
            tmp = rnn.backward([x, y, self.s[i]], self._grad_output(rnn))[2]
            nested.copy(self.ds, tmp)
        state.pos += self.settings.seq_length
        self.norm_dw = norm(self.paramdx)
        if not math.isfinite(self.norm_dw):
            raise RunFailed(f"the gradient's norm is {self.norm_dw}")
        if self.norm_dw > self.settings.max_grad_norm:
            self.paramdx.mul_(self.settings.max_grad_norm / self.norm_dw)
        self.paramx.add_(self.paramdx.mul_(-lr))

    def _grad_output(self, rnn: nngraph.gModule) -> list[object]:
        """The gradients of err, next_s and, where the network gives them, the predictions."""
        outputs = rnn.output
        if len(outputs) == 2:
            return [self._derr, self.ds]
        if self.dpred is None or self.dpred.shape != outputs[2].shape:
            self.dpred = torch.zeros_like(outputs[2])
        return [self._derr, self.ds, self.dpred]

    def disable_dropout(self) -> None:
        for rnn in (self.core_network, *self.rnns):
            rnn.evaluate()

    def enable_dropout(self) -> None:
        for rnn in (self.core_network, *self.rnns):
            rnn.train()


def norm(flat: torch.Tensor) -> float:
    """The 2-norm of `flat`, (n,), summed in double precision as Torch7 does.

    Block by block, which costs no copy of `flat` in double precision.
    """
    block = 4096
    whole = len(flat) // block * block
    norms = torch.linalg.vector_norm(flat[:whole].view(-1, block), dim=1).double()
    rest = torch.linalg.vector_norm(flat[whole:]).double()
    return torch.linalg.vector_norm(torch.cat([norms, rest[None]])).item()
