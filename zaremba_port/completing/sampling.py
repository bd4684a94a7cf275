"""Choosing the next word from the probabilities of all words."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pygraph_nn import torch7_random

from ..errors import UserError


@dataclass(frozen=True)
class Sampling:
    """Choose the next word at random, by its probability, or take the likeliest.

    Attributes:
        argmax: always take the likeliest word.
        temperature: divisor of the log-probabilities. Below 1: likelier, safer words; above 1:
            more varied.
        top_k: choose among the k likeliest words only.
        no_unk: never choose <unk>.

    Raises:
        UserError: `temperature` is not positive and finite, or `top_k` is below 1.
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
        """Return the id of the next word.

        `log_p` are the log-probabilities, (vocabulary,). `unk` is the id of <unk>, None if the
        vocabulary has none. Without `argmax`, `generator` draws one number.
        """
        log_p = log_p.double().cpu() / self.temperature
        if self.no_unk and unk is not None:
            log_p[unk] = -torch.inf
        if self.argmax:
            return int(log_p.argmax())
        if self.top_k is not None and self.top_k < len(log_p):
            log_p[log_p < log_p.topk(self.top_k).values[-1]] = -torch.inf
        weights = (log_p - log_p.max()).exp()
        return int(generator.multinomial(weights, 1, replacement=True))
