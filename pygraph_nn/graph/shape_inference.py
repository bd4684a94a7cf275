"""Shape inference by a run on meta tensors, which have shapes and no values."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch

from ..errors import GraphError, type_name
from ..nested import Nested
from ..node import Node
from .node_shapes import NodeShapes, shapes_of
from .observer import Observer, observing
from .structure import GraphStructure, outside


def infer(g: GraphStructure, input_shapes: Nested) -> dict[Node, NodeShapes]:
    """Return the shapes at every node of `g` and of the gModules nested in it.

    A node that runs several times, inside nested gModules, has an entry only if its shapes are
    always the same.

    `input_shapes` is nested like the input of `g`, with a shape, a pair (shape, dtype) or a meta
    tensor in place of each tensor. By default tensors have the dtype of the parameters. If `g` has
    one input, a list of one entry is read as that entry.

    The run is of a copy of `g` in evaluation mode: nothing in `g` changes, and no random numbers
    are drawn.

    Raises:
        GraphError: `input_shapes` holds something else; or the shapes do not fit, and the message
            names the first node where they do not.
    """
    if g.nInputs == 1 and isinstance(input_shapes, list) and len(input_shapes) == 1:
        (input_shapes,) = input_shapes
    input = _meta_input(input_shapes, _dtype_of(g), "input_shapes")
    duplicate = _meta_copy(g)
    collector = _Collector(duplicate, _originals(g, duplicate))
    with torch.no_grad(), observing(collector):
        try:
            duplicate(input)
        except GraphError as error:
            raise GraphError(f"shapes do not fit: {error}") from error
    return collector.all_shapes()


class _Collector(Observer):
    """Collects the shapes at the nodes of `duplicate` and of the gModules nested in it.

    Args:
        duplicate: a copy of a gModule.
        originals: for each of these nodes the node that it is a copy of.
    """

    def __init__(self, duplicate: GraphStructure, originals: dict[Node, Node]) -> None:
        self.duplicate = duplicate
        self.originals = originals
        self.shapes: dict[Node, NodeShapes] = {}
        self.nested: dict[Node, list[NodeShapes]] = {}

    def after(self, graph: GraphStructure, node: Node, input: Nested, output: Nested) -> None:
        original = self.originals.get(node)
        if original is None:
            return  # inside a gModule that only a function calls
        shapes = NodeShapes(shapes_of(input), shapes_of(output))
        if graph is self.duplicate:
            self.shapes[original] = shapes
        else:
            self.nested.setdefault(original, []).append(shapes)

    def all_shapes(self) -> dict[Node, NodeShapes]:
        """Return the shapes by node.

        A nested gModule may run several times, and a node may be in several gModules. Of a nested
        node that got different shapes, none are returned.
        """
        agreed = {
            node: shapes[0]
            for node, shapes in self.nested.items()
            if all(other == shapes[0] for other in shapes)
        }
        return agreed | self.shapes


def _meta_input(entry: Nested, dtype: torch.dtype, place: str) -> Nested:
    if isinstance(entry, torch.Tensor):
        return entry.to("meta")
    if _is_shape(entry):
        return _empty(entry, dtype, place)
    if isinstance(entry, (list, tuple)) and entry:
        if len(entry) == 2 and isinstance(entry[1], torch.dtype) and _is_shape(entry[0]):
            return _empty(entry[0], entry[1], place)
        return [_meta_input(x, dtype, f"{place}[{i}]") for i, x in enumerate(entry)]
    if isinstance(entry, dict):
        return {key: _meta_input(x, dtype, f"{place}[{key!r}]") for key, x in entry.items()}
    raise GraphError(
        f"{place} is {type_name(entry)}: expecting a shape such as (20, 200), a pair (shape, "
        "dtype), a meta tensor, or a list of these nested like the input"
    )


def _is_shape(entry: object) -> bool:
    if not isinstance(entry, (list, tuple)):
        return False
    integers = all(isinstance(n, int) and not isinstance(n, bool) for n in entry)
    return integers and (len(entry) > 0 or isinstance(entry, tuple))


def _empty(shape: Sequence[int], dtype: torch.dtype, place: str) -> torch.Tensor:
    if any(n < 0 for n in shape):
        raise GraphError(f"{place} is {tuple(shape)}: a shape holds no negative numbers")
    return torch.empty(tuple(shape), dtype=dtype, device="meta")


def _dtype_of(g: GraphStructure) -> torch.dtype:
    floating = (p.dtype for p in g.parameters() if p.is_floating_point())
    return next(floating, torch.get_default_dtype())


def _meta_copy(g: GraphStructure) -> GraphStructure:
    """Return a copy of `g` in evaluation mode whose parameters and buffers are meta tensors."""
    memo: dict[int, object] = {}
    for parameter in g.parameters():
        memo[id(parameter)] = torch.nn.Parameter(parameter.detach().to("meta"), False)
    for buffer in g.buffers():
        memo[id(buffer)] = buffer.detach().to("meta")
    memo |= outside(g)
    duplicate = copy.deepcopy(g, memo)
    duplicate.eval()
    return duplicate


def _originals(g: GraphStructure, duplicate: GraphStructure) -> dict[Node, Node]:
    """Return for each node of `duplicate`, and of the gModules in it, the node of `g`."""
    originals: dict[Node, Node] = {}
    for original, copied in zip(g.modules(), duplicate.modules(), strict=True):
        if isinstance(original, GraphStructure) and isinstance(copied, GraphStructure):
            originals |= zip(copied.forwardnodes, original.forwardnodes, strict=True)
    return originals
