"""Reading: the layers and criteria of Torch7 objects."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch

from .. import nn
from ..errors import GraphError
from ..nn.core import Has, Opposite, SizeOf
from ..t7 import T7Error, T7Object, T7Storage
from ..torch7_random import no_initial_values
from . import graph_reading, special
from .classes import class_of
from .old_versions import up_to_date
from .placeholder import Placeholder
from .places import located
from .scratch import is_scratch

Convert = Callable[[T7Object], torch.nn.Module]
_MOST_UNSAVED = 1 << 20  # elements of a tensor that the file does not contain
_DEEPEST = 100  # levels of containers, each of which takes several frames of Python


class ModuleReader:
    """Makes a module of each Torch7 object, once, so that shared objects stay shared.

    Args:
        classes: functions for classes of the user, which take the T7Object.

    Attributes:
        losses: what was left out, as pairs of the object and what happened.
    """

    def __init__(self, classes: Mapping[str, Convert] | None = None) -> None:
        self.classes = dict(classes or {})
        self.losses: list[tuple[T7Object, str]] = []
        self._modules: dict[int, torch.nn.Module | None] = {}
        self._parameters: dict[Any, torch.nn.Parameter] = {}
        self._objects: list[T7Object] = []  # so that no identity is used again
        self._depth = 0

    def is_module(self, value: object) -> bool:
        """Return whether `value` is an object for which there is a layer or criterion."""
        if not isinstance(value, T7Object):
            return False
        return value.class_name in self.classes or class_of(value.class_name) is not None

    def module(self, value: Any, owner: T7Object) -> Any:
        """Return the module of `value`, a part of `owner`; a `Placeholder` if there is none.

        Raises:
            T7Error: `value` is no object, or its fields do not make a module.
        """
        if not isinstance(value, T7Object):
            raise located(owner, f"expecting a module inside, got {type(value).__name__}")
        key = id(value)
        if key in self._modules:
            module = self._modules[key]
            if module is None:
                raise located(value, f"{value.class_name} contains itself")
            return module
        if self._depth >= _DEEPEST:
            raise located(value, f"modules inside modules, more than {_DEEPEST} levels")
        self._modules[key] = None
        self._objects.append(value)
        self._depth += 1
        try:
            self._modules[key] = module = self._new(value)
        except T7Error:
            raise
        except (GraphError, TypeError, ValueError, KeyError, RuntimeError, OverflowError) as error:
            raise located(value, f"{value.class_name}: {_reason(error, value)}") from error
        finally:
            self._depth -= 1
        return module

    def _new(self, value: T7Object) -> torch.nn.Module:
        if value.class_name in self.classes:
            module = self.classes[value.class_name](value)
            if not isinstance(module, torch.nn.Module):
                raise located(
                    value, f"classes[{value.class_name!r}] returned {type(module).__name__}"
                )
            return module
        cls = class_of(value.class_name)
        if cls is None:
            self.losses.append((value, "kept as a Placeholder, which cannot run"))
            return Placeholder(value)
        value = up_to_date(value)
        if value.class_name == "nn.gModule":
            return graph_reading.graph(value, self)
        with no_initial_values():
            maker = special.MAKERS.get(cls.__name__, _by_declaration)
            module = maker(cls, value, self)
        self._set_fields(module, value)
        return module

    # Fields

    def parameter(self, tensor: Any, owner: T7Object, name: str) -> torch.nn.Parameter:
        """Return the Parameter over `tensor`; the same one for the same elements."""
        if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
            kind = tensor.dtype if isinstance(tensor, torch.Tensor) else type(tensor).__name__
            raise located(owner, f"{owner.class_name}.{name}: expecting a float tensor, got {kind}")
        place = (tensor.untyped_storage()._cdata, tensor.storage_offset(), tensor.dtype)
        key: Any = (*place, tensor.shape, tensor.stride())
        if not tensor.numel():
            key = id(owner), name
        if key not in self._parameters:
            self._parameters[key] = torch.nn.Parameter(tensor)
        return self._parameters[key]

    def _set_fields(self, module: torch.nn.Module, value: T7Object) -> None:
        form: Any = module.torch7_form
        for name in list(module._parameters):
            self._set_parameter(module, name, form.name(name), value)
        here = {theirs: ours for ours, theirs in form.names.items()}
        used = used_fields(type(module)) | special.USED.get(type(module).__name__, frozenset())
        for field, content in value.fields.items():
            attribute = here.get(field, field)
            if attribute in module._parameters or field in form.scratch or field == "modules":
                continue
            if attribute in module._buffers:
                self._set_buffer(module, attribute, content, value)
            elif field == "train":
                module.training = bool(content)
            elif _is_plain(content) and attribute in module.__dict__ and attribute[:1] != "_":
                counts: Any = module.counts_from_one
                if field in counts.fields:
                    content = counts.from_lua(field, content)
                module.__dict__[attribute] = content
            elif field not in used and not is_scratch(field):
                self.losses.append((value, f"the field {field!r} was left out"))

    def _set_parameter(
        self, module: torch.nn.Module, name: str, field: str, value: T7Object
    ) -> None:
        tensor = value.get(field)
        expected = module._parameters[name]
        if tensor is None:
            if name == "bias" and len(module._parameters) > 1:
                module._parameters[name] = None
            elif expected is not None:
                raise located(value, f"{value.class_name} has no field {field}")
            return
        is_wrong = isinstance(tensor, torch.Tensor) and expected is not None
        if is_wrong and tensor.shape != (shape := expected.shape):  # type: ignore[union-attr]
            tensor = _as_shape(tensor, shape, value, field)
        module._parameters[name] = self.parameter(tensor, value, field)

    def _set_buffer(
        self, module: torch.nn.Module, name: str, content: Any, value: T7Object
    ) -> None:
        if content is not None and not isinstance(content, torch.Tensor):
            raise located(value, f"{value.class_name}.{name}: expecting a tensor")
        old = module._buffers[name]
        if content is not None and old is not None and content.shape != old.shape:
            content = _as_shape(content, old.shape, value, name)
        module._buffers[name] = content


def _as_shape(tensor: torch.Tensor, shape: Any, value: T7Object, name: str) -> torch.Tensor:
    """Return a weight that another version of a layer keeps with other dimensions."""
    if tensor.numel() != shape.numel():
        raise located(
            value,
            f"{value.class_name}.{name} has the sizes {list(tensor.shape)}, expected {list(shape)}",
        )
    return tensor.reshape(shape)


def _is_plain(content: Any) -> bool:
    return content is None or isinstance(content, (bool, int, float, str))


def used_fields(cls: type[Any]) -> set[str]:
    """Return the fields of which the constructor's arguments are made."""
    fields = set()
    for parameter in inspect.signature(cls).parameters:
        source = cls.torch7_form.arguments.get(parameter, cls.torch7_form.name(parameter))
        fields.add(source if isinstance(source, str) else source.field)
    return fields


