"""The completed sentences that runs recorded, arranged for a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .summary import RunSummary

MOST = 8
"""Epochs of a run that a report shows: the first, the last, and some between."""


@dataclass(frozen=True)
class Sample:
    """A sentence that a network completed.

    Attributes:
        epoch: after which epoch.
        prompt: the words that it was given.
        text: the words that it chose.
    """

    epoch: float
    prompt: str
    text: str


def samples_of(run: RunSummary) -> list[tuple[str, list[Sample]]]:
    """Return the samples of a run: for each prompt, one of each of up to `MOST` epochs."""
    epochs = _spread(run.samples, MOST)
    by_prompt: dict[tuple[int, str], list[Sample]] = {}
    for epoch, samples in epochs:
        for place, sample in enumerate(samples):
            prompt, text = str(sample.get("prompt", "")), str(sample.get("text", ""))
            by_prompt.setdefault((place, prompt), []).append(Sample(epoch, prompt, text))
    return [(prompt, samples) for (_, prompt), samples in by_prompt.items()]


def _spread(
    epochs: Sequence[tuple[float, list[dict[str, object]]]], most: int
) -> list[tuple[float, list[dict[str, object]]]]:
    """Return at most `most` elements, the first and the last among them, evenly spread."""
    if len(epochs) <= most:
        return list(epochs)
    places = {round(i * (len(epochs) - 1) / (most - 1)) for i in range(most)}
    return [epochs[place] for place in sorted(places)]
