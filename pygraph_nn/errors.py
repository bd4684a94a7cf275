"""The one exception that a user's mistake raises, and the place in their code it points at."""

from __future__ import annotations

import os
import sys

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_TORCH = os.sep + os.path.join("site-packages", "torch") + os.sep


class GraphError(ValueError):
    """A module, a graph or their input was used in a way that cannot work.

    The message says what was passed, where (``inputs[1]``), and what to do. Where a node is
    concerned it names the node and the file and line that declared it.
    """


def caller_location() -> str:
    """``file:line`` of the innermost frame outside this package and torch: the user's own line."""
    frame = sys._getframe(1)
    while frame is not None:
        filename = frame.f_code.co_filename
        if not filename.startswith(_PACKAGE) and _TORCH not in filename:
            return f"{filename}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return "unknown"


def type_name(value: object) -> str:
    """How error messages name the type of `value`: ``nn.Linear``, ``torch.float64 tensor (2, 3)``.

    >>> type_name(5)
    'int'
    """
    import torch

    if isinstance(value, torch.Tensor):
        return f"{value.dtype} tensor {tuple(value.shape)}"
    kind = type(value)
    if isinstance(value, torch.nn.Module):
        package = "nn" if kind.__module__.startswith("pygraph_nn.") else kind.__module__
        return f"{package}.{kind.__qualname__}"
    return kind.__qualname__
