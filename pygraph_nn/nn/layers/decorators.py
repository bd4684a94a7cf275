"""Containers of one module: Decorator, Bottle, MapTable."""

from __future__ import annotations

import copy
from typing import Any

import torch

from ...errors import GraphError
from ..core.module import run_module, takes_table
from ..core.recording import keep_values
from ..core.shapes import expect_table
from ..core.torch7_form import Torch7Form
from .containers import Container


class Decorator(Container):
    """Base of containers of one module (``nn.Decorator``), whose computation a subclass changes."""

    _calls_backward = False

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.add(module)

    @property
    def takes_table(self) -> bool:
        """Whether the module takes a table."""
        return takes_table(self.get(0))

    def updateOutput(self, input: Any) -> Any:
        return self.run_members([input])[0]

    def __repr__(self) -> str:
        return f"{self.torch7_name()} @ {self.get(0)}"


class Bottle(Decorator):
    """Applies a module to an input with additional leading dimensions (``nn.Bottle``).

    The module maps `nInputDim` dimensions to `nOutputDim`. The leading dimensions are folded into
    its batch dimension and unfolded afterwards: ``nn.Bottle(nn.Linear(3, 2))`` maps (time, batch,
    3) to (time, batch, 2).

    Raises:
        GraphError: At run time, if the module's output has another number of dimensions.
    """

    takes_table = False

    def __init__(
        self, module: torch.nn.Module, nInputDim: int = 2, nOutputDim: int | None = None
    ) -> None:
        super().__init__(module)
        self.nInputDim = 2 if nInputDim is None else nInputDim
        self.nOutputDim = self.nInputDim if nOutputDim is None else nOutputDim

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        folded = input.dim() - self.nInputDim + 1  # dimensions to fold into one
        if folded < 2:
            return self.run_members([input])[0]
        output: torch.Tensor = self.run_members([input.flatten(0, folded - 1)])[0]
        if output.dim() != self.nOutputDim:
            raise GraphError(
                f"{self}: wrong number of output dims on module. Expected: {self.nOutputDim} but "
                f"got {output.dim()}, shape {tuple(output.shape)}"
            )
        return output.unflatten(0, input.shape[:folded])


class MapTable(Container):
    """Applies one module to every element of a table (``nn.MapTable``).

    With ``shared=False`` each element has its own copy of the module and its parameters. `resize`
    creates the copies, and so does a run on a longer table.

    Raises:
        GraphError: If a second module is added, or at run time if there is no module.
    """

    torch7_form = Torch7Form(has_table_output=True, has_table_input=True)
    takes_table = True

    _calls_backward = False

    def __init__(self, module: torch.nn.Module | None = None, shared: bool = True) -> None:
        super().__init__()
        self.shared = shared is None or bool(shared)
        if module is not None:
            self.add(module)

    @property
    def module(self) -> torch.nn.Module | None:
        """The module, or None if none was added."""
        return self.get(0) if self.size() else None

    def add(self, module: torch.nn.Module) -> Any:
        """Set the module and return the container.

        Raises:
            GraphError: If there is a module already.
        """
        if self.size():
            raise GraphError(
                f"{self.torch7_name()}: single module required, but it holds {self.module} already"
            )
        return super().add(module)

    def resize(self, n: int) -> MapTable:
        """Hold `n` copies of the module, unless it is shared, and return the container."""
        modules = list(self.members())
        if not self.shared and modules:
            copies = [copy.deepcopy(modules[0]) for _ in range(n - len(modules))]
            self._set_members([*modules, *copies][: max(n, 1)])
        return self

    def updateOutput(self, input: Any) -> list[Any]:
        elements = expect_table(self.torch7_name(), input, 0)
        if not self.size():
            raise GraphError(f"{self.torch7_name()} holds no module: call add(module) first")
        if self.shared:
            outputs = [run_module(self.get(0), x, apart=True) for x in elements]
            keep_values(self, outputs[-1:])
            return outputs
        if self.size() < len(elements):
            self.resize(len(elements))
        return self.run_members(elements)

    def __repr__(self) -> str:
        if not self.size():
            return f"{self.torch7_name()} {{ }}"
        lines = str(self.module).replace("\n", "\n        ")
        return f"{self.torch7_name()} {{\n  {lines}\n}}"
