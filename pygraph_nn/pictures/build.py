"""The Picture of a gModule: boxes for nodes that compute, wires for nodes that pass values on.

`dot` and `html_page` draw the same Picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from .. import nn
from ..errors import GraphError
from ..graph import GraphStructure, NodeName, NodeShapes, infer_shapes
from ..nested import Nested
from ..node import Node
from . import symbols
from .model import Box, Picture, Wire
from .plumbing import Plumbing, Source
from .trace import Trace

Values = Mapping[Node, Nested]
"""The value of each node: a tensor, a shape (tuple), a nested list of these, or NodeShapes."""


def outputs_of(values: Trace | Values | None) -> Values:
    """Return the value of each node in a Trace or a dict; for None, an empty dict."""
    if values is None:
        return {}
    if isinstance(values, Trace):
        return values.outputs
    return {
        node: value.output if isinstance(value, NodeShapes) else value
        for node, value in values.items()
    }


def picture_of(
    g: GraphStructure, values: Trace | Values | None = None, prefix: str = ""
) -> Picture:
    """Return the Picture of `g`, whose boxes show the shapes of `values`.

    Without `values`, it shows the result of the last `infer_shapes`, or else infers the shapes for
    the input of the last `forward`. Every node of the graph is in a box or on a wire, and wires
    connect two boxes exactly if the graph does. Ids start with `prefix`. An input called
    ``prev_...`` and an output called ``next_...`` are state, unless the node's annotation
    `is_state` says otherwise.
    """
    return _Builder(g, values, prefix).build()


class _Builder:
    def __init__(self, g: GraphStructure, values: Trace | Values | None, prefix: str) -> None:
        self.g = g
        self.values = _last_shapes(g) if values is None else values
        self.outputs = outputs_of(self.values)
        self.prefix = prefix
        self.picture = Picture(g)
        self.plumbing = Plumbing(g)
        self.feeding = set(g.fg.feeds.values())

    def build(self) -> Picture:
        """Return the Picture, after adding inputs, nodes in forward order, and outputs."""
        g, sources = self.g, self.plumbing.sources
        for i, node in enumerate(g.input_nodes):
            self._add_input(i, node)
        inputs = {id(node) for node in g.input_nodes if self.plumbing.passes_whole(node)}
        for node in g.forwardnodes:
            if id(node) in inputs or node is g.innode or self._feeds_inputs(node):
                continue
            if node is g.outnode:
                break
            folded = self.plumbing.fold(node)
            sources[node] = folded if folded is not None else self._add_box(node)
        self._add_outputs(g.outnode)
        self._describe_folded()
        self._collect_frames()
        return self.picture

    # Inputs and outputs

    def _feeds_inputs(self, node: Node) -> bool:
        """Return whether `node` is part of the split that distributes the value of the innode."""
        return node not in self.g.fg.feeds and (
            node in self.feeding or self.g.innode in self.g.fg.inputs(node)
        )

    def _add_input(self, i: int, node: Node) -> None:
        plain = self.plumbing.passes_whole(node)
        named = self.plumbing.shown(node) if plain else ""
        name = named or ("input" if self.g.nInputs == 1 else f"input {i}")
        source = self.g.fg.feeds[node]
        box = Box(
            id=self._id(node) if plain else f"{self.prefix}in{i}",
            kind="input",
            text=name,
            name=node.name or "" if plain else "",
            shown=named,
            details=self._shape(node if plain else source),
            nodes=(source, node) if plain else (source,),
            module=self.plumbing.modules.get(node) if plain else None,
            is_state=node.annotations.get("is_state", name.startswith("prev")),
            described=self._described((node,)) if plain else (),
        )
        self._add(box)
        self.plumbing.sources[node if plain else source] = Source(box.id)

    def _add_outputs(self, outnode: Node) -> None:
        several = len(outnode.inputs) > 1
        for i, node in enumerate(outnode.inputs):
            source = self.plumbing.sources[node]
            named = self.plumbing.shown(node)
            name = named or (f"output {i}" if several else "output")
            folded = (node,) if source.parts is not None else ()
            box = Box(
                id=f"{self.prefix}out{i}",
                kind="output",
                text=name,
                name=node.name or "",
                shown=named,
                details=self._shape(node),
                nodes=(*folded, outnode),
                is_state=node.annotations.get("is_state", name.startswith("next")),
                output=i,
                described=self._described(folded),
            )
            self._add(box)
            if source.parts is None and named:
                # The output shows the name: neither its wire nor its source needs to.
                source = replace(source, label="" if source.label == named else source.label)
                computing = self.plumbing.boxes[source.box]
                if computing.shown == named:
                    computing.caption = ""
            self._wire(source, box.id)

    # Boxes

    def _id(self, node: Node) -> str:
        return f"{self.prefix}n{self.g.fg.id(node)}"

    def _add(self, box: Box) -> None:
        self.picture.boxes.append(box)
        self.plumbing.boxes[box.id] = box

    def _described(self, nodes: tuple[Node, ...]) -> tuple[str, ...]:
        """Describe each node with a module in one line: its name, its module, its source line."""
        return tuple(
            described(node, self.plumbing.names.get(node), self.g.fg.is_given(node))
            for node in nodes
            if node.module is not None
        )

    def _describe_folded(self) -> None:
        """Describe folded nodes at the box they come from, if their wire does not show the key."""
        for wire in self.picture.wires:
            for node in wire.via:
                name = self.plumbing.names.get(node)
                if name is not None and not name.key.endswith(name.shown):
                    box, line = self.plumbing.boxes[wire.source], described(node, name, False)
                    box.described = tuple(dict.fromkeys([*box.described, line]))

    def _shape(self, node: Node) -> tuple[str, ...]:
        return (symbols.shape_text(self.outputs[node]),) if node in self.outputs else ()

    def _add_box(self, node: Node) -> Source:
        module = self.plumbing.modules[node]
        negated = self._one_minus(node)
        inner = self._nested(node, module)
        sign = "1−" if negated else symbols.symbol(module)
        text = sign or symbols.title(module)
        if isinstance(module, GraphStructure):
            text = module.name or "graph"
        box = Box(
            id=self._id(node),
            kind="graph" if inner else "symbol" if sign else "module",
            text=text,
            name=node.name or "",
            shown=self.plumbing.shown(node),
            caption=self.plumbing.shown(node),
            details=(() if sign else _details(module)) + self._shape(node),
            frame=node.group,
            nodes=(*negated, node),
            module=module,
            inner=inner,
            described=self._described((*negated, node)),
        )
        self._add(box)
        self._add_input_wires(box, self.g.fg.inputs(negated[0] if negated else node))
        outputs = len(module.outnode.inputs) if isinstance(module, GraphStructure) else 0
        return Source(box.id, output=0 if outputs == 1 else None)

    def _nested(self, node: Node, module: torch.nn.Module) -> Picture | None:
        if not isinstance(module, GraphStructure):
            return None
        values = self.values.inner.get(node) if isinstance(self.values, Trace) else self.values
        return picture_of(module, values, f"{self._id(node)}/")

    def _one_minus(self, node: Node) -> tuple[Node, ...]:
        """Return the node of ``x * -1`` if `node` adds 1 to it, its only use: one box, 1 - x."""
        modules, sources = self.plumbing.modules, self.plumbing.sources
        inputs = self.g.fg.inputs(node)
        if not _is_constant(modules.get(node), nn.AddConstant, 1) or len(inputs) != 1:
            return ()
        negated = inputs[0]
        if not _is_constant(modules.get(negated), nn.MulConstant, -1):
            return ()
        if not self.g.fg.inputs(negated):
            return ()
        if len(self.g.fg.children(negated)) != 1:
            return ()
        id = sources.pop(negated).box
        self.picture.boxes = [box for box in self.picture.boxes if box.id != id]
        self.picture.wires = [wire for wire in self.picture.wires if wire.target != id]
        return (negated,)

    # Wires

    def _add_input_wires(self, box: Box, inputs: list[Node]) -> None:
        """Add the wires from the sources of `inputs` to `box`, numbered if their order matters."""
        module = box.module
        is_numbered = len(inputs) > 1 and not getattr(module, "commutative", False)
        is_numbered = is_numbered and not isinstance(module, nn.ModuleFromCriterion)
        terminals = [b for b in box.inner.boxes if b.kind == "input"] if box.inner else []
        for i, node in enumerate(inputs):
            source = self.plumbing.sources[node]
            place = str(i) if is_numbered else ""
            if i < len(terminals) and len(inputs) > 1:
                place = terminals[i].text
            if len(terminals) > 1 == len(inputs) and source.parts is not None:
                # One table holds all inputs of the nested graph.
                for j, part in enumerate(source.parts):
                    self._wire(part, box.id, terminals[j].text, j)
            elif len(terminals) > 1 == len(inputs):
                self._wire(source, box.id)
            else:
                self._wire(source, box.id, place, i)

    def _wire(self, source: Source, target: str, place: str = "", input: int | None = None) -> None:
        if source.parts is not None:
            for i, part in enumerate(source.parts):
                part = replace(part, via=(*part.via, *source.via))
                name = self._part_name(part, target) or f"part {i}"
                self._wire(part, target, f"{place} · {name}" if place else name, input)
            return
        label = " → ".join(filter(None, [source.label, place]))
        start, end = self.plumbing.boxes[source.box], self.plumbing.boxes[target]
        leaves = start.terminal("output", source.output) or start
        enters = end.terminal("input", input) or end
        is_state = leaves.is_state or enters.is_state
        if leaves.is_state and enters.is_state and leaves is not start and enters is not end:
            label = ""  # a state from step to step needs none
        self.picture.wires.append(
            Wire(source.box, target, label, is_state, source.via, source.output, input)
        )

    def _part_name(self, part: Source, target: str) -> str:
        """Return the name of a part of the table in the output `target`, if that is a state."""
        if part.parts is not None or not self.plumbing.boxes[target].is_state:
            return ""
        return symbols.state_part(self.plumbing.boxes[part.box])

    def _collect_frames(self) -> None:
        frames: dict[tuple[str, ...], None] = {}
        for box in self.picture.boxes:
            for depth in range(1, len(box.frame) + 1):
                frames[box.frame[:depth]] = None
        self.picture.frames = list(frames)


def described(node: Node, name: NodeName | None, is_given: bool) -> str:
    """Return a node in one line: its name, its key if it differs, its module, its source line.

    If `is_given`, its value is passed in place of the module's.
    """
    named = ""
    if name is not None:
        named = f"{name.shown}: " if name.shown == name.key else f"{name.shown} ({name.key}): "
    kind = "passed in place of " * is_given + node.kind().partition("\n")[0]
    return f"{named}{kind}, {node.debug_label.rstrip('_')}"


def _last_shapes(g: GraphStructure) -> Values:
    """Return the shapes last inferred for `g`, or inferred for its last input."""
    recorded = g.recorded_pass
    if g.shapes or recorded is None:
        return g.shapes
    try:
        return infer_shapes(g, recorded.input)
    except GraphError:  # a module that does not run on meta tensors
        return {}


def _details(module: torch.nn.Module) -> tuple[str, ...]:
    """Return the lines below a module's title: its members and the number of its parameters."""
    lines = () if isinstance(module, GraphStructure) else tuple(symbols.contents(module))
    count = symbols.parameter_count(module)
    return (*lines, f"{count:,} parameter{'s' * (count != 1)}") if count else lines


def _is_constant(
    module: torch.nn.Module | None, kind: type[nn.AddConstant | nn.MulConstant], value: float
) -> bool:
    return isinstance(module, kind) and bool(module.constant_scalar == value)
