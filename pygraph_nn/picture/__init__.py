"""What pictures show: a gModule reduced to boxes and wires, and the values of a traced run."""

from .model import Box, Picture, Wire
from .nngraph_style import simple_todot, todot
from .readable import described, readable
from .reduction import Values, outputs_of, reduce
from .symbols import is_shape, shape_text
from .trace import Trace, is_none, total, trace
from .unrolled import alike, unroll

__all__ = [
    "Box",
    "Picture",
    "Trace",
    "Values",
    "Wire",
    "alike",
    "described",
    "is_none",
    "is_shape",
    "outputs_of",
    "readable",
    "reduce",
    "shape_text",
    "simple_todot",
    "todot",
    "total",
    "trace",
    "unroll",
]
