"""Templates, prose and highlighted code as HTML, by jinja2, markdown-it-py and pygments.

The assignment's pages share these wrappers; the diagrams use `printable`. The room imports nothing
else from the project.
"""

from .code import highlighted, highlighted_lines
from .prose import inline_html, prose_html, prose_tree
from .templates import environment
from .text import printable

__all__ = [
    "environment",
    "highlighted",
    "highlighted_lines",
    "inline_html",
    "printable",
    "prose_html",
    "prose_tree",
]
