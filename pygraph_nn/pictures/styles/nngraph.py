"""nngraph's own style in the DOT language: every node with all its fields."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch

from ... import nn
from ...graph import Graph, NodeShapes, gModule
from ...nested import Nested
from ...node import Node
from ..build import Values, outputs_of
from ..symbols import is_shape
from ..trace import Trace, is_none, total
from .language import printable


def todot(
    graph: gModule | Graph,
    title: str | None = None,
    *,
    values: Trace | Values | None = None,
    highlight: Node | None = None,
) -> str:
    """Return `graph` in the DOT language, as nngraph wrote it (``graph:todot(title)``).

    Nodes are called Node1, Node2, ... in the order of ``graph.nodes``. Their fields `input` and
    `gradOutput` come from `values`. The node `highlight` is filled with red.
    """
    label = _Labels(graph, values)
    graph = label.graph
    lines = [*_head(title), "node [shape = oval]; "]
    for i, node in enumerate(graph.nodes, 1):
        name = f"{_escaped(label.names[node])} ({i})" if node in label.names else f"Node{i}"
        attributes = {"tooltip": _tooltip(node), **node.annotations.get("graphAttributes", {})}
        if node is highlight:
            attributes |= _RED
        pairs = " ".join(
            f"{_attribute(key)}={_attribute(attributes[key])}" for key in sorted(attributes)
        )
        lines.append(f"n{i}[label={_quoted(name + _NEWLINE + label(node))} {pairs}];")
    for source, target in graph.edges:
        lines.append(f"n{graph.id(source) + 1} -> n{graph.id(target) + 1};")
    return "\n".join([*lines, "}"])


def simple_todot(
    graph: gModule | Graph, title: str | None = None, *, values: Trace | Values | None = None
) -> str:
    """Return `graph` in the DOT language, as nngraph's ``simple_print.todot`` wrote it.

    It shows only nodes with a module other than Identity.
    """
    label = _Labels(graph, values)
    graph = label.graph
    ids = {node: i for i, node in enumerate(graph.nodes, 1)}
    shown = [node for node in graph.nodes if _is_shown(graph, node)]
    lines = [*_head(title), "node [shape = oval]; "]
    for node in shown:
        text = f"Node{ids[node]}{_NEWLINE}{label(node)}"
        lines.append(f"n{ids[node]}[label={_quoted(text)}];")
    for source in shown:
        for target in _next_shown(graph, source):
            lines.append(f"n{ids[source]} -> n{ids[target]};")
    return "\n".join([*lines, "}"])


def _is_shown(graph: Graph, node: Node) -> bool:
    computes = node.module is not None and not graph.is_given(node)
    return computes and not isinstance(node.module, nn.Identity)


def _next_shown(graph: Graph, source: Node) -> Iterator[Node]:
    """Yield the next shown nodes after `source`, once for each path of hidden nodes to them."""
    waiting = list(reversed(graph.children(source)))
    while waiting:
        node = waiting.pop()
        if _is_shown(graph, node):
            yield node
        else:
            waiting.extend(reversed(graph.children(node)))


_KEYWORDS = {"node", "edge", "graph", "digraph", "subgraph", "strict"}
_NEWLINE, _LEFT = "\\n", "\\l"  # Graphviz's escapes that end a centred and a left-aligned line
_RED = {"color": "red", "fillcolor": "red", "style": "filled"}


def _head(title: str | None) -> list[str]:
    return [
        "digraph G {",
        *([f'labelloc="t";\nlabel={_quoted(_escaped(title))};'] if title else []),
    ]


# nngraph's own quoting, in place of `language`, so that the text is the same byte for byte.


def _escaped(text: str) -> str:
    return printable(text).replace("\\", "\\\\")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


def _attribute(value: object) -> str:
    plain = re.fullmatch(r"[A-Za-z_]\w*|-?\d+(\.\d+)?", str(value), re.ASCII)
    if str(value).lower() in _KEYWORDS:
        plain = None
    return str(value) if plain else _quoted(_escaped(str(value)))


def _tooltip(node: Node) -> str:
    """Return the place in the source that declared `node`, in the format of nngraph's tooltips.

    A split and its parts start with the tooltip of the node that is split: ``[f]:1_-1-0`` is part 0
    of part 1 of the node declared in line 1.
    """
    ends: list[str] = []
    while node.nSplitOutputs is not None or node.selectindex is not None:
        if node.nSplitOutputs is not None:
            ends.append(f" split at {node.debug_label.removesuffix('_')}-mnode")
        else:
            ends.append(f"-{node.selectindex}")
            node = node.inputs[0]  # the split, whose own tooltip is not part of the others
        node = node.inputs[0]
    return node.debug_label + "".join(reversed(ends))


class _Labels:
    """Labels of nodes: the fields of a node, one ``key = value`` a line."""

    def __init__(self, graph: gModule | Graph, values: Trace | Values | None) -> None:
        self.own_modules: dict[Node, torch.nn.Module | None] = {}
        self.names: dict[Node, str] = {}
        if isinstance(graph, gModule):
            # Another gModule may have replaced the modules of nodes that both have.
            self.own_modules = dict(zip(graph.forwardnodes, graph.node_modules, strict=True))
            self.names = {node: name.shown for node, name in graph.node_names().items()}
            graph = graph.fg
        else:
            self.names = {node: node.name for node in graph.nodes if node.name}
        self.graph = graph
        source, target = graph.edges[0]
        # A backward graph, too, numbers its nodes by their places in the forward graph.
        forward = graph if source in graph.inputs(target) else graph.reverse()
        self.ids = {node: i for i, node in enumerate(forward.nodes, 1)}
        self.values = values
        self.shapes = {} if values is None or isinstance(values, Trace) else values
        self.outputs = outputs_of(values)

    def __call__(self, node: Node) -> str:
        fields = {}
        sources = self.graph.inputs(node)
        if not self.graph.is_given(node):
            module = self.own_modules.get(node, node.module)
            if module is not None:
                fields["module"] = str(module).replace("\n", _LEFT)
            if node.nSplitOutputs is not None:
                fields["nSplitOutputs"] = str(node.nSplitOutputs)
            if node.selectindex is not None:
                fields["selectindex"] = str(node.selectindex)
        if len(sources) > 1:
            names = ",".join(f"Node{self.ids[source]}" for source in sources)
            fields["mapindex"] = f"{{{names}}}"
        fields["reverseMap"] = "{}"
        input = self._input(node)
        if input is not None:
            fields["input"] = _in_torch7(input)
        gradients = self.values.gradOutputs.get(node) if isinstance(self.values, Trace) else None
        if gradients:
            fields["gradOutput"] = _in_torch7(gradients)
            if sum(not is_none(gradient) for gradient in gradients) > 1:
                fields["gradOutputBuffer"] = _in_torch7(total(gradients))
        description = node.annotations.get("description")
        lines = [f"{key} = {value}" for key, value in fields.items()]
        return (
            f"desc = {_escaped(str(description))}{_NEWLINE}" if description else ""
        ) + _LEFT.join(lines)

    def _input(self, node: Node) -> list[Nested] | None:
        """Return the input values of `node`, or None if they are unknown."""
        if isinstance(self.values, Trace) and node in self.values.inputs:
            return self.values.inputs[node]
        shapes, sources = self.shapes.get(node), self.graph.inputs(node)
        if isinstance(shapes, NodeShapes):
            return list(shapes.input) if len(sources) > 1 else [shapes.input]
        if sources and all(source in self.outputs for source in sources):
            return [self.outputs[source] for source in sources]
        return [] if node.module is None and node.nSplitOutputs is None else None


_TORCH7_TYPES = {
    torch.float64: "Double",
    torch.float32: "Float",
    torch.float16: "Half",
    torch.int64: "Long",
    torch.int32: "Int",
    torch.int16: "Short",
    torch.int8: "Char",
    torch.uint8: "Byte",
}


def _in_torch7(value: Nested) -> str:
    """Describe a value as in nngraph's labels: ``{Tensor[2x3],torch.LongTensor[2]}``."""
    if is_shape(value):
        return f"Tensor[{'x'.join(map(str, value))}]"
    if isinstance(value, (list, tuple)):
        return "{" + ",".join(map(_in_torch7, value)) + "}"
    if not isinstance(value, torch.Tensor):
        return str(value).replace("\n", _LEFT)
    is_default = value.dtype == torch.get_default_dtype()
    name = _TORCH7_TYPES.get(value.dtype, str(value.dtype).removeprefix("torch."))
    kind = "Tensor" if is_default else f"torch.{name}Tensor"
    return f"{kind}[{'x'.join(map(str, value.shape))}]{_not_finite(value)}"


def _not_finite(value: torch.Tensor) -> str:
    if value.is_meta or not value.numel() or not value.is_floating_point():
        return ""
    if value.isnan().any():
        return "NaN"
    if value.max() == float("inf"):
        return "inf"
    return "-inf" if value.min() == -float("inf") else ""
