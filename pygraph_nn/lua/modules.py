"""Layers and criteria for Lua: construction, fields, methods, forward and backward."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable
from typing import Any

import torch

from .. import nested, nn
from ..errors import GraphError
from ..graph import gModule
from ..nn.core import OVERRIDABLE, Criterion, Module, ModuleFromCriterion
from .layers import LuaMethods, class_of
from .output_buffers import OutputBuffers
from .parameters import ensure_gradient, flatten
from .values import Values

_MEMBER = re.compile(r"\((\d+)\)(?=: | ->)")
_GRADIENTS = {"gradWeight": "weight", "gradBias": "bias"}
_PARAMETERS = ("weight", "bias")
# What Lua reaches under another name, or what PyTorch means by a name that Torch7 uses otherwise.
_HIDDEN = frozenset(
    "parameters named_parameters modules children members buffers apply forward backward type "
    "float double half cuda cpu to share clone call_lua lua_class place register_buffer "
    "listModules findModules replace runs_directly is_hooked row_wise route title show".split()
)


def classes() -> dict[str, type]:
    """Return the layers and criteria by their name in Lua: ``Linear``."""
    found = {name: getattr(nn, name) for name in nn.__all__}
    return {**found, "gModule": gModule, "ModuleFromCriterion": ModuleFromCriterion}


class LuaFunction:
    """A method of one object that a Lua program has set: ``linear.accGradParameters = function``.

    A copy of the object gets a copy of this, for the method of its own proxy.
    """

    def __init__(self, modules: Modules, owner: torch.nn.Module, name: str) -> None:
        self._modules, self._owner, self._name = modules, owner, name

    def __call__(self, *args: Any) -> Any:
        return self._modules.call_lua(self._owner, self._name, *args)

    def __deepcopy__(self, memo: dict[int, Any]) -> LuaFunction:
        return LuaFunction(self._modules, memo.get(id(self._owner), self._owner), self._name)


class Modules:
    """The functions on modules that the prelude calls."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._to_lua = values.to_lua
        self._classes = classes()
        self.method_of_proxy: Any = None  # calls a method of a proxy; set by the prelude
        self.copy_state: Any = None  # copies what Lua keeps with an object; set by the prelude
        self.entered: Callable[[], Any] | None = None
        self.pressure: Callable[[int], None] = lambda _: None
        self.calls = 0
        self.on_call: Callable[[int], None] | None = None
        self.first_run: Callable[[Any, Callable[[], Any]], Any] | None = None
        self._outputs = OutputBuffers()

    def exports(self) -> dict[str, Any]:
        """Return what the prelude calls."""
        names = (
            "construct get set_field call has_field forward backward update_output acc_gradients "
            "update_gradient override parameters flatten deepcopy convert class_names is_native "
            "criterion_forward criterion_backward text set_training base_call holds_lua member"
        )
        return {name: getattr(self, name) for name in names.split()}

    def class_names(self) -> Any:
        """Return the names of all layers, and of all criteria."""
        layers: list[str] = []
        criteria: list[str] = []
        for name, cls in self._classes.items():
            if isinstance(cls, type) and name not in ("Module", "Criterion"):
                (criteria if issubclass(cls, Criterion) else layers).append(name)
        return self._to_lua(sorted(layers)), self._to_lua(sorted(criteria))

    # Construction

    def construct(self, lua_class: str, base_name: str, overridden: Any, *args: Any) -> Any:
        """Return the object behind a new proxy, of the class `base_name` or one derived from it."""
        base = self._classes[base_name]
        cls = class_of(base, frozenset(overridden.values()) if overridden else frozenset())
        if cls is base and base in (Module, Criterion):
            raise GraphError(f"nn.{base_name} has no computation of its own")
        module = _new(cls, base_name, _arguments(base, args))
        if lua_class != f"nn.{base_name}" or isinstance(module, LuaMethods):
            self._name(module, lua_class)
        return module

    def _name(self, module: torch.nn.Module, lua_class: str) -> None:
        module.__dict__["lua_class"] = lua_class
        if isinstance(module, LuaMethods):
            module.__dict__["call_lua"] = LuaCaller(self)

    def become(
        self, module: torch.nn.Module, lua_class: str, base_name: str, overridden: frozenset[str]
    ) -> None:
        """Turn a layer of the class `base_name` into one of a class that extends it in Lua."""
        module.__class__ = class_of(self._classes[base_name], overridden)
        self._name(module, lua_class)

    def class_named(self, name: str) -> type:
        """Return the layer or criterion `name`."""
        return self._classes[name]

    def is_native(self, module: Any) -> bool:
        """Return whether no method of the computation is written in Lua."""
        return not isinstance(module, LuaMethods)

    def holds_lua(self, module: torch.nn.Module) -> bool:
        """Return whether the module, or one inside, is of a class written in Lua."""
        return any("lua_class" in inner.__dict__ for inner in module.modules())

    def call_lua(self, module: torch.nn.Module, name: str, *args: Any) -> Any:
        """Call the method `name` in Lua, and return what it returned as Python has it."""
        assert self.entered is not None
        with self.entered(), torch.no_grad():
            proxy = self._to_lua(module)
            return self.method_of_proxy(proxy, name, *map(self._to_lua, args))

    # Fields

    def get(self, module: Any, name: str) -> Any:
        """Return a field as Lua has it; a bound method as the string ``"method"`` and its name."""
        if name == "modules":
            return (
                self._to_lua(list(module.members())) if isinstance(module, nn.Container) else None
            )
        if name == "train":
            return module.training
        if name in _GRADIENTS:
            parameter = getattr(module, _GRADIENTS[name], None)
            if not isinstance(parameter, torch.nn.Parameter):
                return None
            return ensure_gradient(parameter)
        if name in ("output", "gradInput"):
            return self._result(module, name)
        if name in _HIDDEN or (name.startswith("_") and name != "_type"):
            return None
        value = getattr(module, name, None)
        counts = module.counts_from_one
        if name in counts.fields:
            value = counts.to_lua(name, value)
        if callable(value) and not isinstance(value, torch.nn.Module):
            return None
        if isinstance(value, torch.Size):
            value = list(value)
        return self._to_lua(value) if _is_plain(value) else None

    def _result(self, module: Any, name: str) -> Any:
        if name == "output" and self._outputs.last(module) is not None:
            return self._to_lua(self._outputs.last(module))
        value = getattr(module, name)
        if value is None:
            if isinstance(module, Criterion):
                return 0 if name == "output" else torch.empty(0)
            return torch.empty(0, dtype=_dtype(module))
        value = nested.map_leaves(lambda x: x.detach() if isinstance(x, torch.Tensor) else x, value)
        return self._to_lua(value)

    def has_field(self, module: Any, name: str) -> bool:
        """Return whether an assignment to the field `name` concerns the Python object."""
        if name in _PARAMETERS or name in _GRADIENTS or name == "train":
            return True
        if isinstance(module, LuaMethods) and type(module).__mro__[1] is LuaMethods:
            return False
        if name in ("output", "gradInput"):
            return False
        return name in module.__dict__ or name in module._buffers or name in module._parameters

    def set_field(self, module: Any, name: str, value: Any) -> bool:
        """Set a field of the Python object; False if Lua must keep it instead."""
        if name == "train":
            module.training = bool(value)
            return True
        if name in _PARAMETERS:
            if value is None:
                if name in module._parameters:
                    module._parameters[name] = None
                return name in module._parameters
            if not isinstance(value, torch.Tensor) or not value.is_floating_point():
                return False
            old = module._parameters.get(name)
            parameter = value if isinstance(value, torch.nn.Parameter) else _parameter(value)
            if old is not None and old.grad is not None and old.shape == parameter.shape:
                parameter.grad = old.grad
            module._parameters[name] = parameter
            return True
        if name in _GRADIENTS:
            parameter = module._parameters.get(_GRADIENTS[name])
            if parameter is None or value is None:
                return False
            if value.shape != parameter.shape:
                return False
            parameter.grad = value
            return True
        counts = module.counts_from_one
        if name in counts.fields:
            value = counts.from_lua(name, value)
        setattr(module, name, value)
        return True

    def override(self, module: Any, name: str) -> None:
        """Let the Python object call the method `name` that Lua has set on its proxy."""
        if name in OVERRIDABLE or name == "updateOutput":
            setattr(module, name, LuaFunction(self, module, name))

    # Methods

    def member(self, container: Any, index: Any) -> Any:
        """Return the module at `index`, which counts from 1; nil if there is none."""
        members = list(container.members())
        return self._to_lua(members[int(index) - 1]) if 1 <= index <= len(members) else None

    def call(self, module: Any, name: str, *args: Any) -> Any:
        """Call a method of the Python object that has no counterpart in the prelude."""
        method = getattr(module, name, None)
        if name in _HIDDEN or name.startswith("_") or not _is_method(module, name):
            raise AttributeError(f"{module.place()} has no method {name}")
        assert method is not None
        counted = module.counts_from_one.methods.get(name, ())
        if counted:
            names = list(inspect.signature(method).parameters)
            args = tuple(
                module.counts_from_one.from_lua(n, a) if n in counted else a
                for n, a in zip(names, args, strict=False)
            )
        if name == "clearState":
            self._outputs.forget(module)
        result = method(*args)
        return self._to_lua(result)

    def text(self, module: Any) -> str:
        """Return what Lua's ``tostring`` shows: the members of a container count from 1."""
        return _MEMBER.sub(lambda match: f"({int(match.group(1)) + 1})", str(module))

    def set_training(self, module: Any, mode: bool) -> None:
        """Set the training mode of the module and all modules inside."""
        module.training = mode
        for inner in module.modules():
            inner.training = mode

    # Computation

    def forward(self, module: Any, input: Any) -> Any:
        """Run ``module:forward(input)``."""
        self.calls += 1
        if self.on_call is not None:
            self.on_call(self.calls)
        with torch.enable_grad():
            if self.first_run is None:
                output = module.forward(input)
            else:
                output = self.first_run(module, lambda: module.forward(input))
        self._count(output)
        return self._to_lua(self._outputs.keep(module, input, output))

    update_output = forward

    def backward(self, module: Any, input: Any, gradOutput: Any, scale: float | None = None) -> Any:
        """Run ``module:backward(input, gradOutput)``."""
        with torch.enable_grad():
            gradient = module.backward(input, gradOutput, 1.0 if scale is None else scale)
        self._count(gradient)
        return self._to_lua(gradient)

    def update_gradient(self, module: Any, input: Any, gradOutput: Any) -> Any:
        """Run ``module:updateGradInput(input, gradOutput)``."""
        with torch.enable_grad():
            gradient = module.updateGradInput(input, gradOutput)
        self._count(gradient)
        return self._to_lua(gradient)

    def acc_gradients(self, module: Any, input: Any, gradOutput: Any, scale: Any = None) -> None:
        """Run ``module:accGradParameters(input, gradOutput)``."""
        with torch.enable_grad():
            module.accGradParameters(input, gradOutput, 1.0 if scale is None else scale)

    def base_call(self, module: Any, base_name: str, name: str, *args: Any) -> Any:
        """Run ``parent.method(self, ...)``: the method of the class that the Lua class extends."""
        from .layers import base_gradients, keep_random_state

        base: Any = self._classes[base_name]
        if name == "updateOutput":
            keep_random_state(module)
            return self._to_lua(base.updateOutput(module, *args))
        gradient, parameters = base_gradients(module, base, args[0], args[1])
        if name == "updateGradInput":
            return self._to_lua(gradient)
        for parameter, value in parameters:
            ensure_gradient(parameter).add_(value, alpha=args[2] if len(args) > 2 else 1)
        return None

    def criterion_forward(self, criterion: Any, input: Any, target: Any) -> Any:
        """Run ``criterion:forward(input, target)``, which returns a number."""
        return self._to_lua(criterion.forward(input, target))

    def criterion_backward(self, criterion: Any, input: Any, target: Any) -> Any:
        """Run ``criterion:backward(input, target)``."""
        with torch.enable_grad():
            gradient = criterion.backward(input, target)
        self._count(gradient)
        return self._to_lua(gradient)

    def _count(self, value: Any) -> None:
        size = 0
        for x in nested.leaves(value):
            if isinstance(x, torch.Tensor):
                size += x.nbytes
        self.pressure(size)

    # Parameters and copies

    def parameters(self, module: Any) -> Any:
        """Return the tables of parameters and gradients, in Torch7's order; nothing without any."""
        parameters = list(module.parameters())
        if not parameters:
            return None
        gradients = [ensure_gradient(p) for p in parameters]
        return self._to_lua(parameters), self._to_lua(gradients)

    def flatten(self, parameters: list[torch.Tensor], gradients: list[torch.Tensor]) -> Any:
        """Move parameters and gradients into two flat tensors, which are returned."""
        if not isinstance(parameters, list) or not parameters:
            return torch.empty(0), torch.empty(0)
        return flatten(parameters), flatten(gradients)

    def deepcopy(self, module: Any) -> Any:
        """Return a copy of the object, with what Lua keeps of it and the modules inside."""
        memo: dict[int, Any] = {}
        duplicate = copy.deepcopy(module, memo)
        self.copy_states(module, memo)
        return self._to_lua(duplicate)

    def copy_states(self, module: Any, memo: dict[int, Any]) -> None:
        """Copy what Lua keeps of the modules whose copies are in `memo`."""
        for inner in module.modules():
            twin = memo.get(id(inner))
            if twin is None:
                continue
            if "lua_class" in twin.__dict__:
                twin.__dict__["lua_class"] = inner.lua_class
            if isinstance(twin, LuaMethods):
                twin.__dict__["call_lua"] = LuaCaller(self)
            self.copy_state(id(inner), twin, self._values, memo)

    def convert(self, module: Any, dtype: str) -> None:
        """Convert all parameters and buffers."""
        module.to(getattr(torch, dtype))


