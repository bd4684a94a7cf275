"""Pictures of graphs: Graphviz drawings and interactive HTML pages.

`build` reduces a gModule to boxes and wires (`model`), `styles` writes them in the DOT language,
`files` renders them, and `page` makes the HTML page from `assets`. `trace` records the values of
one run. The room reads graphs and plans and changes neither.
"""

from .build import picture_of
from .failure import draw_failure
from .files import dot, notebook_bundle, simple_print
from .model import Box, Picture, Wire
from .page import html_page
from .plan import plan_dot
from .styles import todot
from .trace import Trace, trace

__all__ = [
    "Box",
    "Picture",
    "Trace",
    "Wire",
    "dot",
    "draw_failure",
    "html_page",
    "notebook_bundle",
    "plan_dot",
    "picture_of",
    "simple_print",
    "todot",
    "trace",
]
