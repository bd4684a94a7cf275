"""Torch7's layers on PyTorch. Calling one on Nodes, or on nothing, makes a Node."""

from .containers import ConcatTable, Container, ParallelTable, Sequential
from .criterion import (
    ClassNLLCriterion,
    Criterion,
    CrossEntropyCriterion,
    ModuleFromCriterion,
    MSECriterion,
)
from .dropout import Dropout
from .linear import Linear
from .lookup import LookupTable
from .module import Module
from .reshape import Reshape, View
from .table import (
    CAddTable,
    CMulTable,
    Identity,
    JoinTable,
    JustElement,
    JustTable,
    NarrowTable,
    SelectTable,
    SplitTable,
)
from .transfer import AddConstant, LogSoftMax, MulConstant, ReLU, Sigmoid, SoftMax, Tanh

__all__ = [
    "AddConstant",
    "CAddTable",
    "CMulTable",
    "ClassNLLCriterion",
    "ConcatTable",
    "Container",
    "Criterion",
    "CrossEntropyCriterion",
    "Dropout",
    "Identity",
    "JoinTable",
    "JustElement",
    "JustTable",
    "Linear",
    "LogSoftMax",
    "LookupTable",
    "MSECriterion",
    "Module",
    "ModuleFromCriterion",
    "MulConstant",
    "NarrowTable",
    "ParallelTable",
    "ReLU",
    "Reshape",
    "SelectTable",
    "Sequential",
    "Sigmoid",
    "SoftMax",
    "SplitTable",
    "Tanh",
    "View",
]
