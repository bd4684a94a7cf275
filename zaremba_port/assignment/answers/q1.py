"""Question 1: the graph of z = x1 + x2 * linear(x3)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch

import pygraph_nn as nngraph
from pygraph_nn import nn

from ...model import fork_generators
from .answer import Answer, section
from .checks import TOLERANCE, Array, claim, max_difference, normal, side_by_side, to_numpy
from .figure import Figure


def answer(batch: int = 2, size: int = 3, width: int = 4) -> Answer:
    """Answer question 1 with x1, x2 and z of shape (batch, size) and x3 of (batch, width)."""
    with fork_generators():
        nngraph.manualSeed(1)
        one, other = from_identities(size, width), from_linear(size, width)
        figures = [
            Figure(caption, g, style="nngraph")
            for caption, g in [
                ("Three Identities as inputs: `x3` is a node of its own, before `linear`.", one),
                ("The Linear itself as the third input: there is no node `x3`.", other),
            ]
        ]
    return Answer(
        title="Question 1: a graph for z = x1 + x2 * linear(x3)",
        question="Build a gModule for z = x1 + x2 * linear(x3) with an elementwise product.",
        short="""
            Add x1 to the product of x2 and `nn.Linear` of x3: one module called on nodes for each
            operation, wrapped by `nngraph.gModule([x1, x2, x3], [z])`.
            """,
        exercise=(
            from_identities,
            from_linear,
            by_hand,
        ),
        statement="""
            Each operation is a module: `nn.Linear` computes linear(x3), `nn.CMulTable` the product
            and `nn.CAddTable` the sum. Calling a module on nodes returns the node of its result, so
            the formula becomes a nested call. `nngraph.gModule(inputs, outputs)` turns the graph
            into one module. x1, x2 and z have the shape (batch, size). x3 may have another width;
            the Linear maps it to `size`. The backward pass needs no code of its own:

                dz/dx1 = 1,   dz/dx2 = linear(x3),   dz/dlinear = x2
            """,
        sections=(
            section(
                "Two ways to build it",
                """
                An input can be an `nn.Identity()()`, a placeholder for a value from outside. Or the
                first module can itself be the input: `nn.Linear(width, size)()`, called on nothing,
                is a node that waits for its input. The second graph has one node fewer and computes
                the same result. (Both graphs contain some nodes that gModule adds to distribute the
                inputs.)
                """,
                from_identities,
                from_linear,
                figures=figures,
            ),
            section(
                "Forward and backward pass, compared with NumPy",
                """
                `by_hand` writes the chain rule out in NumPy. dz is the gradient with respect to z:

                    dx1 = dz
                    dx2 = dz * linear(x3)
                    dx3 = (dz * x2) W
                    dW = (dz * x2)ᵀ x3
                    db = dz * x2, summed over the batch
                """,
                random_data,
                by_graph,
                by_hand,
                run=partial(compare, batch=batch, size=size, width=width),
            ),
            section(
                "Any sizes",
                "Only the `nn.Linear` knows sizes; the rest of the graph works with any.",
                run=partial(any_sizes),
            ),
        ),
    )


def from_identities(size: int, width: int) -> nngraph.gModule:
    """Build the graph with an Identity for each input."""
    x1, x2, x3 = nn.Identity()(), nn.Identity()(), nn.Identity()()
    linear = nn.Linear(width, size)(x3)
    z = nn.CAddTable()([x1, nn.CMulTable()([x2, linear])])
    nngraph.annotateNodes()  # names from the local variables
    return nngraph.gModule([x1, x2, x3], [z])


def from_linear(size: int, width: int) -> nngraph.gModule:
    """Build the graph with the Linear itself as its third input."""
    x1, x2 = nn.Identity()(), nn.Identity()()
    linear = nn.Linear(width, size)()  # called on nothing: its input comes from outside
    z = nn.CAddTable()([x1, nn.CMulTable()([x2, linear])])
    nngraph.annotateNodes()
    return nngraph.gModule([x1, x2, linear], [z])


def by_graph(g: nngraph.gModule, data: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Compute z and all gradients with the graph."""
    inputs = [data["x1"], data["x2"], data["x3"]]
    g.zeroGradParameters()
    z = g.forward(inputs)
    dx1, dx2, dx3 = g.backward(inputs, data["dz"])
    dW, db = (parameter.grad for parameter in g.parameters())
    return {"z": z, "dx1": dx1, "dx2": dx2, "dx3": dx3, "dW": dW, "db": db}


def by_hand(g: nngraph.gModule, data: Mapping[str, torch.Tensor]) -> dict[str, Array]:
    """Compute z and all gradients in NumPy."""
    W, b = (to_numpy(parameter) for parameter in g.parameters())
    x1, x2, x3, dz = (to_numpy(data[name]) for name in ("x1", "x2", "x3", "dz"))
    linear = x3 @ W.T + b  # (batch, size)
    dlinear = dz * x2
    return {
        "z": x1 + x2 * linear,
        "dx1": dz,
        "dx2": dz * linear,
        "dx3": dlinear @ W,
        "dW": dlinear.T @ x3,
        "db": dlinear.sum(0),
    }


def random_data(batch: int, size: int, width: int) -> dict[str, torch.Tensor]:
    """Draw x1, x2, x3 and dz, the gradient with respect to z."""
    widths = {"x1": size, "x2": size, "x3": width, "dz": size}
    return {name: normal(batch, n) for name, n in widths.items()}


def compare(batch: int, size: int, width: int) -> None:
    """Compare both graphs with NumPy."""
    nngraph.manualSeed(1)
    data = random_data(batch, size, width)
    results = []
    for build in (from_identities, from_linear):
        nngraph.manualSeed(2)  # the same weights for both
        g = build(size, width).double()
        print(f"{build.__name__}, a graph of {len(g.fg.nodes)} nodes")
        results.append(by_graph(g, data))
        worst = side_by_side(results[-1], by_hand(g, data))
        claim("the graph and NumPy agree, forward and backward", worst < TOLERANCE)
        print()
    first, second = results
    same = all(torch.equal(first[name], second[name]) for name in first)
    claim("both graphs compute the same numbers, to the last bit", same)


def any_sizes() -> None:
    """Compare both graphs with NumPy at several sizes."""
    nngraph.manualSeed(1)
    worst = 0.0
    for batch, size, width in [(1, 1, 1), (3, 2, 5), (7, 6, 1), (20, 200, 100)]:
        data = random_data(batch, size, width)
        for build in (from_identities, from_linear):
            g = build(size, width).double()
            actual, expected = by_graph(g, data), by_hand(g, data)
            difference = max(max_difference(actual[name], expected[name]) for name in expected)
            sizes = f"batch {batch:2}, size {size:3}, width {width:3}"
            print(f"{sizes}, {build.__name__:15}: largest difference {difference:.1e}")
            worst = max(worst, difference)
    claim("the graphs and NumPy agree at every size", worst < 1e-10)
