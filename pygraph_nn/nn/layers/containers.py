"""Containers: modules made of modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F

from ...errors import GraphError, type_name
from ..core.module import Module, run_module
from ..core.shapes import sample_dimension


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

    def reset(self, stdv: float | None = None) -> Any:
        """Draw the parameters of all modules anew, in order, with deviation `stdv` if given."""
        for module in self.members():
            inner: Any = getattr(module, "reset", None)
            if inner is not None:
                inner(stdv)
        return self

    def _set_members(self, modules: list[torch.nn.Module]) -> None:
        self._modules.clear()
        for i, module in enumerate(modules):
            self.add_module(str(i), module)

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

    def insert(self, module: torch.nn.Module, index: int | None = None) -> Any:
        """Put `module` before the one at `index`, from 0, or at the end; gives back the container.

        Raises:
            GraphError: there is no such place.
        """
        modules = list(self.members())
        index = len(modules) if index is None else index
        if not 0 <= index <= len(modules):
            raise GraphError(
                f"{type_name(self)}.insert: index {index}; it counts from 0, and the container "
                f"holds {len(modules)} modules"
            )
        self._set_members([*modules[:index], module, *modules[index:]])
        return self

    def remove(self, index: int | None = None) -> torch.nn.Module:
        """Take out the module at `index`, from 0, or the last one; gives back that module.

        Raises:
            GraphError: there is no such module.
        """
        modules = list(self.members())
        index = len(modules) - 1 if index is None else index
        if not 0 <= index < len(modules):
            raise GraphError(
                f"{type_name(self)}.remove: index {index}; it counts from 0, and the container "
                f"holds {len(modules)} modules"
            )
        removed = modules.pop(index)
        self._set_members(modules)
        return removed

    def updateOutput(self, input: Any) -> Any:
        for module in self.members():
            input = run_module(module, input)
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
        return [run_module(module, input) for module in self.members()]


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
        return [run_module(module, x) for module, x in zip(members, input, strict=False)]


class Concat(_Branches):
    """All modules on the same input, outputs joined along `dimension` (``nn.Concat``).

    `dimension` counts from 0, a negative one from the end.
    """

    def __init__(self, dimension: int, *modules: torch.nn.Module) -> None:
        super().__init__(*modules)
        self.dimension = dimension

    def updateOutput(self, input: Any) -> torch.Tensor:
        outputs = [run_module(module, input) for module in self.members()]
        if not outputs:
            raise GraphError(f"{self.torch7_name()} holds no modules: add() some")
        return self.join(outputs, sample_dimension(self, self.dimension, None, outputs[0]))

    def join(self, outputs: list[torch.Tensor], dimension: int) -> torch.Tensor:
        return torch.cat(outputs, dimension)


class DepthConcat(Concat):
    """`Concat` of outputs that differ in their other sizes too (``nn.DepthConcat``).

    Smaller ones stand in the middle of zeros.
    """

    def join(self, outputs: list[torch.Tensor], dimension: int) -> torch.Tensor:
        largest = [max(sizes) for sizes in zip(*(x.shape for x in outputs), strict=True)]
        return torch.cat([_centered(x, largest, dimension) for x in outputs], dimension)


def _centered(x: torch.Tensor, largest: list[int], but: int) -> torch.Tensor:
    """`x` among zeros up to the sizes `largest`, except in the dimension `but`."""
    missing = [most - size for most, size in zip(largest, x.shape, strict=True)]
    missing[but] = 0
    padding = [side for n in reversed(missing) for side in (n // 2, n - n // 2)]
    return F.pad(x, padding)


class Parallel(_Branches):
    """The i-th module on the i-th slice, outputs joined (``nn.Parallel``).

    Slices are taken along `inputDimension`, outputs joined along `outputDimension`, both counted
    from 0, negative ones from the end.

    Raises:
        GraphError: at run time, there are more slices than modules.
    """

    def __init__(
        self, inputDimension: int, outputDimension: int, *modules: torch.nn.Module
    ) -> None:
        super().__init__(*modules)
        self.inputDimension = inputDimension
        self.outputDimension = outputDimension

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        slices = input.unbind(sample_dimension(self, self.inputDimension, None, input))
        if len(slices) > self.size():
            raise GraphError(
                f"{self.torch7_name()} of {self.size()} modules: an input of shape "
                f"{tuple(input.shape)} has {len(slices)} slices"
            )
        outputs = [run_module(module, x) for module, x in zip(self.members(), slices, strict=False)]
        dimension = sample_dimension(self, self.outputDimension, None, outputs[0])
        return torch.cat(outputs, dimension)


def _indent(module: torch.nn.Module, spaces: int, prefix: str = "") -> str:
    return str(module).replace("\n", "\n" + " " * spaces + prefix)
