"""Optional C kernels for LSTM loops, softmax losses and products in bfloat16, on the CPU.

`build` compiles the sources, `cache` keeps the library, `loading` loads it, `structs` declares its
functions; `bindings` and `bfloat16` check their arguments and call them. The room uses nothing of
`pygraph_nn` but its errors. Without a compiler, PyTorch's operations compute the same.
"""

from .bfloat16 import (
    NewBuffer,
    Panels,
    RightFactor,
    Rounded,
    is_readable,
    pack_panels,
    product,
    round_matrix,
    rounded_shape,
    softmax_loss_bfloat16,
)
from .bindings import kernels_accept, lstm, packed_size, softmax_loss
from .build import Unavailable, capability
from .loading import (
    Library,
    bfloat16_unavailable,
    kernels_status,
    kernels_unavailable,
    library,
    load,
)

__all__ = [
    "Library",
    "NewBuffer",
    "Panels",
    "RightFactor",
    "Rounded",
    "Unavailable",
    "bfloat16_unavailable",
    "capability",
    "is_readable",
    "kernels_accept",
    "kernels_status",
    "kernels_unavailable",
    "library",
    "load",
    "lstm",
    "pack_panels",
    "packed_size",
    "product",
    "round_matrix",
    "rounded_shape",
    "softmax_loss",
    "softmax_loss_bfloat16",
]
