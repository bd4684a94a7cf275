"""The base classes of layers and criteria, and what layers share; no layer lives here.

`Module` (module.py) stands on `Passes` (passes.py: Torch7's forward and backward) and on `Base`
(base.py: parameters and copies, which criteria have too). `recording` and `protocol` turn forward
and backward into passes of autograd; `own_gradients` and `own_loss` call the gradient methods that
users write. `calling` decides what a call means, `flat_parameters` implements getParameters,
`foreign` wraps PyTorch modules and functions; the rest are helpers that several layers share.
"""

from .additions import add_class, added_classes
from .backward_failures import explain_failures_with
from .calling import calls_are_watched
from .change_guard import AttributeGuard, ChangeGuard, FlatGuard
from .counting import WHOLE, CountsFromOne, data_count_from_one, data_from_lua, data_to_lua
from .criterion import Criterion, CriterionTable, ModuleFromCriterion
from .flat_classes import home_of
from .flat_parameters import blocked_norm
from .flat_tensors import FlatTensors
from .foreign import Function, as_layer, function, module, unwrapped
from .inplace import writable
from .module import Module, check_overrides, run_module, warn_of_ignored_backward
from .noise import NoiseLayer
from .overrides import OVERRIDABLE, refuse_own_updates
from .protocol import differentiable, input_gradients
from .recording import cut_off, detached, is_recording, keep_values
from .reference import in_reference_mode, reference_mode
from .routes import Element, Route, Slice, Whole, Wrapped
from .rows import elementwise
from .torch7_form import Has, Opposite, SizeOf, Torch7Form
from .wrong_input import explained

__all__ = [
    "AttributeGuard",
    "ChangeGuard",
    "CountsFromOne",
    "Criterion",
    "CriterionTable",
    "Element",
    "FlatGuard",
    "FlatTensors",
    "Function",
    "Has",
    "Module",
    "OVERRIDABLE",
    "ModuleFromCriterion",
    "NoiseLayer",
    "Opposite",
    "Route",
    "SizeOf",
    "Slice",
    "Torch7Form",
    "WHOLE",
    "Whole",
    "Wrapped",
    "add_class",
    "added_classes",
    "as_layer",
    "blocked_norm",
    "calls_are_watched",
    "check_overrides",
    "cut_off",
    "data_count_from_one",
    "data_from_lua",
    "data_to_lua",
    "detached",
    "differentiable",
    "elementwise",
    "explain_failures_with",
    "explained",
    "function",
    "home_of",
    "in_reference_mode",
    "input_gradients",
    "module",
    "reference_mode",
    "refuse_own_updates",
    "is_recording",
    "keep_values",
    "warn_of_ignored_backward",
    "run_module",
    "unwrapped",
    "writable",
]
