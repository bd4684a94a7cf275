"""Containers of one module: Decorator, Bottle, MapTable."""

from __future__ import annotations

import copy
from typing import Any

import torch

from ...errors import GraphError
from ..core.module import run_module
from ..core.shapes import expect_table
from .containers import Container


class Decorator(Container):
    """One module, whose computation a subclass changes (``nn.Decorator``)."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.add(module)

    def updateOutput(self, input: Any) -> Any:
        return run_module(self.get(0), input)

    def __repr__(self) -> str:
        return f"{self.torch7_name()} @ {self.get(0)}"


class Bottle(Decorator):
    """A module on an input of more dimensions than it takes (``nn.Bottle``).

    The leading dimensions are folded into the batch dimension of the module, which takes
    `nInputDim` dimensions and gives `nOutputDim`, and unfolded afterwards:
    ``nn.Bottle(nn.Linear(3, 2))`` takes (time, batch, 3) to (time, batch, 2).

    Raises:
        GraphError: at run time, the module gives another number of dimensions.
    """

    def __init__(
        self, module: torch.nn.Module, nInputDim: int = 2, nOutputDim: int | None = None
    ) -> None:
        super().__init__(module)
        self.nInputDim = 2 if nInputDim is None else nInputDim
        self.nOutputDim = self.nInputDim if nOutputDim is None else nOutputDim

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        folded = input.dim() - self.nInputDim + 1  # how many dimensions become one
        if folded < 2:
            return run_module(self.get(0), input)
        output = self.get(0)(input.flatten(0, folded - 1))
        if output.dim() != self.nOutputDim:
            raise GraphError(
                f"{self}: wrong number of output dims on module. Expected: {self.nOutputDim} but "
                f"got {output.dim()}, shape {tuple(output.shape)}"
            )
        return output.unflatten(0, input.shape[:folded])


class MapTable(Container):
    """One module on every element of a table (``nn.MapTable``); gives a table.

    With ``shared=False`` every element has a copy of the module with parameters of its own; the
    copies are made by `resize`, or when a longer table arrives.

    Raises:
        GraphError: a second module is added; at run time, there is none.
    """

    def __init__(self, module: torch.nn.Module | None = None, shared: bool = True) -> None:
        super().__init__()
        self.shared = shared is None or bool(shared)
        if module is not None:
            self.add(module)

    @property
    def module(self) -> torch.nn.Module | None:
        """The module, if there is one yet."""
        return self.get(0) if self.size() else None

    def add(self, module: torch.nn.Module) -> Any:
        """Set the module; gives the container back."""
        if self.size():
            raise GraphError(f"{self.torch7_name()}: single module required, it has {self.module}")
        return super().add(module)

    def resize(self, n: int) -> MapTable:
        """Hold `n` copies of the module, if they are not shared; gives the container back."""
        modules = list(self.members())
        if not self.shared and modules:
            made = [copy.deepcopy(modules[0]) for _ in range(n - len(modules))]
            self._set_members([*modules, *made][: max(n, 1)])
        return self

    def updateOutput(self, input: Any) -> list[Any]:
        elements = expect_table(self.torch7_name(), input, 0)
        if not self.size():
            raise GraphError(f"{self.torch7_name()} holds no module: add() one")
        if self.shared:
            return [self.get(0)(x) for x in elements]
        if self.size() < len(elements):
            self.resize(len(elements))
        return [run_module(module, x) for module, x in zip(self.members(), elements, strict=False)]

    def __repr__(self) -> str:
        if not self.size():
            return f"{self.torch7_name()} {{ }}"
        lines = str(self.module).replace("\n", "\n        ")
        return f"{self.torch7_name()} {{\n  {lines}\n}}"
