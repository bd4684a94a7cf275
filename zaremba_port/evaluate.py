"""Perplexity of texts: validation in batches, test one word or character at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from .language_model import LanguageModel, TextState
from .text import (
    CHARACTERS,
    COURSE_FACTOR,
    WORDS,
    bits,
    characters_per_word,
)


def run_valid(model: LanguageModel, state: TextState) -> float:
    """Mean loss in nats, read in batches with carried state, as the original validates.

    As there, floor(len) sequences are read and their sum is divided by the fractional len.
    """
    model.reset_state(state)
    model.disable_dropout()
    length = (len(state.data) - 1) / model.settings.seq_length
    with torch.no_grad():
        total = sum(model.fp(state) for _ in range(int(length)))
    model.enable_dropout()
    return total / length


def run_test(model: LanguageModel, state: TextState) -> float:
    """Mean loss in nats, read one word at a time with carried state."""
    model.reset_state(state)
    model.disable_dropout()
    total = torch.zeros((), dtype=torch.float64, device=state.data.device)
    for err, _ in model.read_words(state.data):
        total += err.sum(dtype=torch.float64)
    model.enable_dropout()
    return total.item() / (len(state.data) - 1)


def perplexity(loss: float, unit: str = WORDS) -> float:
    """exp of a mean loss in nats, of 5.6 times that for characters, as the course counts it.

    Infinite where that is too large for a number.
    """
    if unit == CHARACTERS:
        loss *= COURSE_FACTOR
    return math.exp(loss) if loss < 709 else math.inf


def report_lines(title: str, how: str, loss: float, characters: Sequence[str] = ()) -> list[str]:
    """What to tell of a mean loss in nats; for a text of characters, what it means for words."""
    if not characters:
        return [f"{title} : {perplexity(loss):.3f}  ({how}, {loss:.6f} nats per word)"]
    return [
        f"{title} : {perplexity(loss, CHARACTERS):.3f}  ({how}, {loss:.6f} nats per character)",
        *character_lines(loss, characters),
    ]


def character_lines(loss: float, characters: Sequence[str]) -> list[str]:
    """What a mean loss in nats per character is in bits, and for the words of the text."""
    real = characters_per_word(characters)
    return [
        f"  bits per character : {bits(loss):.4f}",
        f"  perplexity of words : {perplexity(loss * real):.3f}  (exp({real:.4f} * nats))",
    ]


def character_note(characters: Sequence[str]) -> str:
    """Why there are two perplexities of a text of characters."""
    return (
        f"The course counts exp({COURSE_FACTOR} * nats). A word of this text takes "
        f"{characters_per_word(characters):.4f} characters, its _ or <eos> included, not "
        f"{COURSE_FACTOR}."
    )
