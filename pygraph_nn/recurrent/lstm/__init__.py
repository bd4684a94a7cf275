"""The loop of an LSTM with a hand-written backward pass, in three implementations.

`LstmSteps` runs anywhere by PyTorch's operations, `NativeLstmSteps` calls the compiled kernels,
`CudaLstmSteps` uses the kernels of PyTorch's own LSTM cell. They use `workspace`,
`functions` and `native`, and know nothing of plans.
"""

from .call import LstmCall
from .cuda import CudaLstmSteps
from .native import NativeLstmSteps
from .torch_ops import LstmSteps

__all__ = [
    "CudaLstmSteps",
    "LstmCall",
    "LstmSteps",
    "NativeLstmSteps",
]
