"""Writing: Torch7 objects of layers and criteria."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch

from .. import nn
from ..errors import type_name
from ..t7 import T7Error, T7Object, T7Storage, type_of
from . import graph_writing, special_writing
from .classes import torch7_name_of
from .placeholder import Placeholder

Write = Callable[[Any], T7Object]
_DEEPEST = 100


class ModuleWriter:
    """Makes the Torch7 object of each module, once.

    Args:
        classes: functions for classes of the user, which return the T7Object of a module.
    """

    def __init__(self, classes: Mapping[type[Any], Write] | None = None) -> None:
        self.classes = dict(classes or {})
        self._objects: dict[int, T7Object] = {}
        self._kept: list[torch.nn.Module] = []
        self._parameters: dict[int, torch.Tensor] = {}
        self._depth = 0
        self._dtype = torch.get_default_dtype()

    def object(self, module: torch.nn.Module) -> T7Object:
        """Return the Torch7 object of `module`.

        Raises:
            T7Error: Torch7 has no such module.
        """
        if id(module) in self._objects:
            return self._objects[id(module)]
        if self._depth >= _DEEPEST:
            raise T7Error(f"modules inside modules, more than {_DEEPEST} levels")
        self._kept.append(module)
        if not self._depth:  # layers without parameters are of the type of their network
            self._dtype = _dtype_of(module, torch.get_default_dtype())
        self._depth += 1
        try:
            self._objects[id(module)] = written = self._new(module)
        finally:
            self._depth -= 1
        return written

    def _new(self, module: torch.nn.Module) -> T7Object:
        if type(module) in self.classes:
            return self.classes[type(module)](module)
        if isinstance(module, Placeholder):
            return module.torch7_object
        name = torch7_name_of(module)
        if name is None:
            raise T7Error(
                f"{type_name(module)} has no class in Torch7: replace it by a layer of nn, or pass "
                "save_t7(..., classes={its class: function}), where the function returns the "
                "T7Object to write"
            )
        if isinstance(module, nn.gModule):
            return graph_writing.graph_object(module, self)
        written = T7Object(name, self._fields(module), self._form(module).version)
        special_writing.complete(module, written, self)
        return written

    @staticmethod
    def _form(module: torch.nn.Module) -> Any:
        form: Any = module.torch7_form
        return form

    def base_fields(self, module: torch.nn.Module) -> dict[Any, Any]:
        """Return the fields that every module or criterion has."""
        form = self._form(module)
        empty = self.empty(module)
        if isinstance(module, nn.Criterion):
            grad_input: Any = [] if form.has_table_input else empty
            return {"output": 0, "gradInput": grad_input, "_type": _tensor_type(empty)}
        output: Any = [] if form.has_table_output else empty
        grad_input = [] if form.has_table_input else torch.empty(0, dtype=empty.dtype)
        fields = {"_type": _tensor_type(empty), "output": output, "gradInput": grad_input}
        return fields | {"train": module.training}

    def empty(self, module: torch.nn.Module) -> torch.Tensor:
        """Return an empty tensor of the type of the module's parameters."""
        return torch.empty(0, dtype=_dtype_of(module, self._dtype))

    def _fields(self, module: torch.nn.Module) -> dict[Any, Any]:
        form = self._form(module)
        fields = self.base_fields(module)
        fields |= {name: self._scratch(module, kind) for name, kind in form.scratch.items()}
        self._add_attributes(module, fields)
        for name, parameter in module._parameters.items():
            if parameter is not None:
                field = form.name(name)
                fields[field] = self.tensor(parameter)
                fields[f"grad{field[:1].upper()}{field[1:]}"] = self._gradient(parameter)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                fields[form.name(name)] = buffer
        if isinstance(module, nn.Container):
            fields["modules"] = [self.object(inner) for inner in module.members()]
        return fields

    def _add_attributes(self, module: torch.nn.Module, fields: dict[Any, Any]) -> None:
        """Add the constructor's arguments and the plain attributes."""
        form, counts = self._form(module), type(module).counts_from_one  # type: ignore[attr-defined]
        names = {
            form.arguments.get(p, form.name(p)) for p in inspect.signature(type(module)).parameters
        }
        here = {theirs: ours for ours, theirs in form.names.items()}
        plain = {form.name(n) for n, v in module.__dict__.items() if _is_plain(n, v)}
        for field in sorted({name for name in names if isinstance(name, str)} | plain):
            content = module.__dict__.get(here.get(field, field))
            if field in form.storages and content is not None:
                content = T7Storage(torch.tensor(list(content), dtype=torch.int64))
            if field in counts.fields:
                content = counts.to_lua(field, content)
            if isinstance(content, tuple):
                content = list(content)
            if content is not None and not isinstance(content, (torch.nn.Module, torch.Tensor)):
                fields[field] = content

    def _scratch(self, module: torch.nn.Module, kind: str | int) -> Any:
        if not isinstance(kind, str):
            return kind
        if kind == "table":
            return []
        if kind == "LongStorage":
            return T7Storage(torch.empty(0, dtype=torch.int64))
        dtypes = {
            "Tensor": self.empty(module).dtype,
            "FloatTensor": torch.float32,
            "LongTensor": torch.int64,
            "IntTensor": torch.int32,
            "ByteTensor": torch.uint8,
        }
        return torch.empty(0, dtype=dtypes[kind])

    def tensor(self, parameter: torch.Tensor) -> torch.Tensor:
        """Return the tensor to write for a parameter, always the same one."""
        if id(parameter) not in self._parameters:
            self._parameters[id(parameter)] = parameter.detach()
        return self._parameters[id(parameter)]

    def _gradient(self, parameter: torch.nn.Parameter) -> torch.Tensor:
        key = -id(parameter)
        if key not in self._parameters:
            gradient = parameter.grad
            if gradient is None or gradient.layout != torch.strided:
                dense = torch.zeros(parameter.shape, dtype=parameter.dtype)
                gradient = dense if gradient is None else gradient.to_dense()
            self._parameters[key] = gradient.detach()
        return self._parameters[key]


def _dtype_of(module: torch.nn.Module, default: torch.dtype) -> torch.dtype:
    tensors = [*module.parameters(), *module.buffers()]
    return next((x.dtype for x in tensors if x.is_floating_point()), default)


def _is_plain(name: str, value: Any) -> bool:
    is_own = name.startswith("_") or name in ("training", "output", "gradInput")
    return not is_own and isinstance(value, (bool, int, float, str))


def _tensor_type(tensor: torch.Tensor) -> str:
    kind = type_of(tensor.dtype)
    if kind is None:
        raise T7Error(f"Torch7 has no {tensor.dtype}; convert the network first: network.float()")
    return kind.class_name
