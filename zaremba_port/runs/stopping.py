"""Stopping a training before its end: on a signal, without a reader, after a diverging step."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

from ..errors import RunFailed
from ..language_model import Diverged, LanguageModel
from ..parallel import Workers
from ..text import Log
from .training import Training, restore, save

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
MOST_ROLLBACKS = 10  # from the same epoch: the learning rate is then a thousandth


class StopRequested(Exception):
    """The training is to stop; see `Stop`."""


class Stop:
    """A request to stop, which a training looks for between two steps.

    Attributes:
        reason: why it is to stop; None without a request.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._since = 0.0

    def request(self, reason: str) -> None:
        """Ask the training to stop; the first reason counts."""
        if self.reason is None:
            self.reason, self._since = reason, time.monotonic()

    def check(self) -> None:
        """Raise `StopRequested` if the training is to stop."""
        if self.reason is not None:
            raise StopRequested

    def check_all(self, workers: Workers) -> None:
        """Raise `StopRequested` in all workers if the training of one of them is to stop."""
        if workers.any(self.reason is not None):
            self.request("stopped like another worker")
            raise StopRequested

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Take a signal. A second Ctrl-C, not at the same moment, raises KeyboardInterrupt."""
        is_second = self.reason is not None and time.monotonic() - self._since > 0.3
        if number == signal.SIGINT and is_second:
            raise KeyboardInterrupt
        self.request("interrupted" if number == signal.SIGINT else signal.Signals(number).name)

    def watching(self, log: Log) -> Log:
        """Return `log`, with a request to stop in place of an error when nobody can read it."""

        def watched(line: str) -> None:
            if self.reason is None or not self.reason.startswith("stopped"):
                try:
                    log(line)
                except OSError as error:
                    why = error.strerror or error
                    self.request(f"stopped, as the output cannot be written ({why}),")

        return watched


@contextlib.contextmanager
def interruptible() -> Iterator[Stop]:
    """Yield a `Stop` that SIGINT (Ctrl-C), SIGTERM and SIGHUP request.

    Outside the main thread, which alone receives signals, none does. A SIGHUP that the process
    ignores, as under nohup, stays ignored.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {}
    for number in numbers:
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, stop.handle)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


@contextlib.contextmanager
def undone_if_stopped(model: LanguageModel) -> Iterator[None]:
    """Restore the state of `model` if the evaluation in the block is stopped."""
    before = [start.clone() for start in model.start_s]
    try:
        yield
    except StopRequested:
        for start, value in zip(model.start_s, before, strict=True):
            start.copy_(value)
        raise


def stop_interrupted(training: Training, stop: Stop) -> RunFailed:
    """Save the training after its last step; return the error that says how to go on."""
    save(training)
    _add_event(training, "interrupted")
    return RunFailed(
        f"{stop.reason} after step {training.progress.step}, which is saved; go on with: "
        f"zaremba train {training.run.resume_options}"
    )


def stop_diverged(training: Training, failure: Diverged) -> RunFailed:
    """Return the error for a step that diverged.

    The last save is kept: divergence may begin before the step that shows it.
    """
    _add_event(training, "diverged")
    what = str(failure)
    if not math.isfinite(failure.loss):
        what += f", the gradient's norm was {training.norm_dw:.3g} at the step before"
    return RunFailed(
        f"stopped at step {training.progress.step + 1}: {what}; {training.run.path} keeps the last "
        "good parameters; go on from them with a smaller --lr: "
        f"zaremba train {training.run.resume_options} --lr {training.progress.lr / 2:g}"
    )


def after_divergence(training: Training, failure: Diverged) -> None:
    """Go back to the start of the epoch with half its learning rate, if the settings say so.

    Raises:
        RunFailed: ``settings.on_nan`` is "stop", or the epoch has been tried too often.
    """
    step = training.progress.step + 1
    if training.model.settings.on_nan == "stop" or training.progress.rollbacks >= MOST_ROLLBACKS:
        raise stop_diverged(training, failure) from None
    restore(training, to_epoch_start=True)
    progress = training.progress
    progress.lr /= 2
    progress.rollbacks += 1
    training.log(
        f"Step {step} diverged: {failure}. Back to step {progress.step}, learning rate "
        f"{progress.lr:g}."
    )
    save(training, ends_epoch=True)


def _add_event(training: Training, event: str) -> None:
    """Record how the training ended, unless the disk is full: that is not the error to report."""
    with contextlib.suppress(RunFailed):
        training.run.add_event(event, training.progress.step)
