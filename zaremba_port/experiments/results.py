"""Results of trainings, read from their run folders, and their means over several seeds."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from safetensors import SafetensorError, safe_open

from ..config import Settings
from ..errors import UserError
from ..runs import RunFolder
from ..text import CHARACTERS, COURSE_FACTOR, WORDS, bits, perplexity
from .members import is_done

Curve = list[tuple[float, float]]
"""Values over epochs: (epoch, value)."""


@dataclass(frozen=True)
class Measure:
    """A way to state a mean loss.

    Attributes:
        title: what it is, such as "perplexity".
        digits: decimals worth printing.
        convert: takes the loss in nats per word or character.
    """

    title: str
    digits: int
    convert: Callable[[float], float]


PERPLEXITY = Measure("perplexity", 1, perplexity)
BITS = Measure("bits per character", 3, bits)
COURSE = Measure("exp(5.6 nll)", 1, lambda nats: perplexity(nats, CHARACTERS))
MEASURES = {WORDS: (PERPLEXITY,), CHARACTERS: (BITS, COURSE)}
"""The measures of a text's unit, the one to draw first."""


@dataclass(frozen=True)
class Result:
    """What a run folder says of its training. All losses are means in nats per word or character.

    Attributes:
        name: of the folder.
        settings, unit: of the run.
        epochs: trained so far.
        is_done: whether the test has followed the last epoch.
        parameters: of the network.
        minutes: spent in training.
        train: training losses, each the mean of an epoch, with dropout.
        valid: validation losses after each epoch.
        test: the test loss after the last epoch; None before.
        norm_mean, norm_max: of the gradient's norm before clipping, over the whole training.
        clipped: the share of the steps whose gradient was clipped.
        is_sampled: whether the last three are of the reported steps alone, ten an epoch, because
            the run was trained by version 0.1.0.
    """

    name: str
    settings: Settings
    unit: str
    epochs: float
    is_done: bool
    parameters: int
    minutes: float
    train: Curve
    valid: Curve
    test: float | None
    norm_mean: float
    norm_max: float
    clipped: float
    is_sampled: bool

    @property
    def last_test(self) -> float:
        """Return the test loss of a finished run."""
        if self.test is None:
            raise ValueError(f"{self.name} has not been tested after its last epoch")
        return self.test

    @property
    def best(self) -> tuple[float, float]:
        """Return the lowest validation loss with its epoch: (epoch, loss)."""
        return min(self.valid, key=lambda point: point[1])


def read_result(run: RunFolder) -> Result | None:
    """Return the result of a run, or None before its first validation."""
    lines = run.metrics()
    valid = [line for line in lines if line.get("split") == "valid"]
    tests = [line for line in lines if line.get("split") == "test"]
    if not valid:
        return None
    done = is_done(run, run.settings.max_max_epoch)
    parameters, seconds = _saved(run)
    norm_mean, norm_max, clipped, is_sampled = _norms(lines, valid, run.settings.max_grad_norm)
    return Result(
        name=run.path.name,
        settings=run.settings,
        unit=run.unit,
        epochs=lines[-1]["epoch"],
        is_done=done,
        parameters=parameters,
        minutes=seconds / 60,
        train=_training_losses(lines, valid, run.unit),
        valid=[(line["epoch"], line["loss"]) for line in valid],
        test=tests[-1]["loss"] if done else None,
        norm_mean=norm_mean,
        norm_max=norm_max,
        clipped=clipped,
        is_sampled=is_sampled,
    )


def _training_losses(
    lines: Sequence[dict[str, Any]], valid: Sequence[dict[str, Any]], unit: str
) -> Curve:
    """Return the mean training loss of each epoch.

    Runs of version 0.1.0 state it in their last report before each validation: close to the end of
    the epoch, over as many steps.
    """
    factor = COURSE_FACTOR if unit == CHARACTERS else 1
    losses: Curve = []
    reported = math.nan
    for line in lines:
        if "train_perplexity" in line:
            reported = math.log(line["train_perplexity"]) / factor
        elif line.get("split") == "valid":
            losses.append((line["epoch"], line.get("train_loss", reported)))
    return losses


def _norms(
    lines: Sequence[dict[str, Any]], valid: Sequence[dict[str, Any]], limit: float
) -> tuple[float, float, float, bool]:
    """Return mean and maximum of the gradient's norm, the clipped share, and whether by samples."""
    if all("grad_norm_mean" in line for line in valid):
        return (
            statistics.fmean(line["grad_norm_mean"] for line in valid),
            max(line["grad_norm_max"] for line in valid),
            statistics.fmean(line["clipped"] for line in valid),
            False,
        )
    norms = [line["grad_norm"] for line in lines if "grad_norm" in line] or [math.nan]
    return statistics.fmean(norms), max(norms), statistics.fmean(n > limit for n in norms), True


def _saved(run: RunFolder) -> tuple[int, float]:
    """Return the number of the network's parameters, and the seconds spent in training.

    Only the head of the file is read. Without a file, as in a folder of which only the small files
    were copied, both are 0.
    """
    manifest = run.manifest
    path = run.path / (manifest.last.file if manifest.last else "none")
    if not path.is_file():
        return 0, 0.0
    try:
        with safe_open(path, framework="pt") as file:
            parameters = sum(
                math.prod(file.get_slice(name).get_shape())
                for name in list(file.keys())
                if name.startswith("parameters.")
            )
            return parameters, float(json.loads(file.metadata()["progress"])["seconds"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None


@dataclass(frozen=True)
class Spread:
    """The mean of a value over several seeds, with its sample standard deviation.

    Attributes:
        mean: of the values.
        deviation: of a single value; None for one value.
    """

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Return mean and deviation of `values`, at least one."""
        numbers = list(values)
        deviation = statistics.stdev(numbers) if len(numbers) > 1 else None
        return cls(statistics.fmean(numbers), deviation)

    def text(self, digits: int) -> str:
        """Return the mean, and ± the deviation if there is one, with `digits` decimals.

        >>> Spread.of([1.0, 2.0, 3.0]).text(1), Spread.of([1.0]).text(2)
        ('2.0 ± 1.0', '1.00')
        """
        text = f"{round(self.mean, digits) + 0.0:.{digits}f}"  # + 0.0: no "-0.0"
        return text if self.deviation is None else f"{text} ± {self.deviation:.{digits}f}"


def by_network(results: Iterable[Result]) -> dict[tuple[int, int], list[Result]]:
    """Return the finished results that differ only in their seeds, by (layers, embedding)."""
    groups: dict[tuple[int, int], list[Result]] = {}
    for result in results:
        if result.is_done:
            key = result.settings.layers, result.settings.input_size
            groups.setdefault(key, []).append(result)
    return dict(sorted(groups.items()))
