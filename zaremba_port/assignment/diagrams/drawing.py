"""The canvas of all diagrams: size, fonts, colours, boxes and arrows."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import graphviz
from markupsafe import Markup

WORDS = "Helvetica,Arial,sans-serif"
# Kinds differ by outline and lightness, too: printed in grey they stay apart.
INK, STATE, PALE = "#1b2430", "#1d5c96", "#4d5963"
GATE, MAP, PLAIN, MEMORY, FRAME = "#fbe3ab", "#d7e6f4", "#ffffff", "#d3ead8", "#f7f8fa"
_SLIDE = "13.333,7.5"  # inches


class Drawing:
    """A Graphviz diagram of the size of a slide, built box by box and arrow by arrow.

    The caller identifies a box by any hashable key. Graphviz gets generated names, since colons
    and backslashes have a meaning in its own.
    """

    def __init__(self, **layout: object) -> None:
        """Start a drawing; `layout` are attributes of Graphviz that lay it out."""
        self._names: dict[Hashable, str] = {}
        self._graph = graphviz.Digraph(
            "G",
            graph_attr={
                "outputorder": "edgesfirst",  # boxes hide the overlong points of thick arrowheads
                **_written(layout),
                "bgcolor": "white",
                "pad": "0.2",
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
        """Return the diagram in Graphviz's language."""
        return str(self._graph.source)

    def box(self, key: Hashable, label: Markup, /, **style: object) -> None:
        """Draw a box; `style` are attributes of Graphviz."""
        self._graph.node(self._name(key), f"<{label}>", **_written(style))

    def arrow(
        self, source: Hashable, target: Hashable, label: Markup | None = None, /, **style: object
    ) -> None:
        """Draw an arrow between two boxes; `style` are attributes of Graphviz."""
        shown = None if label is None else f"<{label}>"
        self._graph.edge(self._name(source), self._name(target), label=shown, **_written(style))

    def rank(self, keys: Iterable[Hashable], rank: str = "same", ordered: bool = False) -> None:
        """Align boxes in one rank, with `ordered` in the order of `keys`."""
        names = [self._name(key) for key in keys]
        with self._graph.subgraph() as row:
            row.attr(rank=rank)
            for name in names:
                row.node(name)
            for before, after in zip(names, names[1:] if ordered else (), strict=False):
                row.edge(before, after, style="invis")

    def frame(self, keys: Iterable[Hashable], label: Markup) -> None:
        """Draw a frame around boxes, with `label` at its top."""
        with self._graph.subgraph(name="cluster_frame") as frame:
            frame.attr(label=f"<{label}>", labeljust="l", labelloc="t", margin="16")
            frame.attr(style="rounded,filled", fillcolor=FRAME, color=PALE, penwidth="1.2")
            for key in keys:
                frame.node(self._name(key))

    def legend(self, label: Markup) -> None:
        """Write `label` below the diagram."""
        self._graph.attr(label=f"<{label}>", labelloc="b")

    def _name(self, key: Hashable) -> str:
        return self._names.setdefault(key, f"n{len(self._names)}")


def _written(style: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in style.items()}
