"""Answer the course's first question: a graph for z = x1 + x2 * linear(x3), product elementwise.

    python examples/first_graph.py [BATCH SIZE WIDTH]

x1, x2 and z are (BATCH, SIZE), x3 is (BATCH, WIDTH); by default 2, 3 and 4. The program builds the
graph in two ways, runs it forward and backward, and compares it with the chain rule written out by
hand. It draws the graph as runs/first_graph.svg. `zaremba answers q1` has the long answer.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

import pygraph_nn as nngraph
from pygraph_nn import nn


def three_identities(size: int, width: int) -> nngraph.gModule:
    """Build the graph with an Identity for each input: a node that passes its value on."""
    x1, x2, x3 = nn.Identity()(), nn.Identity()(), nn.Identity()()
    z = nn.CAddTable()([x1, nn.CMulTable()([x2, nn.Linear(width, size)(x3)])])
    nngraph.annotateNodes()  # names the nodes after their variables: x1, x2, x3 and z
    return nngraph.gModule([x1, x2, x3], [z])


def linear_first(size: int, width: int) -> nngraph.gModule:
    """Build it with the Linear as third input: called on nothing, a module is an input itself."""
    x1, x2 = nn.Identity()(), nn.Identity()()
    linear = nn.Linear(width, size)()
    z = nn.CAddTable()([x1, nn.CMulTable()([x2, linear])])
    nngraph.annotateNodes()
    return nngraph.gModule([x1, x2, linear], [z])


def by_hand(W, b, x1, x2, x3, dz):
    """Compute z and its gradients by the chain rule, given `dz`, the gradient of z."""
    linear = x3 @ W.T + b  # (batch, size)
    z = x1 + x2 * linear
    dx1 = dz  # a sum passes its gradient on unchanged
    dx2 = dz * linear  # a factor's gradient is that of the product times the other factor
    dlinear = dz * x2
    dx3 = dlinear @ W
    dW = dlinear.T @ x3  # summed over the batch, since all rows share W
    db = dlinear.sum(0)
    return {"z": z, "dx1": dx1, "dx2": dx2, "dx3": dx3, "dW": dW, "db": db}


def by_graph(g, x1, x2, x3, dz):
    """Compute z and its gradients with the graph, which needs no formula for the backward pass."""
    inputs = [x1, x2, x3]
    g.zeroGradParameters()
    z = g.forward(inputs)
    dx1, dx2, dx3 = g.backward(inputs, dz)
    dW, db = (parameter.grad for parameter in g.parameters())
    return {"z": z, "dx1": dx1, "dx2": dx2, "dx3": dx3, "dW": dW, "db": db}


def main() -> int:
    batch, size, width = map(int, sys.argv[1:4]) if len(sys.argv) > 3 else (2, 3, 4)
    torch.manual_seed(1)
    torch.set_printoptions(precision=4, sci_mode=False)
    torch.set_default_dtype(torch.float64)
    x1, x2, dz = (torch.randn(batch, size) for _ in range(3))
    x3 = torch.randn(batch, width)

    for build in (three_identities, linear_first):
        nngraph.manualSeed(1)  # the same weights in both
        g = build(size, width)
        W, b = (parameter.detach() for parameter in g.parameters())
        graph, hand = by_graph(g, x1, x2, x3, dz), by_hand(W, b, x1, x2, x3, dz)
        print(f"\n{build.__name__}: {len(g.fg.nodes)} nodes")
        for name, value in graph.items():
            apart = (value - hand[name]).abs().max().item()
            print(f"  {name:3} {value.shape!s:19} differs from the result by hand by {apart:.0e}")
            assert apart < 1e-12

    print(f"\nz =\n{graph['z']}\nits gradient with respect to x2, which is linear(x3) * dz =")
    print(graph["dx2"])

    Path("runs").mkdir(exist_ok=True)
    g = three_identities(size, width)
    try:
        g.dot("z = x1 + x2 * linear(x3)", "runs/first_graph", values=nngraph.trace(g, [x1, x2, x3]))
        print("\nThe picture: runs/first_graph.svg")
    except nngraph.GraphError as error:  # without the program dot; the message says how to get it
        print(f"\nThe graph is in runs/first_graph.dot, but no picture: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
