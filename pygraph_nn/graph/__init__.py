"""Graphs of nodes, and the module that runs one.

A `Graph` holds nodes and edges in Torch7's order; a `gModule` checks it, names its modules and runs
them. Shape inference, observers, weight-sharing clones and the torch.fx view work on a gModule. The
room uses the layers of `nn`; it knows neither `recurrent` nor `debug`, and its methods that only
show a graph import `pictures` when they are called.
"""

from .gmodule import gModule
from .names import NodeName
from .nest import nest
from .node_shapes import NodeShapes
from .observer import Observer, observe_everywhere, observing, stop_observing_everywhere
from .order import Graph
from .shape_inference import infer as infer_shapes
from .sharing import clone_many_times, share_buffers
from .structure import GraphStructure, Step

__all__ = [
    "Graph",
    "GraphStructure",
    "NodeName",
    "NodeShapes",
    "Step",
    "Observer",
    "clone_many_times",
    "share_buffers",
    "gModule",
    "infer_shapes",
    "nest",
    "observe_everywhere",
    "observing",
    "stop_observing_everywhere",
]
