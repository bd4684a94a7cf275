"""An accelerator: a one-step gModule run over many time steps.

`recurrent` plans which operations can run for all steps at once and which must loop, and recognises
LSTM and GRU loops; `FlatSGD` trains the result on flat buffers. The room uses `graph` and `nn`.
Nothing below it knows it: delete the folder, and every graph still runs step by step.
"""

from .cuda_graph import Captured
from .executor import Recurrent, recurrent
from .native import kernels_status, kernels_unavailable
from .plan import Operation, Plan, Stage
from .sgd import Descent

__all__ = [
    "Captured",
    "Descent",
    "Operation",
    "Plan",
    "Recurrent",
    "Stage",
    "kernels_status",
    "kernels_unavailable",
    "recurrent",
]
