"""GRU: two gates and no separate memory.

The reset gate decides how much of the old state the candidate sees; the update gate blends the
candidate with the old state.

Cho et al. 2014, https://arxiv.org/abs/1406.1078.
"""

import torch

import pygraph_nn as nngraph
from pygraph_nn import nn


def gru(input_size: int, size: int) -> nngraph.gModule:
    x, prev_h = nn.Identity()(), nn.Identity()()

    def gate(name: str) -> nngraph.Node:
        i2h = nn.Linear(input_size, size)(x).annotate(name=f"{name}_i2h")
        h2h = nn.Linear(size, size)(prev_h).annotate(name=f"{name}_h2h")
        return nn.Sigmoid()(nn.CAddTable()([i2h, h2h]))

    reset_gate, update_gate = gate("reset"), gate("update")
    remembered = nn.CMulTable()([reset_gate, prev_h])
    p1 = nn.Linear(input_size, size)(x)
    p2 = nn.Linear(size, size)(remembered)
    candidate = nn.Tanh()(nn.CAddTable()([p1, p2]))
    kept = nn.CMulTable()([update_gate, prev_h])
    one_minus = nn.AddConstant(1)(nn.MulConstant(-1)(update_gate))
    written = nn.CMulTable()([one_minus, candidate])
    next_h = nn.CAddTable()([kept, written])
    nngraph.annotateNodes()
    return nngraph.gModule([x, prev_h], [next_h])


graph = gru(3, 4)
inputs = [torch.randn(2, 3), torch.randn(2, 4)]
