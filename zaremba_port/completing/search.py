"""Beam search for the likeliest completion."""

from __future__ import annotations

from collections.abc import Sequence

import torch

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
        UserError: `width` is below 1.
    """
    if width < 1:
        raise UserError(f"beam is {width}, it must be at least 1")
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
