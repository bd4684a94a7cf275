"""A neural Turing machine, with layers of its own.

Graves, Wayne and Danihelka 2014, https://arxiv.org/abs/1410.5401; in Lua
https://github.com/kaishengtai/torch-ntm. There is no batch: every state is a vector or the memory.
"""

from __future__ import annotations

from typing import Any

import torch

import pygraph_nn as nngraph
from pygraph_nn import nn

BITS, ROWS, COLUMNS, SIZE, SHIFTS = 5, 6, 4, 8, 3  # two of the bits mark start and end
SHARED = ("weight", "bias", "gradWeight", "gradBias")
STATES = {"M": ROWS * COLUMNS, "wr": ROWS, "ww": ROWS, "r": COLUMNS, "m": SIZE, "c": SIZE}


class OuterProd(nn.Module):
    """[(n,), (m,)] to all products, (n, m)."""

    def updateOutput(self, input: Any) -> torch.Tensor:
        return torch.outer(*input)


class ScalarMulTable(nn.Module):
    """A vector times a number: [(n,), (1,)] to (n,)."""

    def updateOutput(self, input: Any) -> torch.Tensor:
        return input[0] * input[1]


class PowTable(nn.Module):
    """A vector to the power of a number: [(n,), (1,)] to (n,)."""

    def updateOutput(self, input: Any) -> torch.Tensor:
        return input[0] ** input[1]


class DivideBySum(nn.Module):
    """A vector divided by its sum; torch-ntm calls it Normalize."""

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return input / input.sum()


class SmoothCosineSimilarity(nn.Module):
    """The cosines of the rows of a matrix and a vector: [(n, m), (m,)] to (n,)."""

    def __init__(self, smoothing: float = 1e-3) -> None:
        super().__init__()
        self.smoothing = smoothing

    def updateOutput(self, input: Any) -> torch.Tensor:
        memory, key = input
        return memory @ key / (memory.norm(dim=1) * key.norm() + self.smoothing)


class CircularConvolution(nn.Module):
    """[(n,), kernel] to (n,); an odd kernel shifts by up to half its size."""

    def updateOutput(self, input: Any) -> torch.Tensor:
        vector, kernel = input
        half = len(kernel) // 2
        return sum(k * torch.roll(vector, j - half) for j, k in enumerate(kernel))


def head(name: str, M_p: nngraph.Node, w_p: nngraph.Node, m: nngraph.Node) -> nngraph.Node:
    """The weights of the memory's rows at which a head reads or writes, (ROWS,)."""

    def linear(part: str, size: int) -> nngraph.Node:
        return nn.Linear(SIZE, size)(m).annotate(name=f"{name}_{part}")

    k, s = nn.Tanh()(linear("key", COLUMNS)), nn.SoftMax()(linear("shift", SHIFTS))
    beta, g = nn.SoftPlus()(linear("beta", 1)), nn.Sigmoid()(linear("g", 1))
    gamma = nn.AddConstant(1)(nn.SoftPlus()(linear("gamma", 1)))
    sim = SmoothCosineSimilarity()([M_p, k])
    wc = nn.SoftMax()(ScalarMulTable()([sim, beta]))
    keep = nn.AddConstant(1)(nn.MulConstant(-1)(g))
    wg = nn.CAddTable()([ScalarMulTable()([wc, g]), ScalarMulTable()([w_p, keep])])
    return DivideBySum()(PowTable()([CircularConvolution()([wg, s]), gamma]))


def cell() -> nngraph.gModule:
    """[input, M, wr, ww, r, m, c] to [output, M, wr, ww, r, m, c] of the next step."""
    inputs = [nn.Identity()() for _ in range(7)]
    input, M_p, wr_p, ww_p, r_p, m_p, c_p = inputs

    def gate(name: str) -> nngraph.Node:
        x = nn.Linear(BITS, SIZE)(input).annotate(name=f"{name}_x")
        m = nn.Linear(SIZE, SIZE)(m_p).annotate(name=f"{name}_m")
        return nn.CAddTable()([x, m, nn.Linear(COLUMNS, SIZE)(r_p).annotate(name=f"{name}_r")])

    i, f, o = nn.Sigmoid()(gate("i")), nn.Sigmoid()(gate("f")), nn.Sigmoid()(gate("o"))
    update = nn.Tanh()(gate("update"))
    c = nn.CAddTable()([nn.CMulTable()([f, c_p]), nn.CMulTable()([i, update])])
    m = nn.CMulTable()([o, nn.Tanh()(c)])
    wr, ww = head("read", M_p, wr_p, m), head("write", M_p, ww_p, m)
    r = nn.MixtureTable()([wr, M_p])
    a = nn.Tanh()(nn.Linear(SIZE, COLUMNS)(m).annotate(name="write_add"))
    e = nn.Sigmoid()(nn.Linear(SIZE, COLUMNS)(m).annotate(name="write_erase"))
    M_erase = nn.AddConstant(1)(nn.MulConstant(-1)(OuterProd()([ww, e])))
    M = nn.CAddTable()([nn.CMulTable()([M_p, M_erase]), OuterProd()([ww, a])])
    output = nn.Sigmoid()(nn.Linear(SIZE, BITS)(m).annotate(name="bits"))
    return nngraph.gModule(inputs, [output, M, wr, ww, r, m, c])


def first_state() -> nngraph.gModule:
    """A constant to the learned first state; the heads begin at the first row."""
    dummy, outputs = nn.Identity()(), []
    for name, size in STATES.items():
        linear = nn.Linear(1, size)
        if name in ("wr", "ww"):
            linear.bias.data.copy_(torch.arange(ROWS, 0, -1))
        squash = nn.SoftMax() if name in ("wr", "ww") else nn.Tanh()
        value = squash(linear(dummy).annotate(name=f"first_{name}"))
        outputs.append(nn.View(ROWS, COLUMNS)(value) if name == "M" else value)
    return nngraph.gModule([dummy], outputs)


class NTM:
    """Reads a sequence forward, a clone of the cell for each time step, and goes back."""

    def __init__(self) -> None:
        self.cell, self.first, self.zero = cell(), first_state(), torch.zeros(1)
        self.modules = nn.Container().add(self.cell).add(self.first)
        self.params, self.grads = self.modules.getParameters()
        self.clones, self.states = [], []

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the output of one more time step."""
        if not self.states:
            self.states = [self.first.forward(self.zero)]
            self.grad_state = [torch.zeros_like(x) for x in self.states[0]]
        if len(self.states) > len(self.clones):
            self.clones.append(self.cell.clone(*SHARED))
        output, *state = self.clones[len(self.states) - 1].forward([input, *self.states[-1]])
        self.states.append(state)
        return output

    def backward(self, input: torch.Tensor, grad_output: torch.Tensor) -> None:
        """Go back one time step; the last one goes on to the first state."""
        self.states.pop()
        clone, inputs = self.clones[len(self.states) - 1], [input, *self.states[-1]]
        _, *self.grad_state = clone.backward(inputs, [grad_output, *self.grad_state])
        if len(self.states) == 1:
            self.first.backward(self.zero, self.grad_state)
            self.states = []
