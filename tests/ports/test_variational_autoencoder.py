"""A variational autoencoder: a layer that samples, and a criterion of one's own.

Kingma and Welling 2013, https://arxiv.org/abs/1312.6114; in Lua
https://github.com/y0ast/VAE-Torch.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from port_checks import SEED, check_module, check_step, with_gradients
from torch.distributions import Normal, kl_divergence

import pygraph_nn as nngraph
from pygraph_nn import nn, torch7_random

pytestmark = pytest.mark.usefixtures("float64_default")
BATCH, INPUT, HIDDEN, LATENT = 4, 6, 5, 2


class Sampler(nn.Module):
    """Draws from a normal distribution: [mean, log_variance] to a tensor like them.

    The noise comes from Torch7's generator, so a seed draws the numbers of ``torch.randn`` in Lua.
    """

    def updateOutput(self, input: Any) -> torch.Tensor:
        mean, log_variance = input
        noise = torch7_random.normal_(torch.empty_like(mean))
        return mean + torch.exp(0.5 * log_variance) * noise


class KLDCriterion(nn.Criterion):
    """The divergence from the standard normal distribution, summed: [mean, log_variance]."""

    def updateOutput(self, input: Any, target: None = None) -> torch.Tensor:
        mean, log_variance = input
        return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()


def autoencoder() -> nngraph.gModule:
    """x, (BATCH, INPUT), to [reconstruction, mean, log_variance]; the code has the latter."""
    x = nn.Identity()()
    encoded = nn.Linear(INPUT, HIDDEN)(x)
    hidden = nn.Tanh()(encoded)
    mean = nn.Linear(HIDDEN, LATENT)(hidden)
    log_variance = nn.Linear(HIDDEN, LATENT)(hidden)
    code = Sampler()([mean, log_variance])
    decoded = nn.Linear(LATENT, HIDDEN)(code)
    scores = nn.Linear(HIDDEN, INPUT)(nn.Tanh()(decoded))
    reconstruction = nn.Sigmoid()(scores)
    nngraph.annotateNodes()
    return nngraph.gModule([x], [reconstruction, mean, log_variance])


def plain(x, p):
    def linear(name, value):
        return F.linear(value, p[f"{name}.weight"], p[f"{name}.bias"])

    hidden = linear("encoded", x).tanh()
    mean, log_variance = linear("mean", hidden), linear("log_variance", hidden)
    nngraph.manualSeed(SEED)
    code = mean + log_variance.div(2).exp() * torch7_random.randn(BATCH, LATENT)
    return [linear("scores", linear("decoded", code).tanh()).sigmoid(), mean, log_variance]


def step(net: nngraph.gModule, x: torch.Tensor) -> float:
    """Compute the loss of `x` and the gradients of the parameters."""
    bce, kld = nn.BCECriterion(), KLDCriterion()
    bce.sizeAverage = False
    net.zeroGradParameters()
    reconstruction, *code = net.forward(x)
    loss = bce.forward(reconstruction, x) + kld.forward(code)
    net.backward(x, [bce.backward(reconstruction, x), *kld.backward(code)])
    return loss.item()


def bits() -> torch.Tensor:
    torch.manual_seed(2)
    return torch.randint(2, (BATCH, INPUT)).double()


def test_gradients_of_the_network() -> None:
    check_module(autoencoder(), torch.rand(BATCH, INPUT), plain)


def test_gradients_of_the_loss() -> None:
    net, x = autoencoder(), bits()
    net.zeroGradParameters()

    def seeded_step() -> float:
        nngraph.manualSeed(SEED)
        return step(net, x)

    def loss(p):
        reconstruction, mean, log_variance = plain(x, p)
        code = Normal(mean, log_variance.exp().sqrt())
        divergence = kl_divergence(code, Normal(0.0, 1.0)).sum()
        return F.binary_cross_entropy(reconstruction, x, reduction="sum") + divergence

    check_step(seeded_step, with_gradients(net), loss)


def test_training() -> None:
    nngraph.manualSeed(3)
    net, x = autoencoder(), bits()
    optimizer, losses = torch.optim.Adam(net.parameters(), lr=0.03), []
    for _ in range(300):
        losses.append(step(net, x))
        optimizer.step()
    assert sum(losses[-50:]) / 50 < 0.8 * losses[0]
