"""torch.save and torch.load of Lua values, with the program's own classes in them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

import torch

from .. import t7_modules
from ..t7 import T7Function, T7Object, T7Storage, T7Table
from ..t7 import dumps as dumps_plain
from ..t7 import save as save_plain
from . import tensors
from .errors import LuaError


def load(runtime: Any, file: Any) -> Any:
    """Return the object in a file as Lua has it."""
    if isinstance(file, os.PathLike) and not os.path.isfile(file):
        raise LuaError(f"cannot open <{os.fspath(file)}>: there is no such file")
    return _Reader(runtime).load(file)


def loads(runtime: Any, data: bytes) -> Any:
    """Return the object in `data` as Lua has it."""
    return _Reader(runtime).load(data)


def save(runtime: Any, path: Any, value: Any, format: str) -> None:
    """Write a value of Lua to a file."""
    save_plain(path, _Writer(runtime).plain(value), format)


def dumps(runtime: Any, value: Any, format: str) -> str:
    """Return what `save` would write, as a string of Lua."""
    return dumps_plain(_Writer(runtime).plain(value), format).decode("latin-1")


class _Reader:
    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self._lua = runtime.lua
        self._bridge = runtime.bridge
        self._converted: dict[int, Any] = {}
        self._kept: list[Any] = []

    def load(self, file: Any) -> Any:
        classes: dict[str, Callable[[T7Object], torch.nn.Module]] = {}
        for name in self._bridge.lua_classes().values():
            classes[name] = self._layer
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = t7_modules.load_t7(file, classes=classes)
        return self.to_lua(value)

    def _layer(self, source: T7Object) -> torch.nn.Module:
        """Return the layer of a class that the program defines."""
        base, overridden = self._bridge.base_of_class(source.class_name)
        if base not in ("Module", "Criterion"):
            return self._extended(source, base, frozenset(overridden.values()))
        proxy = self._bridge.new_of_class(source.class_name)
        self._fill(proxy, source)
        module: torch.nn.Module = self._bridge.to_python(proxy)
        return module

    def _extended(self, source: T7Object, base: str, overridden: frozenset[str]) -> Any:
        """Return the layer of a class that extends the layer `base` of nn."""
        plain = T7Object(f"nn.{base}", source.fields, source.version, source.place)
        module = t7_modules.ModuleReader({}).module(plain, plain)
        known = set(t7_modules.ModuleWriter().object(module).fields)
        self._runtime.modules.become(module, source.class_name, base, overridden)
        proxy = self._bridge.proxy_of(id(module), module, source.class_name)
        for key, content in source.fields.items():
            if key not in known:
                self._bridge.set_any(proxy, self.to_lua(key), self.to_lua(content))
        return module

    def _fill(self, proxy: Any, source: T7Object) -> None:
        # Parameters first: their gradients need them.
        items = sorted(source.fields.items(), key=lambda item: str(item[0]).startswith("grad"))
        for key, content in items:
            if key != "_type":
                self._bridge.set_any(proxy, self.to_lua(key), self.to_lua(content))

    def to_lua(self, value: Any) -> Any:
        if isinstance(value, str):
            return value.encode("utf-8").decode("latin-1")
        if isinstance(value, bytes):
            return value.decode("latin-1")
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, torch.Tensor):
            return value
        if isinstance(value, T7Storage):
            return value.tensor.as_subclass(tensors.Storage)
        if id(value) in self._converted:
            return self._converted[id(value)]
        self._kept.append(value)
        if isinstance(value, torch.nn.Module):
            for inner in value.modules():
                if isinstance(inner, t7_modules.Placeholder):
                    raise self._unknown(inner.torch7_object)
            result = self._runtime.values.to_lua(value)
            self._converted[id(value)] = result
            return result
        if isinstance(value, T7Function):
            raise LuaError("the file holds a compiled function, which is not loaded")
        if isinstance(value, T7Object):
            result = self._bridge.new_of_class(value.class_name)
            if result is None:
                raise self._unknown(value)
            self._converted[id(value)] = result
            self._fill(result, value)
            return result
        table = self._lua.table()
        self._converted[id(value)] = table
        pairs = enumerate(value, 1) if isinstance(value, list) else value.items()
        for key, content in pairs:
            table[self.to_lua(key)] = self.to_lua(content)
        return table

    def _unknown(self, value: T7Object) -> LuaError:
        return LuaError(
            f"the file holds an object of the class {value.class_name}, which the program has not "
            "defined: require the file that defines it first"
        )


class _ModuleWriter(t7_modules.ModuleWriter):
    """Writes the layers of the program's own classes with the fields that Lua has."""

    def __init__(self, writer: _Writer) -> None:
        super().__init__()
        self._writer = writer

    def _new(self, module: torch.nn.Module) -> T7Object:
        if "lua_class" in module.__dict__:
            return self._writer.of_layer(module)
        return super()._new(module)

    def of_base(self, module: torch.nn.Module, base: type) -> T7Object:
        """Return the object of `module` as one of the class `base`."""
        own, module.__class__ = type(module), base
        try:
            return super()._new(module)
        finally:
            module.__class__ = own


