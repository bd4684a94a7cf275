"""What every layer and criterion stands on; no layer lives here.

`module` and `criterion` are the base classes, `protocol` is Torch7's forward and backward on
autograd, `overrides` calls the gradient methods that a user's layer overrides, `calling` decides
what a call means, `flat_parameters` implements getParameters, `foreign` wraps PyTorch modules and
functions; the rest are helpers that several layers share.
"""

from .additions import add_class, added_classes
from .calling import calls_are_watched
from .criterion import Criterion, CriterionTable, ModuleFromCriterion
from .flat_parameters import blocked_norm
from .foreign import Function, as_layer, function, module, unwrapped
from .inplace import writable
from .module import Module, check_overrides, run_module
from .protocol import cut_off, detached, differentiable, input_gradients, or_zeros
from .reference import in_reference_mode, reference_mode
from .routes import Element, Route, Slice, Whole, Wrapped

__all__ = [
    "Criterion",
    "CriterionTable",
    "Module",
    "ModuleFromCriterion",
    "add_class",
    "added_classes",
    "as_layer",
    "blocked_norm",
    "calls_are_watched",
    "check_overrides",
    "cut_off",
    "detached",
    "differentiable",
    "input_gradients",
    "or_zeros",
    "Element",
    "Function",
    "Route",
    "Slice",
    "Whole",
    "Wrapped",
    "function",
    "in_reference_mode",
    "module",
    "reference_mode",
    "run_module",
    "unwrapped",
    "writable",
]
