"""The diagram of layers one above the other, each time step a column."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

import pygraph_nn as nngraph

from ... import model
from .drawing import PALE, PLAIN, STATE, Drawing
from .labels import CODE, bold, cell, font, stacked_lines, symbol_label, table
from .scene import Arrow, Item, Scene
from .symbols import PAPER_SYMBOLS, Symbol, at, symbol

_SHARED = (
    "#f6eed8", "#cfe2f5", "#f3b98f", "#9ecfb4", "#c3b1dd", "#e8d36f", "#8fb4d9", "#d9a3a3"
)  # fmt: skip
_PAPER_WORDS = {
    "LookupTable": "embedding",
    "Linear": "affine map",
    "LogSoftMax": "softmax",
    "ClassNLLCriterion": "negative\nlog-likelihood",
}


def stack_source(scene: Scene, notation: str) -> str:
    """Draw a scene: layers from bottom to top, the state from left to right.

    The diagram of a single step also shows the values on the arrows between layers and the numbers
    of parameters.

    Returns:
        The diagram in Graphviz's language.
    """
    return _Stack(scene, notation).draw()


class _Stack:
    """Draws a scene.

    Attributes:
        is_single: whether the scene has one time step and so leaves room for details.
        colours: the colour of each set of weights.
    """

    def __init__(self, scene: Scene, notation: str) -> None:
        self.scene, self.notation = scene, notation
        self.is_single = len({item.step for item in scene.items.values()}) <= 1
        weights = [item.weights for item in scene.items.values() if item.weights]
        self.colours = {w: _SHARED[i % len(_SHARED)] for i, w in enumerate(dict.fromkeys(weights))}
        ranksep = 0.42 if self.is_single else 0.52  # room for dashes
        self.drawing = Drawing(rankdir="BT", ranksep=ranksep, nodesep=0.5, ratio=9 / 16)

    def draw(self) -> str:
        """Draw all items and arrows, and the legend."""
        rows: dict[tuple[str, str], list[Item]] = {}
        for item in self.scene.items.values():
            self._draw_item(item)
            rows.setdefault(self._row_of(item), []).append(item)
        for row in rows.values():
            self.drawing.rank(item.place for item in row)
        for arrow in self.scene.arrows:
            self._draw_arrow(arrow)
        if legend := list(self._legend()):
            self.drawing.legend(table(*map(cell, legend)))
        return self.drawing.source

    def _row_of(self, item: Item) -> tuple[str, str]:
        """Return the item's row, or the criterion's for its target and its loss."""
        scene = self.scene
        for arrow in scene.out_of(item.place) if item.kind == "input" else ():
            if any(scene.items[a.source].kind != "input" for a in scene.into(arrow.target)):
                return scene.items[arrow.target].row
        beside = item.kind == "output" and self.is_single
        for arrow in scene.into(item.place) if beside else ():
            if any(scene.items[a.source].kind == "input" for a in scene.into(arrow.source)):
                return scene.items[arrow.source].row
        return item.row

    def _draw_item(self, item: Item) -> None:
        draw, column = self.drawing.box, {"group": f"t{item.step}"}
        if item.kind == "state":
            names = [symbol(name, self.notation, item.layer, item.step) for name in item.names]
            label = stacked_lines(*(symbol_label(name, 24) for name in names))
            draw(item.place, label, shape="plaintext", margin="0.1,0")
        elif item.kind in ("input", "output"):
            label = symbol_label(self._end(item), 28)
            draw(item.place, label, shape="plaintext", margin="0.05,0.02", **column)
        else:
            style = {"style": "filled", "fillcolor": self.colours.get(item.weights, PLAIN)}
            if item.kind == "layer":
                style |= {"style": "filled,bold", "penwidth": "2.2"}
            label = stacked_lines(*self._lines(item))
            draw(item.place, label, shape="box", margin="0.16,0.07", width=1.15, **style, **column)

    def _end(self, item: Item) -> Symbol:
        """Return the name of an input or output, for x and y with their step."""
        if self.notation == "code":
            return Symbol(
                item.name if self.is_single else f"{item.name}[{item.step}]", is_code=True
            )
        if item.name in PAPER_SYMBOLS or len(item.name) == 1:
            return Symbol(PAPER_SYMBOLS.get(item.name, item.name), at(item.step))
        return Symbol(item.name, is_code=True)

    def _lines(self, item: Item) -> Iterator[Markup]:
        """Write the lines in the box of a layer or of modules."""
        if item.kind == "layer":
            yield from self._layer_lines(item)
        else:
            yield from map(self._module_line, item.boxes)
        if self.is_single and item.parameters:
            yield font(f"{_count(item)} parameters", 15, colour=PALE)

    def _layer_lines(self, item: Item) -> list[Markup]:
        if self.notation == "code":
            return [font(item.group, 22, CODE)]
        name = item.group.removesuffix(item.layer).strip()
        if not name:  # a group whose name is one word
            return [font(bold(item.group), 22)]
        lines = [
            font(bold(name.upper() if name in model.CELLS else name), 22),
            font(f"layer {item.layer}", 18),
        ]
        return [Markup(" ").join(lines)] if self.is_single else lines

    def _module_line(self, box: nngraph.Box) -> Markup:
        if self.notation == "paper":
            return font(_paper_word(box), 18)
        parts = [font(box.name, 18, CODE)] if box.name else []
        if self.is_single or not parts:
            parts.append(font(box.text, 18))
        return Markup("  ").join(parts)

    def _draw_arrow(self, arrow: Arrow) -> None:
        source, label, code = self.scene.items[arrow.source], None, self.notation == "code"
        style = {"weight": "1" if arrow.is_state else "8"}
        if arrow.is_state:
            style |= {"color": STATE, "penwidth": "3"}
        elif self.is_single and source.kind == "layer" and arrow.names:
            name = symbol(arrow.names[0], self.notation, source.layer, source.step)
            label = self._beside(name)
        elif source.boxes and source.boxes[-1].name == "pred":
            predicted = Symbol(PAPER_SYMBOLS["pred"], at(source.step))
            label = self._beside(Symbol("pred", is_code=True) if code else predicted)
        if arrow.dropout:
            style["style"] = "dashed"
        self.drawing.arrow(arrow.source, arrow.target, label, **style)

    def _beside(self, name: Symbol) -> Markup:
        """Return the label of an arrow. The empty cell separates it from the arrow."""
        return table(cell(width=8) + cell(symbol_label(name, 24 if self.is_single else 20)))

    def _legend(self) -> Iterator[Markup]:
        """Explain colours and dashes, and count the parameters of each colour."""
        uses: dict[tuple[int, ...], list[Item]] = {}
        for item in self.scene.items.values():
            if item.weights:
                uses.setdefault(item.weights, []).append(item)
        shared = [items for items in uses.values() if len(items) > 1]
        notes = []
        if shared:
            times = " or ".join(map(str, sorted({len(items) for items in shared})))
            notes.append(f"same colour: the same weights, shared by {times} steps")
        dropouts = sorted({arrow.dropout for arrow in self.scene.arrows if arrow.dropout})
        if dropouts:
            notes.append(f"dashed: dropout {', '.join(f'{dropout:g}' for dropout in dropouts)}")
        if notes:
            yield table(cell(font(" · ".join(notes), 18)), spacing=6)
        if shared:
            cells = [self._colour_cells(items[0]) for items in shared]
            yield table(Markup("").join([*cells, cell(font("parameters", 17))]), spacing=6)

    def _colour_cells(self, item: Item) -> Markup:
        sample = cell(bgcolor=self.colours[item.weights], border=1, width=26, height=18)
        return sample + cell(font(f"{self._short_name(item)}: {_count(item)}", 17))

    def _short_name(self, item: Item) -> str:
        if item.kind == "layer":
            return f"layer {item.layer}" if self.notation == "paper" else item.group
        return item.name if self.notation == "code" else _paper_word(item.boxes[0])


def _paper_word(box: nngraph.Box) -> str:
    kind = type(getattr(box.module, "criterion", box.module)).__name__
    return _PAPER_WORDS.get(kind, box.text)


def _count(item: Item) -> str:
    return f"{sum(p.numel() for p in item.parameters):,}"
