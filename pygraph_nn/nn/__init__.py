"""Torch7's layers and criteria on PyTorch. Calling one on Nodes, or on nothing, makes a Node.

`core` is what all of them stand on; `layers` and `criteria` hold one family a file. The room uses
nodes, nested tables and Torch7's generator, and knows no graph.
"""

from . import criteria, layers
from .core import Criterion, CriterionTable, Module, ModuleFromCriterion
from .criteria import *  # noqa: F403
from .layers import *  # noqa: F403

__all__ = [
    "Criterion",
    "CriterionTable",
    "Module",
    "ModuleFromCriterion",
    *criteria.__all__,
    *layers.__all__,
]
