"""Plumbing: nodes that only pass values on, followed back to the boxes that compute the values.

Splits, selections, tables, identities and reshapes before a split become wires. A layer says
through its `route` how it passes values on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from .. import nn
from ..graph import GraphStructure
from ..nn.core import Element, Route, Slice, Whole, Wrapped
from ..node import Node
from .model import Box


@dataclass(frozen=True)
class Source:
    """The origin of a value: a box, or with `parts` a table of several origins.

    Attributes:
        box: the id of the box.
        label: the text of the wire from there.
        via: the folded nodes on the way.
        parts: the elements of a table.
        output: the output of a nested graph, where it is one.
    """

    box: str = ""
    label: str = ""
    via: tuple[Node, ...] = ()
    parts: tuple[Source, ...] | None = None
    output: int | None = None


class Plumbing:
    """Folds the nodes of `g` that pass values on.

    Attributes:
        names: the names of the nodes.
        modules: the module that runs at each node with a module.
        sources: the source of the value of each node visited so far.
        boxes: the boxes drawn so far, by id.
    """

    def __init__(self, g: GraphStructure) -> None:
        self.g = g
        self.modules: dict[Node, torch.nn.Module] = {
            node: module
            for node, module in zip(g.forwardnodes, g.node_modules, strict=True)
            if module is not None
        }
        self.names = g.node_names()
        self.sources: dict[Node, Source] = {}
        self.boxes: dict[str, Box] = {}

    def shown(self, node: Node) -> str:
        """Return the text for the name of `node`; empty if it has none."""
        return self.names[node].shown if node in self.names else ""

    def passes_whole(self, node: Node) -> bool:
        """Return whether the value of `node` is its input."""
        if self.g.fg.is_given(node):
            return True
        return isinstance(self._route(node), Whole)

    def fold(self, node: Node) -> Source | None:
        """Return the source of the value of `node` if `node` is plumbing, else None."""
        inputs = self.g.fg.inputs(node)
        if not inputs:
            return None
        first = self.sources[inputs[0]]
        module, route = self.modules.get(node), self._route(node)
        if node.selectindex is not None:
            return self._part(first, node, node.selectindex)
        if module is None:
            return self._through(first, node)
        if isinstance(route, Whole) and len(inputs) > 1:
            parts = tuple(self.sources[input] for input in inputs)
            return Source(parts=parts, via=(node,))
        if len(inputs) > 1:
            return None
        if route is not None:
            return self._along(route, first, node)
        if isinstance(module, nn.SplitTable) and self._all_users(node, _takes_part):
            return self._through(first, node)
        is_reshape = isinstance(module, (nn.Reshape, nn.View))
        if is_reshape and self._all_users(node, self._is_folded_split):
            return self._through(first, node)
        return None

    def _route(self, node: Node) -> Route | None:
        module = self.modules.get(node)
        return module.route() if isinstance(module, nn.Module) else None

    def _along(self, route: Route, source: Source, node: Node) -> Source | None:
        """Return the source after `route`; None where a box has to show the module."""
        if isinstance(route, Wrapped):
            return Source(parts=(source,), via=(node,))
        if isinstance(route, Slice):
            if source.parts is None:
                return None
            return replace(source, parts=source.parts[route.offset :][: route.length])
        if isinstance(route, Element):
            is_table_of_one = source.parts is not None and len(source.parts) == 1
            if not route.only or is_table_of_one:
                return self._part(source, node, route.key)
        return self._through(source, node)

    def _through(self, source: Source, node: Node) -> Source:
        named = self.shown(node) if self.passes_whole(node) else ""
        if source.parts is None and named:
            source = replace(source, label=named)
        return replace(source, via=(*source.via, node))

    def _part(self, source: Source, node: Node, key: int | str) -> Source:
        if source.parts is not None and isinstance(key, int) and abs(key) < len(source.parts):
            part = source.parts[key]
            via = (*part.via, *source.via, node)
            return replace(part, label=self.shown(node) or part.label, via=via)
        box = self.boxes.get(source.box)
        output, shown = source.output, f"part {key}"
        if box is not None and box.inner is not None and output is None and isinstance(key, int):
            output = key
            shown = [b for b in box.inner.boxes if b.kind == "output"][key].text
        label = self.shown(node) or " · ".join(filter(None, [source.label, shown]))
        return replace(source, label=label, via=(*source.via, node), output=output)

    def _all_users(self, node: Node, test: Callable[[Node], bool]) -> bool:
        users = self.g.fg.children(node)
        return bool(users) and all(test(user) for user in users)

    def _is_folded_split(self, node: Node) -> bool:
        return isinstance(node.module, nn.SplitTable) and self._all_users(node, _takes_part)


def _takes_part(node: Node) -> bool:
    return (
        node.nSplitOutputs is not None
        or node.selectindex is not None
        or (isinstance(node.module, nn.Module) and isinstance(node.module.route(), Element))
    )
