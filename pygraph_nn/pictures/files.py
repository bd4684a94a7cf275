"""Pictures of graphs by Graphviz: `dot`, the files that it writes, and notebooks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import graphviz

from ..errors import GraphError, type_name
from ..graph import Graph, gModule
from .build import Values, outputs_of, picture_of
from .model import Picture
from .overview import MOST_BOXES, overview
from .page import html_page
from .styles import readable, simple_todot, todot
from .trace import Trace
from .unrolled import are_clones, first_other, unroll

FORMATS = ("svg", "png", "pdf")
# A notebook shows no picture of a graph with more nodes: Graphviz needs too long for it.
MOST_NODES = 600


def dot(
    graph: gModule | Graph | Sequence[gModule],
    title: str | None = None,
    fname: str | os.PathLike[str] | None = None,
    *,
    style: str | None = None,
    values: Trace | Values | Sequence[Trace | Values | None] | None = None,
    formats: Sequence[str] | None = None,
    fold: bool | None = None,
) -> graphviz.Source:
    """Return the picture of `graph`, and write it to files if `fname` is given (``graph.dot``).

    A notebook shows the returned picture.

    Args:
        graph: a gModule; one of its graphs, ``g.fg`` and ``g.bg``; or a list of clones of one
            gModule, drawn as a network unrolled in time, as `html_page` does.
        title: a line above the picture.
        fname: without a suffix, ``fname.dot`` and ``fname.svg`` are written; with ``.png``,
            ``.pdf`` or ``.svg`` the .dot file and that file; with ``.dot`` that file alone.
        style: "readable", the default for a gModule: gates and sums as small symbols, modules as
            boxes, plumbing folded into wires. "nngraph", the default for a Graph: every node with
            all its fields, as nngraph drew it.
        values: a run (`trace`), or a dict from nodes to the shapes of their values, or to tensors.
            The boxes show the shapes. For a list of clones a list of these, or None.
        formats: several of "svg", "png" and "pdf", in place of the one from `fname`.
        fold: whether a readable picture shows each group as one box, with the number of its boxes
            and parameters and the shape of its result. Default: if it has more than 60 boxes; if
            it still has, the copies of one network become one box, too.

    Raises:
        GraphError: the style or the format is unknown; `graph` or `values` is of another type; or
            the program ``dot`` is not installed (the .dot file is written before).
    """
    clones = list(graph) if isinstance(graph, (list, tuple)) else None
    if not isinstance(graph, (gModule, Graph)) and not are_clones(clones):
        got = f"a list with {first_other(clones)}" if clones else type_name(graph)
        raise GraphError(
            f"dot: expecting a gModule, one of its graphs or a list of clones of one, got {got}"
        )
    style = style or ("nngraph" if isinstance(graph, Graph) else "readable")
    if style not in ("nngraph", "readable"):
        raise GraphError(f'dot: style {style!r} is unknown: use "readable" or "nngraph"')
    if style == "readable" and isinstance(graph, Graph):
        raise GraphError('dot: style="readable" draws a gModule, not one of its graphs')
    if style == "nngraph" and clones is not None:
        raise GraphError('dot: style="nngraph" draws one gModule: pass one of the clones')
    if style == "nngraph":
        source = todot(graph, title, values=values)  # type: ignore[arg-type]
    else:
        picture, runs = _picture(graph, clones, values)
        many = len(picture.boxes) > MOST_BOXES
        source = readable(
            overview(picture, runs) if (many if fold is None else fold) else picture, title
        )
    drawing = graphviz.Source(source)
    if fname is not None:
        write_files(drawing, fname, formats)
    return drawing


def _picture(graph: object, clones: list[gModule] | None, values: object) -> tuple[Picture, Values]:
    """Return the picture of a gModule or of clones, and the values at all its nodes."""
    if clones is None:
        if not (values is None or isinstance(values, (Trace, Mapping))):
            raise GraphError(
                "dot: values of a gModule are a Trace or a dict from nodes to shapes, got "
                f"{type_name(values)}"
            )
        assert isinstance(graph, gModule)
        return picture_of(graph, values), outputs_of(values)
    if not (values is None or isinstance(values, (list, tuple))):
        raise GraphError(
            f"dot: values of {len(clones)} clones are a list with a run, or None, for each, got "
            f"{type_name(values)}"
        )
    return unroll(clones, values), {}


def write_files(
    drawing: graphviz.Source,
    fname: str | os.PathLike[str],
    formats: Sequence[str] | None = None,
) -> None:
    """Write `drawing` to the files that `dot` documents for `fname` and `formats`.

    Raises:
        GraphError: a format is unknown; or the program ``dot`` is not installed.
    """
    path = Path(fname)
    ending = path.suffix.removeprefix(".").lower()
    if ending in (*FORMATS, "dot"):
        path = path.with_suffix("")
        formats = formats or ([] if ending == "dot" else [ending])
    for format in formats or ():
        if format not in FORMATS:
            raise GraphError(f"dot: format {format!r} is unknown: use {', '.join(FORMATS)}")
    # with_suffix would cut off the part of the name that follows a dot.
    path.with_name(f"{path.name}.dot").write_text(drawing.source, encoding="utf-8")
    for format in ["svg"] if formats is None else formats:
        path.with_name(f"{path.name}.{format}").write_bytes(render(drawing, format))


def render(drawing: graphviz.Source, format: str) -> bytes:
    """Return `drawing` in one of `FORMATS`.

    Raises:
        GraphError: the program ``dot`` is not installed.
    """
    try:
        return drawing.pipe(format=format)
    except graphviz.ExecutableNotFound as error:
        raise GraphError(
            'Graphviz\'s program "dot", which draws pictures, is not on the PATH. Install it: '
            "apt-get install graphviz (Debian, Ubuntu), brew install graphviz (macOS), "
            "winget install graphviz (Windows), or conda install graphviz (everywhere)"
        ) from error


class simple_print:
    """Simpler pictures, of nodes with a module other than Identity (``nngraph.simple_print``)."""

    todot = staticmethod(simple_todot)

    @staticmethod
    def dot(
        graph: gModule | Graph,
        title: str | None = None,
        fname: str | os.PathLike[str] | None = None,
        *,
        values: Trace | Values | None = None,
    ) -> graphviz.Source:
        """Return the picture of `simple_print.todot`, and write files as `nngraph.dot` does."""
        drawing = graphviz.Source(simple_todot(graph, title, values=values))
        if fname is not None:
            write_files(drawing, fname)
        return drawing


def notebook_bundle(g: gModule) -> dict[str, str]:
    """Return the representations of `g` for a notebook: its text, its picture, its page.

    The notebook shows the picture, if Graphviz is installed, and below it the interactive page,
    folded up. A graph of more than `MOST_NODES` nodes is shown as text.
    """
    bundle = {"text/plain": repr(g)}
    if len(g.forwardnodes) > MOST_NODES:
        return bundle
    with contextlib.suppress(GraphError, graphviz.CalledProcessError):
        bundle["image/svg+xml"] = render(dot(g), "svg").decode()
    picture = bundle.get("image/svg+xml", "").partition("<svg")
    is_open = "" if picture[1] else " open"
    bundle["text/html"] = (
        f"<div>{''.join(picture[1:])}</div><details{is_open}>"
        "<summary>Interactive page: zoom, fold, walk through</summary>"
        f"{html_page(g)._repr_html_()}</details>"
    )
    return bundle
