"""Question 2: i, prev_c and prev_h of the cell in the paper's terms."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

import pygraph_nn as nngraph
from pygraph_nn import nn

from ...config import Settings
from ...language_model import TextState
from ...model import create_network, fork_generators, lstm
from ...unrolled import Model
from .answer import Answer, section
from .checks import TOLERANCE, Array, claim, max_difference, normal, side_by_side, sigm, to_numpy
from .figure import Figure


def answer() -> Answer:
    """Answer question 2."""
    with fork_generators():
        picture = cell(4)
    return Answer(
        title="Question 2: i, prev_c and prev_h in the paper's terms",
        question="Which of the paper's symbols are the arguments i, prev_c and prev_h of lstm?",
        short="""
            `i` is hₜˡ⁻¹, `prev_c` is cₜ₋₁ˡ and `prev_h` is hₜ₋₁ˡ.
            """,
        exercise=(paper,),
        statement="""
            In section 3.1 of Zaremba et al. 2014, l counts layers and t counts time steps. In that
            notation:

            - `i`, here called `x`, is hₜˡ⁻¹: the output of the layer below at the same time step.
              For the first layer it is hₜ⁰, the word's embedding.
            - `prev_h` is hₜ₋₁ˡ: the output of the same layer at the previous time step.
            - `prev_c` is cₜ₋₁ˡ: the memory cells of the same layer at the previous time step.

            The results `next_c` and `next_h` are cₜˡ and hₜˡ. The argument `i` is not the paper's
            i: that is the input gate, `in_gate` in the code.
            """,
        sections=(
            section(
                "The paper's equations and the cell, term by term",
                """
                The paper computes all four gates by one affine map T of two vectors:

                    (i, f, o, g) = (sigm, sigm, sigm, tanh) T (hₜˡ⁻¹, hₜ₋₁ˡ)
                    cₜˡ = f * cₜ₋₁ˡ + i * g
                    hₜˡ = o * tanh(cₜˡ)

                The code computes T as the sum of two maps, `i2h` of hₜˡ⁻¹ and `h2h` of hₜ₋₁ˡ. It
                orders the gates as i, g, f, o. `nngraph.trace` runs the cell and records the output
                of every node, so that each term can be compared, not only the result.
                """,
                cell,
                paper,
                affine_map,
                run=partial(term_by_term, batch=2, size=4),
                figures=[
                    Figure("The cell: x is hₜˡ⁻¹, prev_h is hₜ₋₁ˡ, prev_c is cₜ₋₁ˡ.", picture)
                ],
            ),
            section(
                "The indices l and t in the whole network",
                """
                The indices l and t describe how the cells are connected. This code therefore
                evaluates the equations for two layers and three time steps, stores h and c under
                the paper's indices, and compares them with the states that `Model.fp` leaves in
                `model.s`.
                """,
                run=partial(two_layers_three_steps),
            ),
        ),
    )


def cell(size: int) -> nngraph.gModule:
    """Build one LSTM cell whose input and state have `size` numbers each."""
    x, prev_c, prev_h = nn.Identity()(), nn.Identity()(), nn.Identity()()
    next_c, next_h = lstm(x, prev_c, prev_h, input_size=size, rnn_size=size)
    nngraph.annotateNodes()
    return nngraph.gModule([x, prev_c, prev_h], [next_c, next_h])


def paper(h_below: Array, h_before: Array, c_before: Array, T: Array, b: Array) -> dict[str, Array]:
    """Evaluate the equations of section 3.1: `T` (4n, 2n), `b` (4n,), all others (batch, n)."""
    gates = np.concatenate([h_below, h_before], axis=1) @ T.T + b  # (batch, 4n)
    i, f, o, g = np.split(gates, 4, axis=1)
    i, f, o, g = sigm(i), sigm(f), sigm(o), np.tanh(g)
    c = f * c_before + i * g
    h = o * np.tanh(c)
    return {"i": i, "f": f, "o": o, "g": g, "c": c, "h": h}


def affine_map(weights: dict[str, torch.nn.Parameter], prefix: str = "") -> tuple[Array, Array]:
    """Return the paper's T and its bias, built from the weights of i2h and h2h."""
    i2h, h2h = prefix + "i2h", prefix + "h2h"
    T = np.hstack([to_numpy(weights[f"{i2h}.weight"]), to_numpy(weights[f"{h2h}.weight"])])
    b = to_numpy(weights[f"{i2h}.bias"]) + to_numpy(weights[f"{h2h}.bias"])
    i, g, f, o = np.split(np.arange(len(T)), 4)  # the rows in the code's order
    order = np.concatenate([i, f, o, g])
    return T[order], b[order]


def term_by_term(batch: int, size: int) -> None:
    """Compare every gate and state of the cell with the equations."""
    nngraph.manualSeed(1)
    g = cell(size).double()
    x, prev_c, prev_h = normal(batch, size), normal(batch, size), normal(batch, size)
    values = nngraph.trace(g, [x, prev_c, prev_h]).outputs
    node = {node.name: value for node, value in values.items()}
    T, b = affine_map(dict(g.named_parameters()))
    expected = paper(to_numpy(x), to_numpy(prev_h), to_numpy(prev_c), T, b)
    code = {
        "i": node["in_gate"],
        "f": node["forget_gate"],
        "o": node["out_gate"],
        "g": node["in_transform"],
        "c": node["next_c"],
        "h": node["next_h"],
    }
    worst = side_by_side(code, expected)
    claim("the cell computes every term of the paper's equations", worst < TOLERANCE)


def two_layers_three_steps() -> None:
    """Compare the states of an unrolled network with the equations."""
    settings = Settings(
        layers=2, rnn_size=4, vocab_size=7, batch_size=2, seq_length=3, dtype="float64"
    )
    nngraph.manualSeed(1)
    model = Model(create_network(settings), settings)
    for start in model.start_s:
        start.copy_(normal(2, 4))  # as if words had been read before
    words = torch.tensor([[3, 0], [1, 6], [4, 2], [5, 5]])
    model.fp(TextState(words))

    weights = dict(model.core_network.named_parameters())
    T = {layer: affine_map(weights, f"lstm_{layer}_") for layer in (1, 2)}
    h, c = {}, {}  # h[t, l] and c[t, l]
    c[0, 1], h[0, 1], c[0, 2], h[0, 2] = (to_numpy(start) for start in model.s[0])
    worst = 0.0
    for t in (1, 2, 3):
        h[t, 0] = to_numpy(weights["embedding.weight"])[words[t - 1]]
        for layer in (1, 2):
            terms = paper(h[t, layer - 1], h[t - 1, layer], c[t - 1, layer], *T[layer])
            h[t, layer], c[t, layer] = terms["h"], terms["c"]
            model_c, model_h = model.s[t][2 * (layer - 1) : 2 * layer]
            in_c = max_difference(c[t, layer], model_c)
            in_h = max_difference(h[t, layer], model_h)
            print(f"t = {t}, l = {layer}: largest difference {in_c:.1e} in c, {in_h:.1e} in h")
            worst = max(worst, in_c, in_h)
    claim("the paper's equations with these indices give the network's states", worst < TOLERANCE)
