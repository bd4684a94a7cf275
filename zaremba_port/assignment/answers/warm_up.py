"""The warm-up: a = tanh(Wx x + b1)^2 * sigmoid(Wy y + b2)^2 + z."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

import pygraph_nn as nngraph
from pygraph_nn import nn

from ...model import fork_generators
from .answer import Answer, section
from .checks import TOLERANCE, claim, normal, side_by_side, sigm, to_numpy
from .figure import Figure


def answer() -> Answer:
    """Answer the warm-up question."""
    with fork_generators():
        g = warm_up(4, 3, 2)
        values = nngraph.trace(g, [torch.zeros(5, n) for n in (4, 3, 2)])
    return Answer(
        title="Warm-up: a graph of squares",
        question="Build a = tanh(Wx x + b1)² * sigmoid(Wy y + b2)² + z, elementwise.",
        short="""
            `nn.CAddTable` of z and the `nn.CMulTable` of two squares: of `nn.Tanh` and of
            `nn.Sigmoid`, each of an `nn.Linear`.
            """,
        exercise=(warm_up,),
        statement="""
            Build the graph from the inside of the formula outwards. Wx x + b1 is one `nn.Linear`,
            which includes the bias. `nn.Tanh` and `nn.Sigmoid` act on its output, `nn.Square` on
            theirs. The product and the sum each take a list of two nodes. x and y may differ in
            width; z has the width of the result.
            """,
        sections=(
            section(
                "The graph, compared with NumPy",
                """
                Let p = tanh(Wx x + b1) and q = sigmoid(Wy y + b2), and let da be the gradient with
                respect to a. The backward pass is:

                    dz = da
                    d(Wx x + b1) = da * q² * 2p * (1 - p²)
                    d(Wy y + b2) = da * p² * 2q * q(1 - q)
                """,
                warm_up,
                run=partial(compare, batch=5, width_x=4, width_y=3, size=2),
                figures=[Figure("tanh(Wx x + b1)² * sigmoid(Wy y + b2)² + z", g, values)],
            ),
        ),
    )


def warm_up(width_x: int, width_y: int, size: int) -> nngraph.gModule:
    """Build the graph."""
    x, y, z = nn.Identity()(), nn.Identity()(), nn.Identity()()
    p = nn.Tanh()(nn.Linear(width_x, size)(x))
    q = nn.Sigmoid()(nn.Linear(width_y, size)(y))
    product = nn.CMulTable()([nn.Square()(p), nn.Square()(q)])
    a = nn.CAddTable()([product, z])
    nngraph.annotateNodes()
    return nngraph.gModule([x, y, z], [a])


def compare(batch: int, width_x: int, width_y: int, size: int) -> None:
    """Compare the graph with NumPy."""
    nngraph.manualSeed(1)
    g = warm_up(width_x, width_y, size).double()
    inputs = [normal(batch, width_x), normal(batch, width_y), normal(batch, size)]
    gradOutput = normal(batch, size)
    g.zeroGradParameters()
    graph = {"a": g.forward(inputs)}
    graph |= zip(("dx", "dy", "dz"), g.backward(inputs, gradOutput), strict=True)
    graph |= zip(("dWx", "db1", "dWy", "db2"), (w.grad for w in g.parameters()), strict=True)

    Wx, b1, Wy, b2 = (to_numpy(w) for w in g.parameters())
    x, y, z, da = (to_numpy(v) for v in (*inputs, gradOutput))
    p, q = np.tanh(x @ Wx.T + b1), sigm(y @ Wy.T + b2)
    dp = da * q**2 * 2 * p * (1 - p**2)  # with respect to Wx x + b1
    dq = da * p**2 * 2 * q * q * (1 - q)  # with respect to Wy y + b2
    by_hand = {
        "a": p**2 * q**2 + z,
        "dx": dp @ Wx,
        "dy": dq @ Wy,
        "dz": da,
        "dWx": dp.T @ x,
        "db1": dp.sum(0),
        "dWy": dq.T @ y,
        "db2": dq.sum(0),
    }
    claim(
        "the graph and NumPy agree, forward and backward", side_by_side(graph, by_hand) < TOLERANCE
    )
