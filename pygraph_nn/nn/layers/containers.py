"""Containers: modules that hold modules."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F

from ...errors import GraphError, type_name
from ..core.counting import CountsFromOne
from ..core.module import Module, replaced, run_module, takes_table, warn_of_ignored_backward
from ..core.recording import keep_values
from ..core.shapes import expect_table, sample_dimension
from ..core.torch7_form import Torch7Form


class Container(Module):
    """Base of modules that hold an ordered list of modules, counted from 0 (``nn.Container``)."""

    counts_from_one = CountsFromOne(
        methods={"get": ("index",), "insert": ("index",), "remove": ("index",)}
    )
    _calls_backward = True  # of its members, rather than their two halves, as in Torch7

    def add(self, module: torch.nn.Module) -> Any:
        """Append `module` and return the container.

        Raises:
            GraphError: If `module` is not a module.
        """
        if not isinstance(module, torch.nn.Module):
            raise GraphError(
                f"{type_name(self)}.add: expecting a module, got {type_name(module)}"
                + (" (a container holds modules, not Nodes)" * (type_name(module) == "Node"))
            )
        self.add_module(str(len(self._modules)), module)
        if not self._calls_backward:
            warn_of_ignored_backward(module)
        return self

    def get(self, index: int) -> torch.nn.Module:
        """Return the module at `index`, from 0."""
        return list(self.members())[index]

    def run_members(self, inputs: Iterable[Any]) -> list[Any]:
        """Run each member on its own input, as part of autograd, and return the outputs."""
        pairs = zip(self.members(), inputs, strict=False)
        outputs = [run_module(module, x, apart=not self._calls_backward) for module, x in pairs]
        keep_values(self, outputs)
        return outputs

    def size(self) -> int:
        """Return the number of modules in the container."""
        return len(list(self.members()))

    def members(self) -> Iterator[torch.nn.Module]:
        """Iterate over the modules in order: Torch7's field `modules`, a method in PyTorch."""
        return (module for module in self._modules.values() if module is not None)

    def replace(self, callback: Callable[[torch.nn.Module], torch.nn.Module]) -> Any:
        """Replace every module inside by ``callback(module)``, outer modules first.

        Returns:
            ``callback(self)``.
        """
        replacement = replaced(self, callback)
        for name, module in list(self._modules.items()):
            if module is not None:
                inner = module.replace if isinstance(module, Container) else None
                self._modules[name] = inner(callback) if inner else replaced(module, callback)
        return replacement

    def reset(self, stdv: float | None = None) -> Any:
        """Redraw the parameters of all modules in order and return the container.

        `stdv`, if set, is their standard deviation.
        """
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
    """Applies its modules one after the other (``nn.Sequential``).

    An empty one passes its input on.

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

    @property
    def takes_table(self) -> bool:
        """Whether the first module takes a table."""
        return takes_table(next(self.members(), None))

    def insert(self, module: torch.nn.Module, index: int | None = None) -> Any:
        """Insert `module` at `index`, from 0, or at the end, and return the container.

        Raises:
            GraphError: If `index` is out of range.
        """
        modules = list(self.members())
        index = len(modules) if index is None else index
        if not 0 <= index <= len(modules):
            raise GraphError(
                f"{type_name(self)}.insert: index {index} is out of range: the container holds "
                f"{len(modules)} modules, counted from 0"
            )
        self._set_members([*modules[:index], module, *modules[index:]])
        return self

    def remove(self, index: int | None = None) -> torch.nn.Module:
        """Remove and return the module at `index`, from 0, or the last one.

        Raises:
            GraphError: If `index` is out of range.
        """
        modules = list(self.members())
        index = len(modules) - 1 if index is None else index
        if not 0 <= index < len(modules):
            raise GraphError(
                f"{type_name(self)}.remove: index {index} is out of range: the container holds "
                f"{len(modules)} modules, counted from 0"
            )
        removed = modules.pop(index)
        self._set_members(modules)
        return removed

    def updateOutput(self, input: Any) -> Any:
        outputs = []
        for module in self.members():
            input = run_module(module, input)
            outputs.append(input)
        keep_values(self, outputs)
        return input

    def __repr__(self) -> str:
        arrows = " -> ".join(f"({i})" for i in range(self.size()))
        lines = [f"  [input -> {arrows} -> output]" if arrows else "  [input -> output]"]
        lines += [f"  ({i}): {_indent(module, 2)}" for i, module in enumerate(self.members())]
        return "\n".join([f"{self.torch7_name()} {{", *lines, "}"])


class _Branches(Container):
    """Base of the containers whose modules are branches: none takes another's output."""

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


