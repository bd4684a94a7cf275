"""Neural Turing machine: a network that addresses a memory.

A head finds the rows of the memory that resemble a key, blends them with the rows that it used
last, shifts them and sharpens the result. It then erases and writes there, and reads.

Graves, Wayne and Danihelka 2014, https://arxiv.org/abs/1410.5401.
"""

import torch

import pygraph_nn as nngraph
from pygraph_nn import nn

ROWS, COLUMNS, SIZE = 6, 4, 8


def cosines(memory: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """The similarity of each row of the memory with the key, (ROWS,)."""
    return memory @ key / (memory.norm(dim=1) * key.norm() + 1e-3)


def shifted(weights: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """The weights moved by -1, 0 and 1 rows, in the shares of the kernel."""
    moved = torch.stack([weights.roll(-1), weights, weights.roll(1)])
    return kernel @ moved


def sharpened(weights: torch.Tensor, gamma: torch.Tensor) -> torch.Tensor:
    """The weights to the power gamma, with the sum 1 again."""
    powers = weights**gamma
    return powers / powers.sum()


def head() -> nngraph.gModule:
    """[memory, last weights, controller] to the new weights, (ROWS,)."""
    memory, last_weights, controller = nn.Identity()(), nn.Identity()(), nn.Identity()()
    key = nn.Tanh()(nn.Linear(SIZE, COLUMNS)(controller))
    beta = nn.SoftPlus()(nn.Linear(SIZE, 1)(controller))
    gate = nn.Sigmoid()(nn.Linear(SIZE, 1)(controller))
    shift = nn.SoftMax()(nn.Linear(SIZE, 3)(controller))
    gamma = nn.AddConstant(1)(nn.SoftPlus()(nn.Linear(SIZE, 1)(controller)))
    similarity = nngraph.function(cosines)([memory, key])
    by_content = nn.SoftMax()(nngraph.function(torch.mul, name="times")([similarity, beta]))
    blended = nngraph.function(torch.lerp)([last_weights, by_content, gate])
    by_location = nngraph.function(shifted)([blended, shift])
    weights = nngraph.function(sharpened)([by_location, gamma])
    nngraph.annotateNodes()
    return nngraph.gModule([memory, last_weights, controller], [weights])


def memory_step() -> nngraph.gModule:
    """[memory, last weights, controller] to [memory, weights, what was read]."""
    memory, last_weights, controller = nn.Identity()(), nn.Identity()(), nn.Identity()()
    weights = head()([memory, last_weights, controller])
    erase = nn.Sigmoid()(nn.Linear(SIZE, COLUMNS)(controller))
    add = nn.Tanh()(nn.Linear(SIZE, COLUMNS)(controller))
    erased = nngraph.function(torch.outer)([weights, erase])
    kept = nn.CMulTable()([memory, nn.AddConstant(1)(nn.MulConstant(-1)(erased))])
    written = nngraph.function(torch.outer)([weights, add])
    next_memory = nn.CAddTable()([kept, written])
    read = nn.MixtureTable()([weights, next_memory])
    nngraph.annotateNodes()
    return nngraph.gModule([memory, last_weights, controller], [next_memory, weights, read])


graph = memory_step()
inputs = [torch.randn(ROWS, COLUMNS), torch.full((ROWS,), 1 / ROWS), torch.randn(SIZE)]
