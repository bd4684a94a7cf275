"""LSTM: a memory that changes by adding.

One layer of long short-term memory at one time step, as `main.lua` writes it: two linear layers
compute all four gates at once, and a split hands each gate its quarter.

Hochreiter and Schmidhuber 1997; this variant is that of Zaremba, Sutskever and Vinyals 2014.
"""

import torch

import pygraph_nn as nngraph
from pygraph_nn import nn


def lstm(input_size: int, size: int) -> nngraph.gModule:
    x, prev_c, prev_h = nn.Identity()(), nn.Identity()(), nn.Identity()()
    i2h = nn.Linear(input_size, 4 * size)(x)
    h2h = nn.Linear(size, 4 * size)(prev_h)
    gates = nn.Reshape(4, size)(nn.CAddTable()([i2h, h2h]))  # (batch, 4, size)
    i, g, f, o = nn.SplitTable(1)(gates).split(4)  # (batch, size) each
    in_gate, in_transform = nn.Sigmoid()(i), nn.Tanh()(g)
    forget_gate, out_gate = nn.Sigmoid()(f), nn.Sigmoid()(o)
    kept = nn.CMulTable()([forget_gate, prev_c])
    written = nn.CMulTable()([in_gate, in_transform])
    next_c = nn.CAddTable()([kept, written])
    next_h = nn.CMulTable()([out_gate, nn.Tanh()(next_c)])
    nngraph.annotateNodes()
    return nngraph.gModule([x, prev_c, prev_h], [next_c, next_h])


graph = lstm(3, 4)
inputs = [torch.randn(2, 3), torch.randn(2, 4), torch.randn(2, 4)]
