"""A training in progress, and its save and restore: everything that the next step depends on."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from pygraph_nn import torch7_random

from ..errors import UserError
from ..language_model import LanguageModel, TextState
from ..text import Log
from .checkpoint import Progress, Saved, buffers_of, copy_tensors
from .folder import RunFolder


@dataclass
class Training:
    """The variables of the training loop: the locals of `main` in Lua.

    Attributes:
        run: the folder that the training writes to.
        model: the network, with its parameters and its state.
        text: the training text, and the position of its reader.
        log: receives the lines of the log, and writes them to the folder.
        announce: receives what a training says when it starts; a resumed one does not repeat it in
            the folder's log.
        prompts: beginnings of sentences that the network completes after every epoch.
        perps: the losses of the last steps, (epoch_size,), in nats per word: the loss of step n is
            at n % epoch_size. The first loss fills them all, as in Lua.
        norms: the norms of the gradients of the last steps, likewise; NaN where unknown.
        progress: the step, the learning rate, and the best validation loss.
        loss, norm_dw: the mean loss of the last step, and the norm of its gradient.
        beginning_time: the time, by `time.monotonic`, at which the training would have begun had
            it run in one piece.
        saved_state: the numbers that tell whether the last save is of the present state.
    """

    run: RunFolder
    model: LanguageModel
    text: TextState
    log: Log
    announce: Log
    prompts: Sequence[Sequence[str]] = ()
    perps: torch.Tensor = field(init=False)
    norms: torch.Tensor = field(init=False)
    progress: Progress = field(init=False)
    loss: float = 0.0
    norm_dw: float = 0.0
    beginning_time: float = field(default_factory=time.monotonic)
    saved_state: tuple[float | None, ...] = ()

    def __post_init__(self) -> None:
        epoch_size = len(self.text.data) // self.model.settings.seq_length
        self.perps = torch.zeros(epoch_size, dtype=torch.float64)
        self.norms = torch.full_like(self.perps, math.nan)
        self.progress = Progress(step=0, lr=self.model.settings.lr)

    @property
    def epoch(self) -> float:
        """Return the number of epochs trained, with a fraction within an epoch."""
        return self.progress.step / len(self.perps)

    def add_step(self, loss: float, norm_dw: float) -> None:
        """Count a training step with its mean loss and the norm of its gradient."""
        if self.progress.step == 0:
            self.perps.fill_(loss)
        self.perps[self.progress.step % len(self.perps)] = loss
        self.norms[self.progress.step % len(self.perps)] = norm_dw
        self.progress.step += 1
        self.progress.test = None  # an earlier result was of other parameters
        self.loss, self.norm_dw = loss, norm_dw


def save(training: Training, *, ends_epoch: bool = False) -> None:
    """Save all that the next step depends on; do nothing if the last save is of the same state.

    Args:
        training: the training, between two steps.
        ends_epoch: whether an epoch has just ended and been validated, or none has begun.

    Raises:
        RunFailed: a file could not be written; what was saved before is kept.
    """
    model, progress = training.model, training.progress
    saved_state = progress.step, progress.lr, progress.validated, progress.test, progress.rollbacks
    if saved_state == training.saved_state:
        return
    progress.pos = training.text.pos
    progress.seconds = time.monotonic() - training.beginning_time
    workers = model.workers  # each has its columns of the state, and its random generator
    gathered = [torch.cat(workers.gather(start)) for start in model.start_s]
    buffers = {f"start_s.{d}": start for d, start in enumerate(gathered)}
    buffers["perps"], buffers["norms"] = training.perps, training.norms
    states = {"torch_rng": torch.get_rng_state()}
    if model.paramx.is_cuda:
        states["cuda_rng"] = torch.cuda.get_rng_state(model.paramx.device)
    for name, state in states.items():
        for rank, own in enumerate(workers.gather(state)):
            buffers[_of_worker(name, rank)] = own
    generator = torch7_random.getRNGState().to_bytes()
    buffers["torch7_rng"] = torch.frombuffer(bytearray(generator), dtype=torch.uint8)
    parameters = dict(model.core_network.named_parameters())
    saved = Saved(parameters, buffers, progress, buffers_of(model.core_network))
    keep_epoch_end = model.settings.on_nan == "rollback"
    training.run.save_last(saved, ends_epoch=ends_epoch, keep_epoch_end=keep_epoch_end)
    training.saved_state = saved_state


def restore(
    training: Training, new_lr: float | None = None, *, to_epoch_start: bool = False
) -> None:
    """Return to what `save` wrote; go on at the learning rate `new_lr` if given.

    Metrics and log lines of later steps are removed from the run folder.

    Args:
        training: the training, before its first step or after one that diverged.
        new_lr: the learning rate of the next step; None for the saved one.
        to_epoch_start: return to the newest save at the end of an epoch, or at step 0.

    Raises:
        UserError: nothing is saved, a file is damaged, or the save does not fit the network or the
            text.
        RunFailed: the folder cannot be written.
    """
    run, model = training.run, training.model
    save, saved = run.load_to_resume(training.announce, to_epoch_start=to_epoch_start)
    copy_tensors(model.core_network, saved.network, run.path)
    try:
        perps = saved.buffers["perps"]
        if perps.shape != training.perps.shape:
            raise UserError(
                f"{run.path}: the training text has {len(training.perps)} steps an epoch, it had "
                f"{len(perps)}: it is another text"
            )
        training.perps.copy_(perps)
        if "norms" in saved.buffers:  # runs of version 0.1.0 did not save them
            training.norms.copy_(saved.buffers["norms"])
        columns = model.workers.columns(run.settings.batch_size)
        for d, start in enumerate(model.start_s):
            start.copy_(saved.buffers[f"start_s.{d}"][columns])
        # A worker that was not there when the run was saved goes on with the generator it has.
        rank = model.workers.rank
        state = saved.buffers.get(_of_worker("torch_rng", rank))
        if state is not None or rank == 0:
            torch.set_rng_state(saved.buffers[_of_worker("torch_rng", rank)])
        state = saved.buffers.get(_of_worker("cuda_rng", rank))
        if model.paramx.is_cuda and state is not None:
            torch.cuda.set_rng_state(state, model.paramx.device)
        generator = bytes(saved.buffers["torch7_rng"].tolist())
        torch7_random.setRNGState(torch7_random.RNGState.from_bytes(generator))
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        # Only a save of format 1 can be damaged and get here: the others have checksums.
        raise UserError(f"{run.path}: its save cannot be used: {error!r}") from None
    model.workers.wait()  # until all have read what the first one now changes
    run.roll_back(save, training.announce)
    training.progress = saved.progress
    training.progress.lr = new_lr or saved.progress.lr
    training.text.pos = saved.progress.pos
    training.beginning_time = time.monotonic() - saved.progress.seconds
    training.saved_state = ()


def _of_worker(name: str, rank: int) -> str:
    """Return the name in a save of what belongs to one worker; the first one's is as without."""
    return f"{name}.{rank}" if rank else name
