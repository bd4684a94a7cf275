"""A Lua inside this process, with Torch7's packages."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import importlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from .. import graph, nested, nn
from ..debug import setDebug
from ..nn.core import data_count_from_one, reference_mode
from . import strings, tensors
from .errors import LuaError, ProgramEnd, explained
from .files import Files, Policy
from .functions import LuaFunction
from .modules import Modules
from .names import nearest
from .nodes import Nodes
from .pictures import layout, render
from .saving import Saving
from .streams import Streams
from .values import Values

PRELUDE = Path(__file__).parent / "prelude"
INTERPRETERS = ("luajit21", "luajit20", "lua51")
# Exceptions that pass through pcall.
_ENDS = (ProgramEnd, KeyboardInterrupt, SystemExit, BrokenPipeError)
# Lua cannot see what its tensors occupy, so it collects after this many bytes of new ones.
COLLECT_AFTER = 64 << 20


def _interpreter(name: str | None) -> ModuleType:
    names = [name] if name is not None else list(INTERPRETERS)
    for candidate in names:
        try:
            return importlib.import_module(f"lupa.{candidate}")
        except ModuleNotFoundError:
            continue
    try:
        import lupa  # noqa: F401
    except ModuleNotFoundError:
        raise LuaError(
            "running Lua needs the package lupa: pip install 'zaremba-port[lua]'"
        ) from None
    raise LuaError(f"lupa has no {' or '.join(names)} here; --lua takes {', '.join(INTERPRETERS)}")


class Runtime:
    """One Lua with Torch7's packages, its files and its settings.

    Args:
        policy: which files the program may read and write.
        streams: where its output goes.
        lua: "luajit21", "luajit20" or "lua51"; by default the first that lupa has.
        dtype: the default type of tensors; Torch7's is double.
        cuda: the type that ``:cuda()`` converts to, on the CPU.
    """

    def __init__(
        self,
        policy: Policy,
        streams: Streams | None = None,
        *,
        lua: str | None = None,
        dtype: torch.dtype = torch.float64,
        cuda: torch.dtype = torch.float32,
    ) -> None:
        module = _interpreter(lua)
        self.lua = module.LuaRuntime(
            encoding="latin-1",
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
        )
        self._lua_error = module.LuaError
        self._lua_type = module.lua_type
        self.dtype, self.cuda = dtype, cuda
        self.streams = Streams() if streams is None else streams
        self.policy = policy
        self.allocated = 0
        self.traceback: tuple[BaseException | None, str, str] | None = None
        self._depth = 0
        self.values = Values(self.lua)
        self.modules = Modules(self.values)
        self.nodes = Nodes(self.values)
        self.files = Files(policy, self.values, self.streams)
        self.saving = Saving(self)
        self.modules.entered = self.entered
        self.modules.pressure = self._count
        self._load()
        _keep(self.lua)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Run Lua in the block: without autograd, with Lua's counting and Torch7's generator."""
        if self._depth:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
            return
        before = torch.get_default_dtype()
        self._depth = 1
        torch.set_default_dtype(self.dtype)
        try:
            with torch.no_grad(), data_count_from_one(), reference_mode():
                yield
        finally:
            self._depth = 0
            self.dtype = torch.get_default_dtype()
            torch.set_default_dtype(before)
            tensors.forget_last()

    # The bridge

    def _load(self) -> None:
        bridge = self.lua.table_from(self._exports())
        self.bridge = bridge
        self._debug = self.lua.globals().debug
        with self.entered():
            self._loadstring = self.lua.eval(
                "(function(load) return function(text, name)"
                " return assert(load(text, name)) end end)(loadstring)"
            )
            bridge.metatable = self.lua.eval("debug.getmetatable(...)", object())
            for path in sorted(PRELUDE.glob("*.lua")):
                text = path.read_text(encoding="latin-1")
                self._loadstring(text, f"=[prelude {path.name}]")(bridge)
            self.values.proxy_of = bridge.proxy_of
            self.modules.method_of_proxy = bridge.method_of_proxy
            self.modules.copy_state = bridge.copy_state
            self._collect = bridge.collect
            if self.policy.allow_io:
                bridge.allow_debug()
        self.globals = bridge.globals
        self._given_globals = {k for k in self.globals if isinstance(k, str)} | {"arg"}

    def _exports(self) -> dict[str, Any]:
        count = self._counted
        tensor_table = {
            "methods": self.lua.table_from({k: count(f) for k, f in tensors.METHODS.items()}),
            "functions": self.lua.table_from({k: count(f) for k, f in tensors.FUNCTIONS.items()}),
            "to_type": count(lambda x, name=None: tensors.to_type(x, name, self.cuda)),
            "get": tensors.get,
            "put": tensors.put,
            "text": lambda x: tensors.text(x) if isinstance(x, torch.Tensor) else str(x),
            **{
                name: count(getattr(tensors, name))
                for name in (
                    "operator_add",
                    "operator_sub",
                    "operator_mul",
                    "operator_div",
                    "operator_pow",
                    "operator_mod",
                )
            },
        }
        own = {
            "tensors": self.lua.table_from(tensor_table),
            "new_tensor": count(self._new_tensor),
            "type_of": lambda x: (
                tensors.type_name(x) if isinstance(x, torch.Tensor) else "userdata"
            ),
            "pointer": lambda x: (
                x.untyped_storage().data_ptr() + 1 if isinstance(x, tensors.Storage) else id(x)
            ),
            "length": self._length,
            "table_of": self.values.to_lua,
            "set_default_type": self._set_default_type,
            "default_type": lambda: tensors.type_name(torch.empty(0)),
            "set_threads": lambda n: torch.set_num_threads(max(1, int(n))),
            "threads": torch.get_num_threads,
            "time": time.time,
            "sleep": time.sleep,
            "dtype_name": self._dtype_name,
            "convert_tensor": _convert_tensor,
            "is_method": _is_method,
            "set_of": lambda table: table,
            "append": lambda values, value: values.append(value),
            "copy_object": _copy_object,
            "copy_module": self._copy_module,
            "describe": lambda x: f"[{tensors.describe(x)}]",
            "close": _close,
            "nearest": nearest,
            "kind": _kind,
            "ends_program": lambda e: isinstance(e, _ENDS),
            "message": lambda e: str(e),
            "keep_traceback": self._keep_traceback,
            "exit": _exit,
            "set_debug": lambda enable: setDebug(bool(enable)),
            "refused_package": _refused_package,
            "progress": self._progress,
            "render": render,
            "layout": layout,
            **strings.exports(self.values),
        }
        parts = (self.values, self.modules, self.nodes, self.files, self.saving, self.streams)
        for part in parts:
            own = {**part.exports(), **own}
        return own

    def _counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function`, counting what the tensors that it returns occupy."""

        def counted(*args: Any) -> Any:
            result = function(*args)
            if isinstance(result, torch.Tensor):
                self.allocated += result.nbytes
                if self.allocated > COLLECT_AFTER:
                    self._count(0)
            return result

        return counted

    def _count(self, size: int) -> None:
        self.allocated += size
        if self.allocated > COLLECT_AFTER:
            self.allocated = 0
            self._collect()

    def _new_tensor(self, name: str, *args: Any) -> torch.Tensor:
        dtype = tensors.dtype_of(name, self.cuda)
        if name in ("torch.Tensor", "torch.Storage"):
            dtype = torch.get_default_dtype()
        assert dtype is not None
        if name.endswith("Storage"):
            return tensors.new_storage(dtype, *args)
        return tensors.new_tensor(dtype, *args)

    def _length(self, x: Any) -> Any:
        if isinstance(x, tensors.Storage) or not isinstance(x, torch.Tensor):
            return len(x)
        return tensors.METHODS["size"](x)

    def _set_default_type(self, name: str) -> None:
        dtype = tensors.dtype_of(name, self.cuda)
        if dtype is None or not dtype.is_floating_point:
            raise LuaError(f"setdefaulttensortype: {name} is no type of floating-point numbers")
        torch.set_default_dtype(dtype)

    def _dtype_name(self, name: str) -> str:
        dtype = tensors.dtype_of(name, self.cuda)
        if dtype is None:
            raise LuaError(f"there is no tensor type {name}")
        return str(dtype).removeprefix("torch.")

    def _copy_module(self, module: Any, memo: dict[int, Any]) -> Any:
        known = memo.get(id(module))
        if known is None:
            import copy

            known = copy.deepcopy(module, memo)
            if isinstance(known, torch.nn.Module):
                self.modules.copy_states(module, memo)
        return self.values.to_lua(known)

    def _progress(self, done: float, total: float) -> None:
        self.streams.progress(f"{int(done)}/{int(total)}")

    def _keep_traceback(self, problem: Any, message: str, trace: str) -> None:
        error = problem if isinstance(problem, BaseException) else None
        self.traceback = error, message, trace

    # Values for Python

    def to_lua(self, value: Any) -> Any:
        """Return a Python value as Lua has it."""
        if callable(value) and not isinstance(value, torch.nn.Module):
            return value
        return self.values.to_lua(value)

    def is_plain_table(self, value: Any) -> bool:
        """Return whether `value` is a Lua table that is no module and no other object."""
        if self._lua_type(value) != "table":
            return False
        return self.bridge.to_python(value) is not None and self.bridge.is_plain(value)

    def to_python(self, value: Any, name: str = "?") -> Any:
        """Return a value of Lua as Python has it: lists, dicts, modules, functions to call."""
        kind = self._lua_type(value)
        if kind == "function":
            return LuaFunction(self, value, name)
        if isinstance(value, tuple):
            return tuple(self.to_python(v) for v in value)
        if kind == "table":
            with self.entered():
                value = self.bridge.to_python(value)
        if isinstance(value, list):
            return [self.to_python(v) for v in value]
        if isinstance(value, dict):
            return {k: self.to_python(v, str(k)) for k, v in value.items()}
        return value

    def own_globals(self) -> list[str]:
        """Return the names of the global variables that the program has set."""
        return [k for k in self.globals if isinstance(k, str) and k not in self._given_globals]

    def hook(self, code: str, *args: Any) -> Callable[[], None]:
        """Return a function that runs `code`, Lua with its own ``debug``, on `args`."""
        debug = self._debug
        function = self._loadstring(code, "=[hook]")
        return lambda: function(debug, *args)

    # Running

    def run_file(self, path: Path, arguments: list[str]) -> Any:
        """Run a Lua program and return what it returns.

        Raises:
            LuaError: the program failed; the message has Lua's file, line and traceback.
        """
        with self.entered():
            table = self.lua.table_from([str(a) for a in arguments])
            table[0] = str(path)
            self.globals["arg"] = table
            load = self.globals["loadfile"]
            loaded = load(str(path))
            if isinstance(loaded, tuple):
                raise LuaError(str(loaded[1]))
            return self.protected(loaded, *arguments)

    def protected(self, function: Any, *args: Any) -> Any:
        """Call a Lua function; an uncaught error becomes a `LuaError`."""
        self.traceback = None
        with self.entered():
            result = self.bridge.protected(function, *args)
        if result is True:
            return None
        success, *values = result
        if not success:
            self._raise(values[0] if values else None)
        return values[0] if len(values) == 1 else tuple(values)

    def _raise(self, problem: Any) -> None:
        if isinstance(problem, BaseException):
            raise problem
        kept = self.traceback
        error, message, trace = kept if kept is not None else (None, str(problem), "")
        raise explained(error, message, trace, self._names()) from error

    def _names(self) -> list[str]:
        names = {*tensors.METHODS, *tensors.FUNCTIONS}
        names |= {str(key) for key in self.globals if isinstance(key, str)}
        for package in (
            "torch",
            "nn",
            "nngraph",
            "optim",
            "paths",
            "graph",
            "sys",
            "string",
            "table",
        ):
            table = self.globals[package]
            if table is not None:
                names |= {str(key) for key in table if isinstance(key, str)}
        return sorted(names)


def _keep(lua: Any) -> None:
    """Keep Lua from being closed while Python ends, when its objects can no longer be released."""

    def forever(lua: Any = lua) -> None:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(lua))

    atexit.register(forever)


def _convert_tensor(x: Any, function: Any) -> Any:
    if not isinstance(x, torch.Tensor) or not x.is_floating_point():
        return x
    return function(x)


_methods: dict[tuple[type, str], bool] = {}


def _is_method(module: Any, name: str) -> bool:
    key = type(module), name
    known = _methods.get(key)
    if known is None:
        from .modules import _HIDDEN
        from .modules import _is_method as is_method

        known = not name.startswith("_") and name not in _HIDDEN and is_method(module, name)
        _methods[key] = known
    return known


def _copy_object(value: Any, memo: dict[int, Any]) -> Any:
    import copy

    return copy.deepcopy(value, memo)


def _close(a: torch.Tensor, b: torch.Tensor, precision: float) -> bool:
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if not a.numel():
        return True
    return bool(((a.double() - b.double()).abs() <= precision).all())


def _kind(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return "tensor"
    return "error" if isinstance(value, BaseException) else "object"


def _exit(status: Any = None) -> None:
    if status is None or status is True:
        raise ProgramEnd(0)
    raise ProgramEnd(1 if status is False else int(status))


_REFUSED = {
    "ffi": "it reaches memory",
    "clnn": "OpenCL is not offered",
    "cltorch": "OpenCL is not offered",
    "fbcunn": "it needs a GPU; programs fall back on cunn",
    "qt": "there is no window",
    "gnuplot": "there is no window",
    "image": "it is not offered",
    "cudnn": "it needs a GPU",
    "hdf5": "it is not offered",
    "socket": "there is no network",
}


def _refused_package(name: str) -> str | None:
    reason = _REFUSED.get(name)
    return None if reason is None else f"module '{name}' not found: {reason}"


__all__ = ["Runtime", "graph", "nested", "nn"]
