"""nngraph on PyTorch: graphs of modules, built by calling modules on nodes.

>>> import torch
>>> import pygraph_nn as nngraph
>>> from pygraph_nn import nn
>>> a, b = nn.Identity()(), nn.Identity()()
>>> g = nngraph.gModule([a, b], [nn.CMulTable()([a, nn.Tanh()(b)])])
>>> g.forward([torch.ones(2), torch.zeros(2)])
tensor([0., 0.])
"""

from . import nested, nn, torch7_random
from .captured import Captured
from .compiled import Recurrent, recurrent
from .debug import annotateNodes, detect_anomaly, draw_failures_with, setDebug
from .descent import Descent
from .dot import dot, simple_print, todot
from .errors import GraphError
from .failure_picture import draw_failure
from .graph import Graph
from .graph_module import gModule
from .html_page import html_page
from .nest import nest
from .nn.dropout import reference_mode
from .nn.foreign import function, module
from .node import Node, group
from .observer import Observer, observing
from .picture import Box, Picture, Trace, Wire, trace
from .picture import reduce as picture_of
from .shapes import NodeShapes
from .sharing import clone_many_times
from .torch7_random import Generator, initialSeed, manualSeed

__all__ = [
    "Box",
    "Captured",
    "Descent",
    "Generator",
    "Graph",
    "GraphError",
    "Node",
    "NodeShapes",
    "Observer",
    "Picture",
    "Recurrent",
    "Trace",
    "Wire",
    "annotateNodes",
    "clone_many_times",
    "detect_anomaly",
    "dot",
    "draw_failures_with",
    "function",
    "gModule",
    "group",
    "html_page",
    "initialSeed",
    "manualSeed",
    "module",
    "nest",
    "nested",
    "nn",
    "observing",
    "picture_of",
    "recurrent",
    "reference_mode",
    "setDebug",
    "simple_print",
    "todot",
    "torch7_random",
    "trace",
]

# nngraph puts its own classes into nn, so that Lua's nn.gModule(inputs, outputs) reads alike.
setattr(nn, "gModule", gModule)  # noqa: B010

draw_failures_with(draw_failure)
