"""What the functions for single layers need of the reader and of the writer."""

from __future__ import annotations

from typing import Any, Protocol

import torch

from ..t7 import T7Object


class Reader(Protocol):
    """Makes modules of Torch7 objects."""

    def module(self, value: Any, owner: T7Object) -> Any:
        """Return the module of `value`, a part of `owner`."""


class Writer(Protocol):
    """Makes Torch7 objects of modules."""

    def object(self, module: torch.nn.Module) -> T7Object:
        """Return the Torch7 object of `module`."""

    def empty(self, module: torch.nn.Module) -> torch.Tensor:
        """Return an empty tensor of the type of the module's parameters."""

    def base_fields(self, module: torch.nn.Module) -> dict[Any, Any]:
        """Return the fields that every module has."""
