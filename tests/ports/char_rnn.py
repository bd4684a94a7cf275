"""The training step of char-rnn: clones of a network over the time steps, forward and backward.

Karpathy 2015, `feval` in train.lua of https://github.com/karpathy/char-rnn.
"""

from __future__ import annotations

import torch

import pygraph_nn as nngraph
from pygraph_nn import nn

TEXT = "the cat sat on the mat, the rat sat on the cat; "


def batches(length: int, batch: int) -> tuple[int, torch.Tensor, torch.Tensor]:
    """The number of characters, and `length` steps of text: x and y, (length, batch) each."""
    characters = sorted(set(TEXT))
    ids = torch.tensor([characters.index(c) for c in TEXT * 4])
    starts = torch.arange(batch) * 11
    rows = torch.arange(length + 1)[:, None] + starts  # (length + 1, batch)
    return len(characters), ids[rows[:-1]], ids[rows[1:]]


class CharRNN:
    """Trains a network for one time step: [x, *state] to [*next state, log-probabilities]."""

    def __init__(self, net: nngraph.gModule, steps: int, state: list[torch.Tensor]) -> None:
        self.net, self.init_state = net, state
        self.params, self.grads = net.getParameters()
        self.clones = nngraph.clone_many_times(net, steps)
        self.criteria = [nn.ClassNLLCriterion() for _ in range(steps)]

    def feval(self, x: torch.Tensor, y: torch.Tensor) -> float:
        """Return the loss of the text, summed over time, and compute the gradients."""
        loss = self.forward(x, y)
        self.backward(x, y)
        return loss

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> float:
        """Return the loss of the text, summed over time."""
        loss, state, predictions = 0.0, {-1: self.init_state}, {}
        for t in range(len(x)):
            *state[t], predictions[t] = self.clones[t].forward([x[t], *state[t - 1]])
            loss += self.criteria[t].forward(predictions[t], y[t]).item()
        self.state, self.predictions = state, predictions
        return loss

    def backward(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Compute the gradients, after `forward`."""
        self.grads.zero_()
        d_state = {len(x) - 1: [torch.zeros_like(s) for s in self.init_state]}
        for t in reversed(range(len(x))):
            d_prediction = self.criteria[t].backward(self.predictions[t], y[t])
            _, *d_state[t - 1] = self.clones[t].backward(
                [x[t], *self.state[t - 1]], [*d_state[t], d_prediction]
            )

    def train(self, x: torch.Tensor, y: torch.Tensor, iterations: int) -> list[float]:
        """Train by RMSprop on the flat parameters; return the losses."""
        self.params.grad = self.grads
        optimizer = torch.optim.RMSprop([self.params], lr=0.01, alpha=0.95)
        losses = []
        for _ in range(iterations):
            losses.append(self.feval(x, y))
            self.grads.clamp_(-5, 5)
            optimizer.step()
        return losses
