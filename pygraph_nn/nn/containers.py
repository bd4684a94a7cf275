"""Containers: modules made of modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from ..errors import GraphError, type_name
from .module import Module


class Container(Module):
    """Base of modules that hold modules, in order and counted from 0 (``nn.Container``)."""

    def add(self, module: torch.nn.Module) -> Any:
        """Put `module` at the end; gives the container back, for chaining."""
        if not isinstance(module, torch.nn.Module):
            raise GraphError(
                f"{type_name(self)}.add: expecting a module, got {type_name(module)}"
                + (" (a container holds modules, not Nodes)" * (type_name(module) == "Node"))
            )
        self.add_module(str(len(self._modules)), module)
        return self

    def get(self, index: int) -> torch.nn.Module:
        """The module at `index`, from 0."""
        return list(self.members())[index]

    def size(self) -> int:
        """How many modules the container holds."""
        return len(list(self.members()))

    def members(self) -> Iterator[torch.nn.Module]:
        """The modules in order (Torch7's field `modules`, a name that PyTorch uses otherwise)."""
        return (module for module in self._modules.values() if module is not None)

    def replace(self, callback: Callable[[torch.nn.Module], torch.nn.Module]) -> Any:
        """Put ``callback(module)`` in the place of every module inside, outer ones first.

        Returns what `callback` makes of the container itself.
        """
        made = callback(self)
        for name, module in list(self._modules.items()):
            if module is not None:
                inner = module.replace if isinstance(module, Container) else None
                self._modules[name] = inner(callback) if inner else callback(module)
        return made

    def __len__(self) -> int:
        return self.size()


class Sequential(Container):
    """Modules one after the other (``nn.Sequential``). Without modules it passes its input on.

    >>> from pygraph_nn import nn
    >>> print(nn.Sequential().add(nn.Linear(3, 2)).add(nn.Tanh()))
    nn.Sequential {
      [input -> (0) -> (1) -> output]
      (0): nn.Linear(3 -> 2)
      (1): nn.Tanh
    }
    """

    def __init__(self, *modules: torch.nn.Module) -> None:
        super().__init__()
        for module in modules:
            self.add(module)

    def updateOutput(self, input: Any) -> Any:
        for module in self.members():
            input = module(input)
        return input

    def __repr__(self) -> str:
        arrows = " -> ".join(f"({i})" for i in range(self.size()))
        lines = [f"  [input -> {arrows} -> output]" if arrows else "  [input -> output]"]
        lines += [f"  ({i}): {_indent(module, 2)}" for i, module in enumerate(self.members())]
        return "\n".join([f"{self.torch7_name()} {{", *lines, "}"])


class _Branches(Container):
    """A container whose modules stand side by side."""

    def __init__(self, *modules: torch.nn.Module) -> None:
        super().__init__()
        for module in modules:
            self.add(module)

    def __repr__(self) -> str:
        lines = [f"{self.torch7_name()} {{", "  input"]
        last = self.size() - 1
        for i, module in enumerate(self.members()):
            edge, below = ("|`-> ", "|    ") if i < last else (" `-> ", "     ")
            lines.append(f"    {edge}({i}): {_indent(module, 4, below + '  ')}")
        return "\n".join([*lines, "     ... -> output", "}"])


class ConcatTable(_Branches):
    """All modules on the same input; gives a table of their outputs (``nn.ConcatTable``)."""

    def updateOutput(self, input: Any) -> list[Any]:
        return [module(input) for module in self.members()]


class ParallelTable(_Branches):
    """The i-th module on the i-th element of a table; gives a table (``nn.ParallelTable``)."""

    def updateOutput(self, input: Any) -> list[Any]:
        members = list(self.members())
        if not isinstance(input, (list, tuple)) or len(input) < len(members):
            raise GraphError(
                f"nn.ParallelTable of {len(members)} modules: expecting a table of as many "
                f"elements, got {type_name(input)}"
                + (f" of {len(input)}" if isinstance(input, (list, tuple)) else "")
            )
        return [module(x) for module, x in zip(members, input, strict=False)]


def _indent(module: torch.nn.Module, spaces: int, prefix: str = "") -> str:
    return str(module).replace("\n", "\n" + " " * spaces + prefix)
