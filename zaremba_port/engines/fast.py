"""The fast engine: the interface of state.Model, run over all time steps at once."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

import pygraph_nn as nngraph
from pygraph_nn import nested

from ..config import Settings
from ..errors import RunFailed, UserError
from ..model import Cell, zero_state
from ..unrolled import Model, Steps, TextState

ENGINES = ("fast", "graph")
PRECISIONS = nngraph.FlatSGD.precisions


def check_engine(engine: str | None, settings: Settings) -> None:
    """Raise UserError if there is no such engine, or it cannot follow the settings."""
    if engine not in (None, *ENGINES):
        raise UserError(f"engine is {engine!r}, it must be one of {', '.join(ENGINES)}")
    if engine == "fast" and settings.reference:
        raise UserError(
            "--reference draws dropout masks in the order of the Lua program, step by step: it "
            "takes --engine graph"
        )


def check_precision(
    precision: str, engine: str | None, settings: Settings, device: torch.device
) -> None:
    """Raise UserError if products cannot be made in `precision`."""
    if precision not in PRECISIONS:
        raise UserError(f"precision is {precision!r}, it must be one of {', '.join(PRECISIONS)}")
    if precision == "float32":
        return
    if engine == "graph" or settings.reference or settings.dtype != "float32":
        raise UserError(f"--precision {precision} is of the fast engine, and of dtype float32")
    if precision == "tf32" and device.type != "cuda":
        raise UserError(f"--precision tf32 is of CUDA devices, this one is {device}")


def make_model(
    engine: str | None,
    core_network: nngraph.gModule,
    settings: Settings,
    cell: Cell | None = None,
    precision: str = "float32",
) -> Model | FastModel:
    """The network unrolled by `engine`, "fast" or "graph"; None takes the one for `settings`.

    Raises:
        UserError: there is no such engine, or it cannot follow the settings.
    """
    check_engine(engine, settings)
    check_precision(precision, engine, settings, next(core_network.parameters()).device)
    if engine == "graph" or settings.reference:
        return Model(core_network, settings, cell)
    return FastModel(core_network, settings, cell, precision)


class FastModel(Steps):
    """What `Model` does, by the plan of the network over time.

    Losses, gradients and parameters are those of `Model` up to rounding; dropout draws the same
    distribution in another order. Products of float32 are made in `precision`, see
    `FlatSGD.use_precision`. On a CUDA device `train_step` is one CUDA graph, which the host does
    not wait for: `finished` does. Attributes are those of `Model`, where they exist:

    Attributes:
        core_network: the network for one step.
        paramx, paramdx: all parameters, all gradients, (n,), in an order of their own.
        s: the state before the sequence that was read last, alone in a list.
        start_s: the state that the next sequence starts from; train, valid and test share it.
        err: the loss of every step, (seq_length,), in nats per word.
        norm_dw: the gradient's norm before it was limited.
    """

    def __init__(
        self,
        core_network: nngraph.gModule,
        settings: Settings,
        cell: Cell | None = None,
        precision: str = "float32",
    ) -> None:
        super().__init__()
        self.settings = settings
        self.cell = cell
        self.core_network = core_network
        self._sgd = nngraph.FlatSGD(nngraph.recurrent(core_network, {"prev_s": "next_s"}))
        self._sgd.use_precision(precision)
        self.paramx, self.paramdx = self._sgd.parameters, self._sgd.gradients
        steps, batch = settings.seq_length, settings.batch_size
        self.s = [self.zero_state(batch)]
        self.start_s = self.zero_state(batch)
        self.norm_dw = 0.0
        self.err = self.paramx.new_zeros(steps)
        self._losses = self.err[:, None]
        self._on_device = _DeviceStep(self) if runs_ahead(self.paramx.device) else None
        if self._on_device is not None:
            self.ahead = self._on_device.ahead

    def zero_state(self, batch: int) -> list[torch.Tensor]:
        """A state of zeros: what is remembered before the first word."""
        return zero_state(self.settings, batch, self.paramx, self.cell)

    def reset_state(self, state: TextState) -> None:
        """Back to the start of the text, with nothing remembered."""
        state.pos = 0
        for start in self.start_s:
            start.zero_()

    def fp(self, state: TextState) -> float:
        """Read the next `seq_length` words; their mean loss in nats."""
        nested.copy(self.s[0], self.start_s)
        # As in the original, the state is taken before a text that ends is started anew.
        if state.pos + self.settings.seq_length + 1 > len(state.data):
            self.reset_state(state)
        end = state.pos + self.settings.seq_length
        self._losses = self._read(state.data, state.pos, end, self.s[0], self.start_s)
        self.err = self._losses.detach()[:, 0]
        state.pos = end
        return self.err.mean(dtype=torch.float64).item()

    def bp(self, state: TextState, lr: float) -> None:
        """Go back through what `fp` read, and step against the gradient, limited in norm.

        Raises:
            RunFailed: the norm is infinite or NaN; the parameters are as before.
        """
        self._sgd.backward([self._losses], [torch.ones_like(self._losses)])
        self.norm_dw = self._sgd.norm().item()
        if not math.isfinite(self.norm_dw):
            raise RunFailed(f"the gradient's norm is {self.norm_dw}")
        limit = self.settings.max_grad_norm
        self._sgd.update(lr * limit / self.norm_dw if self.norm_dw > limit else lr)

    def train_step(self, text: TextState, lr: float) -> None:
        if self._on_device is None:
            super().train_step(text, lr)
        else:
            self._on_device(text, lr)

    def finished(self) -> list[tuple[float, float]]:
        return super().finished() if self._on_device is None else self._on_device.finished()

    def many_steps(self, data: torch.Tensor) -> Iterator[tuple[torch.Tensor, list[torch.Tensor]]]:
        """The losses of many words, (n, 1), and the state after them, until `data` is read.

        As `single_steps` of the graph engine, which reads one row of `data`, (rows, batch), at a
        time; here as many words as a sequence of the training has in all its texts.
        """
        batch = data.shape[1]
        rows = max(1, self.settings.seq_length * self.settings.batch_size // batch)
        state = self.zero_state(batch)
        with torch.no_grad():
            for start in range(0, len(data) - 1, rows):
                end = min(start + rows, len(data) - 1)
                yield self._read(data, start, end, state, state), state

    def _read(
        self,
        data: torch.Tensor,
        start: int,
        end: int,
        state: list[torch.Tensor],
        last: list[torch.Tensor],
    ) -> torch.Tensor:
        """The losses, (rows, 1), of the words after rows start to end; the state goes to `last`."""
        outputs = self._sgd.forward([data[start:end], data[start + 1 : end + 1], state])
        nested.copy(last, outputs[1])
        losses: torch.Tensor = outputs[0]
        return losses

    def disable_dropout(self) -> None:
        self.core_network.evaluate()

    def enable_dropout(self) -> None:
        self.core_network.train()


def runs_ahead(device: torch.device) -> bool:
    """Whether steps of training are queued on the device, and not waited for."""
    return device.type == "cuda"


class _DeviceStep:
    """`train_step` of a FastModel as one computation on the device, which the host only starts.

    Loss, gradients, norm, limit and update: all of it is captured as one CUDA graph. What it
    depends on stands in tensors on the device: the words, the rate, and whether an earlier step
    failed. After a failed step parameters stay, and so does `model.s[0]`, the state it began from.
    """

    ahead = 64

    def __init__(self, model: FastModel) -> None:
        self._model = model
        settings, like = model.settings, model.paramx
        shape = settings.seq_length + 1, settings.batch_size
        self._words = torch.zeros(shape, dtype=torch.long, device=like.device)
        self._rate = like.new_zeros((), dtype=torch.float64)
        self._failed = torch.zeros((), dtype=torch.bool, device=like.device)
        self._found = like.new_zeros(self.ahead, 2, dtype=torch.float64)  # loss and norm
        self._row = torch.zeros(1, dtype=torch.long, device=like.device)  # of the next step
        self._err = torch.empty_like(model.err)
        self._waiting = 0
        self._given_rate = 0.0
        changed = [self._failed, self._found, self._row, like]
        changed += [*nested.leaves(model.s[0]), *nested.leaves(model.start_s)]
        self._run = nngraph.Captured(self._whole_step, changed)

    def __call__(self, text: TextState, lr: float) -> None:
        if self._waiting == self.ahead:
            raise RuntimeError(
                f"after {self.ahead} steps, finished() must be asked what they found"
            )
        length = self._model.settings.seq_length
        if text.pos + length + 1 > len(text.data):
            text.pos = 0  # the state goes on, as in the original
        self._words.copy_(text.data[text.pos : text.pos + length + 1])
        if lr != self._given_rate:
            self._rate.fill_(lr)
            self._given_rate = lr
        self._run()
        self._model.err = self._err
        text.pos += length
        self._waiting += 1

    def _whole_step(self) -> None:
        model, failed = self._model, self._failed
        for before, start in nested.pairs(model.s[0], model.start_s, "the state"):
            before.copy_(torch.where(failed, before, start))
        length = model.settings.seq_length
        losses = model._read(self._words, 0, length, model.s[0], model.start_s)
        model._sgd.backward([losses], [torch.ones_like(losses)])
        loss = losses.detach().mean(dtype=torch.float64)
        norm = model._sgd.norm()
        self._found.index_copy_(0, self._row, torch.stack([loss, norm])[None])
        self._row.add_(1)
        failed.logical_or_(torch.isfinite(loss + norm).logical_not())
        rate = self._rate * (model.settings.max_grad_norm / norm).clamp(max=1)
        model._sgd.update(rate.masked_fill(failed, 0), unless=failed)
        self._err.copy_(losses.detach()[:, 0])

    def finished(self) -> list[tuple[float, float]]:
        found = self._found[: self._waiting].tolist()
        self._waiting = 0
        self._row.zero_()
        self._failed.zero_()
        if found:
            self._model.norm_dw = found[-1][1]
        return [(loss, norm) for loss, norm in found]
