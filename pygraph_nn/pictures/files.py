"""Graphviz pictures of graphs: a readable style, and nngraph's own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import graphviz

from ..errors import GraphError
from ..graph import Graph, gModule
from .build import Values, reduce
from .styles import readable, simple_todot, todot
from .trace import Trace

FORMATS = ("svg", "png", "pdf")
# In a notebook a picture of more nodes than this takes longer than it helps.
MOST_NODES = 600


def dot(
    graph: gModule | Graph,
    title: str | None = None,
    fname: str | os.PathLike[str] | None = None,
    *,
    style: str | None = None,
    values: Trace | Values | None = None,
    formats: Sequence[str] | None = None,
) -> graphviz.Source:
    """The picture of `graph`, which shows itself in a notebook; also as files, given a name.

    `fname` without an ending gives ``fname.dot`` and ``fname.svg``; with ``.png``, ``.pdf`` or
    ``.svg`` the .dot and that file; with ``.dot`` that file alone. `formats` lists several.

    Args:
        graph: a gModule, or one of its graphs, ``g.fg`` and ``g.bg``.
        style: "readable", the default for a gModule: gates and sums as small signs, modules as
            boxes, plumbing folded into wires. "nngraph", the default for a Graph: every node with
            all its fields, as ``graph.dot`` of nngraph drew it.
        values: what a run computed (`trace`), or a dict from nodes to the shapes, or tensors, that
            they give. Shapes stand in the boxes.

    Raises:
        GraphError: the style or the format is unknown; the program ``dot``, which draws, is not
            installed (the .dot file is written all the same).
    """
    if not isinstance(graph, (gModule, Graph)):
        raise GraphError(f"dot: expecting a gModule or one of its graphs, got {graph!r}")
    style = style or ("readable" if isinstance(graph, gModule) else "nngraph")
    if style == "nngraph":
        source = todot(graph, title, values=values)
    elif style == "readable" and isinstance(graph, gModule):
        source = readable(reduce(graph, values), title)
    elif style == "readable":
        raise GraphError('dot: style="readable" draws a gModule, not one of its graphs')
    else:
        raise GraphError(f'dot: style {style!r} is unknown: there are "readable" and "nngraph"')
    drawing = graphviz.Source(source)
    if fname is not None:
        write_files(drawing, fname, formats)
    return drawing


def write_files(
    drawing: graphviz.Source,
    fname: str | os.PathLike[str],
    formats: Sequence[str] | None = None,
) -> None:
    """Write `drawing` as files, which `dot` names after `fname` and `formats`."""
    path = Path(fname)
    ending = path.suffix.removeprefix(".").lower()
    if ending in (*FORMATS, "dot"):
        path = path.with_suffix("")
        formats = formats or ([] if ending == "dot" else [ending])
    for wanted in formats or ():
        if wanted not in FORMATS:
            raise GraphError(f"dot: format {wanted!r} is unknown: there are {', '.join(FORMATS)}")
    # with_suffix would cut what follows a dot in the name.
    path.with_name(f"{path.name}.dot").write_text(drawing.source, encoding="utf-8")
    for wanted in ["svg"] if formats is None else formats:
        path.with_name(f"{path.name}.{wanted}").write_bytes(render(drawing, wanted))


def render(drawing: graphviz.Source, wanted: str) -> bytes:
    """Return `drawing` in the format `wanted`.

    Raises:
        GraphError: the program ``dot``, which draws, is not installed.
    """
    try:
        return drawing.pipe(format=wanted)
    except graphviz.ExecutableNotFound as error:
        raise GraphError(
            'Graphviz\'s program "dot", which draws pictures, is not on the PATH. Install it: '
            "apt-get install graphviz (Debian, Ubuntu), brew install graphviz (macOS), "
            "winget install graphviz (Windows), or conda install graphviz (everywhere)"
        ) from error


class simple_print:
    """nngraph's simpler pictures: only nodes of a module other than Identity."""

    todot = staticmethod(simple_todot)

    @staticmethod
    def dot(
        graph: gModule | Graph,
        title: str | None = None,
        fname: str | os.PathLike[str] | None = None,
        *,
        values: Trace | Values | None = None,
    ) -> graphviz.Source:
        """The picture of `simple_print.todot`; files as in `pygraph_nn.dot`."""
        drawing = graphviz.Source(simple_todot(graph, title, values=values))
        if fname is not None:
            write_files(drawing, fname)
        return drawing


def notebook_bundle(g: gModule) -> dict[str, str]:
    """Return how a notebook shows `g`: its picture, and its text where there is none."""
    bundle = {"text/plain": repr(g)}
    if len(g.forwardnodes) <= MOST_NODES:
        with contextlib.suppress(GraphError, graphviz.CalledProcessError):
            bundle["image/svg+xml"] = render(dot(g), "svg").decode()
    return bundle
