"""An LSTM with batch normalisation of its sums and of its cell, and statistics for each time step.

Cooijmans et al. 2016, https://arxiv.org/abs/1603.09025; in Lua
https://github.com/iassael/torch-bnlstm, trained by char-rnn's loop.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from port_checks import check_step, with_gradients
from ports.char_rnn import CharRNN, batches

import pygraph_nn as nngraph
from pygraph_nn import nn, torch7_random

pytestmark = pytest.mark.usefixtures("float64_default")
STEPS, BATCH, SIZE, EPS = 4, 5, 3, 1e-5
CHARACTERS, X, Y = batches(STEPS, BATCH)


def normalized_lstm(characters: int, rnn_size: int) -> nngraph.gModule:
    """One time step: [x, c, h] to [c, h, log-probabilities]."""
    x, prev_c, prev_h = nn.Identity()(), nn.Identity()(), nn.Identity()()
    bn_wx = nn.BatchNormalization(4 * rnn_size, EPS, 0.1, True)
    bn_wh = nn.BatchNormalization(4 * rnn_size, EPS, 0.1, True)
    bn_c = nn.BatchNormalization(rnn_size, EPS, 0.1, True)
    i2h = nn.Linear(characters, 4 * rnn_size)(nn.OneHot(characters)(x))
    h2h = nn.Linear(rnn_size, 4 * rnn_size, False)(prev_h)
    normal_i2h, normal_h2h = bn_wx(i2h), bn_wh(h2h)
    all_input_sums = nn.CAddTable()([normal_i2h, normal_h2h])
    reshaped = nn.Reshape(4, rnn_size)(all_input_sums)
    n1, n2, n3, n4 = nn.SplitTable(1)(reshaped).split(4)
    in_gate, forget_gate, out_gate = nn.Sigmoid()(n1), nn.Sigmoid()(n2), nn.Sigmoid()(n3)
    in_transform = nn.Tanh()(n4)
    next_c = nn.CAddTable()([
        nn.CMulTable()([forget_gate, prev_c]),
        nn.CMulTable()([in_gate, in_transform]),
    ])  # fmt: skip
    normal_c = bn_c(next_c)
    next_h = nn.CMulTable()([out_gate, nn.Tanh()(normal_c)])
    decoder = nn.Linear(rnn_size, characters)(next_h)
    nngraph.annotateNodes()
    return nngraph.gModule([x, prev_c, prev_h], [next_c, next_h, nn.LogSoftMax()(decoder)])


def trainer(gamma: float) -> CharRNN:
    """A network whose normalisations scale by `gamma`, with an open forget gate."""
    nngraph.manualSeed(123)
    net = normalized_lstm(CHARACTERS, SIZE)
    rnn = CharRNN(net, STEPS, [torch7_random.randn(BATCH, SIZE) for _ in range(2)])
    for module in net.findModules("nn.BatchNormalization")[0]:
        module.weight.data.fill_(gamma)
        module.bias.data.zero_()
    net.i2h.bias.data[SIZE : 2 * SIZE].fill_(1)
    return rnn


def plain(p, state: list[torch.Tensor], normalize) -> torch.Tensor:
    """The loss of the text; ``normalize(name, t, values)`` returns normal values."""

    def affine(name, t, values):
        return normalize(name, t, values) * p[f"{name}.weight"] + p[f"{name}.bias"]

    (c, h), loss = state, 0
    for t in range(STEPS):
        i2h = p["i2h.weight"].T[X[t]] + p["i2h.bias"]
        sums = affine("normal_i2h", t, i2h) + affine("normal_h2h", t, h @ p["h2h.weight"].T)
        i, f, o, g = sums.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * affine("normal_c", t, c).tanh()
        scores = h @ p["decoder.weight"].T + p["decoder.bias"]
        loss = loss + F.cross_entropy(scores, Y[t])
    return loss


def by_batch(name: str, t: int, values: torch.Tensor) -> torch.Tensor:
    centred = values - values.mean(0)
    return centred / (centred.square().mean(0) + EPS).sqrt()


def test_gradients() -> None:
    rnn = trainer(gamma=0.7)
    check_step(
        lambda: rnn.feval(X, Y),
        with_gradients(rnn.net),
        lambda p: plain(p, rnn.init_state, by_batch),
    )


def test_each_time_step_has_statistics_of_its_own() -> None:
    rnn = trainer(gamma=0.7)
    means, variances = {}, {}

    def watched(name: str, t: int, values: torch.Tensor) -> torch.Tensor:
        means[name, t] = 0.1 * values.mean(0)
        variances[name, t] = 0.9 + 0.1 * values.var(0)  # unbiased
        return by_batch(name, t, values)

    parameters = {name: p.detach() for name, p in rnn.net.named_parameters()}
    plain(parameters, rnn.init_state, watched)
    rnn.feval(X, Y)
    for (name, t), mean in means.items():
        layer = getattr(rnn.clones[t], name)
        torch.testing.assert_close(layer.running_mean, mean)
        torch.testing.assert_close(layer.running_var, variances[name, t])

    def by_statistics(name: str, t: int, values: torch.Tensor) -> torch.Tensor:
        return (values - means[name, t]) / (variances[name, t] + EPS).sqrt()

    for clone in rnn.clones:
        clone.evaluate()
    expected = plain(parameters, rnn.init_state, by_statistics)
    assert rnn.feval(X, Y) == pytest.approx(expected.item(), rel=1e-11)


def test_training() -> None:
    losses = trainer(gamma=0.1).train(X, Y, 200)
    assert losses[-1] < 0.3 * losses[0]
