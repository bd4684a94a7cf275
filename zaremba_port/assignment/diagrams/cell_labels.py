"""The labels, colours and legend of a cell's diagram."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from pygraph_nn import nn

from .cell_parts import CellParts, Part
from .drawing import GATE, MAP, MEMORY, PLAIN, STATE
from .labels import CODE, cell, font, stacked_lines, symbol_label, table
from .symbols import GATES, LETTERS, Symbol, map_sizes, symbol


@dataclass(frozen=True)
class Labels:
    """The labels of parts, in the paper's notation or the code's.

    Attributes:
        n: the units of a layer.
        wraps: whether long names in the code's notation are broken at underscores.
    """

    notation: str
    n: int
    wraps: bool = False

    @property
    def is_code(self) -> bool:
        """Whether names are those of the code."""
        return self.notation == "code"

    def of(self, part: Part) -> Markup:
        """Return the label of a part that is no split."""
        box, named = part.box, symbol(part.box.name or part.box.text, self.notation)
        if part.kind in ("input", "output"):
            if not self.is_code and box.name == "x":
                named = Symbol("h", "t", "l−1")
            return symbol_label(named, 28)
        if part.kind == "map":
            return self._map(part)
        if part.kind == "gate":
            return self._gate(part, named)
        name = [font(box.name, 11, CODE)] if self.is_code and box.caption else []
        if part.kind == "sign":
            return stacked_lines(font(part.sign or box.text, 18 if name else 28), *name)
        if part.kind == "function":
            return stacked_lines(font(box.text, 19), *name)
        return stacked_lines(*([font(box.name, 15, CODE)] if box.name else []), font(box.text, 15))

    def _map(self, part: Part) -> Markup:
        assert isinstance(part.box.module, nn.Linear)
        outputs, inputs = part.box.module.weight.shape
        if self.is_code:
            sizes = f"{inputs} → {outputs}"
            name = self._wrapped(part.box.name)
            return stacked_lines(font(name, 12 if "\n" in name else 15, CODE), font(sizes, 11))
        letter = symbol_label(Symbol(part.letter[:1], part.letter[1:]), 26)
        return stacked_lines(letter, font(map_sizes(inputs, outputs, self.n), 13))

    def _wrapped(self, name: str, longest: int = 8) -> str:
        return name.replace("_", "_\n") if self.wraps and len(name) > longest else name

    def _gate(self, part: Part, named: Symbol) -> Markup:
        function = font(part.box.text, 18)
        if self.is_code:
            return stacked_lines(font(part.box.name, 14, CODE), function)
        formula = symbol_label(named, 24) + font(" = ", 18) + function
        return stacked_lines(font(GATES[part.box.name], 14), formula)

    def of_slice(self, part: Part, index: int) -> Markup:
        """Return the label of slice number `index` of a split."""
        name, label = part.slices[index]
        if self.is_code:
            return font(self._wrapped(label, 5), 10, CODE)
        if name not in LETTERS:
            return font(label, 13)
        letter = symbol_label(Symbol(LETTERS[name]), 17)
        return letter + font(" : n", 13)

    def style(self, part: Part) -> dict[str, object]:
        """Return the outline and the fill of a part, in Graphviz's attributes."""
        if part.kind in ("input", "output"):
            return {"shape": "plaintext", "margin": "0.1,0.02"}
        fills = {"map": MAP, "module": MAP, "gate": GATE}
        fill = MEMORY if part.is_memory else fills.get(part.kind, PLAIN)
        if part.kind in ("map", "module"):
            return {"shape": "box", "style": "filled", "fillcolor": fill, "margin": "0.14,0.08"}
        if part.kind == "sign" and not (self.is_code and part.box.caption):
            circle = {"shape": "circle", "fixedsize": "true", "width": "0.52"}
            return {**circle, "style": "filled", "fillcolor": fill}
        style = {"shape": "box", "style": "rounded,filled", "margin": "0.12,0.05"}
        return {**style, "fillcolor": fill, "height": "0.4"}

    def legend(self, parts: CellParts) -> Markup:
        """Explain the colours of the parts that there are."""
        kinds = {part.kind for part in parts.parts.values()}
        entries = []
        if "map" in kinds:
            entries.append((MAP, "affine map"))
        if "gate" in kinds:
            entries.append((GATE, "gate" if self.is_code else "gate, n units"))
        if any(part.is_memory for part in parts.parts.values()):
            entries.append((MEMORY, "memory cell"))
        entries.append((PLAIN, "element by element"))
        row = Markup("").join(
            cell(bgcolor=colour, border=1, width=22, height=14) + cell(font(f" {text}   ", 15))
            for colour, text in entries
        )
        line = cell(font("━━", 16, colour=STATE)) + cell(
            font(" state, passed on from step to step", 15)
        )
        return table(row + line, spacing=2)
