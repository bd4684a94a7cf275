"""A language model of characters: layers of LSTM and dropout between them, as in char-rnn.

Karpathy 2015, model/LSTM.lua of https://github.com/karpathy/char-rnn. The oracles are
torch.nn.LSTM, and what the Lua program printed under Torch7.
"""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from helpers import PTB, golden, needs_golden, needs_ptb
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


def initialize(rnn: CharRNN, rnn_size: int, limit: float) -> None:
    """Draw parameters uniform within `limit`, and begin with open forget gates."""
    torch7_random.uniform_(rnn.params, -limit, limit)
    for node in rnn.net.forwardnodes:
        if node.data.annotations.get("name", "").startswith("i2h"):
            node.data.module.bias.data[rnn_size : 2 * rnn_size].fill_(1)  # gates: i, f, o, g


def trainer(limit: float, dropout: float = 0) -> CharRNN:
    nngraph.manualSeed(123)
    net = lstm(CHARACTERS, SIZE, LAYERS, dropout)
    rnn = CharRNN(net, STEPS, [torch7_random.randn(BATCH, SIZE) for _ in range(2 * LAYERS)])
    initialize(rnn, SIZE, limit)
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
    assert abs(trained - expected) > 1e-3


def test_training() -> None:
    losses = trainer(limit=0.08).train(X, Y, 200)
    assert losses[0] / STEPS == pytest.approx(math.log(CHARACTERS), rel=0.05)
    assert losses[-1] < 0.3 * losses[0]


@needs_golden
@needs_ptb
def test_the_losses_are_torch7s() -> None:
    steps, batch, rnn_size, iterations = 20, 10, 32, 12
    text = (PTB / "ptb.valid.txt").read_bytes()[:60000]
    order = sorted(set(text))
    ids = torch.tensor([order.index(byte) for byte in text])
    x, y = (row.view(batch, -1).T for row in (ids, ids.roll(-1)))  # (time, batch)
    torch7 = golden("char_rnn", "lstm_iterations.json")
    nngraph.manualSeed(123)
    net = lstm(len(order), rnn_size, 2)
    rnn = CharRNN(net, steps, [torch.zeros(batch, rnn_size) for _ in range(4)])
    initialize(rnn, rnn_size, 0.08)
    assert rnn.params[:20].tolist() == torch7["initial"]["first20"]
    rnn.params.grad = rnn.grads
    optimizer = torch.optim.RMSprop([rnn.params], lr=2e-3, alpha=0.95)
    for i, iteration in enumerate(torch7["iterations"][:iterations]):
        rows = slice(i * steps, (i + 1) * steps)
        loss = rnn.forward(x[rows], y[rows]) / steps
        assert loss == pytest.approx(iteration["loss"], rel=1e-12)
        # The Lua program takes over the last state without a copy, and Torch7's next forward
        # overwrites it before backward reads it.
        for first, last in zip(rnn.init_state, rnn.state[steps - 1], strict=True):
            if i > 0:
                first.data.copy_(last)
        rnn.backward(x[rows], y[rows])
        assert rnn.grads.norm().item() == pytest.approx(iteration["grad_norm"], rel=1e-10)
        optimizer.step()
        rnn.init_state = rnn.state[steps - 1]
