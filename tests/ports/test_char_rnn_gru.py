"""A language model of characters with gated recurrent units, as in char-rnn; also run over time.

Karpathy 2015, model/GRU.lua of https://github.com/karpathy/char-rnn.
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
STEPS, BATCH, SIZE, LAYERS = 5, 3, 4, 2
CHARACTERS, X, Y = batches(STEPS, BATCH)


def gru(characters: int, rnn_size: int, n: int) -> nngraph.gModule:
    """One time step: [x, h_0, h_1, ...] to [h_0, h_1, ..., log-probabilities]."""
    inputs = [nn.Identity()().annotate(name="x")]
    inputs += [nn.Identity()().annotate(name=f"prev_h_{layer}") for layer in range(n)]
    x, input_size = nn.OneHot(characters)(inputs[0]), characters
    outputs: list[nngraph.Node] = []
    for layer, prev_h in enumerate(inputs[1:]):

        def linear(name: str, size: int, value: nngraph.Node, layer: int = layer) -> nngraph.Node:
            return nn.Linear(size, rnn_size)(value).annotate(name=f"{name}_{layer}")

        update_sum = [linear("update_x", input_size, x), linear("update_h", rnn_size, prev_h)]
        update_gate = nn.Sigmoid()(nn.CAddTable()(update_sum))
        reset_sum = [linear("reset_x", input_size, x), linear("reset_h", rnn_size, prev_h)]
        reset_gate = nn.Sigmoid()(nn.CAddTable()(reset_sum))
        gated_hidden = nn.CMulTable()([reset_gate, prev_h])
        p2 = linear("candidate_h", rnn_size, gated_hidden)
        p1 = linear("candidate_x", input_size, x)
        hidden_candidate = nn.Tanh()(nn.CAddTable()([p1, p2]))
        zh = nn.CMulTable()([update_gate, hidden_candidate])
        zhm1 = nn.CMulTable()([
            nn.AddConstant(1, False)(nn.MulConstant(-1, False)(update_gate)),
            prev_h,
        ])  # fmt: skip
        x, input_size = nn.CAddTable()([zh, zhm1]).annotate(name=f"next_h_{layer}"), rnn_size
        outputs.append(x)
    decoder = nn.Linear(rnn_size, characters)(x).annotate(name="decoder")
    return nngraph.gModule(inputs, [*outputs, nn.LogSoftMax()(decoder)])


def trainer(limit: float) -> CharRNN:
    nngraph.manualSeed(123)
    net = gru(CHARACTERS, SIZE, LAYERS)
    rnn = CharRNN(net, STEPS, [torch7_random.randn(BATCH, SIZE) for _ in range(LAYERS)])
    torch7_random.uniform_(rnn.params, -limit, limit)
    return rnn


def plain(p, state: list[torch.Tensor]) -> torch.Tensor:
    """The loss of the text, layer by layer."""

    def linear(name, value):
        return F.linear(value, p[f"{name}.weight"], p[f"{name}.bias"])

    x = F.one_hot(X, CHARACTERS).double()  # (STEPS, BATCH, features)
    for layer, h in enumerate(state):
        rows = []
        for x_t in x:
            z = (linear(f"update_x_{layer}", x_t) + linear(f"update_h_{layer}", h)).sigmoid()
            r = (linear(f"reset_x_{layer}", x_t) + linear(f"reset_h_{layer}", h)).sigmoid()
            candidate = linear(f"candidate_x_{layer}", x_t) + linear(f"candidate_h_{layer}", r * h)
            h = torch.lerp(h, candidate.tanh(), z)
            rows.append(h)
        x = torch.stack(rows)
    losses = F.cross_entropy(linear("decoder", x).flatten(0, 1), Y.flatten(), reduction="none")
    return losses.view(STEPS, BATCH).mean(1).sum()


def test_gradients() -> None:
    rnn = trainer(limit=0.5)
    check_step(lambda: rnn.feval(X, Y), with_gradients(rnn.net), lambda p: plain(p, rnn.init_state))


def test_gradients_of_the_network_over_time() -> None:
    rnn = trainer(limit=0.5)
    state = {f"prev_h_{layer}": f"next_h_{layer}" for layer in range(LAYERS)}
    net = nngraph.recurrent(rnn.net, state)
    criterion = nn.ClassNLLCriterion()

    def step() -> float:
        rnn.grads.zero_()
        *_, predictions = net([X, *rnn.init_state])  # (STEPS, BATCH, CHARACTERS)
        loss = STEPS * criterion(predictions.flatten(0, 1), Y.flatten())
        loss.backward()
        return loss.item()

    check_step(step, with_gradients(rnn.net), lambda p: plain(p, rnn.init_state))


def test_training() -> None:
    losses = trainer(limit=0.08).train(X, Y, 200)
    assert losses[-1] < 0.3 * losses[0]
