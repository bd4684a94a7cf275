"""Nodes and graphs for Lua: every method of nngraph's nodes and gModules that programs use."""

from __future__ import annotations

from typing import Any

import torch

from .. import graph, pictures
from ..errors import caller_location
from ..graph import gModule
from ..nn.core import Criterion, Module, ModuleFromCriterion
from ..node import Node, make_node
from .values import Values


class Nodes:
    """The functions on nodes that the prelude calls."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._to_lua = values.to_lua

    def exports(self) -> dict[str, Any]:
        """Return what the prelude calls."""
        return {
            "node": self.node,
            "node_split": self.split,
            "node_children": lambda node: self._to_lua(list(node.successors)),
            "node_module": lambda node: self._to_lua(node.module),
            "node_inputs": lambda node: self._to_lua(list(node.inputs)),
            "node_fields": lambda node: (_from_one(node.selectindex), node.nSplitOutputs),
            "node_annotations": lambda node: self._to_lua(dict(node.annotations)),
            "node_annotate": self.annotate,
            "node_place": self.place,
            "node_text": repr,
            "node_add": lambda node, other: node.add(other),
            "gmodule": self.gmodule,
            "gmodule_nodes": self.nodes_of,
            "gmodule_edges": self.edges_of,
            "gmodule_modules": lambda g: self._to_lua(list(g.members())),
            "nest": lambda value: self._to_lua(graph.nest(value)),
            "picture": self.picture,
            "replace": self.replace,
        }

    def node(self, module: Any, inputs: Any, where: str) -> Any:
        """Return the node for ``module(inputs)``, declared at `where`, a line of Lua."""
        if isinstance(module, Criterion):
            module = ModuleFromCriterion(module)
        node = Node(module) if inputs is None else make_node(module, inputs)
        node.declared_at = where
        return self._to_lua(node)

    def split(self, node: Node, count: Any, where: str) -> Any:
        """Return the nodes of ``node:split(count)``."""
        parts = node.split(count)
        for part in parts if isinstance(parts, list) else [parts]:
            part.declared_at = node.declared_at
            for source in part.inputs:
                source.declared_at = node.declared_at
        if not isinstance(parts, list):
            return self._to_lua(parts)
        return tuple(self._to_lua(part) for part in parts)

    def annotate(self, node: Node, annotations: dict[str, Any]) -> None:
        """Take over the annotations that the library knows."""
        known = {k: v for k, v in annotations.items() if not k.startswith("_")}
        attributes = known.get("graphAttributes")
        if attributes == []:
            known["graphAttributes"] = {}
        node.annotate(known)

    def place(self, node: Node) -> Any:
        """Return the file and line where the node was declared."""
        path, _, line = node.declared_at.rpartition(":")
        return path, line

    def gmodule(self, inputs: list[Node], outputs: list[Node], where: str) -> Any:
        """Return ``nn.gModule(inputs, outputs)``, built at `where`, a line of Lua."""
        here = caller_location()
        g = gModule(inputs, outputs)
        g.declared_at = where
        for node in g.forwardnodes:
            if node.declared_at == here:  # a node that gModule adds, for the table of inputs
                node.declared_at = where
        return g

    def nodes_of(self, g: gModule, which: str) -> Any:
        """Return the nodes of ``g.forwardnodes``, ``g.backwardnodes``, ``g.fg.nodes`` and so on."""
        if which in ("forwardnodes", "backwardnodes"):
            return self._to_lua(list(getattr(g, which)))
        if which in ("innode", "outnode"):
            return self._to_lua(getattr(g, which))
        of = getattr(g, which)
        return self._to_lua(list(of.nodes))

    def edges_of(self, g: gModule, which: str) -> Any:
        """Return the edges of ``g.fg`` or ``g.bg``, each a pair of nodes."""
        of = getattr(g, which)
        return self._to_lua([list(edge) for edge in of.edges])

    def picture(self, g: gModule, which: str, title: Any, style: str) -> str:
        """Return the Graphviz text of ``g.fg`` or ``g.bg``."""
        of = getattr(g, which)
        draw = pictures.simple_print.todot if style == "simple" else pictures.todot
        text: str = draw(of, title) if title is not None else draw(of)
        return text

    def replace(self, module: Module, callback: Any) -> Any:
        """Replace the modules inside by what `callback` returns for each."""

        def replaced(inner: torch.nn.Module) -> torch.nn.Module:
            result: torch.nn.Module = callback(self._to_lua(inner))
            return result

        return self._to_lua(module.replace(replaced))


def _from_one(index: int | None) -> int | None:
    return None if index is None else index + 1
