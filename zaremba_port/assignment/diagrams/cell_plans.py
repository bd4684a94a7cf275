"""Hand-made layouts of the LSTM and the GRU: the place of every part, the way of every wire.

A plan is for exactly the parts and wires that it lists. Another cell gets Graphviz's own layout.
Lengths are in points, from the lower left corner of a slide of 960 x 540.
"""

from __future__ import annotations

from dataclasses import dataclass

from .cell_parts import CellParts

Point = tuple[float, float]


@dataclass(frozen=True)
class Plan:
    """A layout.

    Attributes:
        gate_width: the width of gates.
        frame: the cell's frame: left, bottom, right, top.
        places: the middle of every part, by its key.
        slices: for each split, the heights of its slices, by the parts that take them.
        corners: for each wire, where it turns; a wire without corners is straight.
        branches: the dots where wires part.
        memory: the frame of the memory cell.
    """

    gate_width: float
    frame: tuple[float, float, float, float]
    places: dict[str, Point]
    slices: dict[str, dict[str, float]]
    corners: dict[tuple[str, str], tuple[Point, ...]]
    branches: tuple[Point, ...]
    memory: tuple[float, float, float, float] | None = None

    def fits(self, cell: CellParts) -> bool:
        """Return whether `cell` has exactly the parts, slices and wires of the plan."""
        wires = sorted((wire.source, wire.target) for wire in cell.wires)
        return (
            cell.parts.keys() == self.places.keys()
            and wires == sorted(self.corners)
            and all(
                len(cell.parts[split].slices) == len(heights)
                for split, heights in self.slices.items()
            )
        )


LSTM = Plan(
    gate_width=118,
    frame=(104, 42, 856, 518),
    places={
        "prev_c": (50, 458),
        "x": (50, 315),
        "prev_h": (50, 165),
        "Linear i2h": (180, 315),
        "Linear h2h": (180, 165),
        "+ gates": (268, 240),
        "split gates": (346, 240),
        "σ forget_gate": (460, 375),
        "σ in_gate": (460, 285),
        "tanh in_transform": (460, 195),
        "σ out_gate": (460, 105),
        "×": (575, 458),
        "× 2": (610, 240),
        "+ next_c": (700, 458),
        "tanh": (790, 300),
        "× next_h": (790, 105),
        "next_c": (912, 458),
        "next_h": (912, 105),
    },
    slices={
        "split gates": {
            "σ forget_gate": 375,
            "σ in_gate": 285,
            "tanh in_transform": 195,
            "σ out_gate": 105,
        }
    },
    corners={
        ("x", "Linear i2h"): (),
        ("prev_h", "Linear h2h"): (),
        ("Linear i2h", "+ gates"): ((268, 315),),
        ("Linear h2h", "+ gates"): ((268, 165),),
        ("+ gates", "split gates"): (),
        ("split gates", "σ forget_gate"): (),
        ("split gates", "σ in_gate"): (),
        ("split gates", "tanh in_transform"): (),
        ("split gates", "σ out_gate"): (),
        ("prev_c", "×"): (),
        ("σ forget_gate", "×"): ((575, 375),),
        ("σ in_gate", "× 2"): ((610, 285),),
        ("tanh in_transform", "× 2"): ((610, 195),),
        ("×", "+ next_c"): (),
        ("× 2", "+ next_c"): ((700, 240),),
        ("+ next_c", "next_c"): (),
        ("+ next_c", "tanh"): ((790, 458),),
        ("tanh", "× next_h"): (),
        ("σ out_gate", "× next_h"): (),
        ("× next_h", "next_h"): (),
    },
    branches=((790, 458),),
    memory=(664, 426, 816, 510),
)

GRU = Plan(
    gate_width=100,
    frame=(100, 46, 876, 520),
    places={
        "prev_h": (48, 470),
        "x": (48, 140),
        "Linear h2h": (190, 315),
        "Linear i2h": (190, 140),
        "split h2h": (266, 315),
        "split i2h": (266, 140),
        "+ 2": (328, 265),
        "+": (378, 365),
        "σ update_gate": (470, 365),
        "σ reset_gate": (470, 265),
        "× gated_h": (562, 265),
        "1− keep": (640, 416),
        "× 2": (640, 470),
        "Linear h_candidate": (640, 265),
        "+ 3": (712, 265),
        "tanh candidate": (808, 265),
        "×": (808, 365),
        "+ next_h": (808, 470),
        "next_h": (918, 470),
    },
    slices={"split h2h": {"+": 365, "+ 2": 265}, "split i2h": {"+ 2": 182, "+": 140, "+ 3": 98}},
    corners={
        ("x", "Linear i2h"): (),
        ("prev_h", "Linear h2h"): ((132, 470), (132, 315)),
        ("Linear i2h", "split i2h"): (),
        ("Linear h2h", "split h2h"): (),
        ("split i2h", "+"): ((378, 140),),
        ("split h2h", "+"): (),
        ("+", "σ update_gate"): (),
        ("split i2h", "+ 2"): ((328, 182),),
        ("split h2h", "+ 2"): (),
        ("+ 2", "σ reset_gate"): (),
        ("σ reset_gate", "× gated_h"): (),
        ("prev_h", "× gated_h"): ((562, 470),),
        ("× gated_h", "Linear h_candidate"): (),
        ("split i2h", "+ 3"): ((712, 98),),
        ("Linear h_candidate", "+ 3"): (),
        ("+ 3", "tanh candidate"): (),
        ("σ update_gate", "×"): (),
        ("tanh candidate", "×"): (),
        ("σ update_gate", "1− keep"): ((640, 365),),
        ("1− keep", "× 2"): (),
        ("prev_h", "× 2"): (),
        ("×", "+ next_h"): (),
        ("× 2", "+ next_h"): (),
        ("+ next_h", "next_h"): (),
    },
    branches=((132, 470), (562, 470), (640, 365)),
)

PLANS = (LSTM, GRU)
