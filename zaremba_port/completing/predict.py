"""Predicting the next word, and completing sentences one word at a time."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from pygraph_nn import torch7_random

from ..engines import pick_device
from ..errors import UserError
from ..model import create_network, zero_state
from ..runs import RunFolder
from ..text import (
    EOS,
    UNK,
    Vocabulary,
)


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
        word_row = torch.tensor([word], device=self._device)
        log_p, self.state = self.step(word_row, self.state)
        return log_p[0]

    def step(
        self, words: torch.Tensor, state: list[torch.Tensor]
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Read one word each in n texts, ids (n,), from `state`, a table of (n, rnn_size).

        Gives the log-probabilities of the next, (n, vocabulary), in nats, and the state after it.
        """
        with torch.inference_mode():
            _, state, pred = self.network.forward([words, words, state])
        return pred[:, : len(self.vocabulary)], state


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
        if not 0 < self.temperature < float("inf"):
            raise UserError(f"temperature is {self.temperature}, it must be positive and finite")
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
    beam: int | None = None,
    seed: int | torch7_random.Generator | None = None,
    map_unknown: bool = False,
) -> list[str]:
    """`words` and `length` more that the network draws to follow them.

    The words are read from a state of zeros, with carried state; with no words the completion
    starts a sentence, after <eos>. The same `seed` gives the same words; a generator goes on
    where it stands. With `beam` nothing is drawn: it is the likeliest completion that a search
    finds which keeps that many at each step.

    Raises:
        UserError: a word is not in the vocabulary and `map_unknown` does not make it <unk>.
    """
    predictor = run if isinstance(run, Predictor) else Predictor(run)
    vocabulary, sampling = predictor.vocabulary, sampling or Sampling()
    if length < 0:
        raise UserError(f"cannot complete with {length} words")
    if map_unknown:
        words = [word if word in vocabulary else UNK for word in words]
    unk = vocabulary.index.get(UNK)
    prompt = vocabulary.encode(words or [EOS]).tolist()
    if beam is not None:
        ids = beam_search(predictor, prompt, length, beam, unk if sampling.no_unk else None)
    else:
        if not isinstance(seed, torch7_random.Generator):
            seed = torch7_random.Generator(secrets.randbits(32) if seed is None else seed)
        ids = []
        pending = prompt
        predictor.reset()
        for _ in range(length):
            for word in pending:
                log_p = predictor.read(word)
            ids.append(sampling.choose(log_p, seed, unk))
            pending = ids[-1:]
    return [*words, *vocabulary.decode(ids)]


def beam_search(
    predictor: Predictor, prompt: Sequence[int], length: int, width: int, banned: int | None = None
) -> list[int]:
    """The `length` ids of the highest probability together that a beam of `width` finds.

    At each step every text kept is continued by every word, all in one batch with the state of
    each, and the `width` likeliest are kept; 1 takes the likeliest word each time. `banned` is
    the id of a word never to use.

    Raises:
        UserError: `width` is below 1.
    """
    if width < 1:
        raise UserError(f"beam is {width}, it must be at least 1")
    log_p = _read_all(predictor, prompt)[None]  # (kept, vocabulary)
    state = predictor.state
    ids = torch.zeros(1, 0, dtype=torch.int64, device=log_p.device)  # (kept, words so far)
    scores = log_p.new_zeros(1, dtype=torch.float64)
    for n in range(length):
        if n:
            log_p, state = predictor.step(ids[:, -1], state)
        totals = scores[:, None] + log_p.double()  # (kept, vocabulary)
        if banned is not None:
            totals[:, banned] = -torch.inf
        scores, places = totals.flatten().topk(min(width, totals.numel()))
        parents, words = places // totals.shape[1], places % totals.shape[1]
        ids = torch.cat([ids[parents], words[:, None]], 1)
        state = [part[parents] for part in state]
    return ids[0].tolist()


def likeliest(
    predictor: Predictor, words: Sequence[str], given: int, n: int = 5
) -> list[list[tuple[str, float]]]:
    """For each of `words` after the first `given`: the `n` likeliest words there, as the network
    had it, each with its probability."""
    found = []
    ids = predictor.vocabulary.encode(words).tolist()
    log_p = _read_all(predictor, ids[:given] or predictor.vocabulary.encode([EOS]).tolist())
    for word in ids[given:]:
        top = log_p.topk(min(n, len(log_p)))
        names = predictor.vocabulary.decode(top.indices)
        found.append(list(zip(names, top.values.exp().tolist(), strict=True)))
        log_p = predictor.read(word)
    return found


def _read_all(predictor: Predictor, ids: Sequence[int]) -> torch.Tensor:
    """Read `ids` from a state of zeros; the log-probabilities of the next, (vocabulary,)."""
    predictor.reset()
    for word in ids:
        log_p = predictor.read(word)
    return log_p
