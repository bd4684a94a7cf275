"""An ensemble as one predictor: the mean of the probabilities that several networks give."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import torch

from ..cells import Cell
from ..errors import UserError
from ..runs import RunFolder
from .predict import Predictor


class EnsemblePredictor(Predictor):
    """Predict the next word with several networks: the mean of their probabilities.

    Attributes:
        members: the predictors of the networks; `state` holds their states, one after the other.

    Raises:
        UserError: there are no members, or they have different vocabularies.
    """

    def __init__(self, members: Sequence[Predictor]) -> None:
        if not members:
            raise UserError("an ensemble has one member or more")
        check_same_words([member.run for member in members])
        self.members = list(members)
        self.run = members[0].run
        self.vocabulary = members[0].vocabulary
        self.device = members[0].device
        self._sizes = [len(member.state) for member in members]
        self.reset()

    def reset(self) -> None:
        for member in self.members:
            member.reset()
        self.state = [part for member in self.members for part in member.state]

    def first(self) -> torch.Tensor:
        log_p = mean_probability([member.first() for member in self.members])
        self.state = [part for member in self.members for part in member.state]
        return log_p

    def step(
        self, words: torch.Tensor, state: list[torch.Tensor]
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        log_ps, next_state, start = [], [], 0
        for member, size in zip(self.members, self._sizes, strict=True):
            log_p, parts = member.step(words, state[start : start + size])
            log_ps.append(log_p)
            next_state += parts
            start += size
        return mean_probability(log_ps), next_state


def mean_probability(log_ps: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the logarithm of the mean of probabilities, given by their logarithms."""
    stacked = torch.stack([log_p.double() for log_p in log_ps])
    return (stacked.logsumexp(0) - math.log(len(log_ps))).to(log_ps[0].dtype)


def load_predictor(
    path: RunFolder | str | Path,
    which: str = "best",
    device: str = "cpu",
    cell: Cell | str | None = None,
) -> Predictor:
    """Return the predictor of a run, or of the ensemble of all runs in a folder.

    Raises:
        UserError: the folder is no run and holds none, or a run cannot be loaded.
    """
    folders = [] if isinstance(path, RunFolder) else member_folders(Path(path))
    if not folders:
        return Predictor(path, which, device, cell)
    return EnsemblePredictor([Predictor(each, which, device, cell) for each in folders])


def member_folders(folder: Path) -> list[Path]:
    """Return the run folders directly inside `folder`, by name with numbers in their order.

    If `folder` is itself a run, or no folder, there are none.
    """
    if not folder.is_dir() or (folder / "settings.json").is_file():
        return []
    inner = (path for path in folder.iterdir() if (path / "settings.json").is_file())
    return sorted(inner, key=_in_natural_order)


def check_same_words(runs: Sequence[RunFolder]) -> None:
    """Check that the runs of an ensemble predict the same words.

    Raises:
        UserError: a run has another vocabulary than the first.
    """
    for run in runs[1:]:
        if run.vocabulary.words != runs[0].vocabulary.words:
            raise UserError(
                f"{run.path} has another vocabulary than {runs[0].path}: the members of an "
                "ensemble are trained on the same text"
            )


def _in_natural_order(path: Path) -> list[tuple[int, str]]:
    """Order seed10 after seed9."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
