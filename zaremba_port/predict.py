"""Predicting the next word, and completing sentences one word at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from pygraph_nn import torch7_random

from .checkpoint import RunFolder
from .data import Vocabulary
from .errors import UserError
from .model import create_network, zero_state
from .train import pick_device


class Predictor:
    """A trained network that reads word after word, batch 1, dropout off.

    Attributes:
        vocabulary: the words it knows.
        state: what it remembers of the words read so far; `reset` forgets it.
    """

    def __init__(
        self, run: RunFolder | str | Path, which: str = "best", device: str = "cpu"
    ) -> None:
        run = run if isinstance(run, RunFolder) else RunFolder.open(run)
        self.run = run
        self.vocabulary: Vocabulary = run.vocabulary
        self._device = pick_device(device)
        self.network = create_network(run.settings, predictions=True)
        run.load_parameters(self.network, which)
        self.network.to(self._device).evaluate()
        self._like = next(self.network.parameters()).detach()
        self.reset()

    def reset(self) -> None:
        """Forget everything read."""
        self.state = zero_state(self.run.settings, 1, self._like)

    def read(self, word: int) -> torch.Tensor:
        """Read one word, by id; the log-probabilities of the next, (vocabulary,), in nats."""
        x = torch.tensor([word], device=self._device)
        with torch.no_grad():
            _, self.state, pred = self.network.forward([x, x, self.state])
        return pred[0, : len(self.vocabulary)]


@dataclass(frozen=True)
class Sampling:
    """How the next word is chosen.

    Attributes:
        argmax: always the likeliest.
        temperature: divides the log-probabilities; below 1 is bolder in what is likely.
        top_k: only among the k likeliest.
        no_unk: never <unk>.
    """

    argmax: bool = False
    temperature: float = 1.0
    top_k: int | None = None
    no_unk: bool = False

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise UserError(f"temperature is {self.temperature}, it must be positive")
        if self.top_k is not None and self.top_k < 1:
            raise UserError(f"top_k is {self.top_k}, it must be at least 1")

    def choose(
        self, log_p: torch.Tensor, generator: torch7_random.Generator, unk: int | None
    ) -> int:
        """An id drawn from `log_p`, (vocabulary,)."""
        log_p = log_p.double().cpu() / self.temperature
        if self.no_unk and unk is not None:
            log_p[unk] = -torch.inf
        if self.argmax:
            return int(log_p.argmax())
        if self.top_k is not None and self.top_k < len(log_p):
            log_p[log_p < log_p.topk(self.top_k).values[-1]] = -torch.inf
        weights = (log_p - log_p.max()).exp()
        return int(generator.multinomial(weights, 1, replacement=True))


def complete(
    run: RunFolder | str | Path | Predictor,
    words: Sequence[str],
    length: int,
    *,
    sampling: Sampling | None = None,
    seed: int | None = None,
    map_unknown: bool = False,
) -> list[str]:
    """`words` and `length` more that the network draws to follow them.

    The words are read from a state of zeros, with carried state; with no words the completion
    starts a sentence, after <eos>. The same `seed` gives the same words.

    Raises:
        UserError: a word is not in the vocabulary and `map_unknown` does not make it <unk>.
    """
    predictor = run if isinstance(run, Predictor) else Predictor(run)
    vocabulary, sampling = predictor.vocabulary, sampling or Sampling()
    if length < 0:
        raise UserError(f"cannot complete with {length} words")
    if map_unknown:
        words = [word if word in vocabulary else "<unk>" for word in words]
    generator = torch7_random.Generator(torch.seed() if seed is None else seed)
    unk = vocabulary.index.get("<unk>")
    ids = vocabulary.encode(words or ["<eos>"]).tolist()
    predictor.reset()
    for word in ids[:-1]:
        predictor.read(word)
    for _ in range(length):
        ids.append(sampling.choose(predictor.read(ids[-1]), generator, unk))
    return vocabulary.decode(ids if words else ids[1:])
