"""Beam search for the likeliest completion."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..engines import total_memory
from ..errors import UserError
from .predict import Predictor


def beam_search(
    predictor: Predictor, prompt: Sequence[int], length: int, width: int, banned: int | None = None
) -> list[int]:
    """Return the likeliest `length` ids after the ids `prompt` that a beam of `width` finds.

    Each step continues every text of the beam by every word, in one batch, and keeps the `width`
    likeliest. A width of 1 takes the likeliest word at each step. `banned` is the id of a word
    that is never used.

    Raises:
        UserError: `width` is below 1, or does not fit into memory.
    """
    check_beam(predictor, width)
    log_p = predictor.read_all(prompt)[None]  # (beam, vocabulary)
    state = predictor.state
    ids = torch.zeros(1, 0, dtype=torch.int64, device=log_p.device)  # (beam, words so far)
    scores = log_p.new_zeros(1, dtype=torch.float64)  # (beam,)
    for n in range(length):
        if n:
            log_p, state = predictor.step(ids[:, -1], state)
        totals = scores[:, None] + log_p.double()  # (beam, vocabulary)
        if banned is not None:
            totals[:, banned] = -torch.inf
        scores, places = totals.flatten().topk(min(width, totals.numel()))
        parents, words = places // totals.shape[1], places % totals.shape[1]
        ids = torch.cat([ids[parents], words[:, None]], 1)
        state = [part[parents] for part in state]
    return ids[0].tolist()


def check_beam(predictor: Predictor, width: int) -> None:
    """Check that a beam of `width` texts can be continued by every word.

    Raises:
        UserError: `width` is below 1, or does not fit into memory.
    """
    if width < 1:
        raise UserError(f"beam is {width}, it must be at least 1")
    state = sum(part.shape[1] for part in predictor.state)
    # Log-probabilities and sums, float32 and float64, and the states before and after a step.
    needed = width * (len(predictor.vocabulary) * (4 + 8) + 2 * 4 * state)
    available = total_memory(predictor.device)
    if available is not None and needed > available:
        raise UserError(
            f"beam is {width}: each step takes {needed} bytes, {predictor.device} has {available} "
            "in all: choose a smaller beam"
        )
