"""The progress bar of a training: epoch, perplexity, words per second, time left."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from ..runs import Training

PERIOD = 0.2  # seconds between two changes of the numbers


@contextlib.contextmanager
def training_bar(
    console: Console, *, is_hidden: bool = False
) -> Iterator[Callable[[Training, int], None]]:
    """Show a bar on a terminal; yield the function to call with the training and its last step.

    The perplexity is the mean over the steps since the last report, up to an epoch; words per
    second are those of this session.
    """
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TextColumn("{task.fields[numbers]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    is_hidden = is_hidden or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=is_hidden) as bar:
        task = bar.add_task("training", total=None, numbers="")
        shown_at = first_step = first_time = None

        def show(training: Training, last_step: int) -> None:
            nonlocal shown_at, first_step, first_time
            if is_hidden:
                return
            now, step = time.monotonic(), training.progress.step
            if first_time is None or first_step is None or first_step > step:
                first_step, first_time = step, now
            if shown_at is not None and now - shown_at < PERIOD and step < last_step:
                return
            shown_at = now
            settings = training.run.settings
            words = (step - first_step) * settings.seq_length * settings.batch_size
            numbers = f"perplexity {_recent_perplexity(training):.1f}"
            if now > first_time and words:
                numbers += f"  {words / (now - first_time):,.0f} words/s"
            epoch = f"epoch {training.epoch:.2f} of {settings.max_max_epoch}"
            bar.update(task, completed=step, total=last_step, description=epoch, numbers=numbers)

        yield show


def _recent_perplexity(training: Training) -> float:
    """Return the training perplexity over the last tenth of an epoch, as far as it was trained."""
    from ..text import perplexity

    size = len(training.perps)
    number = max(1, min(training.progress.step, size // 10))
    end = training.progress.step % size
    recent = training.perps.roll(-end)[-number:]
    return perplexity(recent.mean().item(), training.run.unit)
