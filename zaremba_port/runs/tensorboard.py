"""A run's metrics as event files of TensorBoard, beside ``metrics.jsonl``."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

from ..errors import UserError
from .files import reporting_failures
from .folder import RunFolder

FOLDER = "tensorboard"


@contextlib.contextmanager
def writing_events(run: RunFolder, *, resume: bool = False) -> Iterator[None]:
    """Write every line of metrics in the block to ``tensorboard/`` in the run folder, too.

    ``tensorboard --logdir RUNS`` shows them, also while the run is trained. A training that goes
    on from a save hides what was written after it.

    Raises:
        UserError: tensorboardX is not installed.
        RunFailed: the folder cannot be written.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise UserError(
            "--tensorboard needs tensorboardX: pip install 'zaremba-port[tensorboard]'"
        ) from None
    folder, progress = run.path / FOLDER, run.last_progress() if resume else None
    with reporting_failures(folder):
        if not resume and folder.is_dir():
            shutil.rmtree(folder)
        purge = None if progress is None else progress.step + 1
        writer = SummaryWriter(str(folder), purge_step=purge)

    def write(line: dict[str, Any]) -> None:
        with reporting_failures(folder):
            for name, value in scalars(line).items():
                writer.add_scalar(name, value, line["step"])
            for sample in line.get("samples", ()):
                name = sample["prompt"] or "#"
                writer.add_text(f"samples/{name}", f"**{name}** {sample['text']}", line["step"])
            writer.flush()

    run.on_metrics.append(write)
    try:
        yield
    finally:
        run.on_metrics.remove(write)
        with reporting_failures(folder):
            writer.close()


def scalars(line: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of a line of metrics by their names in TensorBoard.

    >>> scalars({"step": 3, "epoch": 0.5, "split": "valid", "loss": 2.0, "perplexity": 7.4})
    {'loss/valid': 2.0, 'perplexity/valid': 7.4}
    """
    split = line.get("split", "train")
    names = {
        "loss": f"loss/{split}",
        "perplexity": f"perplexity/{split}",
        "train_perplexity": "perplexity/train",
        "train_loss": "loss/train_epoch",
        "grad_norm": "training/gradient_norm",
        "lr": "training/learning_rate",
        "wps": "training/words_per_second",
        "clipped": "training/share_of_clipped_steps",
    }
    return {title: float(line[name]) for name, title in names.items() if name in line}
