"""What a run folder says of its training, in numbers and words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..config import PRESETS, Settings
from ..errors import UserError
from ..experiments import PUBLISHED
from ..runs import RunFolder
from ..text import CHARACTERS, WORDS, bits

Line = dict[str, Any]
"""A line of ``metrics.jsonl``."""

_WRITTEN = ("settings.json", "manifest.json", "metrics.jsonl", "events.jsonl")

STATES = ("running", "interrupted", "done", "diverged", "new")
"""The states of a run: "new" has been created, but never trained."""


@dataclass(frozen=True)
class RunSummary:
    """A run and how far it has come. Losses are means in nats per word or character.

    Attributes:
        path: the run folder.
        state: one of `STATES`.
        settings, unit, data, vocabulary: of the run; `vocabulary` is the number of words.
        step, epoch: trained so far.
        minutes: spent in training, up to the last save.
        date: of the last change, UTC, as ISO 8601.
        best: the lowest validation perplexity and its epoch; None before the first validation.
        valid: the last validation perplexity.
        test, test_loss: the test perplexity and loss after the last epoch; None before.
        starts: events of the starts of the training, with machine and versions, in order.
        lines: of ``metrics.jsonl``.
    """

    path: Path
    state: str
    settings: Settings
    unit: str
    data: str
    vocabulary: int
    step: int
    epoch: float
    minutes: float
    date: str
    best: tuple[float, float] | None
    valid: float | None
    test: float | None
    test_loss: float | None
    starts: Sequence[Line] = field(repr=False)
    lines: Sequence[Line] = field(repr=False)

    @property
    def name(self) -> str:
        """Return the name of the folder."""
        return self.path.resolve().name

    @property
    def preset(self) -> str | None:
        """Return the name of the preset with this run's sizes and recipe, if there is one."""
        own = _recipe(self.settings)
        return next((name for name, preset in PRESETS.items() if _recipe(preset) == own), None)

    @property
    def published(self) -> str | None:
        """Return the key in `PUBLISHED` of the numbers to compare with, if there are any."""
        if self.unit != WORDS:
            return None
        names = (name for name, row in PUBLISHED.items() if row.valid is not None)
        return next((name for name in names if PUBLISHED[name].preset == self.preset), None)

    @property
    def bits(self) -> float | None:
        """Return the bits per character of the test, for a text of characters."""
        is_known = self.test_loss is not None and self.unit == CHARACTERS
        return bits(self.test_loss) if is_known else None  # type: ignore[arg-type]

    @property
    def samples(self) -> list[tuple[float, list[Line]]]:
        """Return the completed sentences of each epoch: (epoch, samples)."""
        return [(line["epoch"], line["samples"]) for line in self.lines if "samples" in line]

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the metrics, for JSON. Infinite numbers become None."""
        values: dict[str, Any] = {
            "run": str(self.path),
            "state": self.state,
            "preset": self.preset,
            "data": self.data,
            "unit": self.unit,
            "vocabulary": self.vocabulary,
            "step": self.step,
            "epoch": self.epoch,
            "epochs": self.settings.max_max_epoch,
            "minutes": self.minutes,
            "date": self.date,
            "best_valid_perplexity": self.best and self.best[0],
            "best_epoch": self.best and self.best[1],
            "last_valid_perplexity": self.valid,
            "test_perplexity": self.test,
            "test_bits_per_character": self.bits,
            "settings": asdict(self.settings),
            "starts": list(self.starts),
        }
        return {name: _finite(value) for name, value in values.items()}


@dataclass(frozen=True)
class Damaged:
    """A folder that looks like a run, but cannot be read.

    Attributes:
        path: the folder.
        reason: why.
    """

    path: Path
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Return path and reason, for JSON."""
        return {"run": str(self.path), "state": "damaged", "reason": self.reason}


def summarize(path: str | Path) -> RunSummary:
    """Return the summary of the run in the folder `path`.

    Raises:
        UserError: the folder holds no run, or one of its files is broken.
    """
    run = RunFolder.open(path)
    lines, events = run.metrics(), run.events()
    progress = run.last_progress()
    valid = [line for line in lines if line.get("split") == "valid"]
    tests = [line for line in lines if line.get("split") == "test"]
    is_done = bool(tests) and tests[-1]["epoch"] >= run.settings.max_max_epoch
    best = min(valid, key=lambda line: line["loss"], default=None)
    last: Line = lines[-1] if lines else {"step": 0, "epoch": 0.0}
    return RunSummary(
        path=Path(path),
        state=_state(run, is_done, [event["event"] for event in events], progress is not None),
        settings=run.settings,
        unit=run.unit,
        data=run.data,
        vocabulary=len(run.vocabulary),
        step=max(last["step"], progress.step if progress else 0),
        epoch=last["epoch"],
        minutes=progress.seconds / 60 if progress else 0.0,
        date=_date(run.path),
        best=(best["perplexity"], best["epoch"]) if best else None,
        valid=valid[-1]["perplexity"] if valid else None,
        test=tests[-1]["perplexity"] if is_done else None,
        test_loss=tests[-1]["loss"] if is_done else None,
        starts=[event for event in events if event["event"] in ("started", "resumed")],
        lines=lines,
    )


def summarize_or_damaged(path: Path) -> RunSummary | Damaged:
    """Return the summary of a run, or why it cannot be read."""
    try:
        return summarize(path)
    except UserError as error:
        return Damaged(path, str(error))


def _state(run: RunFolder, is_done: bool, events: Sequence[str], is_begun: bool) -> str:
    if run.holder() is not None:
        return "running"
    if is_done:
        return "done"
    if events and events[-1] == "diverged":
        return "diverged"
    return "interrupted" if is_begun or events else "new"


def _date(folder: Path) -> str:
    """Return the time at which a training last wrote to the folder, UTC."""
    files = (folder / name for name in _WRITTEN)
    times = (file.stat().st_mtime for file in files if file.is_file())
    newest = datetime.fromtimestamp(max(times, default=0), timezone.utc)
    return newest.isoformat(timespec="seconds")


def _recipe(settings: Settings) -> dict[str, Any]:
    """Return the settings that make a recipe: all but the seed, the vocabulary and the like."""
    values = asdict(settings) | {"embedding_size": settings.input_size}
    free = ("seed", "vocab_size", "dtype", "reference", "on_nan", "record_norms")
    return {name: value for name, value in values.items() if name not in free}


def _finite(value: Any) -> Any:
    """Return `value` with None for numbers that JSON has not."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return value
