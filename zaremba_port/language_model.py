"""One training step, `fp` and `bp` of the original: the rules that both engines follow.

`LanguageModel` is what training, evaluation and saving work with. `unrolled.Model` and
`engines.FastModel` implement it: they run the network forward and backward over a sequence.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, overload

import torch

import pygraph_nn as nngraph
from pygraph_nn import nested

from .cells import Cell
from .config import Settings
from .errors import RunFailed, UserError
from .model import zero_state
from .parallel import ALONE, GradientExchange, Workers
from .text import Batches, Corpus, replicate, sequential


@dataclass
class TextState:
    """A text and the position of its reader: state_train, state_valid and state_test in Lua.

    Attributes:
        data: word ids, (rows, batch); of a long text, in a file.
        pos: the next row to read, from 0.
    """

    data: Batches
    pos: int = 0

    def ends_within(self, length: int) -> bool:
        """Return whether fewer than `length` rows are left that have a next row to predict."""
        return self.pos + length + 1 > len(self.data)

    def rows(self, start: int, length: int) -> torch.Tensor:
        """Return `length` rows from `start` on and the row after them, (length + 1, batch)."""
        return self.data[start : start + length + 1]


def text_states(
    settings: Settings,
    corpus: Corpus,
    device: torch.device | None = None,
    columns: slice = slice(None),
) -> dict[str, TextState]:
    """Return the texts of `corpus` on `device`, as the network reads them, by name.

    "train" and "valid" are cut into `batch_size` columns, of which those of `columns` are returned;
    "test" is one column.

    Raises:
        UserError: a text is shorter than one batch of sequences, or the vocabulary too large.
    """
    if len(corpus.vocabulary) > settings.vocab_size:
        raise UserError(
            f"the text has {len(corpus.vocabulary)} different words, vocab_size is "
            f"{settings.vocab_size}: set --vocab_size {len(corpus.vocabulary)} or more"
        )
    rows = {
        "train": replicate(corpus.train, settings.batch_size, columns),
        "valid": replicate(corpus.valid, settings.batch_size, columns),
        "test": sequential(corpus.test),
    }
    for name, data in rows.items():
        needed = 2 if name == "test" else settings.seq_length + 1
        batch = 1 if name == "test" else settings.batch_size
        if len(data) < needed:
            raise UserError(
                f"the {name} text has {len(data) * batch} words, shorter than one batch of "
                f"sequences: it takes {needed * batch} (batch_size {batch}, "
                f"seq_length {settings.seq_length})"
            )
    return {name: TextState(data.to(device)) for name, data in rows.items()}


class Diverged(RunFailed):
    """The loss of a training step, or the norm of its gradient, is infinite or NaN.

    Attributes:
        loss: the mean loss of the sequence, in nats per word.
        norm: the 2-norm of the gradient, before clipping.
    """

    def __init__(self, loss: float, norm: float) -> None:
        self.loss, self.norm = loss, norm
        finite = math.isfinite(loss)
        super().__init__(f"the gradient's norm is {norm}" if finite else f"the loss is {loss}")


class StepQueue(Protocol):
    """Whole training steps that a device computes while the host goes on."""

    def run(self, text: TextState, lr: float, at_most: int) -> Iterator[tuple[float, float]]:
        """Train on up to `at_most` sequences of `text`, at least one, at the learning rate `lr`.

        Yields:
            The loss in nats per word, and the gradient's norm before clipping, of each step.

        Raises:
            Diverged: a step diverged. Parameters, buffers, state and `text` are as before it; the
                steps queued behind it had no effect.
        """


@overload
def shrink_factor(norm: float, max_grad_norm: float) -> float: ...
@overload
def shrink_factor(norm: torch.Tensor, max_grad_norm: float) -> torch.Tensor: ...


def shrink_factor(norm: float | torch.Tensor, max_grad_norm: float) -> float | torch.Tensor:
    """Return the factor, at most 1, that reduces a gradient's norm to `max_grad_norm`.

    `norm` is a number, or a tensor, (), on a device; the host does not wait for it.
    """
    if isinstance(norm, torch.Tensor):
        return (max_grad_norm / norm).clamp(max=1)
    return max_grad_norm / norm if norm > max_grad_norm else 1.0


@overload
def has_diverged(loss: float, norm: float) -> bool: ...
@overload
def has_diverged(loss: torch.Tensor, norm: torch.Tensor) -> torch.Tensor: ...


def has_diverged(loss: float | torch.Tensor, norm: float | torch.Tensor) -> bool | torch.Tensor:
    """Return whether the loss or the norm is infinite or NaN; such a step changes no parameter.

    Both are numbers, or both are tensors, (), on a device; the host does not wait for them.
    """
    either = loss + norm  # infinite or NaN if one of them is
    if isinstance(either, torch.Tensor):
        return torch.isfinite(either).logical_not()
    return not math.isfinite(either)


class LanguageModel(ABC):
    """A network that reads `seq_length` words at a time, learns from them, and keeps its state.

    `fp` and `bp` together are one training step. An engine implements the abstract methods: it runs
    the network forward and backward over a sequence, and updates the parameters.

    What is done to parameters and modules of `core_network` later has its effect in both engines,
    from the next `fp` on; a Parameter that is new there raises GraphError. A copy of a model
    (`copy.deepcopy`, pickle) has a copy of the network, and starts with `fp`.

    Attributes:
        engine: the name of the engine, "fast" or "graph".
        settings, cell: of the network; `cell` is None for ``settings.cell``.
        core_network: the network for one time step.
        rnns: its clones, one for each time step, with shared parameters; empty in the fast engine.
        paramx, paramdx: all parameters and all gradients, (n,), in the engine's own order.
        s: states, each a table of (batch, rnn_size). s[0] is the state before the last sequence;
            in the graph engine s[t] is the state after t time steps.
        start_s: the state before the next sequence. As in Lua, training, validation and test share
            it.
        err: the loss of every time step, (seq_length,), in nats per word.
        loss: their mean, from the last `fp`.
        norm_dw: the 2-norm of the gradient before clipping, from the last `bp`.
        queue: runs whole training steps on a device; None if `fp` and `bp` run them.
        workers: the processes that train the network together; see `join`.
        weight: the factor of this process's losses and gradients in the sums over all workers.
    """

    engine = ""
    queue: StepQueue | None = None

    def __init__(
        self,
        core_network: nngraph.gModule,
        settings: Settings,
        cell: Cell | None,
        paramx: torch.Tensor,
        paramdx: torch.Tensor,
    ) -> None:
        nngraph.refuse_own_updates(core_network)
        self.core_network = core_network
        self._has_buffers = any(True for _ in core_network.buffers())
        self._buffers_before: dict[str, torch.Tensor] = {}  # the last training `fp`
        self.settings = settings
        self.cell = cell
        self.paramx, self.paramdx = paramx, paramdx
        self.rnns: list[nngraph.gModule] = []
        self.s = [self.zero_state(settings.batch_size)]
        self.start_s = self.zero_state(settings.batch_size)
        self.err = paramx.new_zeros(settings.seq_length)
        self.loss = 0.0
        self.norm_dw = 0.0
        self.workers = ALONE
        self.weight = 1.0
        self._exchange: GradientExchange | None = None

    def join(self, workers: Workers, batch_size: int, *, early: bool = True) -> None:
        """Train from now on together with other processes, which read other columns of the batch.

        The parameters become those of the first worker, the losses and gradients of a training step
        the means over all columns. `fp` still returns the loss of this process alone.

        Args:
            workers: all processes.
            batch_size: the number of columns that all of them read together.
            early: send gradients while the backward pass goes on, where the engine can.
        """
        self.workers, self.weight = workers, workers.share(batch_size)
        if workers.count > 1:
            self.queue = None
            self._exchange = GradientExchange(workers, early)
            workers.share_tensor(self.paramx)

    def arguments(self) -> tuple[Any, ...]:
        """Return the arguments to make this model again, around its network."""
        return self.core_network, self.settings, self.cell

    def __getstate__(self) -> dict[str, Any]:
        # Flat tensors, clones and buffers are made anew, for the parameters of the copy.
        results = {"s": self.s, "start_s": self.start_s, "err": self.err}
        return {
            "arguments": self.arguments(),
            "tensors": nested.map_leaves(torch.Tensor.detach, results),
            "numbers": {"loss": self.loss, "norm_dw": self.norm_dw},
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(*state["arguments"])  # type: ignore[misc]
        own = {"s": self.s, "start_s": self.start_s, "err": self.err}
        nested.copy(own, state["tensors"])
        self.__dict__.update(state["numbers"])

    def zero_state(self, batch: int) -> list[torch.Tensor]:
        """Return the state before the first word: zeros, (batch, rnn_size) each."""
        return zero_state(self.settings, batch, self.paramx, self.cell)

    def reset_state(self, state: TextState) -> None:
        """Return to the start of the text, and set `start_s` to zeros."""
        state.pos = 0
        for start in self.start_s:
            start.zero_()

    def fp(self, state: TextState) -> float:
        """Read the next `seq_length` words of each row; return their mean loss in nats per word."""
        nested.copy(self.s[0], self.start_s)
        # As in the original, s[0] is filled before the reader returns to the start of the text: the
        # first sequence after that still starts from the last state.
        if state.ends_within(self.settings.seq_length):
            self.reset_state(state)
        if self._has_buffers and self.core_network.training:
            buffers = self.core_network.named_buffers()
            self._buffers_before = {name: buffer.clone() for name, buffer in buffers}
        self.forward(state.rows(state.pos, self.settings.seq_length))
        state.pos += self.settings.seq_length
        self.loss = self.mean_loss().item()
        return self.loss

    def bp(self, state: TextState, lr: float) -> None:
        """Backpropagate through what `fp` read, and step against the gradient, its norm clipped.

        Raises:
            Diverged: loss or norm is infinite or NaN. Parameters, buffers, `start_s` and `state`
                are as before `fp`.
        """
        start = state.pos - self.settings.seq_length
        self.backward(state.rows(start, self.settings.seq_length))
        self.norm_dw = self.gradient_norm().item()
        if self.workers.count > 1:
            norm = self.norm_dw if self.workers.is_first else 0.0
            self.loss, self.norm_dw = self.workers.total([self.loss * self.weight, norm])
        if has_diverged(self.loss, self.norm_dw):
            self.undo_fp(state, start)
            raise Diverged(self.loss, self.norm_dw)
        self.update(lr, shrink_factor(self.norm_dw, self.settings.max_grad_norm))

    def undo_fp(self, state: TextState, pos: int) -> None:
        """Return to state and buffers before the last sequence, and to `pos` in the text."""
        nested.copy(self.start_s, self.s[0])
        state.pos = pos
        for name, before in self._buffers_before.items():
            self.core_network.get_buffer(name).copy_(before)

    def mean_loss(self) -> torch.Tensor:
        """Return the mean of `err`, (), in double precision and nats per word."""
        return self.err.mean(dtype=torch.float64)

    @abstractmethod
    def forward(self, words: torch.Tensor) -> None:
        """Run the network from state s[0]; fill `err`, and `start_s` with the last state.

        Args:
            words: ids of the words and of the one after them, (seq_length + 1, batch).
        """

    @abstractmethod
    def backward(self, words: torch.Tensor) -> None:
        """Compute the gradient of the sum of `err` after `forward(words)`, into `paramdx`.

        With other workers, it is the gradient of the mean over all columns.
        """

    @abstractmethod
    def gradient_norm(self) -> torch.Tensor:
        """Return the 2-norm of `paramdx`, (), summed in double precision as Torch7 does."""

    @abstractmethod
    def update(self, lr: float, shrink: float) -> None:
        """Subtract `lr` times `shrink` times the gradient from the parameters."""

    @abstractmethod
    def read_words(self, data: Batches) -> Iterator[tuple[torch.Tensor, list[torch.Tensor]]]:
        """Read `data`, (rows, batch), from a state of zeros, without learning from it.

        Yields:
            The losses of one or more time steps, (steps,), in nats per word; and the state after
            them, a table of (batch, rnn_size). The next iteration may overwrite the state.
        """

    def disable_dropout(self) -> None:
        """Let dropout pass all values on, for evaluation."""
        for rnn in (self.core_network, *self.rnns):
            rnn.evaluate()

    def enable_dropout(self) -> None:
        """Let dropout drop values again, for training."""
        for rnn in (self.core_network, *self.rnns):
            rnn.train()

    def kernels_unavailable(self) -> str | None:
        """Return why compiled kernels that could run do not; None if all of them run."""
        return None
