"""What all diagrams share: their size, fonts and colours, and safe names for their boxes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import graphviz
from markupsafe import Markup

WORDS = "Helvetica,Arial,sans-serif"
# Kinds differ by outline and lightness, too: printed in grey they stay apart.
INK, STATE, PALE = "#1b2430", "#1d5c96", "#4d5963"
GATE, MAP, PLAIN = "#fbe3ab", "#d7e6f4", "#ffffff"
_SLIDE = "13.333,7.5"  # inches


class Drawing:
    """A diagram in the making: boxes and arrows of Graphviz, on a page of the size of a slide.

    Boxes are known by any hashable key. Graphviz sees other names, since in its own a colon or a
    backslash has a meaning.
    """

    def __init__(self, direction: str, ranksep: float, nodesep: float) -> None:
        self._names: dict[Hashable, str] = {}
        self._graph = graphviz.Digraph(
            "G",
            graph_attr={
                "rankdir": direction,
                "ranksep": str(ranksep),
                "nodesep": str(nodesep),
                "bgcolor": "white",
                "pad": "0.2",
                "ratio": str(9 / 16),
                "size": f"{_SLIDE}!",
                "fontname": WORDS,
                "fontsize": "18",
                "fontcolor": INK,
            },
            node_attr={"fontname": WORDS, "fontcolor": INK, "color": INK, "penwidth": "1.6"},
            edge_attr={"fontcolor": INK, "color": INK, "penwidth": "1.6", "arrowsize": "0.9"},
        )

    @property
    def source(self) -> str:
        """The diagram in Graphviz's language."""
        return str(self._graph.source)

    def box(self, key: Hashable, label: Markup, **attributes: object) -> None:
        self._graph.node(self._name(key), f"<{label}>", **_written(attributes))

    def arrow(
        self, source: Hashable, target: Hashable, label: Markup | None = None, **attributes: object
    ) -> None:
        """Draw an arrow between two boxes."""
        shown = None if label is None else f"<{label}>"
        self._graph.edge(
            self._name(source), self._name(target), label=shown, **_written(attributes)
        )

    def rank(self, keys: Iterable[Hashable], rank: str = "same", ordered: bool = False) -> None:
        """Put boxes in one rank, side by side; `ordered`: in the order of `keys`."""
        names = [self._name(key) for key in keys]
        with self._graph.subgraph() as row:
            row.attr(rank=rank)
            for name in names:
                row.node(name)
            for before, after in zip(names, names[1:] if ordered else (), strict=False):
                row.edge(before, after, style="invis")

    def legend(self, label: Markup) -> None:
        """Write `label` below the diagram."""
        self._graph.attr(label=f"<{label}>", labelloc="b")

    def _name(self, key: Hashable) -> str:
        return self._names.setdefault(key, f"n{len(self._names)}")


def _written(attributes: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in attributes.items()}
