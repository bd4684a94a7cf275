"""Variational autoencoder: a layer that samples.

The encoder returns a mean and a variance, the sampler draws a code from them, and the decoder
makes a picture of the code. The gradient reaches the encoder because the noise is an input of the
formula, not the result of a choice.

Kingma and Welling 2013, https://arxiv.org/abs/1312.6114.
"""

import torch

import pygraph_nn as nngraph
from pygraph_nn import nn, torch7_random


class Sampler(nn.Module):
    """Draws from a normal distribution: [mean, log_variance] to a tensor like them."""

    takes_table = True

    def updateOutput(self, input):
        mean, log_variance = input
        noise = torch7_random.normal_(torch.empty_like(mean))
        return mean + torch.exp(0.5 * log_variance) * noise


def autoencoder(size: int, hidden_size: int, code_size: int) -> nngraph.gModule:
    x = nn.Identity()()
    hidden = nn.Tanh()(nn.Linear(size, hidden_size)(x))
    mean = nn.Linear(hidden_size, code_size)(hidden)
    log_variance = nn.Linear(hidden_size, code_size)(hidden)
    code = Sampler()([mean, log_variance])
    decoded = nn.Tanh()(nn.Linear(code_size, hidden_size)(code))
    reconstruction = nn.Sigmoid()(nn.Linear(hidden_size, size)(decoded))
    nngraph.annotateNodes()
    return nngraph.gModule([x], [reconstruction, mean, log_variance])


graph = autoencoder(6, 5, 2)
inputs = torch.rand(4, 6)
