"""One HTML page for a graph: to zoom, fold and walk through, without network or server."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from .. import nested
from ..errors import GraphError, type_name
from ..graph import gModule
from ..node import Node
from .build import Values, outputs_of, reduce
from .model import Box, Picture
from .styles import described
from .symbols import shape_text
from .trace import Trace, trace
from .unrolled import alike, unroll


def html_page(
    graph: gModule | Sequence[gModule],
    fname: str | os.PathLike[str] | None = None,
    *,
    title: str | None = None,
    values: Trace | Values | Sequence[Trace | Values | None] | None = None,
) -> str:
    """The page of `graph`, also written to `fname` (``.html`` is added where it has no ending).

    `graph` is a gModule, or a list of clones of one: an unrolled network, whose outputs ``next_s``
    are the inputs ``prev_s`` of the next copy. Copies that share their parameters are folded into
    one with a repeat mark, in a list and within a gModule.

    The page holds all it needs. It zooms and pans, finds nodes by name, folds and unfolds groups
    and nested graphs, shows what is behind a node, and walks through the forward and the backward
    pass. It follows the reader's choice of a light or dark display, and works by keyboard.

    Args:
        values: what a run computed (`trace`): its shapes and statistics are shown; or a dict from
            nodes to shapes. For a list of clones a list of these. By default the last `forward`
            and `backward` are traced, if there were any.

    Raises:
        GraphError: `graph` is no gModule and no list of them.
    """
    if isinstance(graph, gModule):
        values = _last_run(graph) if values is None else values
        drawn = reduce(graph, values)  # type: ignore[arg-type]
        named = title or graph.name or "Graph"
        runs = {"": values or graph.shapes}
    elif isinstance(graph, (list, tuple)) and graph and all(isinstance(g, gModule) for g in graph):
        values = [_last_run(g) for g in graph] if values is None else values
        drawn = unroll(graph, values)  # type: ignore[arg-type]
        named = title or f"{graph[0].name or 'Graph'}, {len(graph)} steps"
        each: Any = values or ()
        runs = {f"t{t}/": run for t, run in enumerate(each)}
    else:
        raise GraphError(
            f"html_page: expecting a gModule or a list of clones of one, got {type_name(graph)}"
        )
    page = _filled(named, _Contents(drawn, runs).data())
    if fname is not None:
        path = Path(fname)
        path = path if path.suffix in (".html", ".htm") else path.with_name(f"{path.name}.html")
        path.write_text(page, encoding="utf-8")
    return page


def _last_run(g: gModule) -> Trace | None:
    return None if g.recorded_pass is None else trace(g)


def _filled(title: str, data: dict[str, Any]) -> str:
    assets = resources.files(__package__) / "assets"
    parts = {
        "TITLE": html.escape(title),
        "STYLE": (assets / "page.css").read_text(encoding="utf-8"),
        # "</script>" in a name must not end the script.
        "DATA": json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
        "LAYOUT": (assets / "layout.js").read_text(encoding="utf-8"),
        "SCRIPT": (assets / "page.js").read_text(encoding="utf-8"),
    }
    page = (assets / "page.html").read_text(encoding="utf-8")
    before, *rest = page.split("{{")
    filled = [before]
    for piece in rest:
        name, _, after = piece.partition("}}")
        filled += [parts[name], after]
    return "".join(filled)


class _Contents:
    """What a page shows, as data for its script.

    `items` are boxes and what holds them (groups, nested graphs), `wires` lead between boxes,
    `forward` and `backward` are the ids of boxes in the order of the passes.
    """

    def __init__(self, drawn: Picture, runs: dict[str, Any]) -> None:
        self.items: list[dict[str, Any]] = []
        self.wires: list[dict[str, Any]] = []
        self.runs = runs  # by the id, with a slash, of what holds the boxes
        self.forward, self.backward = self._add(drawn, "")

    def data(self) -> dict[str, Any]:
        return {
            "items": self.items,
            "wires": self.wires,
            "forward": self.forward,
            "backward": self.backward,
        }

    def _add(self, drawn: Picture, holder: str) -> tuple[list[str], list[str]]:
        """Take in the boxes that `holder` holds; returns both orders of their ids."""
        prefix = f"{holder}/" if holder else ""
        run = self.runs.get(prefix)
        copies = alike(drawn)
        for frame in drawn.frames:
            parent = _frame_id(prefix, frame[:-1]) if len(frame) > 1 else holder
            self.items.append(
                {"id": _frame_id(prefix, frame), "in": parent, "kind": "group", "text": frame[-1]}
            )
        orders: dict[str, tuple[list[str], list[str]]] = {}
        for box in drawn.boxes:
            parent = _frame_id(prefix, box.frame) if box.frame else holder
            about: dict[str, Any] = {"id": box.id, "in": parent, "kind": box.kind, "text": box.text}
            about |= {"copyOf": copies.get(box.id), **_description(box), **_values(box, run)}
            self.items.append(_without_empty(about))
            orders[box.id] = [], []
            if box.inner is not None:
                if isinstance(run, Trace) and box.node in run.inner:
                    self.runs[f"{box.id}/"] = run.inner[box.node]
                elif run is not None and not isinstance(run, Trace):
                    self.runs.setdefault(f"{box.id}/", run)
                orders[box.id] = self._add(box.inner, box.id)
        self._add_wires(drawn)
        forward = [id for box in drawn.boxes for id in (*orders[box.id][0], box.id)]
        backward = [id for box in _backwards(drawn) for id in (*orders[box.id][1], box.id)]
        return forward, backward

    def _add_wires(self, drawn: Picture) -> None:
        boxes = {box.id: box for box in drawn.boxes}
        for wire in drawn.wires:
            source, target = boxes[wire.source], boxes[wire.target]
            about = {
                "from": (source.terminal("output", wire.output) or source).id,
                "to": (target.terminal("input", wire.input) or target).id,
                "label": wire.label,
                "state": wire.is_state,
            }
            self.wires.append(_without_empty(about))


def _backwards(drawn: Picture) -> list[Box]:
    """The boxes in the order in which the backward pass comes to them."""
    if any(not box.nodes for box in drawn.boxes):  # copies: the last step first
        return drawn.boxes[::-1]
    place = {node: i for i, node in enumerate(drawn.g.backwardnodes)}
    return sorted(drawn.boxes, key=lambda box: place[box.nodes[-1]])


def _frame_id(prefix: str, frame: tuple[str, ...]) -> str:
    return f"{prefix}group:{'/'.join(frame)}"


def _without_empty(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value not in (None, "", [], False, ())}


def _description(box: Box) -> dict[str, Any]:
    """What does not change from run to run."""
    module = box.module
    at = box.node.declared_at if box.node is not None and box.kind != "output" else ""
    return {
        "caption": box.caption,
        "name": box.name,
        "details": list(box.details),
        "state": box.is_state,
        "module": "" if module is None or box.inner is not None else str(module),
        "source": _nearby(at),
        "nodes": [described(node) for node in box.nodes if node.module is not None],
        "parameters": [
            [name, " × ".join(map(str, p.shape)), p.numel()]
            for name, p in (module.named_parameters() if module is not None else ())
        ],
    }


def _nearby(place: str) -> str:
    """A place in the source without what only this computer knows: from the working directory."""
    path, _, line = place.rpartition(":")
    if not path:
        return place
    here = Path.cwd()
    known = Path(path)
    shown = known.relative_to(here) if known.is_relative_to(here) else Path(*known.parts[-2:])
    return f"{shown.as_posix()}:{line}"


def _values(box: Box, run: Any) -> dict[str, Any]:
    """Shapes, and statistics where the run computed values."""
    node = box.node
    if node is None or run is None:
        return {}
    outputs = outputs_of(run)
    node = _of_output(box) or node
    found: dict[str, Any] = {}
    if node in outputs:
        found["shape"] = shape_text(outputs[node])
    if box.kind not in ("input", "output") and all(n in outputs for n in box.nodes[0].inputs):
        found["inputs"] = [shape_text(outputs[source]) for source in box.nodes[0].inputs]
    if isinstance(run, Trace):
        found["value"] = statistics(run.outputs.get(node))
        found["gradient"] = statistics(run.gradOutput(node))
    return found


def _of_output(box: Box) -> Node | None:
    """The node whose value an output shows."""
    if box.kind != "output" or box.output is None:
        return None
    return box.nodes[-1].inputs[box.output]


def statistics(value: Any) -> list[list[Any]]:
    """For each tensor of a nested value its shape, mean, std, min, max, NaN and infinity counts.

    >>> statistics(torch.tensor([1.0, 3.0]))
    [['2', 2.0, 1.0, 1.0, 3.0, 0, 0]]
    """
    found = []
    for leaf in nested.leaves(value):
        if not isinstance(leaf, torch.Tensor) or leaf.is_meta or leaf.is_complex():
            continue
        x = leaf.detach().to_dense().double().flatten()
        finite = x[x.isfinite()]
        numbers: list[Any] = [None] * 4
        if finite.numel():
            numbers = [finite.mean(), finite.std(correction=0), finite.min(), finite.max()]
            numbers = [float(f"{number.item():.6g}") for number in numbers]
        shape = shape_text(leaf)
        found.append([shape, *numbers, int(x.isnan().sum()), int(x.isinf().sum())])
    return found
