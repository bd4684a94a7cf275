"""Torch7's layers and criteria on PyTorch. Calling one on Nodes, or on nothing, makes a Node.

`core` holds the base classes; `layers` and `criteria` have one family per file. The room uses
nodes, nested tables and Torch7's generator, and knows no graph.
"""

from typing import Any

from . import criteria, layers
from .core import Criterion, CriterionTable, Module, ModuleFromCriterion, added_classes
from .criteria import *  # noqa: F403
from .layers import *  # noqa: F403


def __getattr__(name: str) -> Any:
    if name in added_classes:
        return added_classes[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Criterion",
    "CriterionTable",
    "Module",
    "ModuleFromCriterion",
    *criteria.__all__,
    *layers.__all__,
]