class LuaCaller:
    """Calls the methods of a layer that are written in Lua."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules

    def __call__(self, module: torch.nn.Module, name: str, *args: Any) -> Any:
        return self._modules.call_lua(module, name, *args)

    def __deepcopy__(self, memo: dict[int, Any]) -> LuaCaller:
        return self


def _new(cls: type, name: str, args: list[Any]) -> Any:
    try:
        return cls(*args)
    except TypeError as error:
        reason = str(error).partition("__init__() ")[2]
        if not reason:  # Python's words name no argument
            given = ", ".join(repr(arg) for arg in args if not isinstance(arg, torch.Tensor))
            raise GraphError(f"nn.{name}: arguments of a wrong type: {given} ({error})") from error
        raise GraphError(f"nn.{name}: {reason.replace('positional ', '')}") from error


def _parameter(value: torch.Tensor) -> torch.nn.Parameter:
    return torch.nn.Parameter(value.detach())


def _dtype(module: torch.nn.Module) -> torch.dtype:
    first = next((p for p in module.parameters() if p.is_floating_point()), None)
    return torch.get_default_dtype() if first is None else first.dtype


def _is_plain(value: Any) -> bool:
    return all(
        isinstance(x, (torch.Tensor, torch.nn.Module, int, float, str, bool, type(None)))
        for x in nested.leaves(value)
    )


def _is_method(module: Any, name: str) -> bool:
    for cls in type(module).__mro__:
        if name in cls.__dict__:
            return cls.__module__.startswith("pygraph_nn.") and callable(cls.__dict__[name])
    return False


_signatures: dict[type, list[inspect.Parameter]] = {}


def _arguments(cls: type, args: tuple[Any, ...]) -> list[Any]:
    """Return the arguments of a constructor as they count here; nil takes the default."""
    parameters = _signatures.get(cls)
    if parameters is None:
        signature = inspect.signature(cls)
        parameters = _signatures[cls] = list(signature.parameters.values())
    counts = cls.counts_from_one  # type: ignore[attr-defined]
    while args and args[-1] is None:
        args = args[:-1]
    converted = []
    for i, arg in enumerate(args):
        parameter = parameters[min(i, len(parameters) - 1)] if parameters else None
        if parameter is not None and parameter.name in counts.arguments:
            arg = counts.from_lua(parameter.name, arg)
        elif arg is None and parameter is not None:
            default = parameter.default
            arg = None if default is inspect.Parameter.empty else default
        elif isinstance(arg, torch.Tensor) and arg.dtype is torch.int64 and arg.dim() == 1:
            arg = arg.tolist()  # sizes
        if (
            isinstance(arg, list)
            and parameter is not None
            and parameter.kind is parameter.VAR_POSITIONAL
            and parameter.name not in counts.arguments  # nn.Transpose({1, 2}) takes pairs
        ):
            converted += arg
            continue
        converted.append(arg)
    return converted
