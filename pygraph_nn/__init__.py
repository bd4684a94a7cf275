"""nngraph on PyTorch: graphs of modules, built by calling modules on nodes.

>>> import torch
>>> import pygraph_nn as nngraph
>>> from pygraph_nn import nn
>>> a, b = nn.Identity()(), nn.Identity()()
>>> g = nngraph.gModule([a, b], [nn.CMulTable()([a, nn.Tanh()(b)])])
>>> g.forward([torch.ones(2), torch.zeros(2)])
tensor([0., 0.])
"""

from . import nested, nn, t7, torch7_random
from .debug import (
    annotateNodes,
    detect_anomaly,
    draw_failures_with,
    setDebug,
)
from .errors import GraphError
from .graph import (
    Graph,
    NodeShapes,
    Observer,
    clone_many_times,
    gModule,
    nest,
    observing,
    share_buffers,
)
from .nn.core import (
    AttributeGuard,
    FlatGuard,
    blocked_norm,
    function,
    module,
    reference_mode,
    refuse_own_updates,
)
from .node import Node, group
from .pictures import (
    Box,
    Picture,
    Trace,
    Wire,
    dot,
    html_page,
    picture_of,
    simple_print,
    todot,
    trace,
)
from .recurrent import (
    Captured,
    FlatSGD,
    GradientPart,
    Recurrent,
    bfloat16_unavailable,
    gradient_parts,
    kernels_unavailable,
    recurrent,
)
from .t7_modules import Placeholder, load_t7, save_t7
from .torch7_random import Generator, initialSeed, manualSeed

__all__ = [
    "AttributeGuard",
    "Box",
    "Captured",
    "FlatGuard",
    "FlatSGD",
    "Generator",
    "GradientPart",
    "Graph",
    "GraphError",
    "Node",
    "NodeShapes",
    "Observer",
    "Picture",
    "Placeholder",
    "Recurrent",
    "Trace",
    "Wire",
    "annotateNodes",
    "bfloat16_unavailable",
    "blocked_norm",
    "clone_many_times",
    "share_buffers",
    "detect_anomaly",
    "dot",
    "draw_failures_with",
    "function",
    "gModule",
    "gradient_parts",
    "group",
    "html_page",
    "initialSeed",
    "kernels_unavailable",
    "load_t7",
    "manualSeed",
    "module",
    "nest",
    "nested",
    "nn",
    "observing",
    "picture_of",
    "recurrent",
    "reference_mode",
    "refuse_own_updates",
    "save_t7",
    "setDebug",
    "simple_print",
    "t7",
    "todot",
    "torch7_random",
    "trace",
]
