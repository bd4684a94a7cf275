"""Copies of one network in one Picture: unrolling in time, and finding the copies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import torch

from ..errors import GraphError, type_name
from ..graph import gModule
from .build import Values, picture_of
from .model import Box, Picture, Wire
from .trace import Trace


def are_clones(value: object) -> bool:
    """Return whether `value` is a list of gModules, with at least one."""
    return isinstance(value, list) and bool(value) and first_other(value) == ""


def first_other(values: Sequence[object]) -> str:
    """Return the type of the first of `values` that is no gModule; empty if all are."""
    return next((type_name(g) for g in values if not isinstance(g, gModule)), "")


def unroll(clones: Sequence[gModule], values: Sequence[Trace | Values | None] | None) -> Picture:
    """Return the Picture of `clones`, one for each time step, connected by their state.

    The output ``next_s`` of a clone is the input ``prev_s`` of the next. Other inputs and outputs
    belong to one step alone.

    Args:
        clones: copies of one gModule, in the order of time.
        values: a run, or None, for each clone.

    Raises:
        GraphError: there are not as many `values` as `clones`.
    """
    if values is not None and len(values) != len(clones):
        raise GraphError(f"got {len(values)} runs for {len(clones)} clones: pass one for each")
    picture = Picture(clones[0])
    states: dict[str, _Output] = {}
    inners = [
        picture_of(clone, None if values is None else values[t], f"t{t}/")
        for t, clone in enumerate(clones)
    ]
    own_names = _own_names(inners) if len(inners) > 1 else set()
    for t, (clone, inner) in enumerate(zip(clones, inners, strict=True)):
        step = Box(f"t{t}", "graph", f"step {t}", module=clone, inner=inner)
        before = len(picture.boxes)
        _add_inputs(picture, step, t, states, own_names)
        picture.boxes.append(step)
        is_last = t == len(clones) - 1
        _add_outputs(picture, step, t, states, own_names, is_last=is_last)
        picture.columns.append([box.id for box in picture.boxes[before:] if not box.is_state])
    return picture


_ENDS = ("input", "output")
_Output = tuple[str, int]
"""The id of a step, and the index of the output at which it returns a state."""


def _own_names(inners: list[Picture]) -> set[str]:
    """Return the names of inputs and outputs that occur in one clone alone, and need no number."""
    names = [box.text for inner in inners for box in inner.boxes if box.kind in _ENDS]
    return {name for name in names if names.count(name) == 1}


def _add_inputs(
    picture: Picture, step: Box, t: int, states: dict[str, _Output], own_names: set[str]
) -> None:
    """Add wires into `step`: from `states`, or else from new input boxes."""
    for i, box in enumerate(_ends(step, "input")):
        output = states.get(_state_name(box)) if box.is_state else None
        if output is None:
            end = _end(f"t{t}in{i}", box, t, own_names)
            picture.boxes.append(end)
            output = end.id, 0
        source, index = output
        picture.wires.append(Wire(source, step.id, is_state=box.is_state, output=index, input=i))


def _add_outputs(
    picture: Picture,
    step: Box,
    t: int,
    states: dict[str, _Output],
    own_names: set[str],
    *,
    is_last: bool,
) -> None:
    """Put the outputs of `step` that the next step takes into `states`; add boxes for the others.

    A state that is no input of the network is an output of each step.
    """
    carried = {_state_name(box) for box in _ends(step, "input") if box.is_state}
    for i, box in enumerate(_ends(step, "output")):
        if box.is_state and _state_name(box) in carried and not is_last:
            states[_state_name(box)] = step.id, i
        else:
            end = _end(f"t{t}out{i}", box, t, own_names)
            picture.boxes.append(end)
            picture.wires.append(Wire(step.id, end.id, is_state=box.is_state, output=i))


def _ends(step: Box, kind: str) -> list[Box]:
    """Return the inputs or the outputs of the network at `step`."""
    return [] if step.inner is None else [box for box in step.inner.boxes if box.kind == kind]


def _end(id: str, box: Box, t: int, own_names: set[str]) -> Box:
    """Return a box of the unrolled network for `box`, an input or output of step `t`."""
    plain = box.is_state or box.text in own_names
    text = box.text if plain else f"{box.text} {t}"
    return Box(id, box.kind, text, details=box.details, is_state=box.is_state)


def _state_name(box: Box) -> str:
    """Return the name of a state, which ``prev_`` and ``next_`` precede."""
    return (box.name or box.text).removeprefix("prev_" if box.kind == "input" else "next_")


def alike(picture: Picture) -> dict[str, str]:
    """Return, by id, the first copy of each box that has copies; a first copy maps to itself.

    Nested graphs are copies if they have the same structure and share their parameters. Inputs and
    outputs of copies are copies if they have the same place and no other use.
    """
    networks: dict[str, Hashable] = {
        box.id: _identity(box.inner)
        for box in picture.boxes
        if box.inner is not None and _parameters(box.module)
    }
    uses: dict[str, list[Hashable]] = defaultdict(list)
    for wire in picture.wires:
        if wire.target in networks:
            uses[wire.source].append((networks[wire.target], "input", wire.input))
        if wire.source in networks:
            uses[wire.target].append((networks[wire.source], "output", wire.output))
    ends = {
        box.id: uses[box.id][0]
        for box in picture.boxes
        if box.kind in ("input", "output") and len(uses[box.id]) == 1
    }
    copies: dict[Hashable, list[str]] = defaultdict(list)
    for id, identity in (networks | ends).items():
        copies[identity].append(id)
    return {id: ids[0] for ids in copies.values() if len(ids) > 1 for id in ids}


def _identity(inner: Picture) -> Hashable:
    """Return a key that is equal for two pictures if they are copies of one network."""
    boxes = tuple(
        (box.kind, _operation(box), box.frame, *map(id, _parameters(box.module)))
        for box in inner.boxes
    )
    wires = tuple((_local_id(wire.source), _local_id(wire.target)) for wire in inner.wires)
    return boxes, wires


def _operation(box: Box) -> str:
    """Return what a box computes; names, which may count the steps, do not matter."""
    return "" if box.kind in _ENDS else box.text


def _local_id(id: str) -> str:
    """Return the id of a box within its graph, without the ids of the boxes around it."""
    return id.rpartition("/")[2]


def _parameters(module: torch.nn.Module | None) -> list[torch.nn.Parameter]:
    return [] if module is None else list(module.parameters())
