"""Sampling as char-rnn's sample.lua does it, from Torch7's generator."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from pygraph_nn import torch7_random

from ..completing import Predictor
from ..errors import UserError
from .vocabularies import raw_of


def sample(
    predictor: Predictor,
    *,
    seed: int = 123,
    length: int = 2000,
    temperature: float = 1.0,
    primetext: str = "",
    argmax: bool = False,
) -> Iterator[bytes]:
    """Yield the characters of `primetext`, and `length` more that the network draws.

    With the seed of Torch7's sample.lua, its draws are the same: the first from a uniform
    distribution where there is no `primetext`, each in single precision.

    Source: karpathy/char-rnn, sample.lua.

    Args:
        predictor: the network.
        seed: the seed of Torch7's generator.
        length: how many characters to draw.
        temperature: divisor of the log-probabilities.
        primetext: the beginning of the text.
        argmax: always take the likeliest character.

    Raises:
        UserError: a character is not in the vocabulary, or the temperature is not positive.
    """
    if not 0 < temperature < float("inf"):
        raise UserError(f"temperature is {temperature}, it must be positive and finite")
    generator = torch7_random.Generator(seed)
    words = predictor.vocabulary.words
    raw = [raw_of(word) for word in words]
    predictor.reset()
    # Not log-probabilities: this is what sample.lua starts with.
    log_p = torch.full((len(words),), 1 / len(words), dtype=torch.float64)
    for character in _ids(raw, primetext):
        yield raw[character]
        log_p = predictor.read(character)
    for _ in range(length):
        if argmax:
            character = int(log_p.argmax())
        else:
            p = torch.exp(log_p / temperature)
            p = (p / p.sum()).float()
            character = int(generator.multinomial(p, 1))
        log_p = predictor.read(character)
        yield raw[character]


def _ids(symbols: list[bytes], text: str) -> list[int]:
    """Return the ids of the characters of `text`, or of its bytes where those are the symbols."""
    index = {symbol: i for i, symbol in enumerate(symbols)}
    ids = []
    for character in text:
        raw = character.encode()
        for part in [raw] if raw in index else [bytes([byte]) for byte in raw]:
            if part not in index:
                raise UserError(f"{character!r} is not among the symbols of the network")
            ids.append(index[part])
    return ids
