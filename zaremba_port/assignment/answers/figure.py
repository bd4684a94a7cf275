"""A figure of an answer: a graph with a caption, drawn as SVG on demand."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from markupsafe import Markup

import pygraph_nn as nngraph

_SVG = "http://www.w3.org/2000/svg"
_LOCAL_URL = re.compile(r"url\(#")
ElementTree.register_namespace("", _SVG)
ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")


@dataclass(frozen=True)
class Figure:
    """A captioned drawing of `graph`.

    Attributes:
        values: a run of the graph, whose shapes the drawing shows.
        style: "readable", or "nngraph" for every node.
        fold: whether each layer is one box.
    """

    caption: str
    graph: nngraph.gModule
    values: nngraph.Trace | None = None
    style: str = "readable"
    fold: bool = False

    def svg(self) -> str:
        """Draw the graph as an SVG document.

        Raises:
            GraphError: Graphviz's program ``dot`` is not installed.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "figure.svg")
            values, fold = self.values, self.fold
            nngraph.dot(self.graph, fname=path, values=values, style=self.style, fold=fold)
            return path.read_text(encoding="utf-8")

    def inline_svg(self, prefix: str) -> Markup:
        """Draw the graph as an ``svg`` element for an HTML page. Its ids start with `prefix`.

        Raises:
            GraphError: Graphviz's program ``dot`` is not installed.
        """
        root = ElementTree.fromstring(self.svg())
        root.attrib |= {"role": "img", "aria-label": self.caption}
        for element in root.iter():
            for name, value in element.attrib.items():
                if name == "id":
                    element.set(name, prefix + value)
                elif name.endswith("href") and value.startswith("#"):
                    element.set(name, f"#{prefix}{value[1:]}")
                else:
                    element.set(name, _LOCAL_URL.sub(f"url(#{prefix}", value))
        return Markup(ElementTree.tostring(root, encoding="unicode"))