def _reason(error: Exception, value: T7Object) -> str:
    reason = str(error).partition("\n")[0]
    if isinstance(error, GraphError):
        return reason
    # Python's words name none of the fields.
    fields = ", ".join(
        f"{key} = {repr(field)[:40]}"
        for key, field in value.fields.items()
        if isinstance(key, str) and key != "_type" and isinstance(field, (str, int, float))
    )
    return f"its fields do not fit ({reason}){': ' if fields else ''}{fields}"


def _by_declaration(cls: type[Any], value: T7Object, reader: ModuleReader) -> torch.nn.Module:
    """Build the layer by its constructor, and give a container its modules."""
    positional, named = constructor_arguments(cls, value)
    special.check(cls, value)
    with torch.device("meta"):  # which allocates nothing
        _check_sizes(cls(*positional, **named), value)
    module: torch.nn.Module = cls(*positional, **named)
    if isinstance(module, nn.Container):
        for inner in members(value):
            module.add(reader.module(inner, value))
    return module


def _check_sizes(shell: torch.nn.Module, value: T7Object) -> None:
    """Refuse a layer that would be larger than the tensors in its file."""
    form: Any = shell.torch7_form
    tensors = [*shell.named_parameters(recurse=False), *shell.named_buffers(recurse=False)]
    for name, tensor in tensors:
        content = value.get(form.name(name))
        stored = _MOST_UNSAVED
        if isinstance(content, torch.Tensor):
            stored = max(content.untyped_storage().nbytes() // content.element_size(), 1)
        if tensor.numel() > stored:
            raise located(
                value,
                f"{value.class_name}.{form.name(name)} should have the sizes "
                f"{list(tensor.shape)}, but the file has fewer elements",
            )


def members(value: T7Object) -> list[Any]:
    """Return the modules inside the object of a container."""
    modules = value.get("modules", [])
    if not isinstance(modules, list):
        raise located(value, f"{value.class_name}.modules is no list")
    return modules


def constructor_arguments(cls: type[Any], value: T7Object) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments with which `cls` builds the layer that `value` describes."""
    form, counts = cls.torch7_form, cls.counts_from_one
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        source = form.arguments.get(name, form.name(name))
        content = _argument(source, value)
        if name in counts.arguments:
            content = counts.from_lua(name, content)
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional = [] if issubclass(cls, nn.Container) else list(content or ())
        elif content is not None:
            named[name] = content
        elif parameter.default is parameter.empty:
            raise located(value, f"{value.class_name} has no field {source}")
    return positional, named


def _argument(source: Any, value: T7Object) -> Any:
    if isinstance(source, Has):
        return isinstance(value.get(source.field), torch.Tensor)
    if isinstance(source, Opposite):
        return not value.get(source.field)
    if isinstance(source, SizeOf):
        tensor = value.get(source.field)
        if not isinstance(tensor, torch.Tensor) or tensor.dim() <= source.dimension:
            problem = f"{value.class_name} has no tensor {source.field} of its dimensions"
            raise located(value, problem)
        return tensor.shape[source.dimension]
    content = value.get(source)
    return content.tolist() if isinstance(content, T7Storage) else content
