"""A decoder with attention and input feeding: an LSTM that looks back at the source each step.

Luong, Pham and Manning 2015, https://arxiv.org/abs/1508.04025; in Lua
https://github.com/harvardnlp/seq2seq-attn.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from port_checks import check_step, with_gradients

import pygraph_nn as nngraph
from pygraph_nn import nn, torch7_random

pytestmark = pytest.mark.usefixtures("float64_default")
BATCH, SOURCE, STEPS, WORDS, WORD_SIZE, SIZE = 3, 4, 5, 6, 3, 4
PADDING = 0


def attention() -> nngraph.gModule:
    """[h, (BATCH, SIZE), context, (BATCH, SOURCE, SIZE)] to the attentional h, (BATCH, SIZE)."""
    h, context = nn.Identity()(), nn.Identity()()
    target = nn.Linear(SIZE, SIZE, False)(h)
    scores = nn.MM()([context, nn.Replicate(1, 2)(target)])  # (BATCH, SOURCE, 1)
    weights = nn.SoftMax()(nn.Sum(2)(scores))
    mixture = nn.MM()([nn.Replicate(1, 1)(weights), context])  # (BATCH, 1, SIZE)
    joined = nn.JoinTable(1)([nn.Sum(1)(mixture), h])
    mixed = nn.Linear(2 * SIZE, SIZE, False)(joined)
    nngraph.annotateNodes()
    return nngraph.gModule([h, context], [nn.Tanh()(mixed)])


def decoder() -> nngraph.gModule:
    """One time step: [word, context, fed output, c, h] to [c, h, output]."""
    inputs = [nn.Identity()() for _ in range(5)]
    word, context, feed, prev_c, prev_h = inputs
    word_vecs = nn.LookupTable(WORDS, WORD_SIZE)(word)
    x = nn.JoinTable(1)([word_vecs, feed])
    i2h = nn.Linear(WORD_SIZE + SIZE, 4 * SIZE)(x)
    h2h = nn.Linear(SIZE, 4 * SIZE, False)(prev_h)
    reshaped = nn.Reshape(4, SIZE)(nn.CAddTable()([i2h, h2h]))
    n1, n2, n3, n4 = nn.SplitTable(1)(reshaped).split(4)
    in_gate, forget_gate, out_gate = nn.Sigmoid()(n1), nn.Sigmoid()(n2), nn.Sigmoid()(n3)
    next_c = nn.CAddTable()([
        nn.CMulTable()([forget_gate, prev_c]),
        nn.CMulTable()([in_gate, nn.Tanh()(n4)]),
    ])  # fmt: skip
    next_h = nn.CMulTable()([out_gate, nn.Tanh()(next_c)])
    decoder_attn = attention()
    decoder_out = decoder_attn([next_h, context])  # a gModule is a module of a graph as well
    nngraph.annotateNodes()
    return nngraph.gModule(inputs, [next_c, next_h, decoder_out])


Tensors = dict[str, torch.Tensor]


class Translator:
    """Unrolls the decoder over a target text, given the context and the last state."""

    def __init__(self) -> None:
        self.decoder = decoder()
        self.generator = nn.Sequential().add(nn.Linear(SIZE, WORDS)).add(nn.LogSoftMax())
        weights = torch.ones(WORDS)
        weights[PADDING] = 0
        self.criterion = nn.ClassNLLCriterion(weights)
        self.criterion.sizeAverage = False
        self.modules = nn.Container().add(self.decoder).add(self.generator)
        self.params, self.grads = self.modules.getParameters()
        self.clones = nngraph.clone_many_times(self.decoder, STEPS)

    def step(self, words: torch.Tensor, inputs: Tensors, d_inputs: Tensors) -> float:
        """Compute the loss of `words`, (STEPS + 1, BATCH), and all gradients.

        `inputs` holds the context and the encoder's last state: "context", "c" and "h".
        """
        self.grads.zero_()
        context, loss = inputs["context"], 0.0
        states = [[torch.zeros(BATCH, SIZE), inputs["c"], inputs["h"]]]
        for t in range(STEPS):
            c, h, output = self.clones[t].forward([words[t], context, *states[t]])
            states.append([output, c, h])
        d_feed, d_c, d_h = (torch.zeros(BATCH, SIZE) for _ in range(3))
        d_inputs["context"].zero_()
        for t in reversed(range(STEPS)):
            output, target = states[t + 1][0], words[t + 1]
            predictions = self.generator.forward(output)
            loss += self.criterion.forward(predictions, target).item() / BATCH
            d_predictions = self.criterion.backward(predictions, target) / BATCH
            d_output = self.generator.backward(output, d_predictions) + d_feed
            _, d_context, d_feed, d_c, d_h = self.clones[t].backward(
                [words[t], context, *states[t]], [d_c, d_h, d_output]
            )
            d_inputs["context"].add_(d_context)
        d_inputs["c"].copy_(d_c)
        d_inputs["h"].copy_(d_h)
        return loss


def plain(p, words: torch.Tensor) -> torch.Tensor:
    c, h, context, feed, loss = p["c"], p["h"], p["context"], torch.zeros(BATCH, SIZE), 0
    for word, target in pairwise(words):
        x = torch.cat([p["0.word_vecs.weight"][word], feed], 1)
        sums = x @ p["0.i2h.weight"].T + p["0.i2h.bias"] + h @ p["0.h2h.weight"].T
        i, f, o, g = sums.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        query = h @ p["0.decoder_out.target.weight"].T
        weights = torch.einsum("bs,bns->bn", query, context).softmax(1)
        mixture = torch.einsum("bn,bns->bs", weights, context)
        feed = (torch.cat([mixture, h], 1) @ p["0.decoder_out.mixed.weight"].T).tanh()
        scores = F.linear(feed, p["1.0.weight"], p["1.0.bias"])
        loss = loss + F.cross_entropy(scores, target, ignore_index=PADDING, reduction="sum")
    return loss / BATCH


def example() -> tuple[Translator, torch.Tensor, Tensors, Tensors]:
    nngraph.manualSeed(1)
    translator = Translator()
    words = torch.randint(WORDS, (STEPS + 1, BATCH), generator=torch.Generator().manual_seed(1))
    assert (words[1:] == PADDING).any()
    inputs = {name: torch7_random.randn(BATCH, SIZE) for name in ("c", "h")}
    inputs["context"] = torch7_random.randn(BATCH, SOURCE, SIZE)
    return translator, words, inputs, {name: torch.zeros_like(x) for name, x in inputs.items()}


def test_gradients() -> None:
    translator, words, inputs, d_inputs = example()
    tensors = with_gradients(translator.modules)
    tensors |= {name: (inputs[name], d_inputs[name]) for name in inputs}
    step = partial(translator.step, words, inputs, d_inputs)
    check_step(step, tensors, lambda p: plain(p, words))


def test_training() -> None:
    translator, words, inputs, d_inputs = example()
    losses = []
    for _ in range(80):
        losses.append(translator.step(words, inputs, d_inputs))
        translator.params.sub_(translator.grads, alpha=0.5)
    assert losses[-1] < 0.3 * losses[0]
