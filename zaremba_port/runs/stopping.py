"""Stopping a training before its end: on Ctrl-C, and after a step that diverges."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from ..errors import RunFailed
from ..language_model import Diverged
from .training import Training, save


@contextlib.contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C sets; a second Ctrl-C raises KeyboardInterrupt.

    Outside the main thread, which alone receives signals, nothing sets the event.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()

    handler_before = signal.signal(signal.SIGINT, handle)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, handler_before)


def stop_interrupted(training: Training) -> RunFailed:
    """Save the training after its last step; return the error that says how to go on."""
    save(training)
    return RunFailed(
        f"interrupted after step {training.progress.step}, which is saved; go on with: "
        f"zaremba train {training.run.resume_options}"
    )


def stop_diverged(training: Training, failure: Diverged) -> RunFailed:
    """Save the training up to the failed step if nothing is saved yet; return the error.

    An earlier save is kept: divergence may begin before the step that shows it.
    """
    run = training.run
    if not run.has_last():
        save(training)
    what = str(failure)
    if not math.isfinite(failure.loss):
        what += f", the gradient's norm was {training.norm_dw:.3g} at the step before"
    return RunFailed(
        f"stopped at step {training.progress.step + 1}: {what}; {run.path} keeps the last good "
        "parameters; go on from them with a smaller --lr: "
        f"zaremba train {run.resume_options} --lr {training.progress.lr / 2:g}"
    )
