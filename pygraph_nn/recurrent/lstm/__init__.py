"""The loop of an LSTM with a hand-written backward pass, three times.

`torch_ops` runs anywhere, `native` calls the compiled kernels, `cuda` uses PyTorch's fused cell.
"""

from .cuda import DeviceLstmSteps
from .native import NativeLstmSteps
from .torch_ops import LstmRun, LstmSteps

__all__ = [
    "DeviceLstmSteps",
    "LstmRun",
    "LstmSteps",
    "NativeLstmSteps",
]
