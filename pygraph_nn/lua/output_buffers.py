"""The outputs of modules, which Torch7 overwrites in the next forward.

A program may hold an output while the module runs again. In Torch7 it then has the new values, and
so has a backward pass that reads it as an input: char-rnn depends on it.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch

from .. import nested
from ..nested import Nested


class OutputBuffers:
    """Keeps the tensors that each module has returned, and writes its next outputs into them."""

    def __init__(self) -> None:
        self._outputs: weakref.WeakKeyDictionary[torch.nn.Module, Nested] = (
            weakref.WeakKeyDictionary()
        )

    def last(self, module: torch.nn.Module) -> Nested:
        """Return the last output of `module`; None before the first."""
        return self._outputs.get(module)

    def forget(self, module: torch.nn.Module) -> None:
        """Forget the outputs of `module` and all modules inside."""
        for inner in module.modules():
            self._outputs.pop(inner, None)

    def keep(self, module: torch.nn.Module, input: Nested, output: Nested) -> Nested:
        """Return `output` in the tensors of the last one.

        What lies in the memory of the input, such as the output of a View, stays where it is.
        """
        borrowed = {_memory(x) for x in nested.leaves(input) if isinstance(x, torch.Tensor)}
        kept = self._written(self._outputs.get(module), output, borrowed)
        self._outputs[module] = kept
        return kept

    def _written(self, buffer: Any, value: Any, borrowed: set[int]) -> Any:
        if isinstance(value, torch.Tensor):
            usable = (
                isinstance(buffer, torch.Tensor)
                and buffer.dtype == value.dtype
                and buffer.shape == value.shape
                and not borrowed & {_memory(value), _memory(buffer)}
                and _memory(buffer) != _memory(value)
            )
            if not usable:
                return value
            # Not seen by autograd: a backward pass reads the new values, as Torch7's does.
            buffer.data.copy_(value)
            return buffer
        if isinstance(value, (list, tuple)):
            old = (
                buffer if isinstance(buffer, (list, tuple)) and len(buffer) == len(value) else None
            )
            return [
                self._written(None if old is None else old[i], x, borrowed)
                for i, x in enumerate(value)
            ]
        return value


def _memory(x: torch.Tensor) -> int:
    return x.untyped_storage().data_ptr()
