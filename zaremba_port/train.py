"""Training: `main` of the original, with reports, validation and the learning-rate schedule.

Read `train_epochs` beside the loop of main.lua. Saving, resuming and stopping are in `runs`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator

import torch

import pygraph_nn as nngraph

from .cells import Cell
from .completing import draw_samples, prompts_from
from .config import Settings, check_rate
from .engines import check_columns, check_memory, make_model, pick_device, start_generators
from .evaluate import run_test, run_valid
from .language_model import Diverged, LanguageModel, TextState, text_states
from .model import cell_of, create_network
from .parallel import ALONE, Workers
from .runs import (
    FollowedRun,
    Progress,
    RunFolder,
    SaveEvery,
    Schedule,
    Stop,
    StopRequested,
    Training,
    after_divergence,
    checked_cell,
    describe_session,
    interruptible,
    record_cell,
    report,
    report_evaluation,
    restore,
    save,
    stop_interrupted,
    tensors_of,
    undone_if_stopped,
    write_step,
)
from .text import Corpus, Log

EVERY_FIVE_MINUTES = SaveEvery(seconds=300)

SAMPLES = 3
"""Sentences that are completed at the end of every epoch."""

OnStep = Callable[[Training, int], None]
"""``on_step(training, last_step)``, called after every step."""


def train(
    run: RunFolder,
    corpus: Corpus,
    *,
    device: str = "auto",
    max_steps: int | None = None,
    resume: bool = False,
    new_lr: float | None = None,
    log: Log = print,
    on_step: OnStep = lambda training, last_step: None,
    cell: Cell | str | None = None,
    engine: str | None = None,
    precision: str = "float32",
    save_every: SaveEvery = EVERY_FIVE_MINUTES,
    samples: int = SAMPLES,
    workers: Workers = ALONE,
) -> Progress:
    """Train the network of `run` on `corpus`; save parameters, metrics and log in its folder.

    Args:
        device, engine, precision: the values that `zaremba train` takes.
        max_steps: the last step, if the run is to end early.
        resume: continue from the last save in the folder (the one before if it was opened with
            ``from_previous``); without a save, as after a kill at the very start, from the first
            step. Every later number, and every line of metrics and log but for times, is the one of
            a training that ran in one piece.
        new_lr: the learning rate to continue at; None keeps the saved one.
        log: receives the original's lines, at the original's steps.
        on_step: called with the training and the last step after every step.
        cell: a recurrent cell of your own instead of ``settings.cell``: a function of nodes, or its
            name, "package.module:function". The run records it; resuming takes the same cell.
        save_every: the distance of two saves. A training is also saved at its start, at the end of
            every epoch, and when it is stopped.
        samples: sentences to complete at the end of every epoch; they are among the metrics.
        workers: processes that train together, each of which calls this function. The first one
            writes the folder and the log; each reads its columns of the batch.

    Raises:
        UserError: the text is too short, the folder or the engine does not fit the settings, the
            cell is not the one that the run was trained with, another process trains in the folder,
            or it already holds a training and `resume` is not set.
        RunFailed: a loss or gradient is infinite or NaN; SIGINT (Ctrl-C), SIGTERM or SIGHUP was
            sent, or `log` raised OSError, as print does when its reader has gone: then the last
            step is saved; a file could not be written, or another worker has ended: then the last
            save is kept.
    """
    if not workers.is_first:
        run, log = FollowedRun.of(run), lambda line: None
    elif not resume:
        run.check_untrained()
    own_cell = checked_cell(run, cell) if resume else cell_of(run.settings, cell)
    with (
        nngraph.reference_mode(run.settings.reference),
        interruptible() as stop,
        run.locked(),
    ):
        to_user = stop.watching(log)
        log = run.logging(to_user)
        torch_device = pick_device(device)
        columns = workers.columns(run.settings.batch_size)
        texts = text_states(run.settings, corpus, torch_device, columns)
        state_train, state_valid, state_test = texts.values()
        resumes = workers.from_first(resume and run.has_last())
        announce = to_user if resumes else log
        if not resumes:
            run.delete_records()  # of a training that was killed before its first save
            record_cell(run, cell)
        announce("Network parameters:")
        for name, value in vars(run.settings).items():
            announce(f"  {name} : {value}")
        model = setup(run.settings, torch_device, own_cell, engine, precision, announce, workers)
        prompts = prompts_from(corpus.valid, run, samples)
        training = Training(run, model, state_train, log, announce, prompts)
        if resumes:
            resume_training(training, new_lr, cell)
        session = describe_session(model, corpus)
        run.add_event("resumed" if resumes else "started", training.progress.step, **session)
        total = run.settings.max_max_epoch * len(training.perps)
        last_step = total if max_steps is None else min(max_steps, total)
        try:
            train_epochs(training, state_valid, last_step, stop, on_step, save_every)
            save(training)
            if training.progress.step < total:
                run.add_event("stopped", training.progress.step)
                step = training.progress.step
                log(f"Stopped after step {step}; go on with {run.resume_options}")
                return training.progress
            if training.progress.test is None:
                test(training, state_test, stop)
        except StopRequested:
            raise stop_interrupted(training, stop) from None
        log("Training is over.")
        run.add_event("finished", training.progress.step)
        return training.progress


def resume_training(training: Training, new_lr: float | None, cell: Cell | str | None) -> None:
    """Continue from the save in the run folder, with its settings as they are now."""
    run = training.run
    restore(training, new_lr)
    if not run.settings.has_own_cell:
        record_cell(run, cell)
    run.save_definition()
    if new_lr is not None:
        save(training)  # the new rate must survive as the old one did
    training.announce(f"Resuming after step {training.progress.step}.")


def setup(
    settings: Settings,
    device: torch.device,
    cell: Cell | None,
    engine: str | None,
    precision: str,
    log: Log,
    workers: Workers = ALONE,
) -> LanguageModel:
    """Create the network, with parameters drawn from ``settings.seed``, and its engine.

    Several workers create the same network. Each draws its own dropout masks.
    """
    check_memory(settings, device)
    log(f"Creating a RNN {settings.cell_title} network.")
    if workers.count > 1:
        check_columns(settings, cell)
        log(f"{workers.count} workers share the {settings.batch_size} columns of a batch.")
    start_generators(settings.seed)
    core_network = create_network(settings, cell=cell).to(device)
    columns = range(settings.batch_size)[workers.columns(settings.batch_size)]
    own_settings = settings.with_changes({"batch_size": len(columns)})
    model = make_model(engine, core_network, own_settings, cell, precision)
    model.join(workers, settings.batch_size)
    if not workers.is_first:
        torch.manual_seed(settings.seed + (workers.rank << 32))
    if reason := model.kernels_unavailable():
        log(f"Training runs without compiled kernels, more slowly: {reason}")
    return model


def train_epochs(
    training: Training,
    state_valid: TextState,
    last_step: int,
    stop: Stop,
    on_step: OnStep,
    save_every: SaveEvery,
) -> None:
    """Train until `last_step`: the loop of `main` in Lua.

    Each pass trains one step, or, with a queue, up to the next report, save or end of an epoch.

    Raises:
        StopRequested: a signal asks for it, or nobody reads the log any more.
        RunFailed: a step diverged, or a file could not be written.
    """
    model, settings = training.model, training.model.settings
    epoch_size = len(training.perps)
    report_every = math.floor(epoch_size / 10 + 0.5)  # steps
    is_short = report_every <= 10  # too short for the original's reports: one an epoch, at its end
    schedule = Schedule(save_every)
    training.announce("Starting training.")
    if training.progress.step == 0:
        save(training, ends_epoch=True)
    while True:
        progress = training.progress
        if progress.step % epoch_size == 0 and progress.step > progress.validated:
            end_epoch(training, state_valid, stop)
        schedule.save_if_due(training)
        stop.check_all(model.workers)
        if progress.step >= last_step:
            return
        every = 0 if is_short else report_every
        at_most = steps_to_event(progress.step, epoch_size, every, last_step)
        at_most = min(at_most, schedule.steps_left(progress.step) or at_most)
        try:
            for perp, norm_dw in train_steps(model, training.text, progress.lr, at_most):
                training.add_step(perp, norm_dw)
                on_step(training, last_step)
        except Diverged as failure:
            after_divergence(training, failure)
            continue
        is_due = progress.step % epoch_size == 0 if is_short else progress.step % report_every == 10
        if is_due:
            report(training)
        elif settings.reference:
            write_step(training)


def train_steps(
    model: LanguageModel, text: TextState, lr: float, at_most: int
) -> Iterator[tuple[float, float]]:
    """Train on the next sequence of `text`; yield its mean loss and the norm of its gradient.

    A model with a queue trains on up to `at_most` sequences first, and yields both for each.
    """
    if model.queue is not None:
        yield from model.queue.run(text, lr, at_most)
    else:
        model.fp(text)
        model.bp(text, lr)
        yield model.loss, model.norm_dw


def steps_to_event(step: int, epoch_size: int, report_every: int, last_step: int) -> int:
    """Return the number of steps until the next report, the end of the epoch or the last step."""
    to_epoch_end = epoch_size - step % epoch_size
    to_report = (9 - step) % report_every + 1 if report_every else to_epoch_end
    return min(to_report, to_epoch_end, last_step - step)


def end_epoch(training: Training, state_valid: TextState, stop: Stop) -> None:
    """Validate the network, cut the learning rate if it is time, and save the training."""
    progress = training.progress
    validate(training, state_valid, stop)
    record_samples(training)
    if training.epoch > training.model.settings.max_epoch:
        progress.lr /= training.model.settings.decay
        check_rate(progress.lr, training.model.settings)
    progress.validated, progress.rollbacks = progress.step, 0
    save(training, ends_epoch=True)


def validate(training: Training, state_valid: TextState, stop: Stop) -> None:
    """Measure the validation perplexity; save the network if it is the lowest so far."""
    progress = training.progress
    with undone_if_stopped(training.model):
        workers = training.model.workers
        loss = run_valid(training.model, state_valid, on_read=lambda: stop.check_all(workers))
    report_evaluation(training, "valid", loss)
    if progress.best is None or loss < progress.best:
        progress.best = loss
        training.run.save_best(tensors_of(training.model.core_network), progress.step)


def test(training: Training, state_test: TextState, stop: Stop) -> None:
    """Measure the test perplexity; save the training with the result.

    The test text has one column, which the first worker reads.
    """
    model, loss = training.model, None
    with undone_if_stopped(model):
        if model.workers.is_first:
            with contextlib.suppress(StopRequested):
                loss = run_test(model, state_test, on_read=stop.check)
        else:
            model.reset_state(state_test)
        loss = model.workers.from_first(loss)
        if loss is None:
            stop.check_all(model.workers)
            raise StopRequested
    training.progress.test = loss
    report_evaluation(training, "test", loss)
    save(training)


def record_samples(training: Training) -> None:
    """Complete the same sentences as after every epoch, and write them to the metrics."""
    if training.prompts and training.model.workers.is_first:
        samples = draw_samples(training.model, training.run, training.prompts)
        step, epoch = training.progress.step, training.epoch
        training.run.add_metrics(step=step, epoch=epoch, samples=samples)
