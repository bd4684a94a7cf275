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
from .debug import annotateNodes
from .errors import GraphError
from .graph import Graph
from .graph_module import gModule
from .nest import nest
from .nn.dropout import reference_mode
from .node import Node, group
from .sharing import clone_many_times
from .torch7_random import Generator, initialSeed, manualSeed

__all__ = [
    "Generator",
    "Graph",
    "GraphError",
    "Node",
    "annotateNodes",
    "clone_many_times",
    "gModule",
    "group",
    "initialSeed",
    "manualSeed",
    "nest",
    "nested",
    "nn",
    "reference_mode",
    "torch7_random",
]

# nngraph puts its own classes into nn, so that Lua's nn.gModule(inputs, outputs) reads alike.
setattr(nn, "gModule", gModule)  # noqa: B010