class _OfOneInput(_Branches):
    """Base of the containers whose modules all have the same input."""

    @property
    def takes_table(self) -> bool:
        """Whether all modules take a table."""
        return self.size() > 0 and all(map(takes_table, self.members()))


class ConcatTable(_OfOneInput):
    """Applies all modules to the same input and returns a table of outputs (``nn.ConcatTable``)."""

    torch7_form = Torch7Form(has_table_output=True)

    def updateOutput(self, input: Any) -> list[Any]:
        return self.run_members(itertools.repeat(input))


class ParallelTable(_Branches):
    """Applies the i-th module to the i-th element of a table (``nn.ParallelTable``).

    The output is a table.

    Raises:
        GraphError: At run time, if there are fewer elements than modules.
    """

    torch7_form = Torch7Form(has_table_output=True, has_table_input=True)
    takes_table = True

    _calls_backward = False

    def updateOutput(self, input: Any) -> list[Any]:
        elements = expect_table(self.torch7_name(), input, self.size())
        return self.run_members(elements)


class Concat(_OfOneInput):
    """Applies all modules to the same input and concatenates the outputs (``nn.Concat``).

    The outputs are joined along `dimension`, from 0; a negative one counts from the end.

    Raises:
        GraphError: At run time, if there are no modules.
    """

    torch7_form = Torch7Form(scratch={"outputSize": "LongStorage"})
    counts_from_one = Container.counts_from_one._replace(
        arguments=("dimension",), fields=("dimension",)
    )

    def __init__(self, dimension: int, *modules: torch.nn.Module) -> None:
        super().__init__(*modules)
        self.dimension = dimension

    def updateOutput(self, input: Any) -> torch.Tensor:
        outputs = self.run_members(itertools.repeat(input))
        if not outputs:
            raise GraphError(f"{self.torch7_name()} holds no modules: call add(module) first")
        return self.join(outputs, sample_dimension(self, self.dimension, None, outputs[0]))

    def join(self, outputs: list[torch.Tensor], dimension: int) -> torch.Tensor:
        """Concatenate `outputs` along `dimension`, which may not be negative."""
        return torch.cat(outputs, dimension)


class DepthConcat(Concat):
    """`Concat` of outputs whose other sizes may differ too (``nn.DepthConcat``).

    Smaller outputs are centered and padded with zeros.
    """

    def join(self, outputs: list[torch.Tensor], dimension: int) -> torch.Tensor:
        """Pad `outputs` to one size and concatenate them along `dimension`."""
        largest = [max(sizes) for sizes in zip(*(x.shape for x in outputs), strict=True)]
        return torch.cat([_centered(x, largest, dimension) for x in outputs], dimension)


def _centered(x: torch.Tensor, largest: list[int], dimension: int) -> torch.Tensor:
    """Pad `x` with zeros on all sides to the sizes `largest`, except along `dimension`."""
    missing = [most - size for most, size in zip(largest, x.shape, strict=True)]
    missing[dimension] = 0
    padding = [side for n in reversed(missing) for side in (n // 2, n - n // 2)]
    return F.pad(x, padding)


class Parallel(_Branches):
    """Applies the i-th module to the i-th slice and concatenates the outputs (``nn.Parallel``).

    The input is sliced along `inputDimension`, the outputs are joined along `outputDimension`.
    Both count from 0, negative ones from the end.

    Raises:
        GraphError: At run time, if there are more slices than modules.
    """

    counts_from_one = Container.counts_from_one._replace(
        arguments=("inputDimension", "outputDimension"),
        fields=("inputDimension", "outputDimension"),
    )
    _calls_backward = False

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
                f"{self.torch7_name()} holds {self.size()} modules, but an input of shape "
                f"{tuple(input.shape)} has {len(slices)} slices"
            )
        outputs = self.run_members(slices)
        dimension = sample_dimension(self, self.outputDimension, None, outputs[0])
        return torch.cat(outputs, dimension)


def _indent(module: torch.nn.Module, spaces: int, prefix: str = "") -> str:
    return str(module).replace("\n", "\n" + " " * spaces + prefix)
