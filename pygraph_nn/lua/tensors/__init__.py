"""Torch7's tensors on PyTorch's: every function and method that Lua may call on tensors.

Values are plain torch tensors, storages a subclass. Indices and dimensions count from 1.
"""

from . import random as random  # these two register their functions
from . import reductions as reductions
from .arithmetic import (
    operator_add,
    operator_div,
    operator_mod,
    operator_mul,
    operator_pow,
    operator_sub,
)
from .convert import to_type
from .create import new_storage, new_tensor
from .index import forget_last, get, put
from .printing import text
from .registry import FUNCTIONS, METHODS
from .types import (
    DTYPES,
    Storage,
    describe,
    dtype_of,
    is_tensor,
    long_storage,
    number,
    storage_of,
    type_name,
)

__all__ = [
    "DTYPES",
    "FUNCTIONS",
    "METHODS",
    "Storage",
    "describe",
    "dtype_of",
    "forget_last",
    "get",
    "is_tensor",
    "long_storage",
    "new_storage",
    "new_tensor",
    "number",
    "operator_add",
    "operator_div",
    "operator_mod",
    "operator_mul",
    "operator_pow",
    "operator_sub",
    "put",
    "storage_of",
    "text",
    "to_type",
    "type_name",
]
