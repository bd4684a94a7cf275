"""Tree LSTM: the memory of a parent from those of its children.

A node of a tree reads its input and the states of its children, however many there are. The gates
see the sum of the children's states, but each child has a forget gate of its own.

Tai, Socher and Manning 2015, https://arxiv.org/abs/1503.00075 (child-sum tree LSTM).
"""

import torch

import pygraph_nn as nngraph
from pygraph_nn import nn


class AddToRows(nn.Module):
    """Adds a vector to every row of a matrix: [(n, size), (size,)] to (n, size)."""

    takes_table = True

    def updateOutput(self, input):
        rows, vector = input
        return rows + vector


def tree_lstm(input_size: int, size: int) -> nngraph.gModule:
    x, child_c, child_h = (
        nn.Identity()(),
        nn.Identity()(),
        nn.Identity()(),
    )  # (n, size) the last two
    h_sum = nn.Sum(0)(child_h)

    def gate(name: str) -> nngraph.Node:
        i2h = nn.Linear(input_size, size)(x).annotate(name=f"{name}_i2h")
        h2h = nn.Linear(size, size)(h_sum).annotate(name=f"{name}_h2h")
        return nn.CAddTable()([i2h, h2h])

    forget_h = nn.Linear(size, size)(child_h)  # a row for each child
    forget_x = nn.Linear(input_size, size)(x)
    forget_gates = nn.Sigmoid()(AddToRows()([forget_h, forget_x]))
    in_gate, update, out_gate = nn.Sigmoid()(gate("in")), nn.Tanh()(gate("update")), gate("out")
    kept = nn.Sum(0)(nn.CMulTable()([forget_gates, child_c]))
    written = nn.CMulTable()([in_gate, update])
    c = nn.CAddTable()([written, kept])
    h = nn.CMulTable()([nn.Sigmoid()(out_gate), nn.Tanh()(c)])
    nngraph.annotateNodes()
    return nngraph.gModule([x, child_c, child_h], [c, h])


graph = tree_lstm(3, 4)
inputs = [torch.randn(3), torch.randn(2, 4), torch.randn(2, 4)]  # a node with two children
