"""A language model of characters: layers of LSTM and dropout between them, as in char-rnn.

Karpathy 2015, model/LSTM.lua of https://github.com/karpathy/char-rnn. The oracle is torch.nn.LSTM.
"""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from port_checks import check_step, with_gradients
from ports.char_rnn import CharRNN, batches

import pygraph_nn as nngraph
from pygraph_nn import nn, torch7_random

pytestmark = pytest.mark.usefixtures("float64_default")
STEPS, BATCH, SIZE, LAYERS = 6, 3, 5, 2
CHARACTERS, X, Y = batches(STEPS, BATCH)


def lstm(characters: int, rnn_size: int, n: int, dropout: float = 0) -> nngraph.gModule:
    """One time step: [x, c_0, h_0, c_1, ...] to [c_0, h_0, c_1, ..., log-probabilities]."""
    inputs = [nn.Identity()() for _ in range(2 * n + 1)]
    outputs: list[nngraph.Node] = []
    for layer in range(n):
        prev_c, prev_h = inputs[2 * layer + 1 : 2 * layer + 3]
        if layer == 0:
            x, input_size = nn.OneHot(characters)(inputs[0]), characters
        else:
            x, input_size = nn.Dropout(dropout)(outputs[-1]), rnn_size
        i2h = nn.Linear(input_size, 4 * rnn_size)(x).annotate(name=f"i2h_{layer}")
        h2h = nn.Linear(rnn_size, 4 * rnn_size)(prev_h).annotate(name=f"h2h_{layer}")
        all_input_sums = nn.CAddTable()([i2h, h2h])
        reshaped = nn.Reshape(4, rnn_size)(all_input_sums)
        n1, n2, n3, n4 = nn.SplitTable(1)(reshaped).split(4)
        in_gate, forget_gate, out_gate = (nn.Sigmoid()(gate) for gate in (n1, n2, n3))
        in_transform = nn.Tanh()(n4)
        next_c = nn.CAddTable()([
            nn.CMulTable()([forget_gate, prev_c]),
            nn.CMulTable()([in_gate, in_transform]),
        ])  # fmt: skip
        next_h = nn.CMulTable()([out_gate, nn.Tanh()(next_c)])
        outputs += [next_c, next_h]
    top_h = nn.Dropout(dropout)(outputs[-1])
    decoder = nn.Linear(rnn_size, characters)(top_h).annotate(name="decoder")
    return nngraph.gModule(inputs, [*outputs, nn.LogSoftMax()(decoder)])


def trainer(limit: float, dropout: float = 0) -> CharRNN:
    """A network with parameters uniform within `limit`, and forget gates that begin open."""
    nngraph.manualSeed(123)
    net = lstm(CHARACTERS, SIZE, LAYERS, dropout)
    state = [torch7_random.randn(BATCH, SIZE) for _ in range(2 * LAYERS)]
    rnn = CharRNN(net, STEPS, state)
    torch7_random.uniform_(rnn.params, -limit, limit)
    for node in net.forwardnodes:
        if node.data.annotations.get("name", "").startswith("i2h"):
            node.data.module.bias.data[SIZE : 2 * SIZE].fill_(1)  # the gates are i, f, o, g
    return rnn


def plain(p, state: list[torch.Tensor]) -> torch.Tensor:
    """The loss of the text by torch.nn.LSTM."""
    net = torch.nn.LSTM(CHARACTERS, SIZE, LAYERS)
    order = [*range(2 * SIZE), *range(3 * SIZE, 4 * SIZE), *range(2 * SIZE, 3 * SIZE)]  # i, f, g, o
    weights = {}
    for layer in range(LAYERS):
        for ours, theirs in (("i2h", "ih"), ("h2h", "hh")):
            for kind in ("weight", "bias"):
                weights[f"{kind}_{theirs}_l{layer}"] = p[f"{ours}_{layer}.{kind}"][order]
    c, h = torch.stack(state[::2]), torch.stack(state[1::2])
    x = F.one_hot(X, CHARACTERS).double()
    output, _ = torch.func.functional_call(net, weights, (x, (h, c)))
    scores = F.linear(output, p["decoder.weight"], p["decoder.bias"])
    return sum(F.cross_entropy(scores[t], Y[t]) for t in range(STEPS))


def test_gradients() -> None:
    rnn = trainer(limit=0.5)
    check_step(lambda: rnn.feval(X, Y), with_gradients(rnn.net), lambda p: plain(p, rnn.init_state))


def test_dropout_is_off_in_evaluation() -> None:
    rnn = trainer(limit=0.5, dropout=0.5)
    trained = rnn.feval(X, Y)
    for clone in rnn.clones:
        clone.evaluate()
    expected = plain(dict(rnn.net.named_parameters()), rnn.init_state).item()
    assert rnn.feval(X, Y) == pytest.approx(expected, rel=1e-11)
    assert trained != pytest.approx(expected, rel=1e-3)


def test_training() -> None:
    losses = trainer(limit=0.08).train(X, Y, 200)
    assert losses[0] / STEPS == pytest.approx(math.log(CHARACTERS), rel=0.05)
    assert losses[-1] < 0.3 * losses[0]
