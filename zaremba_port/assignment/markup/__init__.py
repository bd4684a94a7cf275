"""Text as markup: templates, prose, highlighted code, and text safe for HTML and XML.

The assignment's pages and diagrams share these wrappers of jinja2, markdown-it-py and pygments.
The room imports nothing else of the project.
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
