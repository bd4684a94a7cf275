"""An end-to-end memory network for language: three hops over a memory of words.

Sukhbaatar, Szlam, Weston and Fergus 2015, https://arxiv.org/abs/1503.08895, in the form of their
Lua program: https://github.com/facebook/MemNN, MemN2N-lang-model.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from port_checks import check_module

import pygraph_nn as nngraph
from pygraph_nn import nn, torch7_random

pytestmark = pytest.mark.usefixtures("float64_default")
BATCH, WORDS, SIZE, LINEAR, MEMORY, HOPS = 3, 7, 6, 4, 5, 3


def memory_network() -> nngraph.gModule:
    """[query, target, context, time] to the summed loss.

    The query is (BATCH, SIZE), the target (BATCH,); context and time, the words in memory and
    their places, are (BATCH, MEMORY). As in the Lua program, all hops share the matrix of the
    state, and only the first LINEAR features pass a hop without a rectifier.
    """
    query, target, context, time = (nn.Identity()() for _ in range(4))
    keys = embedding("keys", context, time)
    values = embedding("values", context, time)
    hidden, shared = query, []
    for _ in range(HOPS):
        row = nn.View(1, -1).setNumInputDims(1)(hidden)  # (BATCH, 1, SIZE)
        scores = nn.View(-1).setNumInputDims(2)(nn.MM(False, True)([row, keys]))
        attention = nn.View(1, -1).setNumInputDims(1)(nn.SoftMax()(scores))  # (BATCH, 1, MEMORY)
        read = nn.View(-1).setNumInputDims(2)(nn.MM()([attention, values]))  # (BATCH, SIZE)
        state = nn.Linear(SIZE, SIZE, False)(hidden)
        shared.append(state)
        total = nn.CAddTable()([state, read])
        straight = nn.Narrow(1, 0, LINEAR)(total)
        rectified = nn.ReLU()(nn.Narrow(1, LINEAR, SIZE - LINEAR)(total))
        hidden = nn.JoinTable(1)([straight, rectified])
    shared[0].annotate(name="state")
    scores = nn.Linear(SIZE, WORDS, False)(hidden).annotate(name="words")
    criterion = nn.ClassNLLCriterion()
    criterion.sizeAverage = False
    loss = criterion([nn.LogSoftMax()(scores), target])
    net = nngraph.gModule([query, target, context, time], [loss])
    for node in shared[1:]:
        node.data.module.share(shared[0].data.module, "weight", "gradWeight")
    return net


def embedding(name: str, context: nngraph.Node, time: nngraph.Node) -> nngraph.Node:
    """The sum of the embeddings of the words and of their places, (BATCH, MEMORY, SIZE)."""
    words = nn.LookupTable(WORDS, SIZE)(context).annotate(name=f"{name}_words")
    places = nn.LookupTable(MEMORY, SIZE)(time).annotate(name=f"{name}_places")
    return nn.CAddTable()([words, places])


def plain(input, p):
    query, target, context, time = input
    keys, values = (p[f"{k}_words.weight"][context] + p[f"{k}_places.weight"][time] for k in KINDS)
    for _ in range(HOPS):
        attention = torch.einsum("bs,bms->bm", query, keys).softmax(1)
        total = query @ p["state.weight"].T + torch.einsum("bm,bms->bs", attention, values)
        query = torch.cat([total[:, :LINEAR], total[:, LINEAR:].relu()], 1)
    return F.cross_entropy(query @ p["words.weight"].T, target, reduction="sum").reshape(1)


KINDS = ("keys", "values")


def batch() -> list[torch.Tensor]:
    torch.manual_seed(1)
    words = torch.randint(WORDS, (BATCH, MEMORY + 1))
    return [
        torch.full((BATCH, SIZE), 0.1),
        words[:, -1],
        words[:, :-1],
        torch.arange(MEMORY).expand(BATCH, MEMORY),
    ]


def test_gradients() -> None:
    net = memory_network()
    params, _ = net.getParameters()
    assert len(params) == 2 * (WORDS + MEMORY) * SIZE + SIZE * SIZE + SIZE * WORDS
    torch7_random.normal_(params, 0, 0.5)
    check_module(net, batch(), plain)


def test_training() -> None:
    net, input = memory_network(), batch()
    params, grads = net.getParameters()
    torch7_random.normal_(params, 0, 0.05)
    losses = []
    for _ in range(100):
        grads.zero_()
        losses.append(net.forward(input).item())
        net.backward(input, torch.ones(1))
        params.sub_(grads, alpha=0.1)
    assert losses[-1] < 0.1 * losses[0]
