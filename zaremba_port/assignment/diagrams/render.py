"""Graphviz source, drawn by the program dot."""

from __future__ import annotations

import graphviz

from ...errors import UserError

NO_DOT = (
    "Graphviz's program dot, which draws diagrams, is not on the PATH: apt-get install graphviz, "
    "brew install graphviz, winget install graphviz or conda install graphviz; "
    "-o FILE.html does without"
)


def render_diagram(source: str, format: str) -> bytes:
    """Return `source` drawn as "svg", "png" or "pdf", at the size of a slide.

    A slide is 13.3 inches wide. A png is 1920 pixels wide.

    Raises:
        UserError: the program dot is not installed, or fails.
    """
    if format == "png":
        source = source.replace("{", "{\n  dpi=144;", 1)
    try:
        drawing: bytes = graphviz.Source(source).pipe(format=format, quiet=True)
    except graphviz.ExecutableNotFound as error:
        raise UserError(NO_DOT) from error
    except graphviz.CalledProcessError as error:
        lines = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        raise UserError(f"Graphviz's dot failed: {lines[0] if lines else error}") from error
    return drawing
