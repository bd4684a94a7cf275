"""Attention: a decoder looks back at what the encoder read.

The decoder's state asks a question, each position of the source gets a score, and the softmax of
the scores mixes the source into one vector, which is joined with the state.

Luong, Pham and Manning 2015, https://arxiv.org/abs/1508.04025 ("general" scores).
"""

import torch

import pygraph_nn as nngraph
from pygraph_nn import nn


def attention(size: int) -> nngraph.gModule:
    h, context = nn.Identity()(), nn.Identity()()  # (batch, size), (batch, source, size)
    query = nn.Linear(size, size, False)(h)
    scores = nn.MM()([context, nn.Replicate(1, 2)(query)])  # (batch, source, 1)
    weights = nn.SoftMax()(nn.Sum(2)(scores))  # (batch, source)
    mixture = nn.MM()([nn.Replicate(1, 1)(weights), context])  # (batch, 1, size)
    joined = nn.JoinTable(1)([nn.Sum(1)(mixture), h])
    attended = nn.Linear(2 * size, size, False)(joined)
    next_h = nn.Tanh()(attended)
    nngraph.annotateNodes()
    return nngraph.gModule([h, context], [next_h, weights])


graph = attention(4)
inputs = [torch.randn(2, 4), torch.randn(2, 5, 4)]
