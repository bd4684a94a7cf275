"""Copies of one network in one Picture: unrolled in time, and which copies are alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch

from ..errors import GraphError
from ..graph import gModule
from .build import Values, reduce
from .model import Box, Picture, Wire
from .trace import Trace


def unroll(clones: Sequence[gModule], values: Sequence[Trace | Values | None] | None) -> Picture:
    """The Picture of `clones`, one a time step, the state of each going on to the next.

    An output called ``next_s`` is the next copy's input ``prev_s``; other inputs and outputs are
    each step's own.
    """
    if values is not None and len(values) != len(clones):
        raise GraphError(f"got {len(values)} runs for {len(clones)} clones: one for each is due")
    drawn = Picture(clones[0])
    states: dict[str, tuple[str, int]] = {}
    for t, clone in enumerate(clones):
        inner = reduce(clone, None if values is None else values[t], f"t{t}/")
        step = Box(f"t{t}", "graph", f"step {t}", module=clone, inner=inner)
        inputs = [box for box in inner.boxes if box.kind == "input"]
        outputs = [box for box in inner.boxes if box.kind == "output"]
        for i, box in enumerate(inputs):
            name = box.text.removeprefix("prev_")
            source, port = states.get(name, ("", 0)) if box.is_state else ("", 0)
            if not source:
                source = f"t{t}in{i}"
                text = box.text if box.is_state else f"{box.text} {t}"
                drawn.boxes.append(
                    Box(source, "input", text, details=box.details, is_state=box.is_state)
                )
            drawn.wires.append(Wire(source, step.id, is_state=box.is_state, output=port, input=i))
        drawn.boxes.append(step)
        is_last = t == len(clones) - 1
        taken_on = {box.text.removeprefix("prev_") for box in inputs if box.is_state}
        for i, box in enumerate(outputs):
            name = box.text.removeprefix("next_")
            if box.is_state and name in taken_on and not is_last:
                states[name] = step.id, i
                continue
            text = box.text if box.is_state else f"{box.text} {t}"
            end = Box(f"t{t}out{i}", "output", text, details=box.details, is_state=box.is_state)
            drawn.boxes.append(end)
            drawn.wires.append(Wire(step.id, end.id, is_state=box.is_state, output=i))
    return drawn


def alike(drawn: Picture) -> dict[str, str]:
    """For each box that is one of several copies a key that the copies share.

    Copies are nested graphs of the same structure and the same parameters, and the inputs and
    outputs that only one of them has, at the same place.
    """
    keys: dict[str, str] = {}
    for box in drawn.boxes:
        if box.inner is not None and _parameters(box.module):
            keys[box.id] = _identity(box.inner)
    uses: dict[str, list[str]] = defaultdict(list)
    for wire in drawn.wires:
        if wire.target in keys:
            uses[wire.source].append(f"{keys[wire.target]} takes at {wire.input}")
        if wire.source in keys:
            uses[wire.target].append(f"{keys[wire.source]} gives at {wire.output}")
    for box in drawn.boxes:
        if box.kind in ("input", "output") and len(uses[box.id]) == 1:
            keys[box.id] = uses[box.id][0]
    groups: dict[str, list[str]] = defaultdict(list)
    for id, key in keys.items():
        groups[key].append(id)
    return {id: ids[0] for ids in groups.values() if len(ids) > 1 for id in ids}


def _identity(inner: Picture) -> str:
    """Equal for copies of one network that share their parameters, and for these alone."""
    structure = [
        (box.kind, box.text, box.caption, box.frame, *map(id, _parameters(box.module)))
        for box in inner.boxes
    ]
    wires = [
        (wire.source.rpartition("/")[2], wire.target.rpartition("/")[2]) for wire in inner.wires
    ]
    return f"{hash((tuple(structure), tuple(wires))):x}"


def _parameters(module: torch.nn.Module | None) -> list[torch.nn.Parameter]:
    return [] if module is None else list(module.parameters())
