"""Highway layers, as in seq2seq-attn: a gate decides how much of the input a layer carries on.

Srivastava, Greff and Schmidhuber 2015, https://arxiv.org/abs/1505.00387, and `make_highway` of
https://github.com/harvardnlp/seq2seq-attn.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from port_checks import check_module

import pygraph_nn as nngraph
from pygraph_nn import nn

pytestmark = pytest.mark.usefixtures("float64_default")
SIZES, BIAS = [5, 4, 4], -2


def highway(sizes: list[int], bias: float, f: nn.Module) -> nngraph.gModule:
    """Highway layers from ``sizes[0]`` to ``sizes[-1]`` features.

    As in the Lua program, one module `f` serves all layers, and constants are added in place.
    """
    start = value = nn.Identity()()
    for i, (input_size, output_size) in enumerate(pairwise(sizes)):
        h = nn.Linear(input_size, output_size)(value).annotate(name=f"h{i}")
        t = nn.Linear(input_size, output_size)(value).annotate(name=f"t{i}")
        transform = nn.Sigmoid()(nn.AddConstant(bias, True)(t))
        carry = nn.AddConstant(1, True)(nn.MulConstant(-1)(transform))
        projection = value
        if input_size != output_size:
            projection = nn.Linear(input_size, output_size, False)(value).annotate(name=f"p{i}")
        value = nn.CAddTable()([
            nn.CMulTable()([transform, f(h)]),
            nn.CMulTable()([carry, projection]),
        ])  # fmt: skip
    return nngraph.gModule([start], [value])


@pytest.mark.parametrize("f", [nn.Tanh, nn.ReLU])
def test_gradients(f: type[nn.Module]) -> None:
    nngraph.manualSeed(1)
    net = highway(SIZES, BIAS, f())
    activation = torch.tanh if f is nn.Tanh else torch.relu

    def plain(x, p):
        for i in range(len(SIZES) - 1):
            gate = torch.sigmoid(x @ p[f"t{i}.weight"].T + p[f"t{i}.bias"] + BIAS)
            h = activation(x @ p[f"h{i}.weight"].T + p[f"h{i}.bias"])
            x = gate * h + (1 - gate) * (x @ p[f"p{i}.weight"].T if f"p{i}.weight" in p else x)
        return x

    check_module(net, nngraph.torch7_random.randn(3, SIZES[0]), plain)


def test_a_negative_bias_carries_the_input_on() -> None:
    x = torch.randn(3, 4)
    torch.testing.assert_close(highway([4] * 10, -40, nn.Tanh()).forward(x), x)
