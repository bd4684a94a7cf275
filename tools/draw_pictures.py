"""Draw the graphs and diagrams that README.md shows, into docs/pictures.

    python tools/draw_pictures.py [FOLDER]

The other pictures there have programs of their own: CONTRIBUTING.md lists them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

import pygraph_nn as nngraph
from pygraph_nn import nn
from zaremba_port import lstm
from zaremba_port.cli import main as zaremba

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
DIAGRAMS = {
    "lstm_cell_paper": ["cell"],
    "gru_cell": ["gru"],
    "network": ["network", "--preset", "medium"],  # with dropout
    "unrolled": ["unrolled", "--preset", "medium"],
}


def first_graph() -> tuple[nngraph.gModule, list[torch.Tensor]]:
    """Return the first graph of the README, and inputs for it."""
    x1, x2, x3 = nn.Identity()(), nn.Identity()(), nn.Identity()()
    z = nn.CAddTable()([x1, nn.CMulTable()([x2, nn.Linear(4, 3)(x3)])])
    nngraph.annotateNodes()
    inputs = [torch.ones(2, 3), torch.ones(2, 3), torch.ones(2, 4)]
    return nngraph.gModule([x1, x2, x3], [z]), inputs


def lstm_cell() -> tuple[nngraph.gModule, list[torch.Tensor]]:
    """Return the LSTM cell of the small network, and inputs for a batch of 20."""
    x, prev_c, prev_h = nn.Identity()(), nn.Identity()(), nn.Identity()()
    next_c, next_h = lstm(x, prev_c, prev_h, input_size=200, rnn_size=200)
    nngraph.annotateNodes()
    inputs = [torch.zeros(20, 200) for _ in range(3)]
    return nngraph.gModule([x, prev_c, prev_h], [next_c, next_h]), inputs


def draw_graph(g: nngraph.gModule, inputs: list[torch.Tensor], path: Path) -> None:
    """Draw `g`, with the shapes of one run, as an SVG."""
    drawing = g.dot(values=nngraph.trace(g, inputs))
    path.write_bytes(drawing.pipe(format="svg"))


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    draw_graph(*first_graph(), folder / "first_graph.svg")
    draw_graph(*lstm_cell(), folder / "lstm_cell.svg")
    codes = [
        zaremba(["diagram", *arguments, "-o", str(folder / f"{name}.svg")])
        for name, arguments in DIAGRAMS.items()
    ]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
