"""Perplexity of texts: validation in batches, test one word at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from .state import Model, TextState


def run_valid(model: Model, state: TextState) -> float:
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


def run_test(model: Model, state: TextState) -> float:
    """Mean loss in nats, read one word at a time with carried state."""
    model.reset_state(state)
    model.disable_dropout()
    total = torch.zeros((), dtype=torch.float64, device=state.data.device)
    for err, _ in single_steps(model, state.data):
        total += err[0]
    model.enable_dropout()
    return total.item() / (len(state.data) - 1)


def single_steps(
    model: Model, data: torch.Tensor
) -> Iterator[tuple[torch.Tensor, list[torch.Tensor]]]:
    """The loss of every word, (1,), and the state after it, read one row of `data` at a time."""
    state = model.zero_state(data.shape[1])
    with torch.no_grad():
        for i in range(len(data) - 1):
            err, state = model.core_network.forward([data[i], data[i + 1], state])[:2]
            yield err, state


def perplexity(loss: float) -> float:
    """exp of a mean loss in nats; infinite where that is too large for a number."""
    return math.exp(loss) if loss < 709 else math.inf