class _Writer:
    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self._bridge = runtime.bridge
        self._modules = _ModuleWriter(self)
        self._seen: dict[Any, Any] = {}
        self._kept: list[Any] = []

    def plain(self, value: Any) -> Any:
        """Return a value of Lua as the writer of files takes it."""
        kind = self._runtime._lua_type(value)
        if isinstance(value, str):
            return value.encode("latin-1")
        if isinstance(value, tensors.Storage):
            return T7Storage(value.as_subclass(torch.Tensor))
        if isinstance(value, torch.nn.Parameter):
            return self._modules.tensor(value)
        if kind is None:
            return value
        if kind != "table":
            raise LuaError(f"torch.save: a {kind} cannot be saved here: save what it computes from")
        identity = self._bridge.table_identity(value)
        if identity in self._seen:
            return self._seen[identity]
        self._kept.append(value)
        module = self._bridge.module_of(value)
        if module is not None:
            if not isinstance(module, torch.nn.Module):
                raise LuaError("torch.save: a node cannot be saved without its gModule")
            written: Any = self._modules.object(module)
            self._seen[identity] = written
            return written
        class_name = self._bridge.class_of(value)
        if class_name is not None:
            written = T7Object(class_name, {})
            self._seen[identity] = written
            written.fields = self._pairs(value)
            return written
        table = T7Table()
        self._seen[identity] = table
        for key, content in value.items():
            table[self.plain(key)] = self.plain(content)
        return table

    def _pairs(self, table: Any) -> Any:
        fields = T7Table()
        for key, content in table.items():
            fields[self.plain(key)] = self.plain(content)
        return fields

    def of_layer(self, module: torch.nn.Module) -> T7Object:
        """Return the object of a layer whose class is the program's."""
        proxy = self._runtime.values.to_lua(module)
        base, _ = self._bridge.base_of_class(module.lua_class)
        if base not in ("Module", "Criterion"):
            written = self._modules.of_base(module, self._runtime.modules.class_named(base))
            written.class_name = str(module.lua_class)
            own = {self.plain(key): self.plain(content) for key, content in proxy.items()}
            written.fields = {**dict(written.fields.items()), **own}
            return written
        fields: dict[Any, Any] = {}
        for key, content in proxy.items():
            fields[self.plain(key)] = self.plain(content)
        for name, parameter in module._parameters.items():
            if parameter is not None:
                fields[name.encode()] = self._modules.tensor(parameter)
                gradient = f"grad{name.capitalize()}".encode()
                fields[gradient] = (
                    torch.zeros_like(parameter, requires_grad=False)
                    if parameter.grad is None
                    else parameter.grad
                )
        fields[b"train"] = module.training
        return T7Object(str(module.lua_class), fields)
