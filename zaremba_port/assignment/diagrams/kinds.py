"""The kinds of diagrams: the graphs that each shows, as Graphviz source and as a page."""

from __future__ import annotations

import torch

import pygraph_nn as nngraph
from pygraph_nn import nn

from ... import model
from ...cells import Cell
from ...config import Settings
from ...errors import check_choice
from .cell import cell_source
from .scene import merge_chains, stacked
from .stack import stack_source
from .symbols import NOTATIONS, PAPER_SYMBOLS, Symbol, at, symbol

_MAPS = {"i2h": "W", "h2h": "U", "h_candidate": "V"}
"""The affine maps in the paper notation."""

KINDS = ("cell", "network", "unrolled", "gru")
"""Names of the diagrams."""

CELL_KINDS = ("cell", "gru")
"""Diagrams of a single cell at one step; the others show all layers."""


def diagram_source(
    kind: str,
    settings: Settings,
    steps: int = 3,
    notation: str = "paper",
    cell: Cell | None = None,
) -> str:
    """Return the diagram in Graphviz's language, for a slide.

    "cell" shows a layer at one step, "gru" the GRU cell, "network" all layers at one step, and
    "unrolled" all layers at `steps` steps. The notation "paper" counts steps from the middle one,
    t; "code" counts them from 0. `cell` is a cell of your own instead of ``settings.cell``.

    Raises:
        UserError: there is no such kind or notation, or the cell is not built in and not given.
    """
    check_choice("notation", notation, NOTATIONS)
    graphs = diagram_graphs(kind, settings, steps, cell)
    if kind in CELL_KINDS:
        title = f"{_titled(settings, cell).cell_title} cell"
        return cell_source(graphs[0], notation, settings.rnn_size, title)
    first = -(steps // 2) if kind == "unrolled" and notation == "paper" else 0
    scene = stacked(graphs, first)
    merge_chains(scene)
    return stack_source(scene, notation)


def diagram_page(
    kind: str,
    settings: Settings,
    steps: int = 3,
    notation: str = "code",
    cell: Cell | None = None,
) -> str:
    """Return the diagram as one HTML page, to zoom, unfold and walk through.

    The kinds are those of `diagram_source`. The page shows the shapes for a batch of
    ``settings.batch_size``.

    Raises:
        UserError: there is no such kind or notation.
    """
    check_choice("notation", notation, NOTATIONS)
    graphs = diagram_graphs(kind, settings, steps, cell)
    shapes = [_shapes(graph, kind, settings, cell) for graph in graphs]
    if notation == "paper":
        first = -(steps // 2) if kind == "unrolled" else 0
        for step, graph in enumerate(graphs, first):
            _use_paper_names(graph, kind in CELL_KINDS, step)
    name = _titled(settings, cell).cell_title
    titles = {"network": f"{name} network", "unrolled": f"{name} network, {steps} steps"}
    title = titles.get(kind, f"{name} cell")
    if kind == "unrolled":
        return nngraph.html_page(graphs, title=title, values=shapes)
    return nngraph.html_page(graphs[0], title=title, values=shapes[0])


def _shapes(
    graph: nngraph.gModule, kind: str, settings: Settings, cell: Cell | None
) -> dict[nngraph.Node, object] | None:
    """Return the shapes at the nodes of a diagram's graph; None for a cell that does not run."""
    like = torch.empty(0)
    batch, ids = settings.batch_size, ((settings.batch_size,), torch.int64)
    layers = settings.with_changes({"layers": 1}) if kind in CELL_KINDS else settings
    state = [tuple(part.shape) for part in model.zero_state(layers, batch, like, cell)]
    is_cell = kind in CELL_KINDS
    given = [(batch, settings.input_size), *state] if is_cell else [ids, ids, state]
    try:
        return dict(graph.infer_shapes(given))
    except nngraph.GraphError:
        return None  # the page shows the graph all the same


def _titled(settings: Settings, cell: Cell | None) -> Settings:
    """Return the settings with the name of `cell`."""
    if cell is None or settings.has_own_cell:
        return settings
    return settings.with_changes({"cell": model.cell_name(cell)})


def diagram_graphs(
    kind: str, settings: Settings, steps: int, cell: Cell | None = None
) -> list[nngraph.gModule]:
    """Return the graphs that a diagram shows: one for each step of "unrolled", else a single one.

    Raises:
        UserError: there is no such kind.
    """
    check_choice("diagram", kind, KINDS)
    if kind in CELL_KINDS:
        return [model.cell_graph(settings, cell)]
    network = model.create_network(settings, cell=cell)
    return nngraph.clone_many_times(network, steps) if kind == "unrolled" else [network]


def _use_paper_names(graph: nngraph.gModule, is_cell: bool, step: int) -> None:
    """Rename the graph's nodes as in the paper. The tables prev_s and next_s keep their names."""
    for node in graph.forwardnodes:
        if not node.name:
            continue
        group = node.group or next((n.group for n in graph.fg.children(node) if n.group), ())
        if node.name in _MAPS and isinstance(node.module, nn.Linear):
            node.annotate(name=_MAPS[node.name])
        elif is_cell:
            paper = Symbol("h", "t", "l−1") if node.name == "x" else symbol(node.name, "paper")
            node.annotate(name=str(paper), is_state=node.name.startswith(("prev_", "next_")))
        elif node.name in PAPER_SYMBOLS:
            node.annotate(name=str(Symbol(PAPER_SYMBOLS[node.name], at(step))))
        elif group:
            layer = group[0].split()[-1]
            node.annotate(name=str(symbol(node.name, "paper", layer, step)))
