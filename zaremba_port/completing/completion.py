"""Completing a sentence, one word at a time."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import torch

from pygraph_nn import torch7_random

from ..cells import Cell
from ..errors import UserError
from ..runs import RunFolder
from ..text import EOS, UNK, quoted
from .ensemble import load_predictor
from .predict import Predictor
from .sampling import Sampling
from .search import beam_search

Log = Callable[[str], None]


def complete(
    run: RunFolder | str | Path | Predictor,
    words: Sequence[str],
    length: int,
    *,
    sampling: Sampling | None = None,
    beam: int | None = None,
    seed: int | torch7_random.Generator | None = None,
    map_unknown: bool = False,
    cell: Cell | str | None = None,
    log: Log = print,
) -> list[str]:
    """Return `words` followed by `length` words that the network chooses.

    The network reads `words` from a state of zeros. Without any, the completion starts a sentence,
    after <eos>. If the network's text had no newline, and so no <eos>, the completion starts from
    the likeliest first word, which counts among the `length`, and `log` gets a line that says so.
    `sampling` chooses each word, by default at random by its probability. With `beam` nothing is
    random: a beam search of that width finds the likeliest completion, and only `no_unk` of
    `sampling` counts. Calls with the same `seed` return the same words; a generator continues its
    sequence. `map_unknown` reads unknown words as <unk>. A run that was trained with a cell of its
    own takes it as `cell`; see `Predictor`. `run` may also be a folder of runs, an ensemble.

    Raises:
        UserError: a word is not in the vocabulary, `length` is negative, `beam` is below 1, or
            `cell` is not the cell of the run.
    """
    predictor = run if isinstance(run, Predictor) else load_predictor(run, cell=cell)
    if run is predictor and cell is not None:
        raise UserError("complete: a Predictor has its cell already, leave cell= out")
    return list(
        stream(
            predictor, words, length, sampling=sampling, beam=beam, seed=seed,
            map_unknown=map_unknown, log=log,
        )
    )  # fmt: skip


def stream(
    predictor: Predictor,
    words: Sequence[str],
    length: int,
    *,
    sampling: Sampling | None = None,
    beam: int | None = None,
    seed: int | torch7_random.Generator | None = None,
    map_unknown: bool = False,
    log: Log = print,
) -> Iterator[str]:
    """Yield what `complete` returns, each word as soon as it is chosen; see there.

    With `beam`, all new words come at the end.
    """
    vocabulary, sampling = predictor.vocabulary, sampling or Sampling()
    if length < 0:
        raise UserError(f"cannot complete with {length} words")
    if map_unknown:
        words = [word if word in vocabulary else UNK for word in words]
    unk = vocabulary.index.get(UNK)
    start: list[str] = []
    if not words and EOS not in vocabulary:
        if length == 0:
            return
        start = vocabulary.decode([_likeliest_first(predictor, unk if sampling.no_unk else None)])
        length -= 1
        log(
            f"The text of {predictor.run.path} had no newline, so no sentence starts after {EOS}: "
            f"started from the likeliest first word, {quoted(start[0])}."
        )
    prompt = vocabulary.encode(words or start or [EOS]).tolist()
    yield from words
    yield from start
    ids: Iterable[int]
    if beam is not None:
        ids = beam_search(predictor, prompt, length, beam, unk if sampling.no_unk else None)
    else:
        if not isinstance(seed, torch7_random.Generator):
            seed = torch7_random.Generator(secrets.randbits(32) if seed is None else seed)
        ids = _draw(predictor, prompt, length, sampling, seed, unk)
    for number in ids:
        yield vocabulary.words[number]


def _likeliest_first(predictor: Predictor, banned: int | None) -> int:
    """Return the id of the likeliest first word, other than `banned`."""
    log_p = predictor.first().clone()  # (vocabulary,)
    if banned is not None:
        log_p[banned] = -torch.inf
    return int(log_p.argmax())


def _draw(
    predictor: Predictor,
    prompt: Sequence[int],
    length: int,
    sampling: Sampling,
    generator: torch7_random.Generator,
    unk: int | None,
) -> Iterator[int]:
    unread = prompt
    predictor.reset()
    for _ in range(length):
        for word in unread:
            log_p = predictor.read(word)
        unread = [sampling.choose(log_p, generator, unk)]
        yield unread[0]
