"""gModules from Torch7 objects: the nodes, by the tables that Torch7 keeps in them."""

from __future__ import annotations

import re
from typing import Any

from ..graph import gModule
from ..node import Node
from ..t7 import T7Error, T7Object, T7Table
from .interfaces import Reader
from .places import located

_LABEL = re.compile(r"\[(.*)\]:(-?\d+)_")


def graph(value: T7Object, reader: Reader) -> gModule:
    """Return the gModule of `value`.

    Only the data of the nodes matter: Torch7 copies nodes, and their data are shared. The inputs of
    a node are the entries 1..n of its `mapindex`.

    Raises:
        T7Error: The tables do not describe a graph.
    """
    innode, outnode = _data(value, value.get("innode")), _data(value, value.get("outnode"))
    nodes: dict[int, Node] = {}
    order = _inputs_first(value, outnode)
    fed = _fed_by(value, innode, order)
    skipped = {id(innode)} | {id(part) for part, _ in fed.values()}
    skipped |= {id(split) for split in _splits_of(innode, order)}
    for data in order:
        if id(data) in skipped or data is outnode:
            continue
        node = _node(data, value, reader)
        if id(data) not in fed:
            node.take([nodes[id(source)] for source in _sources(value, data)])
        nodes[id(data)] = node
    places = sorted((place, key) for key, (_, place) in fed.items())
    inputs = [nodes[key] for _, key in places]
    made = gModule(inputs, [nodes[id(source)] for source in _sources(value, outnode)])
    made.training = bool(value.get("train", True))
    return made


def _error(value: T7Object, problem: str) -> T7Error:
    return located(value, f"{value.class_name}: {problem}")


def _data(value: T7Object, node: Any) -> Any:
    data = node.get("data") if isinstance(node, T7Object) else None
    if not isinstance(data, (dict, T7Table)):
        raise _error(value, "a node has no data")
    return data


def _sources(value: T7Object, data: Any) -> list[Any]:
    """Return the data of the nodes from which a node takes its inputs, in order."""
    index = data.get("mapindex")
    if isinstance(index, list):
        sources = index
    elif isinstance(index, (dict, T7Table)):
        sources = []
        while index.get(len(sources) + 1) is not None:
            sources.append(index.get(len(sources) + 1))
    else:
        raise _error(value, "a node has no mapindex")
    for source in sources:
        if not isinstance(source, (dict, T7Table)):
            raise _error(value, "the mapindex of a node lists something that is no node's data")
    return sources


def _inputs_first(value: T7Object, outnode: Any) -> list[Any]:
    """Return all data that `outnode` needs, each after its inputs."""
    order, done, on_path = [], set(), {id(outnode)}
    path = [(outnode, iter(_sources(value, outnode)))]
    while path:
        data, rest = path[-1]
        for source in rest:
            if id(source) in on_path:
                raise _error(value, "the graph has a cycle")
            if id(source) not in done:
                path.append((source, iter(_sources(value, source))))
                on_path.add(id(source))
                break
        else:
            path.pop()
            on_path.discard(id(data))
            done.add(id(data))
            order.append(data)
    return order


def _splits_of(innode: Any, order: list[Any]) -> list[Any]:
    return [d for d in order if d.get("nSplitOutputs") and _first(d) is innode and _is_added(d)]


def _is_added(data: Any) -> bool:
    """Return whether a split of the innode has parts that Torch7 made for the inputs."""
    return data.get("module") is None


def _first(data: Any) -> Any:
    index = data.get("mapindex")
    if isinstance(index, list):
        return index[0] if index else None
    return index.get(1)


def _fed_by(value: T7Object, innode: Any, order: list[Any]) -> dict[int, tuple[Any, int]]:
    """Return what feeds the inputs of the graph: for each its part of the input, and its place."""
    count = value.get("nInputs")
    fed: dict[int, tuple[Any, int]] = {}
    if count == 1:
        fed = {id(d): (innode, 0) for d in order if _first(d) is innode}
    else:
        splits = {id(split) for split in _splits_of(innode, order)}
        parts = {id(d): d for d in order if id(_first(d)) in splits}
        for data in order:
            part = parts.get(id(_first(data)))
            if part is not None:
                fed[id(data)] = part, part.get("selectindex", 0)
    if not fed or len(fed) != count:
        raise _error(value, f"it has {count} inputs, but {len(fed)} nodes take the input")
    return fed


def _node(data: Any, value: T7Object, reader: Reader) -> Node:
    module, parts, part = (data.get(k) for k in ("module", "nSplitOutputs", "selectindex"))
    if module is not None:
        node = Node(reader.module(module, value))
    elif parts is not None:
        node = Node(nSplitOutputs=parts)
    elif part is not None:
        node = Node(selectindex=part - 1)
    else:
        node = Node()
    annotations = data.get("annotations")
    for key, content in annotations.items() if isinstance(annotations, dict) else ():
        if key == "_debugLabel" and isinstance(content, str):
            label = _LABEL.match(content)
            node.declared_at = f"{label[1]}:{label[2]}" if label else content
        elif key == "graphAttributes":
            kept = {k: v for k, v in content.items() if k != "tooltip"} if content else {}
            node.annotate(graphAttributes=kept)
        elif isinstance(key, str):
            node.annotate({key: content})
    return node
