"""An accelerator: a one-step gModule run over many time steps.

`recurrent` plans which operations run for all steps at once and which must loop, recognises LSTM
and GRU loops, and runs the plan; `FlatSGD` trains the result in flat buffers. The room uses `graph`
and `nn`. Of the other rooms only `pictures` knows it, to draw plans: without it, every graph still
runs step by step.
"""

from .cuda_graph import Captured
from .executor import Recurrent, recurrent
from .gradient_parts import GradientPart, gradient_parts
from .native import bfloat16_unavailable, kernels_status, kernels_unavailable
from .plan import Plan, make_plan
from .sgd import FlatSGD
from .stages import Stage
from .workspace import Slot, Workspace

__all__ = [
    "Captured",
    "FlatSGD",
    "GradientPart",
    "Plan",
    "Recurrent",
    "Slot",
    "Stage",
    "Workspace",
    "bfloat16_unavailable",
    "gradient_parts",
    "kernels_status",
    "kernels_unavailable",
    "make_plan",
    "recurrent",
]
