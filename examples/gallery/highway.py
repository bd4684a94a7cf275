"""Highway network: a gate decides how much of its input a layer carries on.

With the gate shut, a layer copies its input, so that even very deep networks train. A negative bias
lets training begin with the gates nearly shut.

Srivastava, Greff and Schmidhuber 2015, https://arxiv.org/abs/1505.00387.
"""

import torch

import pygraph_nn as nngraph
from pygraph_nn import nn


def highway(size: int, layers: int, bias: float) -> nngraph.gModule:
    x = value = nn.Identity()()
    for layer in range(1, layers + 1):
        with nngraph.group(f"layer {layer}"):
            hidden = nn.ReLU()(nn.Linear(size, size)(value).annotate(name="hidden"))
            gate = nn.Linear(size, size)(value).annotate(name="gate")
            transform = nn.Sigmoid()(nn.AddConstant(bias)(gate))
            carry = nn.AddConstant(1)(nn.MulConstant(-1)(transform))
            changed = nn.CMulTable()([transform, hidden])
            carried = nn.CMulTable()([carry, value])
            value = nn.CAddTable()([changed, carried])
    return nngraph.gModule([x], [value])


graph = highway(4, 3, bias=-2)
inputs = torch.randn(2, 4)
