"""The data that the script of an HTML page shows: boxes, wires, and the order of the passes."""

from __future__ import annotations

from pathlib import Path

from ..graph import Graph
from ..node import Node
from .build import Values, outputs_of
from .model import Box, Picture, Wire
from .overview import group_details
from .statistics import statistics
from .symbols import shape_text
from .trace import Trace
from .unrolled import alike

Run = Trace | Values
"""The values at the nodes of one graph, or their shapes."""

_VALUES = ("shape", "value", "gradient")


def page_data(picture: Picture, runs: dict[str, Run | None]) -> dict[str, object]:
    """Return the data of the page of `picture`; ``assets/model/graph.js`` documents their types.

    ``items`` are boxes, groups and nested graphs, outer ones first; ``wires`` connect boxes;
    ``forward`` and ``backward`` are the ids of boxes in the order of the two passes; ``columns``
    are the ids of the boxes of each step, for a network unrolled in time.

    Args:
        runs: values by prefix of box ids: "" for `picture`, ``id/`` for the nested graph in the
            box ``id``.
    """
    contents = _Contents(runs)
    forward, backward = contents.add(picture, holder="")
    contents.add_values_of_ends()
    return {
        "items": contents.items,
        "wires": contents.wires,
        "forward": forward,
        "backward": backward,
        "columns": picture.columns,
    }


class _Contents:
    """Collects the items and wires of a picture and of the nested graphs in it."""

    def __init__(self, runs: dict[str, Run | None]) -> None:
        self.items: list[dict[str, object]] = []
        self.wires: list[dict[str, object]] = []
        self.runs = dict(runs)

    def add(self, picture: Picture, holder: str) -> tuple[list[str], list[str]]:
        """Add `picture`, the contents of the box `holder`; return its boxes' ids, pass by pass."""
        prefix = f"{holder}/" if holder else ""
        for frame in picture.frames:
            parent = _group_id(prefix, frame[:-1]) if len(frame) > 1 else holder
            id = _group_id(prefix, frame)
            group = {"id": id, "in": parent, "kind": "group", "text": frame[-1]}
            inside = [box for box in picture.boxes if box.frame[: len(frame)] == frame]
            lines = group_details(inside, outputs_of(self.runs.get(prefix)))[1:]
            self.items.append(_without_empty(group | {"details": list(lines)}))
        copies = alike(picture)
        orders: dict[str, tuple[list[str], list[str]]] = {}
        for box in picture.boxes:
            parent = _group_id(prefix, box.frame) if box.frame else holder
            place = {"id": box.id, "in": parent, "kind": box.kind, "text": box.text}
            contents = _description(box) | _values(picture.g.fg, box, self.runs.get(prefix))
            item = place | {"copyOf": copies.get(box.id)} | contents
            self.items.append(_without_empty(item))
            orders[box.id] = self._add_inner(box, prefix)
        boxes = {box.id: box for box in picture.boxes}
        self.wires += [_wire(wire, boxes) for wire in picture.wires]
        forward = [id for box in picture.boxes for id in (*orders[box.id][0], box.id)]
        backward = [id for box in _backward_order(picture) for id in (*orders[box.id][1], box.id)]
        return forward, backward

    def add_values_of_ends(self) -> None:
        """Give the inputs and outputs of an unrolled network, which have no node of their own, the
        values of those of the step to which a wire connects them.
        """
        items = {item["id"]: item for item in self.items}
        for wire in self.wires:
            source, target = items[wire["from"]], items[wire["to"]]
            for end, inner in ((source, target), (target, source)):
                if end["kind"] == inner["kind"] and end["kind"] in ("input", "output"):
                    values = {key: inner[key] for key in _VALUES if key in inner}
                    end.update({key: value for key, value in values.items() if key not in end})

    def _add_inner(self, box: Box, prefix: str) -> tuple[list[str], list[str]]:
        """Add the nested graph in `box`, if there is one, with its part of the run."""
        if box.inner is None:
            return [], []
        run = self.runs.get(prefix)
        if isinstance(run, Trace):
            if box.node is not None and box.node in run.inner:
                self.runs[f"{box.id}/"] = run.inner[box.node]
        elif run is not None:
            self.runs.setdefault(f"{box.id}/", run)
        return self.add(box.inner, box.id)


def _wire(wire: Wire, boxes: dict[str, Box]) -> dict[str, object]:
    """Return the data of a wire, which ends at an input or output of a nested graph if known."""
    source, target = boxes[wire.source], boxes[wire.target]
    return _without_empty(
        {
            "from": (source.terminal("output", wire.output) or source).id,
            "to": (target.terminal("input", wire.input) or target).id,
            "label": wire.label,
            "state": wire.is_state,
        }
    )


def _backward_order(picture: Picture) -> list[Box]:
    """Return the boxes in the order in which the backward pass reaches them."""
    if any(not box.nodes for box in picture.boxes):  # an unrolled network: the last step first
        return picture.boxes[::-1]
    place = {node: i for i, node in enumerate(picture.g.backwardnodes)}
    return sorted(picture.boxes, key=lambda box: place[box.nodes[-1]])


def _group_id(prefix: str, frame: tuple[str, ...]) -> str:
    return f"{prefix}group:{'/'.join(frame)}"


def _without_empty(data: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in data.items() if value not in (None, "", [], False, ())}


def _description(box: Box) -> dict[str, object]:
    """Return the data of a box that do not depend on a run."""
    module = box.module
    place = box.node.declared_at if box.node is not None and box.kind != "output" else ""
    return {
        "caption": box.caption,
        "name": box.shown,
        "details": list(box.details),
        "state": box.is_state,
        "module": "" if module is None or box.inner is not None else str(module),
        "source": _short_place(place),
        "nodes": list(box.described),
        "parameters": [
            [name, " × ".join(map(str, p.shape)), p.numel()]
            for name, p in (module.named_parameters() if module is not None else ())
        ],
    }


def _short_place(place: str) -> str:
    """Return ``path:line`` with the path relative to the working directory.

    Of a path outside of it, the last two parts remain.
    """
    name, _, line = place.rpartition(":")
    if not name:
        return place
    here, path = Path.cwd(), Path(name)
    short = path.relative_to(here) if path.is_relative_to(here) else Path(*path.parts[-2:])
    return f"{short.as_posix()}:{line}"


def _values(graph: Graph, box: Box, run: Run | None) -> dict[str, object]:
    """Return the shapes at a box of `graph`, and the statistics of values if the run has any."""
    if box.node is None or run is None:
        return {}
    outputs = outputs_of(run)
    node = _shown_node(box, box.node)
    values: dict[str, object] = {}
    if node in outputs:
        values["shape"] = shape_text(outputs[node])
    sources = graph.inputs(box.nodes[0])
    if box.kind not in ("input", "output") and all(source in outputs for source in sources):
        values["inputs"] = [shape_text(outputs[source]) for source in sources]
    if isinstance(run, Trace):
        values["value"] = statistics(run.outputs.get(node))
        values["gradient"] = statistics(run.gradOutput(node))
    return values


def _shown_node(box: Box, node: Node) -> Node:
    """Return the node whose value `box` shows; for an output, the node before the outnode."""
    if box.kind != "output" or box.output is None:
        return node
    return node.inputs[box.output]
