"""The perplexity of an ensemble, by the mean of its members' probabilities.

Source: Zaremba et al. 2014, section 4.1 and the last rows of table 1.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..completing import check_same_words
from ..errors import UserError
from ..evaluate import load_model
from ..language_model import LanguageModel
from ..runs import RunFolder
from ..text import Batches, perplexity

PAPER_ENSEMBLE = (38, 71.9, 68.7)
"""The paper's ensemble of large networks: its members, and its validation and test perplexity."""


@dataclass(frozen=True)
class EnsembleRow:
    """The ensemble of the first members.

    Attributes:
        members: how many.
        name: the run folder of the last of them.
        loss: of the ensemble, the mean in nats per word or character.
        own_loss: of the last member alone.
    """

    members: int
    name: str
    loss: float
    own_loss: float


def evaluate_ensemble(
    runs: Sequence[RunFolder],
    data: Batches,
    *,
    which: str = "best",
    device: str = "cpu",
    engine: str | None = None,
    cell: str | None = None,
) -> Iterator[EnsembleRow]:
    """Yield the losses of the ensembles of 1, 2, ... members on a text of one column, (n, 1).

    One member at a time is in memory. The sum of the members' probabilities of every word of the
    text is kept in a file, so memory grows neither with the members nor with the text.

    Args:
        runs: the members, in the order in which they join.
        data: the text, in ids of the runs' vocabulary.
        which, device, engine, cell: as for `load_model`.

    Raises:
        UserError: a member cannot be loaded, or has another vocabulary than the first.
    """
    check_same_words(runs)
    words = len(data) - 1
    if words < 1:
        raise UserError(f"the text has {len(data)} words, it takes 2")
    with tempfile.TemporaryFile() as file:
        sums = np.memmap(file, np.float64, "w+", shape=(words,))
        for number, run in enumerate(runs, 1):
            model = load_model(run, which, device=device, engine=engine, cell=cell)
            own, together = _add_member(model, data, sums, number)
            yield EnsembleRow(number, run.path.name, together / words, own / words)
            del model


def _add_member(
    model: LanguageModel, data: Batches, sums: np.memmap, number: int
) -> tuple[float, float]:
    """Add a member's probabilities to `sums`; return its total loss, and the ensemble's."""
    model.disable_dropout()
    own = together = 0.0
    place = 0
    for err, _ in model.read_words(data):
        losses = err.detach().double().cpu()
        part = slice(place, place + len(losses))
        sums[part] += torch.exp(-losses).numpy()
        own += float(losses.sum())
        # A probability of 0 would be one that a double cannot hold; the loss is then infinite.
        with np.errstate(divide="ignore"):
            together -= float(np.log(sums[part] / number).sum())
        place = part.stop
    return own, together


def ensemble_table(rows: Sequence[EnsembleRow], unit: str) -> str:
    """Return a Markdown table with the perplexities of 1, 2, ... members."""
    lines = ["| members | joined by | alone | ensemble |", "|---:|---|---:|---:|"]
    lines += [
        f"| {row.members} | {row.name} | {_shown(row.own_loss, unit)} | {_shown(row.loss, unit)} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def draw_ensemble(
    rows: Sequence[EnsembleRow], unit: str, title: str, paper: float | None, path: Path
) -> list[Path]:
    """Draw the perplexity over the number of members; write ``path.png`` and ``path.svg``.

    `paper` is the perplexity of the paper's ensemble, to be drawn as a line.

    Raises:
        UserError: matplotlib is not installed.
    """
    from matplotlib.ticker import MaxNLocator

    from .pictures import new_figure, save_figure

    figure = new_figure(7, 4.2)
    axes = figure.subplots()
    x = [row.members for row in rows]
    alone = [perplexity(row.own_loss, unit) for row in rows]
    together = [perplexity(row.loss, unit) for row in rows]
    label = "the member that joins, alone"
    axes.plot(x, alone, "o", color="tab:orange", markersize=9, markerfacecolor="none", label=label)
    axes.plot(x, together, "o-", color="tab:blue", label=f"ensemble: {together[-1]:.1f}")
    if paper is not None:
        label = f"the paper's {PAPER_ENSEMBLE[0]} large networks: {paper}"
        axes.axhline(paper, color="tab:green", linestyle="--", label=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("members")
    axes.set_ylabel("perplexity")
    axes.set_title(title)
    axes.grid(alpha=0.25)
    axes.legend()
    return save_figure(figure, path)


def _shown(loss: float, unit: str) -> str:
    value = perplexity(loss, unit)
    return f"{value:.3f}" if math.isfinite(value) else "∞"
