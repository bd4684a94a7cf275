"""A cell drawn by a plan: every place and every wire given, for Graphviz's layout ``nop2``."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from markupsafe import Markup

from .cell_labels import Labels
from .cell_parts import CellParts, Part, Wire
from .cell_plans import Plan, Point
from .drawing import FRAME, INK, MEMORY, PALE, PLAIN, STATE, Drawing
from .labels import bold, cell, font, table

_SLIDE = (960.0, 540.0)
_HEAD = 9.0  # length of an arrowhead
_SIZES = {
    "input": (56.0, 40.0),
    "output": (56.0, 40.0),
    "map": (72.0, 60.0),
    "function": (64.0, 30.0),
    "sign": (36.0, 36.0),
}
_SPLIT_WIDTH = 54.0
_CODE_SIGN = 7.0, 40.0  # width of a letter of a sign's name, height


def draw_placed(parts: CellParts, plan: Plan, labels: Labels, title: str) -> str:
    """Draw a cell that fits `plan`. Return the diagram in Graphviz's language."""
    return _Placed(parts, plan, labels).draw(title)


class _Placed:
    def __init__(self, cell: CellParts, plan: Plan, labels: Labels) -> None:
        self.cell, self.plan, self.labels = cell, plan, labels
        self.drawing = Drawing(layout="nop2", outputorder="nodesfirst")

    def draw(self, title: str) -> str:
        """Draw frames, parts, wires, dots and the legend."""
        width, height = _SLIDE
        self._rectangle("canvas", (0, 0, width, height), style="invis")
        style = {"style": "rounded,filled", "color": PALE, "penwidth": "1.2"}
        self._rectangle("frame", self.plan.frame, fillcolor=FRAME, **style)
        if self.plan.memory:
            self._rectangle("memory", self.plan.memory, fillcolor=MEMORY, **style)
            left, _, right, top = self.plan.memory
            self._text("memory cell", font("memory cell", 15), (left + right) / 2, top - 12)
        left, _, _, top = self.plan.frame
        # Graphviz centres the title; a bold letter is about 10 points wide.
        self._text("title", font(bold(title), 17), left + 14 + 5 * len(title), top - 15)
        for part in self.cell.parts.values():
            if part.kind == "split":
                self._split(part)
            else:
                self._part(part)
        for wire in self.cell.wires:
            self._wire(wire)
        for number, place in enumerate(self.plan.branches):
            dot = {"shape": "point", "width": "0.11", "color": STATE}
            if not self._is_state_at(place):
                dot["color"] = INK
            self.drawing.box(("dot", number), Markup(" "), pos=_position(place), **dot)
        self._text("legend", self.labels.legend(self.cell), width / 2, 16)
        return self.drawing.source

    def _rectangle(
        self, key: Hashable, bounds: tuple[float, float, float, float], **style: object
    ) -> None:
        left, bottom, right, top = bounds
        middle = (left + right) / 2, (bottom + top) / 2
        size = {"width": (right - left) / 72, "height": (top - bottom) / 72, "fixedsize": "true"}
        empty = Markup(" ")
        self.drawing.box(("back", key), empty, shape="box", pos=_position(middle), **size, **style)

    def _text(self, key: str, label: Markup, x: float, y: float) -> None:
        self.drawing.box(("text", key), label, shape="plaintext", pos=_position((x, y)))

    def _size(self, part: Part) -> tuple[float, float]:
        name = part.box.name if self.labels.is_code and part.box.caption else ""
        if part.kind == "sign" and name:
            return max(36.0, _CODE_SIGN[0] * len(name) + 8), _CODE_SIGN[1]
        if part.kind == "function" and name:
            return _SIZES["function"][0], _CODE_SIGN[1]
        if part.kind in ("input", "output") and self.labels.is_code:
            return 76.0, 30.0
        if part.kind == "gate":
            return self.plan.gate_width, 60.0
        return _SIZES[part.kind]

    def _part(self, part: Part) -> None:
        width, height = self._size(part)
        style = self.labels.style(part) | {"fixedsize": "true"}
        style |= {"width": width / 72, "height": height / 72}
        place = _position(self.plan.places[part.key])
        self.drawing.box(part.key, self.labels.of(part), pos=place, **style)

    def _split(self, part: Part) -> None:
        places = self.plan.slices[part.key]
        wires = [wire for wire in self.cell.wires if wire.source == part.key]
        heights = {wire.slice: places[wire.target] for wire in wires if wire.slice is not None}
        each = (max(heights.values()) - min(heights.values())) / (len(heights) - 1)
        size = {"width": _SPLIT_WIDTH, "height": each, "fixedsize": "true", "bgcolor": PLAIN}
        rows = [
            cell(self.labels.of_slice(part, index), border=1, **size)
            for index in sorted(heights, key=lambda index: -heights[index])
        ]
        place = _position(self.plan.places[part.key])
        self.drawing.box(part.key, table(*rows), pos=place, shape="plaintext", margin="0")

    def _wire(self, wire: Wire) -> None:
        source, target = self.cell.parts[wire.source], self.cell.parts[wire.target]
        start, end = self.plan.places[wire.source], self.plan.places[wire.target]
        if wire.slice is not None:
            start = start[0], self.plan.slices[wire.source][wire.target]
        points = [start, *self.plan.corners[wire.source, wire.target], end]
        width = 3.2 if wire.is_state else 1.6
        sharp = 1.5 * width  # the point of a thick arrowhead goes beyond its end
        points[0] = self._edge(source, points[0], points[1], 0)
        points[-1] = self._edge(target, points[-1], points[-2], sharp)
        style = {"color": STATE} if wire.is_state else {}
        self.drawing.arrow(wire.source, wire.target, pos=_spline(points), penwidth=width, **style)

    def _edge(self, part: Part, middle: Point, other: Point, gap: float) -> Point:
        """Return the point in the middle of the side of `part` that faces `other`."""
        width, height = (_SPLIT_WIDTH, 0.0) if part.kind == "split" else self._size(part)
        (x, y), (other_x, other_y) = middle, other
        if abs(other_x - x) > abs(other_y - y):
            return x + (width / 2 + gap) * (1 if other_x > x else -1), y
        return x, y + (height / 2 + gap) * (1 if other_y > y else -1)

    def _is_state_at(self, place: Point) -> bool:
        """Return whether a wire of state runs along the height of `place`."""
        return any(
            wire.is_state and place[1] == self.plan.places[wire.source][1]
            for wire in self.cell.wires
        )


def _position(point: Point) -> str:
    return f"{point[0]:g},{point[1]:g}"


def _spline(points: Sequence[Point]) -> str:
    """Return Graphviz's spline along straight lines through `points`, with an arrowhead."""
    *_, (before_x, before_y), (x, y) = points
    length = max(abs(x - before_x), abs(y - before_y))
    share = max(0.0, length - _HEAD) / length
    base = before_x + (x - before_x) * share, before_y + (y - before_y) * share
    ways = [points[0]]
    for corner in [*points[1:-1], base]:
        ways += [ways[-1], corner, corner]
    return " ".join([f"e,{x:g},{y:g}", *map(_position, ways)])
