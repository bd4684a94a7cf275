"""Perplexity: `run_valid` reads a text in batches, `run_test` one word or character at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from .language_model import LanguageModel, TextState
from .text import CHARACTERS, COURSE_FACTOR, WORDS, bits, characters_per_word


def run_valid(model: LanguageModel, state: TextState) -> float:
    """Return the mean loss of a text in nats, read in batches with carried state.

    Source: `run_valid` of main.lua. As there, floor(length) sequences are read, and the sum of
    their losses is divided by the fractional length.
    """
    model.reset_state(state)
    model.disable_dropout()
    length = (len(state.data) - 1) / model.settings.seq_length
    with torch.no_grad():
        total = sum(model.fp(state) for _ in range(int(length)))
    model.enable_dropout()
    return total / length


def run_test(model: LanguageModel, state: TextState) -> float:
    """Return the mean loss of a text in nats, read one word at a time with carried state.

    Source: `run_test` of main.lua.
    """
    model.reset_state(state)
    model.disable_dropout()
    total = torch.zeros((), dtype=torch.float64, device=state.data.device)
    for err, _ in model.read_words(state.data):
        total += err.sum(dtype=torch.float64)
    model.enable_dropout()
    return total.item() / (len(state.data) - 1)


def perplexity(loss: float, unit: str = WORDS) -> float:
    """Return the perplexity for a mean loss in nats: its exponential, infinite on overflow.

    For characters the loss is first multiplied by 5.6, the characters per word that the course
    assumes.
    """
    if unit == CHARACTERS:
        loss *= COURSE_FACTOR
    return math.exp(loss) if loss < 709 else math.inf


def report_lines(title: str, how: str, loss: float, characters: Sequence[str] = ()) -> list[str]:
    """Return lines that report a mean loss in nats as a perplexity.

    Args:
        title: what was measured, such as "Test set perplexity".
        how: how the text was read.
        loss: the mean loss, in nats per word or character.
        characters: the tokens, if the text is one of characters, to report bits and words too.
    """
    if not characters:
        return [f"{title} : {perplexity(loss):.3f}  ({how}, {loss:.6f} nats per word)"]
    return [
        f"{title} : {perplexity(loss, CHARACTERS):.3f}  ({how}, {loss:.6f} nats per character)",
        *character_lines(loss, characters),
    ]


def character_lines(loss: float, characters: Sequence[str]) -> list[str]:
    """Return lines that convert a loss in nats per character to bits, and to words."""
    length = characters_per_word(characters)
    return [
        f"  bits per character : {bits(loss):.4f}",
        f"  perplexity of words : {perplexity(loss * length):.3f}  (exp({length:.4f} * nats))",
    ]


def character_note(characters: Sequence[str]) -> str:
    """Return the sentence that explains the two perplexities of a text of characters."""
    return (
        f"The course counts exp({COURSE_FACTOR} * nats). A word of this text takes "
        f"{characters_per_word(characters):.4f} characters, its _ or <eos> included, not "
        f"{COURSE_FACTOR}."
    )
