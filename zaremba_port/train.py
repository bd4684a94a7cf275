"""Training: the main loop of the original, which saves, resumes and stops when asked to."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

import torch

import pygraph_nn as nngraph
from pygraph_nn import nested, torch7_random

from .config import Settings
from .engines import (
    FastModel,
    make_model,
    pick_device,
)
from .errors import RunFailed, UserError
from .evaluate import perplexity, run_test, run_valid
from .model import Cell, create_network
from .runs import (
    Progress,
    RunFolder,
    Saved,
)
from .text import (
    Corpus,
    replicate,
    sequential,
)
from .unrolled import Model, TextState

Log = Callable[[str], None]


def train(
    run: RunFolder,
    corpus: Corpus,
    *,
    device: str = "auto",
    max_steps: int | None = None,
    resume: bool = False,
    new_lr: float | None = None,
    log: Log = print,
    on_step: Callable[[int, int], None] = lambda step, total: None,
    cell: Cell | None = None,
    engine: str | None = None,
    precision: str = "float32",
) -> Progress:
    """Train the network of `run` on `corpus`, writing what happens into the run folder.

    The log has the original's lines at the original's steps. `max_steps` ends the run early;
    `resume` goes on from what the folder holds, at the rate `new_lr` if given. `on_step` is told
    the step and how many there will be. `cell` is a recurrent cell of your own in the place of
    ``settings.cell``. `engine` is "fast", the default, or "graph", which runs one time step after
    the other and is the default, and needed, under ``settings.reference``. Both compute the same,
    and each goes on with a run of the other. `precision` is that of the fast engine's products:
    "float32", or less exact "bfloat16" and, on CUDA devices, "tf32".

    Raises:
        UserError: the text is too short, the folder does not fit, or the engine does not.
        RunFailed: loss or gradient became infinite or NaN, or Ctrl-C was pressed; what was
            reached is saved.
    """
    settings = run.settings

    def tell(line: str) -> None:
        log(line)
        run.add_log(line)

    with nngraph.reference_mode(settings.reference), interruptible() as interrupted:
        where = pick_device(device)
        texts = text_states(settings, corpus, where)
        tell("Network parameters:")
        for name, value in vars(settings).items():
            tell(f"  {name} : {value}")
        tell(f"Creating a RNN {settings.cell.upper()} network.")
        start_generators(settings.seed)
        network = create_network(settings, cell=cell).to(where)
        model = make_model(engine, network, settings, cell, precision)
        epoch_size = len(texts["train"].data) // settings.seq_length
        progress = Progress(step=0, lr=settings.lr)
        perps = torch.zeros(epoch_size, dtype=torch.float64)
        if resume:
            progress = restore(run, model, perps)
            texts["train"].pos = progress.pos
            progress.lr = new_lr or progress.lr
            tell(f"Resuming after step {progress.step}.")
        total = settings.max_max_epoch * epoch_size
        last_step = total if max_steps is None else min(max_steps, total)
        words_per_step = settings.seq_length * settings.batch_size
        report_every = math.floor(epoch_size / 10 + 0.5)
        started = time.monotonic() - progress.seconds

        def save() -> None:
            progress.pos = texts["train"].pos
            progress.seconds = time.monotonic() - started
            run.save_last(snapshot(model, perps, progress))

        if progress.step < total:
            progress.test = None
        tell("Starting training.")
        norm = 0.0
        began: list[int] = []  # where in the text the steps began that are not known to be over
        while progress.step < last_step:
            began.append(texts["train"].pos)
            model.train_step(texts["train"], progress.lr)
            step = progress.step + len(began)
            on_step(step, last_step)
            reported = report_every > 0 and step % report_every == 10
            told = reported or settings.reference or step % epoch_size == 0 or step == last_step
            if len(began) < model.ahead and not (told or interrupted.is_set()):
                continue
            for pos, (loss, norm_dw) in zip(began, model.finished(), strict=True):
                if not (math.isfinite(loss) and math.isfinite(norm_dw)):
                    if not run.has_last():
                        save_start_of_step(run, model, perps, progress, pos)
                    raise RunFailed(
                        f"stopped at step {progress.step + 1}: {what_failed(loss, norm_dw, norm)}; "
                        f"{run.path} keeps the last good parameters; go on from them with a "
                        "smaller --lr: "
                        f"zaremba train --resume {run.path} --lr {progress.lr / 2:g}"
                    )
                if progress.step == 0:
                    perps.fill_(loss)
                perps[progress.step % epoch_size] = loss
                norm = norm_dw
                progress.step += 1
            began.clear()
            epoch = progress.step / epoch_size
            metrics = {
                "step": progress.step,
                "epoch": epoch,
                "loss": loss,
                "grad_norm": norm,
                "lr": progress.lr,
            }
            if reported:
                seconds = time.monotonic() - started
                train_perplexity = perplexity(perps.mean().item(), run.unit)
                wps = math.floor(progress.step * words_per_step / seconds)
                metrics |= {"train_perplexity": train_perplexity, "wps": wps}
                tell(
                    f"epoch = {epoch:.3f}, train perp. = {train_perplexity:.3f}, wps = {wps}, "
                    f"dw:norm() = {norm:.3f}, lr = {progress.lr:.3f}, "
                    f"since beginning = {math.floor(seconds / 60 + 0.5)} mins."
                )
            if reported or settings.reference:
                run.add_metrics(**metrics)

            if progress.step % epoch_size == 0:
                loss = run_valid(model, texts["valid"])
                tell(f"Validation set perplexity : {perplexity(loss, run.unit):.3f}")
                add_evaluation(run, progress, epoch, "valid", loss)
                if epoch > settings.max_epoch:
                    progress.lr /= settings.decay
                if progress.best is None or loss < progress.best:
                    progress.best = loss
                    run.save_best(dict(model.core_network.named_parameters()))
                save()
            if interrupted.is_set():
                save()
                raise RunFailed(
                    f"interrupted after step {progress.step}, which is saved; go on with: "
                    f"zaremba train --resume {run.path}"
                )

        save()
        if progress.step < total:
            tell(f"Stopped after step {progress.step}; go on with --resume {run.path}")
            return progress
    if progress.test is None:
        progress.test = run_test(model, texts["test"])
        tell(f"Test set perplexity : {perplexity(progress.test, run.unit):.3f}")
        add_evaluation(run, progress, progress.step / epoch_size, "test", progress.test)
        save()
    tell("Training is over.")
    return progress


def what_failed(loss: float, norm: float, norm_before: float) -> str:
    if math.isfinite(loss):
        return f"the gradient's norm is {norm}"
    return f"the loss is {loss}, the gradient's norm was {norm_before:.3g} at the step before"


def start_generators(seed: int) -> None:
    """Seed as the original does; its g_make_deterministic also draws one number."""
    torch.manual_seed(seed)
    nngraph.manualSeed(seed)
    torch7_random.uniform()


def text_states(
    settings: Settings, corpus: Corpus, device: torch.device | None = None
) -> dict[str, TextState]:
    """The three texts, each in the shape in which it is read, on `device`.

    Raises:
        UserError: a text is shorter than one batch of sequences, or the vocabulary too large.
    """
    if len(corpus.vocabulary) > settings.vocab_size:
        raise UserError(
            f"the text has {len(corpus.vocabulary)} different words, vocab_size is "
            f"{settings.vocab_size}: set --vocab_size {len(corpus.vocabulary)} or more"
        )
    rows = {
        "train": replicate(corpus.train, settings.batch_size),
        "valid": replicate(corpus.valid, settings.batch_size),
        "test": sequential(corpus.test),
    }
    for name, data in rows.items():
        needed = 2 if name == "test" else settings.seq_length + 1
        if len(data) < needed:
            raise UserError(
                f"the {name} text has {data.numel()} words, shorter than one batch of sequences: "
                f"it takes {needed * data.shape[1]} (batch_size {data.shape[1]}, "
                f"seq_length {settings.seq_length})"
            )
    return {name: TextState(data.to(device)) for name, data in rows.items()}


def snapshot(model: Model | FastModel, perps: torch.Tensor, progress: Progress) -> Saved:
    """All that the next step depends on."""
    buffers = {f"start_s.{d}": start for d, start in enumerate(model.start_s)}
    buffers["perps"] = perps
    buffers["torch_rng"] = torch.get_rng_state()
    if model.paramx.is_cuda:
        buffers["cuda_rng"] = torch.cuda.get_rng_state(model.paramx.device)
    state = torch7_random.getRNGState().to_bytes()
    buffers["torch7_rng"] = torch.frombuffer(bytearray(state), dtype=torch.uint8)
    return Saved(dict(model.core_network.named_parameters()), buffers, progress)


def save_start_of_step(
    run: RunFolder, model: Model | FastModel, perps: torch.Tensor, progress: Progress, pos: int
) -> None:
    """Save as it was before a failed step: parameters unchanged, the state it started from."""
    nested.copy(model.start_s, model.s[0])
    progress.pos = pos
    run.save_last(snapshot(model, perps, progress))


def restore(run: RunFolder, model: Model | FastModel, perps: torch.Tensor) -> Progress:
    """Put back what `snapshot` saved.

    Raises:
        UserError: it does not fit the network or the text.
    """
    saved = run.load_last()
    run.fill(model.core_network, saved.parameters)
    if saved.buffers["perps"].shape != perps.shape:
        raise UserError(
            f"{run.path}: the training text has {len(perps)} steps an epoch, it had "
            f"{len(saved.buffers['perps'])}: it is another text"
        )
    perps.copy_(saved.buffers["perps"])
    for d, start in enumerate(model.start_s):
        start.copy_(saved.buffers[f"start_s.{d}"])
    torch.set_rng_state(saved.buffers["torch_rng"])
    if model.paramx.is_cuda and "cuda_rng" in saved.buffers:
        torch.cuda.set_rng_state(saved.buffers["cuda_rng"], model.paramx.device)
    state = bytes(saved.buffers["torch7_rng"].tolist())
    torch7_random.setRNGState(torch7_random.RNGState.from_bytes(state))
    run.drop_metrics_after(saved.progress.step)
    return saved.progress


def add_evaluation(
    run: RunFolder, progress: Progress, epoch: float, split: str, loss: float
) -> None:
    shown = perplexity(loss, run.unit)
    run.add_metrics(step=progress.step, epoch=epoch, split=split, loss=loss, perplexity=shown)


@contextlib.contextmanager
def interruptible() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets; a second Ctrl-C interrupts at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
