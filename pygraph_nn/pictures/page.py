"""HTML pages of graphs, which readers zoom, fold and walk through without network or server."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import GraphError, type_name
from ..graph import gModule
from .build import picture_of
from .html_text import HtmlPage
from .model import Picture
from .page_data import Run, page_data
from .page_template import fill_template
from .trace import Trace, trace
from .unrolled import are_clones, unroll

Runs = Run | Sequence[Run | None] | None
"""Values for a page: those of one gModule, or a list of them for a list of clones."""


def html_page(
    graph: gModule | Sequence[gModule],
    fname: str | os.PathLike[str] | None = None,
    *,
    title: str | None = None,
    values: Runs = None,
) -> HtmlPage:
    """Return the page of `graph`, and write it to `fname` if given.

    The result is the page's text, a str. A notebook shows it as the page.

    The page is one file without links. It zooms and pans, finds nodes by name, folds and unfolds
    groups and nested graphs, shows the details of a node, and walks through the forward and the
    backward pass. It follows the reader's choice of light or dark, and works by keyboard.

    Args:
        graph: a gModule, or a list of clones of one, which the page shows as an unrolled network:
            the output ``next_s`` of each clone is the input ``prev_s`` of the next. Copies that
            share their parameters, in a list or in a gModule, are folded into one box with a
            repeat mark.
        fname: the file to write; ``.html`` is added unless it ends with ``.html`` or ``.htm``.
        title: default the graph's name.
        values: a run (`trace`), whose shapes and statistics the page shows, or a dict from nodes
            to shapes; for a list of clones a list of these, or None, one for each clone. By
            default the input of the last `forward` is traced, and the last `backward`.

    Raises:
        GraphError: `graph` is neither a gModule nor a list of them, or `values` do not fit it.
    """
    if isinstance(graph, gModule):
        picture, runs = _single(graph, values)
        default_title = graph.name or "Graph"
    elif isinstance(graph, (list, tuple)) and are_clones(list(graph)):
        picture, runs = _unrolled(graph, values)
        default_title = f"{graph[0].name or 'Graph'}, {len(graph)} steps"
    else:
        raise GraphError(
            f"html_page: expecting a gModule or a list of clones of one, got {type_name(graph)}"
        )
    title = title or default_title
    page = HtmlPage.titled(fill_template(title, page_data(picture, runs)), title)
    if fname is not None:
        path = Path(fname)
        path = path if path.suffix in (".html", ".htm") else path.with_name(f"{path.name}.html")
        path.write_text(page, encoding="utf-8")
    return page


def _single(graph: gModule, values: Runs) -> tuple[Picture, dict[str, Run | None]]:
    """Return the picture of one gModule, and its run under the empty prefix."""
    if values is None:
        values = _last_run(graph)
    elif not isinstance(values, (Trace, Mapping)):
        raise GraphError(
            "html_page: values of a gModule are a Trace or a dict from nodes to shapes, got "
            f"{type_name(values)}"
        )
    return picture_of(graph, values), {"": values or graph.shapes}


def _unrolled(clones: Sequence[gModule], values: Runs) -> tuple[Picture, dict[str, Run | None]]:
    """Return the picture of `clones`, and their runs by the prefixes of box ids."""
    if values is None:
        values = [_last_run(g) for g in clones]
    elif not isinstance(values, (list, tuple)):
        raise GraphError(
            f"html_page: values of {len(clones)} clones are a list with a run, or None, for each, "
            f"got {type_name(values)}"
        )
    return unroll(clones, values), {f"t{t}/": run for t, run in enumerate(values)}


def _last_run(g: gModule) -> Trace | None:
    return None if g.recorded_pass is None else trace(g)
