"""The check that workers may share out the columns of a batch: no column depends on another."""

from __future__ import annotations

import copy

import torch

import pygraph_nn as nngraph

from ..cells import Cell
from ..config import Settings
from ..errors import UserError
from ..model import cell_graph, cell_name, cell_of, fork_generators


def check_columns(settings: Settings, cell: Cell | None) -> None:
    """Check that several workers compute what one process does.

    Raises:
        UserError: a cell keeps buffers, or mixes the columns of a batch, as a batch normalization
            does; or the settings ask for masks in the order of the Lua program.
    """
    if settings.reference:
        raise UserError(
            "--reference draws the dropout masks of whole batches: train in one process, without "
            "torchrun"
        )
    if cell is None:
        return
    name = cell_name(cell_of(settings, cell))
    with fork_generators():
        for layer in range(settings.layers):
            graph = copy.deepcopy(cell_graph(settings, cell, layer=layer))
            if any(True for _ in graph.buffers()) or not _keeps_columns_apart(
                graph, settings, layer
            ):
                raise UserError(
                    f"cell {name} computes with all columns of a batch at once, or keeps buffers: "
                    "workers that read some of the columns would compute something else; train in "
                    "one process, without torchrun"
                )


def _keeps_columns_apart(graph: nngraph.gModule, settings: Settings, layer: int) -> bool:
    """Return whether the first column's results stay when the other columns change."""
    input_size = settings.rnn_size if layer else settings.input_size
    sizes = [input_size] + [settings.rnn_size] * (graph.nInputs - 1)
    dtype = getattr(torch, settings.dtype)
    inputs = [torch.rand(3, size, dtype=dtype) for size in sizes]
    others = [torch.cat([each[:1], torch.rand_like(each[1:])]) for each in inputs]
    results = []
    for each in (inputs, others):
        torch.manual_seed(1)  # the same dropout
        nngraph.manualSeed(1)
        with torch.no_grad():
            outputs = graph.forward(each if len(each) > 1 else each[0])
        results.append([part[0].clone() for part in nngraph.nested.leaves(outputs)])
    return all(torch.equal(a, b) for a, b in zip(*results, strict=True))
