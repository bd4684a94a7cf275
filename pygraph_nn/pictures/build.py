"""Picture: a gModule reduced to what a reader wants to see, without the plumbing.

Splits, selections, tables, identities, the innode and the outnode become wires between boxes, with
a small label such as "part 2". `dot` and `html_page` draw the same Picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .. import nn
from ..errors import GraphError
from ..graph import NodeShapes, gModule, infer_shapes
from ..nn.core import Element, Route, Slice, Whole, Wrapped
from ..node import Node
from . import symbols
from .model import Box, Picture, Wire
from .trace import Trace


@dataclass(frozen=True)
class _Value:
    """Where a value comes from: a box, or, with `parts`, a table put together of several."""

    box: str = ""
    label: str = ""
    via: tuple[Node, ...] = ()
    parts: tuple[_Value, ...] | None = None
    output: int | None = None  # of a nested graph


Values = Mapping[Node, Any]
"""For each node what it gives: a tensor, a shape (tuple), a nested list of these, or NodeShapes."""


def outputs_of(values: Trace | Values | None) -> Values:
    """What each node gives, from a Trace or a dict; an empty dict for None."""
    if values is None:
        return {}
    if isinstance(values, Trace):
        return values.outputs
    return {
        node: found.output if isinstance(found, NodeShapes) else found
        for node, found in values.items()
    }


def reduce(g: gModule, values: Trace | Values | None = None, prefix: str = "") -> Picture:
    """The Picture of `g`. `values` give the shapes that stand in its boxes.

    Without them the shapes are those that `infer_shapes` found last, or would find for what the
    last `forward` got, if either was called. Every node
    of the graph is in one box or on a wire; a box is reached from another by wires exactly if it is
    so in the graph. Ids start with `prefix`. An input called ``prev_...`` and an output called
    ``next_...`` are state; the annotation `is_state` of their node says otherwise.
    """
    return _Reduction(g, values, prefix).picture


def _known_shapes(g: gModule) -> Values:
    recorded = g.recorded_pass
    if g.shapes or recorded is None:
        return g.shapes
    try:
        return infer_shapes(g, recorded.input)
    except GraphError:  # a module that does not run on meta tensors
        return {}


class _Reduction:
    def __init__(self, g: gModule, values: Trace | Values | None, prefix: str) -> None:
        self.g = g
        self.given = _known_shapes(g) if values is None else values
        self.values = outputs_of(self.given)
        self.prefix = prefix
        self.picture = Picture(g)
        self.modules: dict[Node, Any] = {
            node: module
            for node, module in zip(g.forwardnodes, g.node_modules, strict=True)
            if module is not None
        }
        self.found: dict[Node, _Value] = {}
        self.boxes: dict[str, Box] = {}
        self.inputs = g.input_nodes
        self._run()

    def _run(self) -> None:
        inputs = {id(node) for node in self.inputs}
        for i, node in enumerate(self.inputs):
            self._add_input(i, node)
        for node in self.g.forwardnodes:
            if id(node) in inputs and self._is_plain_input(node):
                continue
            if node is self.g.innode or self._feeds_inputs(node):
                continue
            if node is self.g.outnode:
                break
            folded = self._folded(node)
            self.found[node] = folded if folded is not None else self._add_box(node)
        for node in self.g.forwardnodes:
            if node is self.g.outnode:
                self._add_outputs(node)
        self._collect_frames()

    # Inputs and outputs

    def _feeds_inputs(self, node: Node) -> bool:
        """Whether `node` belongs to the split of the innode."""
        if self.g.nInputs == 1 or node.module is not None or not node.inputs:
            return False
        source = node.inputs[0]
        return source is self.g.innode or (
            node.selectindex is not None and source.inputs[0] is self.g.innode
        )

    def _is_plain_input(self, node: Node) -> bool:
        return isinstance(self._route(node), Whole)

    def _route(self, node: Node) -> Route | None:
        """Return how the module of `node` passes values on; None if it computes."""
        module = self.modules.get(node)
        return module.route() if isinstance(module, nn.Module) else None

    def _add_input(self, i: int, node: Node) -> None:
        plain = self._is_plain_input(node)
        name = (node.name if plain else None) or ("input" if self.g.nInputs == 1 else f"input {i}")
        source = node.inputs[0]
        box = Box(
            id=self._id(node) if plain else f"{self.prefix}in{i}",
            kind="input",
            text=name,
            name=node.name or "" if plain else "",
            details=self._shape(node if plain else source),
            nodes=(source, node) if plain else (source,),
            module=self.modules.get(node) if plain else None,
            is_state=node.annotations.get("is_state", name.startswith("prev")),
        )
        self._add(box)
        self.found[node if plain else source] = _Value(box.id)

    def _add_outputs(self, outnode: Node) -> None:
        several = len(outnode.inputs) > 1
        for i, node in enumerate(outnode.inputs):
            value = self.found[node]
            name = node.name or (f"output {i}" if several else "output")
            folded = (node,) if value.parts is not None else ()
            box = Box(
                id=f"{self.prefix}out{i}",
                kind="output",
                text=name,
                name=node.name or "",
                details=self._shape(node),
                nodes=(*folded, outnode),
                is_state=node.annotations.get("is_state", name.startswith("next")),
                output=i,
            )
            self._add(box)
            if value.parts is None and node.name:
                # The terminal shows the name: neither its wire nor its source need to.
                value = replace(value, label="" if value.label == node.name else value.label)
                source = self.boxes[value.box]
                if source.name == node.name:
                    source.caption = ""
            self._wire(value, box.id)

    # Boxes

    def _id(self, node: Node) -> str:
        return f"{self.prefix}n{self.g.fg.id(node)}"

    def _add(self, box: Box) -> None:
        self.picture.boxes.append(box)
        self.boxes[box.id] = box

    def _shape(self, node: Node) -> tuple[str, ...]:
        return (symbols.shape_text(self.values[node]),) if node in self.values else ()

    def _add_box(self, node: Node) -> _Value:
        module = self.modules[node]
        fused = self._one_minus(node)
        sign = "1−" if fused else symbols.symbol(module)
        inner = None
        if isinstance(module, gModule):
            given = self.given
            within = given.inner.get(node) if isinstance(given, Trace) else given
            inner = reduce(module, within, f"{self._id(node)}/")
        details: tuple[str, ...] = ()
        if sign is None:
            if inner is None:
                details = tuple(symbols.contents(module))
            count = symbols.parameter_count(module)
            if count:
                details += (f"{count:,} parameter{'s' * (count != 1)}",)
        box = Box(
            id=self._id(node),
            kind="graph" if inner else "symbol" if sign else "module",
            text=sign or (module.name or "graph" if inner else symbols.title(module)),
            name=node.name or "",
            caption=node.name or "",
            details=details + self._shape(node),
            frame=node.group,
            nodes=(*fused, node),
            module=module,
            inner=inner,
        )
        self._add(box)
        inputs = fused[0].inputs if fused else node.inputs
        numbered = len(inputs) > 1 and not getattr(module, "commutative", False)
        terminals = [b for b in inner.boxes if b.kind == "input"] if inner else []
        for i, source in enumerate(inputs):
            place = ""
            if i < len(terminals) and len(inputs) > 1:
                place = terminals[i].text
            elif numbered and not isinstance(module, nn.ModuleFromCriterion):
                place = str(i)
            value = self.found[source]
            if len(terminals) > 1 == len(inputs):  # one table holds all inputs
                for j, part in enumerate(value.parts or ()):
                    self._wire(part, box.id, terminals[j].text, j)
                if value.parts is None:
                    self._wire(value, box.id)
            else:
                self._wire(value, box.id, place, i)
        outputs = len(module.outnode.inputs) if isinstance(module, gModule) else 0
        return _Value(box.id, output=0 if outputs == 1 else None)

    def _one_minus(self, node: Node) -> tuple[Node, ...]:
        """The node of x * -1 if `node` adds 1 to it and is alone in that: both are 1 - x."""
        if not _constant(self.modules.get(node), nn.AddConstant, 1) or len(node.inputs) != 1:
            return ()
        source = node.inputs[0]
        if not _constant(self.modules.get(source), nn.MulConstant, -1) or not source.inputs:
            return ()
        if len(self.g.fg.children(source)) != 1:
            return ()
        value = self.found.pop(source)
        self.picture.boxes = [box for box in self.picture.boxes if box.id != value.box]
        self.picture.wires = [wire for wire in self.picture.wires if wire.target != value.box]
        return (source,)

    # Wires

    def _wire(self, value: _Value, target: str, place: str = "", input: int | None = None) -> None:
        if value.parts is not None:
            for i, part in enumerate(value.parts):
                part = replace(part, via=(*part.via, *value.via))
                self._wire(part, target, f"{place} · part {i}" if place else f"part {i}", input)
            return
        label = " → ".join(filter(None, [value.label, place]))
        gives, takes = self.boxes[value.box], self.boxes[target]
        given = gives.terminal("output", value.output) or gives
        taken = takes.terminal("input", input) or takes
        state = given.is_state or taken.is_state
        if given.is_state and taken.is_state and given is not gives and taken is not takes:
            label = ""  # from step to step
        self.picture.wires.append(
            Wire(value.box, target, label, state, value.via, value.output, input)
        )

    def _folded(self, node: Node) -> _Value | None:
        """The value of `node` if it is plumbing, else None."""
        if not node.inputs:
            return None
        first = self.found[node.inputs[0]]
        module, route = self.modules.get(node), self._route(node)
        if node.selectindex is not None:
            return self._part(first, node, node.selectindex)
        if module is None:
            return self._through(first, node)
        if isinstance(route, Whole) and len(node.inputs) > 1:
            return _Value(parts=tuple(self.found[source] for source in node.inputs), via=(node,))
        if len(node.inputs) > 1:
            return None
        if route is not None:
            return self._along(route, first, node)
        if isinstance(module, nn.SplitTable) and self._all_children(node, _takes_part):
            return self._through(first, node)
        is_reshape = isinstance(module, (nn.Reshape, nn.View))
        if is_reshape and self._all_children(node, self._is_folded_split):
            return self._through(first, node)
        return None

    def _along(self, route: Route, value: _Value, node: Node) -> _Value | None:
        """Return what `route` makes of `value`; None where a box has to show it."""
        if isinstance(route, Wrapped):
            return _Value(parts=(value,), via=(node,))
        if isinstance(route, Slice):
            if value.parts is None:
                return None
            return replace(value, parts=value.parts[route.offset :][: route.length])
        if isinstance(route, Element):
            is_table_of_one = value.parts is not None and len(value.parts) == 1
            if not route.only or is_table_of_one:
                return self._part(value, node, route.key)
        return self._through(value, node)

    def _all_children(self, node: Node, test: Any) -> bool:
        children = self.g.fg.children(node)
        return bool(children) and all(test(child) for child in children)

    def _is_folded_split(self, node: Node) -> bool:
        return isinstance(node.module, nn.SplitTable) and self._all_children(node, _takes_part)

    def _through(self, value: _Value, node: Node) -> _Value:
        named = node.name if isinstance(self._route(node), Whole) else None
        if value.parts is None and named:
            value = replace(value, label=named)
        return replace(value, via=(*value.via, node))

    def _part(self, value: _Value, node: Node, index: int | str) -> _Value:
        if value.parts is not None and isinstance(index, int) and abs(index) < len(value.parts):
            part = value.parts[index]
            via = (*part.via, *value.via, node)
            return replace(part, label=node.name or part.label, via=via)
        box = self.boxes.get(value.box)
        output, shown = value.output, f"part {index}"
        if box is not None and box.inner is not None and output is None and isinstance(index, int):
            output = index
            shown = [b for b in box.inner.boxes if b.kind == "output"][index].text
        named = node.name or " · ".join(filter(None, [value.label, shown]))
        return replace(value, label=named, via=(*value.via, node), output=output)

    def _collect_frames(self) -> None:
        seen: dict[tuple[str, ...], None] = {}
        for box in self.picture.boxes:
            for depth in range(1, len(box.frame) + 1):
                seen[box.frame[:depth]] = None
        self.picture.frames = list(seen)


def _constant(module: Any, kind: type[nn.AddConstant | nn.MulConstant], value: float) -> bool:
    return isinstance(module, kind) and bool(module.constant_scalar == value)


def _takes_part(node: Node) -> bool:
    return (
        node.nSplitOutputs is not None
        or node.selectindex is not None
        or (isinstance(node.module, nn.Module) and isinstance(node.module.route(), Element))
    )
