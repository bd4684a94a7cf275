"""The gated recurrent unit as a graph."""

from __future__ import annotations

from functools import partial

import numpy as np

import pygraph_nn as nngraph
from pygraph_nn import nn

from ... import model
from ...model import fork_generators
from .answer import Answer, section
from .checks import TOLERANCE, Array, claim, normal, numeric_gradient, side_by_side, sigm, to_numpy
from .figure import Figure


def answer() -> Answer:
    """Answer how a gated recurrent unit becomes a graph."""
    with fork_generators():
        picture = cell(3, 4)
    return Answer(
        title="The GRU cell as a graph",
        question="Build one step of a gated recurrent unit as a graph.",
        short="""
            Two sigmoids, the update gate z and the reset gate r, and a candidate h̃: the next
            state is z * h̃ + (1 - z) * h.
            """,
        exercise=(equations,),
        statement="""
            A gated recurrent unit (Cho et al. 2014) has one state, h, and two gates. The reset gate
            r controls how much of the old state enters the candidate h̃. The update gate z controls
            how much of the new state is the candidate and how much is the old state:

                z = sigm(W_z x + U_z h + b_z)
                r = sigm(W_r x + U_r h + b_r)
                h̃ = tanh(W x + U (r * h) + b)
                h' = z * h̃ + (1 - z) * h

            In Cho's paper z and 1 - z are exchanged, which only renames the gate. Compared with the
            LSTM, there are three affine maps of x instead of four, no memory cell beside h, and no
            output gate. U acts on r * h and is therefore a Linear of its own; U_z and U_r form one
            Linear together. 1 - z is an `nn.AddConstant(1)` after an `nn.MulConstant(-1)`.
            """,
        sections=(
            section(
                "The equations and the cell, term by term",
                "`nngraph.trace` records the output of every node.",
                model.gru,
                cell,
                equations,
                run=partial(term_by_term, batch=2, width=3, size=4),
                figures=[Figure("The GRU cell.", picture)],
            ),
            section(
                "Backward pass",
                """
                This is the gradient of the sum of dh * h', for some dh, with respect to x and h:
                once from the graph, once by finite differences of the equations in NumPy.
                """,
                run=partial(backward, batch=2, width=3, size=4),
            ),
        ),
    )


def cell(width: int, size: int) -> nngraph.gModule:
    """Build one GRU cell."""
    x, prev_h = nn.Identity()(), nn.Identity()()
    (next_h,) = model.gru(x, prev_h, input_size=width, rnn_size=size)
    nngraph.annotateNodes()
    return nngraph.gModule([x, prev_h], [next_h])


def equations(g: nngraph.gModule, x: Array, h: Array) -> dict[str, Array]:
    """Evaluate the equations with the weights of `g`."""
    weights = {name: to_numpy(value) for name, value in g.named_parameters()}

    def affine(name: str, values: Array) -> Array:
        result: Array = values @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
        return result

    x_z, x_r, x_candidate = np.split(affine("i2h", x), 3, axis=1)
    h_z, h_r = np.split(affine("h2h", h), 2, axis=1)
    z, r = sigm(x_z + h_z), sigm(x_r + h_r)
    candidate = np.tanh(x_candidate + affine("h_candidate", r * h))
    return {"z": z, "r": r, "h̃": candidate, "h'": z * candidate + (1 - z) * h}


def term_by_term(batch: int, width: int, size: int) -> None:
    """Compare the gates and the state of the cell with the equations."""
    nngraph.manualSeed(1)
    g = cell(width, size).double()
    x, h = normal(batch, width), normal(batch, size)
    values = nngraph.trace(g, [x, h]).outputs
    node = {node.name: value for node, value in values.items()}
    code = {
        "z": node["update_gate"],
        "r": node["reset_gate"],
        "h̃": node["candidate"],
        "h'": node["next_h"],
    }
    worst = side_by_side(code, equations(g, to_numpy(x), to_numpy(h)))
    claim("the cell computes every term of the equations", worst < TOLERANCE)


def backward(batch: int, width: int, size: int) -> None:
    """Compare the gradients of the graph with finite differences."""
    nngraph.manualSeed(1)
    g = cell(width, size).double()
    x, h, dh = normal(batch, width), normal(batch, size), normal(batch, size)
    g.forward([x, h])
    dx, dprev_h = g.backward([x, h], dh)

    def objective() -> float:
        total: float = (to_numpy(dh) * equations(g, to_numpy(x), to_numpy(h))["h'"]).sum()
        return total

    numeric = {"dx": numeric_gradient(objective, x), "dprev_h": numeric_gradient(objective, h)}
    worst = side_by_side({"dx": dx, "dprev_h": dprev_h}, numeric)
    claim("the graph and the equations have the same gradients", worst < 1e-8)
