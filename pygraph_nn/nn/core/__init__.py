"""The base classes of layers and criteria, and what layers share; no layer lives here.

`module` and `criterion` are the base classes, `protocol` is Torch7's forward and backward on
autograd, `calling` decides what a call means, `flat_parameters` implements getParameters, `foreign`
wraps PyTorch modules and functions; the rest are helpers that several layers share.
"""

from .additions import add_class, added_classes
from .calling import calls_are_watched
from .change_guard import ChangeGuard, FlatGuard
from .criterion import Criterion, CriterionTable, ModuleFromCriterion
from .flat_classes import home_of
from .flat_parameters import blocked_norm
from .flat_tensors import FlatTensors
from .foreign import Function, as_layer, function, module, unwrapped
from .inplace import writable
from .module import Module, run_module
from .protocol import cut_off, detached, differentiable, input_gradients
from .reference import in_reference_mode, reference_mode
from .routes import Element, Route, Slice, Whole, Wrapped

__all__ = [
    "ChangeGuard",
    "Criterion",
    "CriterionTable",
    "Element",
    "FlatGuard",
    "FlatTensors",
    "Function",
    "Module",
    "ModuleFromCriterion",
    "Route",
    "Slice",
    "Whole",
    "Wrapped",
    "add_class",
    "added_classes",
    "as_layer",
    "blocked_norm",
    "calls_are_watched",
    "cut_off",
    "detached",
    "differentiable",
    "function",
    "home_of",
    "in_reference_mode",
    "input_gradients",
    "module",
    "reference_mode",
    "run_module",
    "unwrapped",
    "writable",
]
